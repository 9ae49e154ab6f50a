//! Behaviours of [`Mirror`](crate::storage::Mirror): pulls, pages, and what is missing.

use time::OffsetDateTime;

use crate::error::Error;
use crate::model::query::Scope;
use crate::model::{
    Account, AccountStatus, Contact, ContactStatus, Currency, CurrencyRole, CustomerRef,
    EmailAddress, Opportunity, OpportunityStatus, OwnerRef, Presence, Record, RowVersion, Rows,
    RunId, Stage, StageAssignment, Table, TeamId, User, UserStatus,
};
use crate::storage::{
    Claim, MirrorPage, PageWritten, Pull, PullPhase, TableProgress, TableRead, TableSummary,
    Unfinished, WorkKind,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, account, amount, assert_stale, assignment, contact, currency, new_run, opportunities,
    opportunity, page, proof, record, run, stage, three, user, whole,
};
use crate::walk::{ChainCursor, Reached, TablePlan};

impl Site {
    pub(super) async fn resume(&self, claim: &Claim) -> Pull {
        self.begin(claim, 1_000, Unfinished::Resume).await
    }

    pub(super) async fn put(&self, claim: &Claim, page: &MirrorPage) -> PageWritten {
        let attempt = self.plan(claim, page.run, page.rows.table()).await.attempt;
        let page = MirrorPage { attempt, ..page.clone() };
        self.stores.mirror.apply_page(claim, page).await.unwrap()
    }

    /// Has the opportunities read from their start.
    pub(super) async fn restart(&self, claim: &Claim, run: RunId) -> TableRead {
        let (table, plan) = (Table::Opportunities, TablePlan::whole("again"));
        self.stores.mirror.plan_table(claim, run, table, 1, &plan).await.unwrap()
    }

    /// Which opportunities are there, and since when the missing ones are missing.
    pub(super) async fn presence(&self) -> Vec<(String, Option<OffsetDateTime>)> {
        let mirror = &self.stores.mirror;
        let candidates = mirror.candidates(&self.workspace, self.connection, None, 100);
        let presence = |presence| match presence {
            Presence::Gone { since } | Presence::Missing { since } => Some(since),
            Presence::Seen => None,
        };
        let candidates = candidates.await.unwrap().into_iter();
        candidates
            .map(|found| (found.opportunity.id.to_string(), presence(found.presence)))
            .collect()
    }

    /// The ids of the opportunities marked missing.
    pub(super) async fn missing(&self) -> Vec<String> {
        let presence = self.presence().await.into_iter();
        presence.filter(|(_, since)| since.is_some()).map(|(id, _)| id).collect()
    }

    pub(super) async fn table_progress(&self, table: Table) -> TableProgress {
        let progress = self.stores.mirror.progress(&self.workspace, self.connection);
        let progress = progress.await.unwrap().expect("there should be a run");
        let found = progress.tables.into_iter().find(|progress| progress.table == table);
        found.expect("the table should have been begun")
    }
}

/// Where each chain of a table goes on.
pub(super) fn cursors(pull: &Pull, table: Table) -> Vec<Option<&str>> {
    let chains = pull.tables.iter().filter(|read| read.table == table);
    fn place(cursor: &ChainCursor) -> Option<&str> {
        match &cursor.reached {
            Reached::At(token) => Some(token.as_str()),
            Reached::End => None,
            Reached::Start => Some("the start"),
        }
    }
    chains.flat_map(|read| &read.chains).map(place).collect()
}

fn pages(pull: &Pull) -> u64 {
    pull.tables[0].chains.iter().map(|chain| chain.pages).sum()
}

pub(super) fn summary(summaries: &[TableSummary], table: Table) -> TableSummary {
    let found = summaries.iter().find(|summary| summary.table == table);
    *found.unwrap_or_else(|| panic!("{table} should be reported"))
}

/// SYN-8: another start goes on with the unfinished pull.
pub async fn syn_8_an_unfinished_pull_is_gone_on_with(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let started_at = store.now();
    site.start(&claim, 1).await;
    store.advance(30);
    let pull = site.resume(&claim).await;
    assert_eq!((pull.run, pull.started_at), (run(1), started_at));
}

/// SYN-8: a run that is replaced leaves its rows, and nothing to go on from.
pub async fn syn_8_a_replaced_pull_gives_way_to_a_fresh_one(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [opportunities(["o1", "o2"])]).await;
    let as_of = store.stores.query.as_of(&Scope::workspace(site.workspace.clone())).await.unwrap();
    let old = site.start(&claim, 2).await;
    site.put(&claim, &page(old, 0, three(), Some("to page 2"))).await;
    store.advance(30);
    let fresh = site.begin(&claim, 3, Unfinished::Replace).await;
    assert_eq!((fresh.run, fresh.started_at), (run(3), store.now()));
    assert_eq!((fresh.phase, fresh.tables.len()), (PullPhase::Reading, 0));
    assert_eq!(fresh.expected.get(&Table::Opportunities), Some(&2), "of the last finished run");
    let now = store.stores.query.as_of(&Scope::workspace(site.workspace.clone())).await.unwrap();
    assert_eq!(now, as_of, "the copy is as old as before");
    assert_eq!(site.scan(Table::Opportunities).await, three());
    let mirror = &store.stores.mirror;
    let late = mirror.apply_page(&claim, page(old, 1, three(), None)).await;
    assert!(late.is_err(), "the abandoned run takes no page");
    // The same step once more, and whoever goes on, find the fresh one.
    store.advance(30);
    assert_eq!(site.begin(&claim, 3, Unfinished::Replace).await, fresh);
    assert_eq!(site.resume(&claim).await, fresh);
    // What the abandoned run saw was not seen by this one.
    let proofs = [proof(run(3), Table::Opportunities)];
    let summaries = mirror.finish_pull(&claim, run(3), &proofs).await.unwrap();
    let seen = summary(&summaries, Table::Opportunities);
    assert_eq!((seen.seen, seen.newly_missing), (0, 3));
}

/// a run keeps whose eyes it was started with, whoever goes on with it.
pub async fn r_19_a_run_keeps_its_reader(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let mut fresh = new_run(1);
    fresh.reader.identity.unit = Some(record("unit"));
    fresh.reader.identity.tenant = Some("tenant".to_owned());
    let mirror = &store.stores.mirror;
    let started = mirror.start_pull(&claim, &fresh, Unfinished::Resume).await.unwrap();
    assert_eq!(started.reader, fresh.reader);
    assert_eq!(site.begin(&claim, 2, Unfinished::Resume).await.reader, fresh.reader);
    let other = site.begin(&claim, 2, Unfinished::Replace).await;
    assert_eq!(other.reader, new_run(2).reader);
}

/// SYN-8: a page and the cursor after it are stored in one step.
pub async fn syn_8_cursors_are_kept_with_their_pages(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.put(&claim, &page(run, 0, three(), Some("to page 2"))).await;
    let pull = site.resume(&claim).await;
    assert_eq!(cursors(&pull, Table::Opportunities), [Some("to page 2")]);
    assert_eq!(pages(&pull), 1);
    site.put(&claim, &page(run, 1, opportunities(["o4"]), None)).await;
    let pull = site.resume(&claim).await;
    assert_eq!(cursors(&pull, Table::Opportunities), [None]);
    assert_eq!(pages(&pull), 2);
}

/// SYN-8: the chains of a split table go on one by one.
pub async fn syn_8_the_cursors_of_several_chains_come_back_in_order(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let at = store.now();
    let bounds = [at, at + time::Duration::hours(1)];
    let plan = TablePlan::ranges("all", &bounds);
    let mirror = &store.stores.mirror;
    let table = Table::Opportunities;
    let planned = mirror.plan_table(&claim, run, table, 0, &plan).await.unwrap();
    assert_eq!(planned.chains, vec![ChainCursor::START; 3]);
    for (chain, id) in [(2, "o3"), (0, "o1")] {
        let page = page(run, 0, opportunities([id]), Some(&format!("chain {chain}")));
        mirror.apply_page(&claim, MirrorPage { chain, ..page }).await.unwrap();
    }
    let pull = site.resume(&claim).await;
    let found = cursors(&pull, table);
    assert_eq!(found, [Some("chain 0"), Some("the start"), Some("chain 2")]);
    assert_eq!(pull.tables[0].plan, plan, "the plan comes back as it was kept");
}

/// SYN-8: who plans second reads by the first plan, so that two workers never mix two plans.
pub async fn syn_8_the_first_plan_of_a_table_wins(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let first = site.plan(&claim, run, Table::Opportunities).await;
    let other = TablePlan::ranges("all", &[store.now()]);
    let mirror = &store.stores.mirror;
    let found = mirror.plan_table(&claim, run, Table::Opportunities, 0, &other).await.unwrap();
    assert_eq!(found, first);
    let found = mirror.plan_table(&claim, run, Table::Opportunities, 1, &other).await.unwrap();
    assert_eq!((found.attempt, found.plan), (1, other));
}

/// SYN-8: a page of a chain that nobody planned is refused, and nothing of it is stored.
pub async fn syn_8_a_page_of_an_unplanned_chain_is_refused(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let mirror = &store.stores.mirror;
    assert!(mirror.apply_page(&claim, whole(run, three())).await.is_err(), "no plan");
    site.plan(&claim, run, Table::Opportunities).await;
    let page = MirrorPage { chain: 1, ..whole(run, three()) };
    assert!(mirror.apply_page(&claim, page).await.is_err(), "no such chain");
    assert!(site.scan(Table::Opportunities).await.is_empty());
}

/// SYN-8: the worker that claims the pull next finds everything.
pub async fn syn_8_a_pull_goes_on_after_its_lease_was_lost(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.put(&claim, &page(run, 0, three(), Some("to page 2"))).await;
    let next = store.lose(&site, &claim).await;
    let pull = site.resume(&next).await;
    assert_eq!((pull.run, cursors(&pull, Table::Opportunities)), (run, vec![Some("to page 2")]));
    site.put(&next, &page(run, 1, opportunities(["o4"]), None)).await;
    let proofs = [proof(run, Table::Opportunities)];
    let summaries = store.stores.mirror.finish_pull(&next, run, &proofs).await.unwrap();
    assert_eq!(summary(&summaries, Table::Opportunities).seen, 4);
}

/// SYN-8: a page whose answer was lost is stored again without effect, and reported the same.
pub async fn syn_8_a_page_stored_twice_counts_once(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let first = page(run, 0, three(), Some("to page 2"));
    let written = site.put(&claim, &first).await;
    assert_eq!(site.put(&claim, &first).await, written);
    let progress = site.table_progress(Table::Opportunities).await;
    assert_eq!((progress.rows, progress.written, progress.pages), (3, 3, 1));
}

/// SYN-8: a late repetition of an earlier page does not undo a later one.
pub async fn syn_8_a_repeated_page_does_not_move_the_cursor_back(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let first = page(run, 0, three(), Some("to page 2"));
    site.put(&claim, &first).await;
    site.put(&claim, &page(run, 1, opportunities(["o4"]), Some("to page 3"))).await;
    site.put(&claim, &first).await;
    let pull = site.resume(&claim).await;
    assert_eq!(cursors(&pull, Table::Opportunities), [Some("to page 3")]);
    assert_eq!(pages(&pull), 2);
}

/// SYN-8: a restarted table was not begun; others go on where they were.
pub async fn syn_8_a_restarted_table_is_read_from_its_start(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.put(&claim, &page(run, 0, three(), Some("to page 2"))).await;
    let users = User::batch(vec![user("u1")]);
    site.put(&claim, &page(run, 0, users, Some("to page 2"))).await;
    site.restart(&claim, run).await;
    let pull = site.resume(&claim).await;
    assert_eq!(cursors(&pull, Table::Opportunities), [Some("the start")]);
    assert_eq!(cursors(&pull, Table::Users), [Some("to page 2")]);
}

/// SYN-8: restarting forgets how far the read came, never a row.
pub async fn syn_8_a_restarted_table_keeps_its_rows(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.store(&claim, run, three()).await;
    site.restart(&claim, run).await;
    assert_eq!(site.scan(Table::Opportunities).await, three());
}

/// SYN-8: what was seen before the restart is no evidence any more.
pub async fn syn_8_a_restarted_table_forgets_what_was_seen(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.store(&claim, run, three()).await;
    let mirror = &store.stores.mirror;
    site.restart(&claim, run).await;
    site.store(&claim, run, opportunities(["o1", "o3"])).await;
    mirror.finish_pull(&claim, run, &[proof(run, Table::Opportunities)]).await.unwrap();
    assert_eq!(site.missing().await, ["o2"]);
}

/// SYN-8: after a restart the first place is free again.
pub async fn syn_8_a_restarted_table_takes_its_first_page_again(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.store(&claim, run, three()).await;
    site.restart(&claim, run).await;
    let written = site.store(&claim, run, opportunities(["o1", "o9"])).await;
    assert_eq!(written, PageWritten { inserted: 1, updated: 0, unchanged: 1 });
}

/// SYN-8: a page that was read before the restart, and comes late, is none of the new read.
pub async fn syn_8_a_page_of_an_abandoned_attempt_is_refused(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let first = page(run, 0, opportunities(["o1"]), Some("to page 2"));
    site.put(&claim, &first).await;
    let mirror = &store.stores.mirror;
    let late = page(run, 1, opportunities(["o2"]), None);
    let early = MirrorPage { attempt: 1, ..late.clone() };
    assert_conflict(mirror.apply_page(&claim, early).await);
    site.restart(&claim, run).await;
    assert_conflict(mirror.apply_page(&claim, first.clone()).await);
    site.put(&claim, &first).await;
    assert_conflict(mirror.apply_page(&claim, first).await);
    assert_conflict(mirror.apply_page(&claim, late).await);
    assert_eq!(site.scan(Table::Opportunities).await, opportunities(["o1"]));
    assert_eq!(site.table_progress(Table::Opportunities).await.pages, 1);
}

/// SYN-8: pages come without a gap, or what was never stored would count as read.
pub async fn syn_8_a_page_behind_a_gap_is_refused(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.plan(&claim, run, Table::Opportunities).await;
    let mirror = &store.stores.mirror;
    let second = page(run, 1, three(), None);
    assert_conflict(mirror.apply_page(&claim, second.clone()).await);
    assert!(site.scan(Table::Opportunities).await.is_empty());
    site.put(&claim, &page(run, 0, opportunities([]), Some("to page 2"))).await;
    assert_eq!(site.put(&claim, &second).await.inserted, 3);
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "callers hand over what they got")]
fn assert_conflict(result: Result<PageWritten, Error>) {
    assert!(matches!(result, Err(Error::Conflict { .. })), "refused, not {result:?}");
}

/// SYN-6: new, changed and unchanged rows are told apart.
pub async fn syn_6_new_changed_and_unchanged_rows_are_counted(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let written = site.put(&claim, &page(run, 0, three(), Some("on"))).await;
    assert_eq!(written, PageWritten { inserted: 3, updated: 0, unchanged: 0 });
    let changed = Opportunity { version: RowVersion::new(2), ..opportunity("o2") };
    let same = Opportunity { version: RowVersion::new(1), ..opportunity("o1") };
    let rows = Opportunity::batch(vec![same, changed, opportunity("o4")]);
    let written = site.put(&claim, &page(run, 1, rows, None)).await;
    assert_eq!(written, PageWritten { inserted: 1, updated: 1, unchanged: 1 });
}

/// SYN-6: the version alone decides whether a row is written.
pub async fn syn_6_a_row_of_the_same_version_is_not_written(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let mut row = Opportunity { version: RowVersion::new(-7), ..opportunity("o1") };
    site.put(&claim, &page(run, 0, Opportunity::batch(vec![row.clone()]), Some("on"))).await;
    let first = Opportunity::batch(vec![row.clone()]);
    row.name = Some("not written".to_owned());
    site.put(&claim, &page(run, 1, Opportunity::batch(vec![row.clone()]), Some("on"))).await;
    assert_eq!(site.scan(Table::Opportunities).await, first);
    row.version = RowVersion::new(-8);
    let newer = Opportunity::batch(vec![row]);
    site.put(&claim, &page(run, 2, newer.clone(), None)).await;
    assert_eq!(site.scan(Table::Opportunities).await, newer);
}

/// One row per table with every field filled.
pub(super) fn full_tables(now: OffsetDateTime) -> [Rows; 7] {
    let text = || Some("Grüße \u{1f4bc} \"'%_\\".to_owned());
    let owner = || Some(OwnerRef::User(user("u1").id));
    let (created_at, modified_at) = (Some(now - time::Duration::days(400)), Some(now));
    let version = RowVersion::new(i64::MAX);
    let mut user = User { version, name: text(), sign_in_name: text(), ..user("u1") };
    user.email = Some(EmailAddress::new("ada@example.com").unwrap());
    user.status = UserStatus::Disabled;
    let mut account = Account { name: text(), website: text(), email: text(), ..account("a1", "") };
    (account.phone, account.industry, account.city, account.country) =
        (text(), text(), text(), text());
    (account.employees, account.owner) = (Some(-1), owner());
    account.parent = Some(account.id.clone());
    account.status = AccountStatus::MergedInto(account.id.clone());
    (account.created_at, account.modified_at) = (created_at, modified_at);
    account.version = RowVersion::new(i64::MIN);
    let mut contact = Contact { phone: text(), job_title: text(), ..contact("c1", "Ada") };
    contact.emails =
        ["b@example.com", "a@example.com"].map(|e| EmailAddress::new(e).unwrap()).into();
    contact.parent = Some(CustomerRef::Account(account.id.clone()));
    contact.status = ContactStatus::Inactive;
    account.primary_contact = Some(contact.id.clone());
    let mut found = Opportunity { version, status_reason: text(), ..opportunity("o1") };
    found.owner = Some(OwnerRef::Team(TeamId::new("t1").unwrap()));
    found.status = OpportunityStatus::Won;
    found.customer = Some(CustomerRef::Contact(contact.id.clone()));
    found.account = Some(account.id.clone());
    found.record_stage.label = text();
    found.close_date = Some(now.date());
    (found.probability, found.created_at, found.modified_at) = (Some(100), created_at, modified_at);
    let mut stage = Stage { position: Some(-3), category: text(), version, ..stage("s1", "p1") };
    stage.name = None;
    let mut assigned = assignment("as1", "o1", "s1");
    (assigned.since, assigned.modified_at, assigned.origin) =
        (created_at, modified_at, "a table".to_owned());
    let mut euro = Currency { name: text(), symbol: text(), version, ..currency("cur1", "EUR") };
    (euro.precision, euro.role) = (Some(4), CurrencyRole::Base);
    [
        User::batch(vec![user]),
        Account::batch(vec![account]),
        Contact::batch(vec![contact]),
        Opportunity::batch(vec![found]),
        Stage::batch(vec![stage]),
        StageAssignment::batch(vec![assigned]),
        Currency::batch(vec![euro]),
    ]
}

/// SYN-6: a row of any table comes back as it went in, every field.
pub async fn syn_6_every_table_keeps_its_rows_whole(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    for rows in full_tables(store.now()) {
        site.store(&claim, run, rows.clone()).await;
        assert_eq!(site.scan(rows.table()).await, rows);
    }
}

/// DEA-5: four decimal places and nineteen digits survive.
pub async fn dea_5_amounts_are_kept_exactly(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    let texts = ["922337203685477.5807", "-922337203685477.5808", "0.0001", "9007199254740993"];
    let rows = texts.iter().enumerate().map(|(number, text)| {
        let mut found = opportunity(&format!("o{number}"));
        found.value = Some(amount(text));
        found.base_value = Some(amount("0.0000000001"));
        found
    });
    let rows = Opportunity::batch(rows.collect());
    site.store(&claim, run, rows.clone()).await;
    assert_eq!(site.scan(Table::Opportunities).await, rows);
}

/// a worker that lost its claim starts nothing.
pub async fn r_26_a_stale_claim_cannot_start_a_pull(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    store.lose(&site, &lost).await;
    for unfinished in [Unfinished::Replace, Unfinished::Resume] {
        let mirror = &store.stores.mirror;
        assert_stale(mirror.start_pull(&lost, &new_run(1), unfinished).await);
    }
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    assert_eq!(progress, None);
}

/// a worker that lost its claim forgets nothing of what another reads.
pub async fn r_26_a_stale_claim_cannot_restart_a_table(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    let run = site.start(&lost, 1).await;
    site.put(&lost, &page(run, 0, three(), Some("to page 2"))).await;
    let current = store.lose(&site, &lost).await;
    let plan = TablePlan::whole("again");
    let step = store.stores.mirror.plan_table(&lost, run, Table::Opportunities, 1, &plan);
    assert_stale(step.await);
    let pull = site.resume(&current).await;
    assert_eq!(cursors(&pull, Table::Opportunities), [Some("to page 2")]);
}

/// a page under a lost claim is not written, not even its cursor.
pub async fn r_26_a_stale_claim_cannot_store_a_page(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    let run = site.start(&lost, 1).await;
    let current = store.lose(&site, &lost).await;
    assert_stale(store.stores.mirror.apply_page(&lost, whole(run, three())).await);
    assert!(site.scan(Table::Opportunities).await.is_empty(), "no row should be written");
    assert_eq!(site.resume(&current).await.tables, []);
}

/// under a lost claim nothing is called missing.
pub async fn r_26_a_stale_claim_cannot_end_a_pull(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    site.pull(&lost, 1, [three()]).await;
    let run = site.start(&lost, 2).await;
    site.store(&lost, run, opportunities([])).await;
    let current = store.lose(&site, &lost).await;
    let proofs = [proof(run, Table::Opportunities)];
    assert_stale(store.stores.mirror.finish_pull(&lost, run, &proofs).await);
    assert_eq!(site.missing().await, [""; 0]);
    assert_eq!(site.resume(&current).await.phase, PullPhase::Reading);
}

/// under a lost claim no run is finished.
pub async fn r_26_a_stale_claim_cannot_finish_a_run(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    let run = site.start(&lost, 1).await;
    store.stores.mirror.finish_pull(&lost, run, &[]).await.unwrap();
    let current = store.lose(&site, &lost).await;
    assert_stale(store.stores.mirror.finish_run(&lost, run).await);
    assert_eq!(site.resume(&current).await.phase, PullPhase::Promoting);
}

/// a claim that the store never gave is no claim.
pub async fn r_26_a_claim_that_was_never_given_is_refused(store: &StoreUnderTest) {
    let site = store.connected().await;
    let (due_at, expires_at) = (store.now(), store.now() + time::Duration::hours(1));
    let forged = Claim { work: site.work(), token: 77, due_at, claimed_at: due_at, expires_at };
    let mirror = &store.stores.mirror;
    assert_stale(mirror.start_pull(&forged, &new_run(1), Unfinished::Resume).await);
}

/// Stores other opportunities in two connections and looks whether each kept its own.
async fn keep_apart(store: &StoreUnderTest, one: (&str, u128), other: (&str, u128)) {
    let (one, other) = (store.connect(one.0, one.1).await, store.connect(other.0, other.1).await);
    let claims = store.stores.due.claim(
        WorkKind::Pull,
        10,
        crate::testkit::conformance::store::fixtures::LEASE,
    );
    let claims = claims.await.unwrap();
    let of = |site: &Site| claims.iter().find(|claim| claim.work == site.work()).unwrap();
    site_pull(&one, of(&one), three()).await;
    site_pull(&other, of(&other), opportunities(["o1", "o7"])).await;
    site_pull(&one, of(&one), opportunities(["o1", "o2"])).await;
    assert_eq!(one.missing().await, ["o3"]);
    assert_eq!(other.missing().await, [""; 0]);
    assert_eq!(other.scan(Table::Opportunities).await, opportunities(["o1", "o7"]));
    assert_eq!(one.table_progress(Table::Opportunities).await.rows, 2);
    assert_eq!(other.table_progress(Table::Opportunities).await.rows, 2);
}

async fn site_pull(site: &Site, claim: &Claim, rows: Rows) {
    let number = rows.len() as u128 + 10;
    site.pull(claim, number, [rows]).await;
}

/// OLL-4: the same connection, run and record ids in two workspaces are different things.
pub async fn oll_4_two_workspaces_with_the_same_ids_keep_apart(store: &StoreUnderTest) {
    keep_apart(store, ("acme", 1), ("other", 1)).await;
}

/// OLL-4: so they are in two connections of one workspace.
pub async fn oll_4_two_connections_with_the_same_ids_keep_apart(store: &StoreUnderTest) {
    keep_apart(store, ("acme", 1), ("acme", 2)).await;
}

//! Behaviours of [`Mirror`](crate::storage::Mirror): pulls, pages, and what is missing.

use time::OffsetDateTime;

use crate::model::{
    Account, AccountStatus, Contact, ContactStatus, Currency, CurrencyRole, CustomerRef,
    EmailAddress, Opportunity, OpportunityId, OpportunityStatus, OwnerRef, Presence, Record,
    RowVersion, Rows, Stage, StageAssignment, Table, TeamId, User, UserStatus,
};
use crate::storage::{
    Claim, MirrorPage, PageWritten, Pull, PullPhase, TableProgress, TableSummary, WorkKind,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, account, amount, assert_stale, assignment, contact, currency, opportunities, opportunity,
    page, proof, record, run, stage, three, user, whole,
};
use crate::walk::{Chain, ChainCursor, ResumeToken};

impl Site {
    async fn resume(&self, claim: &Claim) -> Pull {
        self.stores.mirror.start_pull(claim, run(1_000)).await.unwrap()
    }

    async fn put(&self, claim: &Claim, page: &MirrorPage) -> PageWritten {
        self.stores.mirror.apply_page(claim, page).await.unwrap()
    }

    /// Which opportunities are there, and since when the missing ones are missing.
    async fn presence(&self) -> Vec<(String, Option<OffsetDateTime>)> {
        let mirror = &self.stores.mirror;
        let candidates = mirror.candidates(&self.workspace, self.connection, None, 100);
        let presence = |presence| match presence {
            Presence::Missing { since } => Some(since),
            Presence::Seen => None,
        };
        let candidates = candidates.await.unwrap().into_iter();
        candidates
            .map(|found| (found.opportunity.id.to_string(), presence(found.presence)))
            .collect()
    }

    /// The ids of the opportunities marked missing.
    async fn missing(&self) -> Vec<String> {
        let presence = self.presence().await.into_iter();
        presence.filter(|(_, since)| since.is_some()).map(|(id, _)| id).collect()
    }

    async fn table_progress(&self, table: Table) -> TableProgress {
        let progress = self.stores.mirror.progress(&self.workspace, self.connection);
        let progress = progress.await.unwrap().expect("there should be a run");
        let found = progress.tables.into_iter().find(|progress| progress.table == table);
        found.expect("the table should have been begun")
    }
}

fn cursors(pull: &Pull, table: Table) -> Vec<Option<&str>> {
    let chains = pull.tables.iter().filter(|cursors| cursors.table == table);
    let chains = chains.flat_map(|cursors| &cursors.chains);
    chains.map(|cursor| cursor.resume.as_ref().map(ResumeToken::as_str)).collect()
}

fn summary(summaries: &[TableSummary], table: Table) -> TableSummary {
    let found = summaries.iter().find(|summary| summary.table == table);
    *found.unwrap_or_else(|| panic!("{table} should be reported"))
}

/// SYN-2: a pull starts from nothing, now, under the id it was given.
pub async fn syn_2_a_fresh_pull_has_read_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let pull = store.stores.mirror.start_pull(&claim, run(1)).await.unwrap();
    let fresh = Pull {
        run: run(1),
        started_at: store.now(),
        phase: PullPhase::Reading,
        tables: Vec::new(),
    };
    assert_eq!(pull, fresh);
    assert_eq!(site.scan(Table::Accounts).await, Rows::Accounts(Vec::new()));
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

/// SYN-8: a page and the cursor after it are stored in one step.
pub async fn syn_8_cursors_are_kept_with_their_pages(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.put(&claim, &page(run, 0, three(), Some("to page 2"))).await;
    let pull = site.resume(&claim).await;
    assert_eq!(cursors(&pull, Table::Opportunities), [Some("to page 2")]);
    assert_eq!(pull.tables[0].pages, 1);
    site.put(&claim, &page(run, 1, opportunities(["o4"]), None)).await;
    let pull = site.resume(&claim).await;
    assert_eq!(cursors(&pull, Table::Opportunities), [None]);
    assert_eq!(pull.tables[0].pages, 2);
}

/// SYN-8: the chains of a split table go on one by one.
pub async fn syn_8_the_cursors_of_several_chains_come_back_in_order(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    for (seq, index, id) in [(0, 2, "o3"), (1, 0, "o1"), (2, 1, "o2")] {
        let chain = Chain { index, of: 3 };
        let resume = Some(ResumeToken::new(format!("chain {index}")));
        let cursor = ChainCursor { chain, resume };
        let page = MirrorPage { chain, cursor, ..page(run, seq, opportunities([id]), None) };
        site.put(&claim, &page).await;
    }
    let pull = site.resume(&claim).await;
    let found = cursors(&pull, Table::Opportunities);
    assert_eq!(found, [Some("chain 0"), Some("chain 1"), Some("chain 2")]);
    assert_eq!(pull.tables[0].chains[1].chain, Chain { index: 1, of: 3 });
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
    assert_eq!(pull.tables[0].pages, 2);
}

/// SYN-8: a restarted table was not begun; others go on where they were.
pub async fn syn_8_a_restarted_table_is_read_from_its_start(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.put(&claim, &page(run, 0, three(), Some("to page 2"))).await;
    let users = User::batch(vec![user("u1")]);
    site.put(&claim, &page(run, 0, users, Some("to page 2"))).await;
    store.stores.mirror.restart_table(&claim, run, Table::Opportunities).await.unwrap();
    let pull = site.resume(&claim).await;
    let begun: Vec<_> = pull.tables.iter().map(|table| table.table).collect();
    assert_eq!((pull.run, begun), (run, vec![Table::Users]));
}

/// SYN-8: restarting forgets how far the read came, never a row.
pub async fn syn_8_a_restarted_table_keeps_its_rows(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.store(&claim, run, three()).await;
    store.stores.mirror.restart_table(&claim, run, Table::Opportunities).await.unwrap();
    assert_eq!(site.scan(Table::Opportunities).await, three());
}

/// SYN-8: what was seen before the restart is no evidence any more.
pub async fn syn_8_a_restarted_table_forgets_what_was_seen(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.store(&claim, run, three()).await;
    let mirror = &store.stores.mirror;
    mirror.restart_table(&claim, run, Table::Opportunities).await.unwrap();
    site.store(&claim, run, opportunities(["o1", "o3"])).await;
    mirror.finish_pull(&claim, run, &[proof(run, Table::Opportunities)]).await.unwrap();
    assert_eq!(site.missing().await, ["o2"]);
}

/// SYN-8: after a restart the first place is free again.
pub async fn syn_8_a_restarted_table_takes_its_first_page_again(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.store(&claim, run, three()).await;
    store.stores.mirror.restart_table(&claim, run, Table::Opportunities).await.unwrap();
    let written = site.store(&claim, run, opportunities(["o1", "o9"])).await;
    assert_eq!(written, PageWritten { inserted: 1, updated: 0, unchanged: 1 });
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
fn full_tables(now: OffsetDateTime) -> [Rows; 7] {
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

/// what a complete read did not show is missing.
pub async fn r_16_rows_that_a_proved_run_did_not_see_are_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    assert_eq!(site.missing().await, [""; 0]);
    site.pull(&claim, 2, [opportunities(["o1", "o3"])]).await;
    assert_eq!(site.missing().await, ["o2"]);
}

/// to be missing is a mark; the row itself stays.
pub async fn r_16_a_missing_row_stays_as_it_is(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    site.pull(&claim, 2, [opportunities([])]).await;
    assert_eq!(site.missing().await, ["o1", "o2", "o3"]);
    assert_eq!(site.scan(Table::Opportunities).await, three());
}

/// a table that was proved empty without a single page is missing as a whole.
pub async fn r_16_a_proved_table_without_a_page_is_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    let proofs = [proof(run, Table::Opportunities)];
    let summaries = store.stores.mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    assert_eq!(site.missing().await, ["o1", "o2", "o3"]);
    assert_eq!(summary(&summaries, Table::Opportunities).newly_missing, 3);
}

/// without a proof, and for other tables than the proved ones, nothing is missing.
pub async fn r_16_a_table_without_proof_loses_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    site.store(&claim, run, opportunities(["o1"])).await;
    site.store(&claim, run, User::batch(Vec::new())).await;
    let proofs = [proof(run, Table::Users)];
    let summaries = store.stores.mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    assert_eq!(site.missing().await, [""; 0]);
    let newly_missing: u64 = summaries.iter().map(|summary| summary.newly_missing).sum();
    assert_eq!(newly_missing, 0);
}

/// a row whose id alone could be read was seen, though it is not written.
pub async fn r_16_a_row_that_could_not_be_decoded_counts_as_seen(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    let page =
        MirrorPage { also_seen: vec![record("o2")], ..whole(run, opportunities(["o1", "o3"])) };
    site.put(&claim, &page).await;
    let proofs = [proof(run, Table::Opportunities)];
    let summaries = store.stores.mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    assert_eq!(site.missing().await, [""; 0]);
    assert_eq!(summary(&summaries, Table::Opportunities).seen, 3);
    assert_eq!(site.scan(Table::Opportunities).await, three());
}

/// a row that comes back is there again, though its version did not change.
pub async fn r_16_a_missing_row_that_is_seen_again_is_missing_no_more(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    site.pull(&claim, 2, [opportunities(["o1"])]).await;
    let run = site.start(&claim, 3).await;
    site.store(&claim, run, opportunities(["o2"])).await;
    assert_eq!(site.missing().await, ["o3"]);
}

/// SYN-7: a summary tells what is newly missing from what was missing before.
pub async fn r_16_what_is_missing_already_is_not_newly_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let second = site.pull(&claim, 2, [opportunities(["o1", "o2"])]).await;
    assert_eq!(summary(&second, Table::Opportunities).newly_missing, 1);
    let third = site.pull(&claim, 3, [opportunities(["o1"])]).await;
    let third = summary(&third, Table::Opportunities);
    assert_eq!((third.newly_missing, third.missing), (1, 2));
}

/// SYN-7: a row is missing since the first run that did not see it.
pub async fn r_16_since_when_a_row_is_missing_stays(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    store.advance(10);
    let since = store.now();
    site.pull(&claim, 2, [opportunities(["o1", "o2"])]).await;
    store.advance(10);
    site.pull(&claim, 3, [opportunities(["o1", "o2"])]).await;
    assert_eq!(site.presence().await[2], ("o3".to_owned(), Some(since)));
}

/// SYN-8: a repeated end of the reading reports the same and marks nothing else.
pub async fn syn_8_ending_a_pull_twice_reports_the_same(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    site.store(&claim, run, opportunities(["o1"])).await;
    let proofs = [proof(run, Table::Opportunities)];
    let mirror = &store.stores.mirror;
    let mut first = mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    let before = site.presence().await;
    store.advance(10);
    let mut second = mirror.finish_pull(&claim, run, &proofs).await.unwrap();
    first.sort_by_key(|summary| summary.table);
    second.sort_by_key(|summary| summary.table);
    assert_eq!(second, first);
    assert_eq!(site.presence().await, before);
}

/// SYN-7: the guards' figures are right.
pub async fn syn_7_a_summary_counts_what_is_seen_present_and_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let summaries = site.pull(&claim, 2, [opportunities(["o1", "o4"])]).await;
    let expected = TableSummary {
        table: Table::Opportunities,
        seen: 2,
        present: 2,
        missing: 2,
        newly_missing: 2,
    };
    assert_eq!(summary(&summaries, Table::Opportunities), expected);
}

/// SYN-8: between reading and the end stands the promotion.
pub async fn syn_8_ending_the_pull_leaves_it_promoting(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.store(&claim, run, three()).await;
    store.stores.mirror.finish_pull(&claim, run, &[]).await.unwrap();
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    let progress = progress.unwrap();
    assert_eq!((progress.phase, progress.finished_at), (PullPhase::Promoting, None));
}

/// SYN-8: a worker that takes over during the promotion does not read again.
pub async fn syn_8_a_run_in_promotion_is_gone_on_with(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    store.stores.mirror.finish_pull(&claim, run, &[]).await.unwrap();
    let next = store.lose(&site, &claim).await;
    let pull = site.resume(&next).await;
    assert_eq!((pull.run, pull.phase), (run, PullPhase::Promoting));
}

/// SYN-2: after a finished run the next pull starts from nothing.
pub async fn syn_2_a_finished_run_is_followed_by_a_fresh_one(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let pull = store.stores.mirror.start_pull(&claim, run(2)).await.unwrap();
    assert_eq!((pull.run, pull.phase, pull.tables), (run(2), PullPhase::Reading, Vec::new()));
}

/// SYN-8: a repeated end does not move the time of the last sync.
pub async fn syn_8_finishing_a_run_twice_changes_nothing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let finished_at = store.now();
    store.advance(10);
    store.stores.mirror.finish_run(&claim, run(1)).await.unwrap();
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    assert_eq!(progress.unwrap().finished_at, Some(finished_at));
}

/// SYN-9: before the first pull there is nothing to show.
pub async fn syn_9_there_is_no_progress_before_the_first_pull(store: &StoreUnderTest) {
    let site = store.connected().await;
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    assert_eq!(progress, None);
}

/// SYN-9: progress adds up over the pages.
pub async fn syn_9_progress_counts_rows_pages_and_writes(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    site.put(&claim, &page(run, 0, three(), Some("on"))).await;
    site.put(&claim, &page(run, 1, opportunities(["o4", "o5"]), None)).await;
    let progress = site.table_progress(Table::Opportunities).await;
    assert_eq!((progress.rows, progress.written, progress.pages), (5, 2, 2));
}

/// SYN-9: in the first run the connector's estimate is all there is.
pub async fn syn_9_progress_expects_what_the_connector_estimates_at_first(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let run = site.start(&claim, 1).await;
    site.put(&claim, &MirrorPage { estimate: Some(40), ..page(run, 0, three(), Some("on")) }).await;
    assert_eq!(site.table_progress(Table::Opportunities).await.expected, Some(40));
}

/// SYN-9: later runs expect what the last finished one saw, whatever the connector says.
pub async fn syn_9_progress_expects_what_the_last_run_saw(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    let run = site.start(&claim, 2).await;
    let first = MirrorPage { estimate: Some(40), ..page(run, 0, three(), Some("on")) };
    site.put(&claim, &first).await;
    assert_eq!(site.table_progress(Table::Opportunities).await.expected, Some(3));
}

/// SYN-9: a finished run keeps its figures until the next one starts.
pub async fn syn_9_progress_of_a_finished_run_stays(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let started_at = store.now();
    site.pull(&claim, 1, [three()]).await;
    store.advance(10);
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    let progress = progress.unwrap();
    assert_eq!((progress.run, progress.phase), (run(1), PullPhase::Finished));
    assert_eq!((progress.started_at, progress.finished_at), (started_at, Some(started_at)));
    assert_eq!(site.table_progress(Table::Opportunities).await.rows, 3);
}

/// CON-8: a purge leaves nothing of the synced copy.
pub async fn con_8_a_purge_erases_rows_runs_and_cursors(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, full_tables(store.now())).await;
    let run_id = site.start(&claim, 2).await;
    site.put(&claim, &page(run_id, 0, three(), Some("on"))).await;
    let mirror = &store.stores.mirror;
    mirror.purge(&site.workspace, site.connection).await.unwrap();
    for table in Table::ALL {
        assert!(site.scan(table).await.is_empty(), "{table} should be empty after a purge");
    }
    assert_eq!(mirror.progress(&site.workspace, site.connection).await.unwrap(), None);
    assert_eq!(mirror.stages(&site.workspace, site.connection).await.unwrap(), []);
    assert_eq!(site.presence().await, []);
    let pull = mirror.start_pull(&claim, run(3)).await.unwrap();
    assert_eq!((pull.run, pull.tables), (run(3), Vec::new()));
    // Purging what is not there any more is no error.
    mirror.purge(&site.workspace, site.connection).await.unwrap();
}

/// CON-8: a purge touches one connection of one workspace.
pub async fn con_8_a_purge_leaves_other_connections_alone(store: &StoreUnderTest) {
    let sites = [("acme", 1), ("acme", 2), ("other", 1)];
    for (name, number) in sites {
        let site = store.connect(name, number).await;
        let claim = site.claim().await;
        site.pull(&claim, 1, [three()]).await;
        store.stores.due.complete(&claim, None).await.unwrap();
    }
    let purged = store.connect("acme", 1).await;
    store.stores.mirror.purge(&purged.workspace, purged.connection).await.unwrap();
    for (name, number) in sites {
        let site = store.connect(name, number).await;
        let left = if (name, number) == ("acme", 1) { 0 } else { 3 };
        assert_eq!(site.scan(Table::Opportunities).await.len(), left, "{name} {number}");
    }
}

/// SYN-1: everything that deciding needs comes with the opportunity.
pub async fn syn_1_candidates_are_joined(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let (ada, at) = (user("u1"), stage("s1", "p1"));
    let (euro, mut dollar) = (currency("cur1", "EUR"), currency("cur2", "USD"));
    dollar.role = CurrencyRole::Base;
    let assigned = assignment("as1", "o1", "s2");
    let mut found = opportunity("o1");
    found.owner = Some(OwnerRef::User(ada.id.clone()));
    found.customer = Some(CustomerRef::Account(account("a1", "").id));
    found.contact = Some(contact("c1", "").id);
    found.record_stage.stage = Some(at.id.clone());
    found.currency = Some(euro.id.clone());
    let tables = [
        User::batch(vec![user("u0"), ada.clone()]),
        Account::batch(vec![account("a1", "Contoso")]),
        Contact::batch(vec![contact("c1", "Grace")]),
        Opportunity::batch(vec![found.clone()]),
        Stage::batch(vec![at.clone(), stage("s2", "p2")]),
        StageAssignment::batch(vec![assigned.clone()]),
        Currency::batch(vec![euro.clone(), dollar.clone()]),
    ];
    site.pull(&claim, 1, tables).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 10).await.unwrap();
    let [candidate] = candidates.as_slice() else { panic!("one candidate: {candidates:?}") };
    assert_eq!(candidate.opportunity, found);
    assert_eq!(candidate.presence, Presence::Seen);
    assert_eq!(candidate.owner, Some(ada));
    assert_eq!(candidate.record_stage, Some(at));
    assert_eq!(candidate.account_name.as_deref(), Some("Contoso"));
    assert_eq!(candidate.contact_name.as_deref(), Some("Grace"));
    assert_eq!((&candidate.currency, &candidate.base_currency), (&Some(euro), &Some(dollar)));
    assert_eq!(candidate.assignments[0].assignment, assigned);
    assert_eq!(candidate.assignments[0].stage, Some(stage("s2", "p2")));
}

/// SYN-1: what the mirror does not hold is left open, and a team is no user.
pub async fn syn_1_a_candidate_joins_only_what_the_mirror_holds(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let mut teams = opportunity("o1");
    teams.owner = Some(OwnerRef::Team(TeamId::new("u1").unwrap()));
    let mut strange = opportunity("o2");
    strange.owner = Some(OwnerRef::User(user("u9").id));
    strange.account = Some(account("a9", "").id);
    strange.contact = Some(contact("c9", "").id);
    strange.currency = Some(currency("cur9", "EUR").id);
    strange.record_stage.stage = Some(stage("s9", "p").id);
    let assigned = StageAssignment::batch(vec![assignment("as1", "o2", "s9")]);
    let users = User::batch(vec![user("u1")]);
    site.pull(&claim, 1, [users, Opportunity::batch(vec![teams, strange]), assigned]).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 10).await.unwrap();
    assert_eq!(candidates[0].owner, None);
    let strange = &candidates[1];
    assert_eq!(
        (&strange.owner, &strange.account_name, &strange.contact_name),
        (&None, &None, &None)
    );
    assert_eq!((&strange.currency, &strange.base_currency), (&None, &None));
    assert_eq!((&strange.record_stage, &strange.assignments[0].stage), (&None, &None));
}

/// SYN-1: an opportunity may run through several processes; each candidate gets its own places.
pub async fn syn_1_a_candidate_lists_every_assignment(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let assigned = [("as1", "o1", "s1"), ("as2", "o2", "s1"), ("as3", "o1", "s2")];
    let assigned = assigned.map(|(id, of, at)| assignment(id, of, at)).to_vec();
    site.pull(&claim, 1, [three(), StageAssignment::batch(assigned)]).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 10).await.unwrap();
    let found = candidates.iter().map(|candidate| {
        let mut ids: Vec<_> =
            candidate.assignments.iter().map(|found| found.assignment.id.as_str()).collect();
        ids.sort_unstable();
        ids
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found, [vec!["as1", "as3"], vec!["as2"], vec![]]);
}

/// SYN-1: an assignment that the last complete pull did not see is still there, and says so.
pub async fn syn_1_a_candidate_says_which_assignments_are_missing(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let assigned = vec![assignment("as1", "o1", "s1")];
    site.pull(&claim, 1, [three(), StageAssignment::batch(assigned)]).await;
    store.advance(10);
    site.pull(&claim, 2, [three(), StageAssignment::batch(Vec::new())]).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 1).await.unwrap();
    let presence = candidates[0].assignments[0].presence;
    assert_eq!(presence, Presence::Missing { since: store.now() });
}

/// SYN-1: an assignment that changes hands belongs to its new opportunity alone.
pub async fn syn_1_an_assignment_that_moves_leaves_its_old_opportunity(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let before = StageAssignment::batch(vec![assignment("as1", "o1", "s1")]);
    site.pull(&claim, 1, [three(), before]).await;
    let mut moved = assignment("as1", "o2", "s1");
    moved.version = RowVersion::new(2);
    site.pull(&claim, 2, [three(), StageAssignment::batch(vec![moved])]).await;
    let mirror = &store.stores.mirror;
    let candidates = mirror.candidates(&site.workspace, site.connection, None, 10).await.unwrap();
    let counts: Vec<_> = candidates.iter().map(|found| found.assignments.len()).collect();
    assert_eq!(counts, [0, 1, 0]);
}

/// SYN-7: a missing opportunity is still a candidate, with the time since when.
pub async fn syn_7_a_missing_candidate_says_since_when(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [three()]).await;
    store.advance(10);
    site.pull(&claim, 2, [opportunities(["o2", "o3"])]).await;
    let expected = [("o1".to_owned(), Some(store.now())), ("o2".to_owned(), None)];
    assert_eq!(site.presence().await[..2], expected);
}

/// Candidates come in pages, whatever order the CRM showed them in.
pub async fn candidates_come_in_pages_in_the_order_of_their_ids(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, [opportunities(["o3", "O9", "o10", "o1"])]).await;
    let mut after: Option<OpportunityId> = None;
    let mut found = Vec::new();
    loop {
        let mirror = &store.stores.mirror;
        let page = mirror.candidates(&site.workspace, site.connection, after.as_ref(), 3);
        let page = page.await.unwrap();
        assert!(page.len() <= 3, "a page should keep to its limit");
        let Some(last) = page.last() else { break };
        after = Some(last.opportunity.id.clone());
        found.extend(page.into_iter().map(|candidate| candidate.opportunity.id.to_string()));
    }
    assert_eq!(found, ["O9", "o1", "o10", "o3"]);
}

/// DEA-3: choices come by process position and name, then stage position and name, then id.
pub async fn dea_3_stages_come_in_process_order(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let place = |id: &str, process: (Option<i32>, Option<&str>), position, name: Option<&str>| {
        let mut stage = stage(id, "p");
        let known = stage.process.as_mut().unwrap();
        known.position = process.0;
        known.name = process.1.map(str::to_owned);
        (stage.position, stage.name) = (position, name.map(str::to_owned));
        stage
    };
    let mut alone = stage("a0", "p");
    alone.process = None;
    (alone.position, alone.name) = (Some(0), Some("A".to_owned()));
    let rows = vec![
        alone,
        place("a1", (None, Some("A")), Some(1), Some("A")),
        place("a2", (Some(2), None), Some(1), Some("A")),
        place("a3", (Some(2), Some("A")), None, None),
        place("a4", (Some(2), Some("A")), None, Some("B")),
        place("a6", (Some(2), Some("A")), Some(1), Some("B")),
        place("a5", (Some(2), Some("A")), Some(1), Some("B")),
        place("a7", (Some(2), Some("A")), Some(-1), Some("C")),
        place("a8", (Some(1), Some("Z")), Some(9), None),
    ];
    site.pull(&claim, 1, [Stage::batch(rows)]).await;
    let stages = store.stores.mirror.stages(&site.workspace, site.connection).await.unwrap();
    let ids: Vec<_> = stages.iter().map(|choice| choice.stage.id.as_str()).collect();
    assert_eq!(ids, ["a8", "a7", "a5", "a6", "a4", "a3", "a2", "a1", "a0"]);
}

/// DEA-3: a choice says how many open opportunities it would let pass.
pub async fn dea_3_stages_count_open_opportunities(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let at = |id, stage_on_record: &str| {
        let mut found = opportunity(id);
        found.record_stage.stage = Some(stage(stage_on_record, "p").id);
        found
    };
    let mut won = at("o4", "s1");
    won.status = OpportunityStatus::Won;
    let found = vec![at("o1", "s1"), at("o2", "s1"), at("o3", "s1"), won, opportunity("o5")];
    let mut older = assignment("as1", "o2", "s3");
    older.modified_at = Some(store.now());
    let mut newer = assignment("as2", "o2", "s2");
    newer.modified_at = Some(store.now() + time::Duration::seconds(1));
    let stages = ["s1", "s2", "s3"].map(|id| stage(id, "p")).to_vec();
    let tables = [
        Opportunity::batch(found),
        Stage::batch(stages),
        StageAssignment::batch(vec![newer, older]),
    ];
    site.pull(&claim, 1, tables).await;
    let stages = store.stores.mirror.stages(&site.workspace, site.connection).await.unwrap();
    let counts: Vec<_> = stages.iter().map(|choice| choice.open_opportunities).collect();
    assert_eq!(counts, [2, 1, 0], "o1 and o3 by their record, o2 by its newest assignment");
}

/// a worker that lost its claim starts nothing.
pub async fn r_26_a_stale_claim_cannot_start_a_pull(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    store.lose(&site, &lost).await;
    assert_stale(store.stores.mirror.start_pull(&lost, run(1)).await);
    let progress = store.stores.mirror.progress(&site.workspace, site.connection).await.unwrap();
    assert_eq!(progress, None);
}

/// a worker that lost its claim forgets nothing of what another reads.
pub async fn r_26_a_stale_claim_cannot_restart_a_table(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    let run = site.start(&lost, 1).await;
    site.put(&lost, &page(run, 0, three(), Some("to page 2"))).await;
    let current = store.lose(&site, &lost).await;
    assert_stale(store.stores.mirror.restart_table(&lost, run, Table::Opportunities).await);
    let pull = site.resume(&current).await;
    assert_eq!(cursors(&pull, Table::Opportunities), [Some("to page 2")]);
}

/// a page under a lost claim is not written, not even its cursor.
pub async fn r_26_a_stale_claim_cannot_store_a_page(store: &StoreUnderTest) {
    let (site, lost) = store.pulling().await;
    let run = site.start(&lost, 1).await;
    let current = store.lose(&site, &lost).await;
    assert_stale(store.stores.mirror.apply_page(&lost, &whole(run, three())).await);
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
    let forged = Claim { work: site.work(), token: 77, due_at, expires_at };
    assert_stale(store.stores.mirror.start_pull(&forged, run(1)).await);
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

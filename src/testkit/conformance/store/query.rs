//! Behaviours of [`Query`](crate::storage::Query): scans, questions, totals.

use time::Date;
use time::macros::date;

use crate::error::Result;
use crate::model::query::{
    AccountQuery, Answer, ContactQuery, CurrencyTotal, MAX_LIMIT, OpportunityFilter,
    OpportunityQuery, OpportunitySort, QueryCursor, Scope, Totals, TotalsQuery,
};
use crate::model::{
    Account, AssignmentState, Contact, Currency, CurrencyRole, CustomerRef, Money, Opportunity,
    OpportunityStatus, OwnerRef, Record, RecordId, RowVersion, Rows, Stage, StageAssignment, Table,
};
use crate::storage::WorkKind;
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, account, amount, assert_invalid, assignment, contact, currency, opportunities,
    opportunity, stage, stage_id, user, workspace,
};

/// The ids of an answer's rows, in their order.
fn ids<R: Record>(answer: &Answer<R>) -> Vec<String> {
    answer.rows.iter().map(|found| found.row.record_id().to_string()).collect()
}

impl Site {
    fn scope(&self) -> Scope {
        Scope::connection(self.workspace.clone(), self.connection)
    }

    /// The opportunities that pass a filter, by name.
    async fn filtered(&self, filter: OpportunityFilter) -> Vec<String> {
        let mut query = OpportunityQuery::new(self.scope());
        query.filter = filter;
        ids(&self.stores.query.opportunities(&query).await.unwrap())
    }

    async fn sorted(&self, sort: OpportunitySort) -> Vec<String> {
        let mut query = OpportunityQuery::new(self.scope());
        query.sort = sort;
        ids(&self.stores.query.opportunities(&query).await.unwrap())
    }

    async fn accounts_named(&self, name: &str) -> Vec<String> {
        let mut query = AccountQuery::new(self.scope());
        query.name = Some(name.to_owned());
        ids(&self.stores.query.accounts(&query).await.unwrap())
    }

    async fn totals(&self, filter: OpportunityFilter) -> Totals {
        let mut query = TotalsQuery::new(self.scope());
        query.filter = filter;
        self.stores.query.totals(&query).await.unwrap()
    }
}

impl StoreUnderTest {
    /// A connection that pulled these tables.
    async fn holding(&self, tables: impl IntoIterator<Item = Rows>) -> Site {
        let (site, claim) = self.pulling().await;
        site.pull(&claim, 1, tables).await;
        site
    }

    /// A connection that pulled these accounts, by id and name.
    async fn holding_accounts(&self, accounts: &[(&str, &str)]) -> Site {
        let rows = accounts.iter().map(|(id, name)| account(id, name)).collect();
        self.holding([Account::batch(rows)]).await
    }
}

fn valued(id: &str, value: &str, of: &str) -> Opportunity {
    let mut found = opportunity(id);
    found.value = Some(amount(value));
    found.currency = Some(currency(of, of).id);
    found
}

fn closing(id: &str, on: Date) -> Opportunity {
    Opportunity { close_date: Some(on), ..opportunity(id) }
}

fn currencies() -> Rows {
    let mut base = currency("USD", "USD");
    base.role = CurrencyRole::Base;
    Currency::batch(vec![currency("EUR", "EUR"), base])
}

fn total(sum: &str, of: &str, count: u64) -> CurrencyTotal {
    CurrencyTotal { total: Money::new(amount(sum), currency(of, of).code), count }
}

/// Follows the cursors of an answer to its end.
async fn all_pages<R: Record>(
    mut page: impl AsyncFnMut(Option<QueryCursor>) -> Result<Answer<R>>,
) -> Vec<Vec<String>> {
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let answer = page(cursor).await.unwrap();
        pages.push(ids(&answer));
        assert!(pages.len() < 100, "the cursors should come to an end");
        let Some(next) = answer.next else { return pages };
        cursor = Some(next);
    }
}

/// A scan shows every row once, in the order of ids, page by page.
pub async fn a_scan_comes_in_pages_in_the_order_of_ids(store: &StoreUnderTest) {
    let site = store.holding([opportunities(["o3", "O9", "o10", "o1", "o2"])]).await;
    let (mut after, mut found): (Option<RecordId>, Vec<String>) = (None, Vec::new());
    for expected in [2, 2, 1, 0] {
        let query = &store.stores.query;
        let page =
            query.scan(&site.workspace, site.connection, Table::Opportunities, after.as_ref(), 2);
        let page = page.await.unwrap();
        assert_eq!((page.len(), page.table()), (expected, Table::Opportunities));
        after = page.ids().pop().or(after);
        found.extend(page.ids().iter().map(ToString::to_string));
    }
    assert_eq!(found, ["O9", "o1", "o10", "o2", "o3"]);
}

/// A scan of what is not there gives no rows, of the right table.
pub async fn a_scan_of_nothing_is_empty(store: &StoreUnderTest) {
    let site = store.connected().await;
    for table in Table::ALL {
        let rows = site.scan(table).await;
        assert_eq!((rows.len(), rows.table()), (0, table));
    }
}

/// OLL-1: a connection that never finished a run is listed without a time.
pub async fn oll_1_as_of_lists_every_connection_in_scope(store: &StoreUnderTest) {
    let second = store.connect("acme", 2).await;
    let first = store.connect("acme", 1).await;
    store.connect("other", 3).await;
    let claim = first.claim().await;
    let run = first.start(&claim, 1).await;
    store.stores.mirror.finish_pull(&claim, run, &[]).await.unwrap();
    let all = Scope::workspace(workspace("acme"));
    let as_of = store.stores.query.as_of(&all).await.unwrap();
    assert_eq!(as_of, [(first.connection, None), (second.connection, None)]);
    store.stores.mirror.finish_run(&claim, run).await.unwrap();
    let as_of = store.stores.query.as_of(&all).await.unwrap();
    assert_eq!(as_of, [(first.connection, Some(store.now())), (second.connection, None)]);
    let as_of = store.stores.query.as_of(&second.scope()).await.unwrap();
    assert_eq!(as_of, [(second.connection, None)]);
}

/// OLL-1: while a later run is under way, answers are as of the last finished one.
pub async fn oll_1_as_of_is_the_last_finished_sync(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    site.pull(&claim, 1, []).await;
    let finished = store.now();
    store.advance(10);
    site.start(&claim, 2).await;
    let as_of = store.stores.query.as_of(&site.scope()).await.unwrap();
    assert_eq!(as_of, [(site.connection, Some(finished))]);
}

/// OLL-1: an answer over several connections is as old as the oldest of their syncs.
pub async fn oll_1_an_answer_is_as_of_the_oldest_sync(store: &StoreUnderTest) {
    let (first, second) = (store.connect("acme", 1).await, store.connect("acme", 2).await);
    let query = AccountQuery::new(Scope::workspace(workspace("acme")));
    let totals = TotalsQuery::new(query.scope.clone());
    let claims = store
        .stores
        .due
        .claim(WorkKind::Pull, 10, std::time::Duration::from_secs(600))
        .await
        .unwrap();
    let of = |site: &Site| claims.iter().find(|claim| claim.work == site.work()).unwrap();
    first.pull(of(&first), 1, []).await;
    let oldest = store.now();
    let answer = store.stores.query.accounts(&query).await.unwrap();
    assert_eq!(answer.as_of, None, "one connection was never synced");
    store.advance(10);
    second.pull(of(&second), 2, []).await;
    assert_eq!(store.stores.query.accounts(&query).await.unwrap().as_of, Some(oldest));
    assert_eq!(store.stores.query.totals(&totals).await.unwrap().as_of, Some(oldest));
}

/// OLL-1: where there is no connection there is no row and no time.
pub async fn oll_1_without_a_connection_an_answer_is_empty(store: &StoreUnderTest) {
    let scope = Scope::workspace(workspace("nobody"));
    let answer = store.stores.query.accounts(&AccountQuery::new(scope.clone())).await.unwrap();
    assert_eq!(answer, Answer { rows: Vec::new(), next: None, as_of: None });
    let totals = store.stores.query.totals(&TotalsQuery::new(scope)).await.unwrap();
    assert_eq!(totals, Totals::default());
}

/// OLL-1: names sort without regard to case, a missing name last, ties by id.
pub async fn oll_1_accounts_come_by_name(store: &StoreUnderTest) {
    let named =
        [("a4", "beta"), ("a3", "Alpha"), ("a2", "ÄRZTE"), ("a1", "alpha"), ("a5", "ärzte")];
    let mut rows: Vec<_> = named.iter().map(|(id, name)| account(id, name)).collect();
    rows.push(Account { name: None, ..account("a0", "") });
    let site = store.holding([Account::batch(rows)]).await;
    let answer = store.stores.query.accounts(&AccountQuery::new(site.scope())).await.unwrap();
    assert_eq!(ids(&answer), ["a1", "a3", "a4", "a2", "a5", "a0"]);
    assert!(answer.rows.iter().all(|found| found.connection == site.connection));
    assert_eq!(answer.next, None);
}

/// OLL-1: every word must be found somewhere in the name, in any order.
pub async fn oll_1_every_word_must_be_found(store: &StoreUnderTest) {
    let named = [("a1", "Contoso Ltd"), ("a2", "Contoso GmbH"), ("a3", "Fabrikam Ltd")];
    let site = store.holding_accounts(&named).await;
    assert_eq!(site.accounts_named("contoso").await, ["a2", "a1"]);
    assert_eq!(site.accounts_named("  LTD   conto ").await, ["a1"]);
    assert_eq!(site.accounts_named("toso").await, ["a2", "a1"]);
    assert_eq!(site.accounts_named("contoso fabrikam").await, [""; 0]);
    assert_eq!(site.accounts_named(" ").await.len(), 3);
}

/// OLL-1: case is folded beyond ASCII.
pub async fn oll_1_words_are_compared_without_case_beyond_ascii(store: &StoreUnderTest) {
    let site = store.holding_accounts(&[("a1", "ÅRHUS ΑΘΗΝΑ"), ("a2", "Arhus")]).await;
    assert_eq!(site.accounts_named("århus").await, ["a1"]);
    assert_eq!(site.accounts_named("αθηνα").await, ["a1"]);
    assert_eq!(site.accounts_named("arhus").await, ["a2"]);
}

/// what looks like a pattern is text.
pub async fn r_15_words_are_never_patterns(store: &StoreUnderTest) {
    let named = [("a1", "100% \"pure\""), ("a2", "100 pure"), ("a3", "a_b\\c'd"), ("a4", "axbycd")];
    let site = store.holding_accounts(&named).await;
    assert_eq!(site.accounts_named("100%").await, ["a1"]);
    assert_eq!(site.accounts_named("%").await, ["a1"]);
    assert_eq!(site.accounts_named("a_b").await, ["a3"]);
    assert_eq!(site.accounts_named("b\\c'd").await, ["a3"]);
    assert_eq!(site.accounts_named("\"pure\"").await, ["a1"]);
    assert_eq!(site.accounts_named("pure*").await, [""; 0]);
    assert_eq!(site.accounts_named("x' OR '1'='1").await, [""; 0]);
}

/// OLL-1: a row without a name is found by no word.
pub async fn oll_1_a_row_without_a_name_matches_no_word(store: &StoreUnderTest) {
    let rows = vec![Account { name: None, ..account("a1", "") }, account("a2", "none")];
    let site = store.holding([Account::batch(rows)]).await;
    assert_eq!(site.accounts_named("none").await, ["a2"]);
    assert_eq!(site.accounts_named("").await, ["a2", "a1"]);
}

/// OLL-1: pages follow one another without gap or repetition, through ties and missing names.
pub async fn oll_1_pages_of_accounts_follow_one_another(store: &StoreUnderTest) {
    let named = [("a3", "Same"), ("a1", "same"), ("a2", "SAME"), ("a5", "Zed"), ("a4", "other")];
    let mut rows: Vec<_> = named.iter().map(|(id, name)| account(id, name)).collect();
    rows.extend(["a7", "a6"].map(|id| Account { name: None, ..account(id, "") }));
    let site = store.holding([Account::batch(rows)]).await;
    let pages = all_pages(async |cursor| {
        let mut query = AccountQuery::new(site.scope());
        (query.page.limit, query.page.cursor) = (2, cursor);
        site.stores.query.accounts(&query).await
    });
    let expected = [vec!["a4", "a1"], vec!["a2", "a3"], vec!["a5", "a6"], vec!["a7"]];
    assert_eq!(pages.await, expected);
}

/// OLL-1: a page that is exactly full at the end promises no other.
pub async fn oll_1_the_last_page_has_no_cursor(store: &StoreUnderTest) {
    let site = store.holding_accounts(&[("a1", "A"), ("a2", "B")]).await;
    let mut query = AccountQuery::new(site.scope());
    query.page.limit = 2;
    assert_eq!(store.stores.query.accounts(&query).await.unwrap().next, None);
    query.page.limit = 1;
    let first = store.stores.query.accounts(&query).await.unwrap();
    assert!(first.next.is_some(), "there is another row");
}

/// OLL-1: a row that was added or went away in between does not shift the next page.
pub async fn oll_1_a_cursor_survives_changed_rows(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let rows = [("a1", "B"), ("a2", "D"), ("a3", "F")].map(|(id, name)| account(id, name));
    site.pull(&claim, 1, [Account::batch(rows.to_vec())]).await;
    let mut query = AccountQuery::new(site.scope());
    query.page.limit = 2;
    let first = store.stores.query.accounts(&query).await.unwrap();
    assert_eq!(ids(&first), ["a1", "a2"]);
    let mut renamed = account("a2", "Z");
    renamed.version = RowVersion::new(2);
    let rows = vec![account("a0", "A"), renamed, account("a4", "E")];
    let run = site.start(&claim, 2).await;
    site.store(&claim, run, Account::batch(rows)).await;
    query.page.cursor = first.next;
    query.page.limit = 10;
    let second = store.stores.query.accounts(&query).await.unwrap();
    assert_eq!(ids(&second), ["a4", "a3", "a2"], "everything after D, as it is now");
}

/// OLL-3: a limit outside 1 to 200 is refused.
pub async fn oll_3_limits_are_checked(store: &StoreUnderTest) {
    let site = store.holding_accounts(&[("a1", "A")]).await;
    for limit in [0, MAX_LIMIT + 1, u32::MAX] {
        let mut accounts = AccountQuery::new(site.scope());
        accounts.page.limit = limit;
        assert_invalid(store.stores.query.accounts(&accounts).await);
        let mut contacts = ContactQuery::new(site.scope());
        contacts.page.limit = limit;
        assert_invalid(store.stores.query.contacts(&contacts).await);
        let mut opportunities = OpportunityQuery::new(site.scope());
        opportunities.page.limit = limit;
        assert_invalid(store.stores.query.opportunities(&opportunities).await);
    }
    for limit in [1, MAX_LIMIT] {
        let mut query = AccountQuery::new(site.scope());
        query.page.limit = limit;
        assert_eq!(ids(&store.stores.query.accounts(&query).await.unwrap()), ["a1"]);
    }
}

/// OLL-3: a cursor that no answer gave is refused.
pub async fn oll_3_made_up_cursors_are_refused(store: &StoreUnderTest) {
    let site = store.holding_accounts(&[("a1", "A")]).await;
    for text in ["", "0", "7b7d", "a1", "[]", "' OR 1=1 --", "\u{1f4bc}", "ÿÿ", "+1+1"] {
        let cursor = Some(QueryCursor::new(text));
        let mut accounts = AccountQuery::new(site.scope());
        accounts.page.cursor.clone_from(&cursor);
        assert_invalid(store.stores.query.accounts(&accounts).await);
        let mut contacts = ContactQuery::new(site.scope());
        contacts.page.cursor.clone_from(&cursor);
        assert_invalid(store.stores.query.contacts(&contacts).await);
        let mut opportunities = OpportunityQuery::new(site.scope());
        opportunities.page.cursor = cursor;
        assert_invalid(store.stores.query.opportunities(&opportunities).await);
    }
}

/// OLL-3: a cursor goes on with its own question only.
pub async fn oll_3_a_cursor_of_another_question_is_refused(store: &StoreUnderTest) {
    let accounts = Account::batch(vec![account("a1", "A"), account("a2", "B")]);
    let site = store.holding([accounts, opportunities(["o1", "o2"])]).await;
    let mut by_name = OpportunityQuery::new(site.scope());
    by_name.page.limit = 1;
    let answer = store.stores.query.opportunities(&by_name).await.unwrap();
    let cursor = answer.next.expect("there is another row");
    let mut by_value = by_name.clone();
    by_value.sort = OpportunitySort::ValueDescending;
    by_value.page.cursor = Some(cursor.clone());
    assert_invalid(store.stores.query.opportunities(&by_value).await);
    let mut accounts = AccountQuery::new(site.scope());
    accounts.page.cursor = Some(cursor.clone());
    assert_invalid(store.stores.query.accounts(&accounts).await);
    by_name.page.cursor = Some(cursor);
    assert_eq!(ids(&store.stores.query.opportunities(&by_name).await.unwrap()), ["o2"]);
}

/// OLL-2: contacts of an account are those that belong to it directly.
pub async fn oll_2_contacts_are_found_by_account(store: &StoreUnderTest) {
    let at = |id, name, customer| Contact { parent: customer, ..contact(id, name) };
    let of = |id| Some(CustomerRef::Account(account(id, "").id));
    let rows = vec![
        at("c1", "Grace", of("a1")),
        at("c2", "Ada", of("a1")),
        at("c3", "Ada", of("a2")),
        at("c4", "Ada", Some(CustomerRef::Contact(contact("a1", "").id))),
        contact("c5", "Ada"),
    ];
    let site = store.holding([Contact::batch(rows)]).await;
    let mut query = ContactQuery::new(site.scope());
    assert_eq!(store.stores.query.contacts(&query).await.unwrap().rows.len(), 5);
    query.account = Some(account("a1", "").id);
    assert_eq!(ids(&store.stores.query.contacts(&query).await.unwrap()), ["c2", "c1"]);
    query.name = Some("RAC".to_owned());
    assert_eq!(ids(&store.stores.query.contacts(&query).await.unwrap()), ["c1"]);
}

/// OLL-1: pages of contacts follow one another.
pub async fn oll_1_pages_of_contacts_follow_one_another(store: &StoreUnderTest) {
    let named = [("c2", "ada"), ("c1", "Ada"), ("c3", "Bob"), ("c4", "ALAN")];
    let rows = named.iter().map(|(id, name)| contact(id, name)).collect();
    let site = store.holding([Contact::batch(rows)]).await;
    let pages = all_pages(async |cursor| {
        let mut query = ContactQuery::new(site.scope());
        (query.page.limit, query.page.cursor) = (1, cursor);
        site.stores.query.contacts(&query).await
    });
    assert_eq!(pages.await, [["c1"], ["c2"], ["c4"], ["c3"]]);
}

/// OLL-1: opportunities sort by name without regard to case.
pub async fn oll_1_opportunities_sort_by_name(store: &StoreUnderTest) {
    let named =
        |id, name: Option<&str>| Opportunity { name: name.map(str::to_owned), ..opportunity(id) };
    let rows = vec![
        named("o1", None),
        named("o2", Some("b")),
        named("o3", Some("A")),
        named("o4", Some("a")),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    assert_eq!(site.sorted(OpportunitySort::Name).await, ["o3", "o4", "o2", "o1"]);
}

/// OLL-1: by close date, the soonest first, those without one last.
pub async fn oll_1_opportunities_sort_by_close_date(store: &StoreUnderTest) {
    let rows = vec![
        opportunity("o1"),
        closing("o2", date!(2026 - 12 - 31)),
        closing("o3", date!(2026 - 02 - 01)),
        closing("o5", date!(999 - 02 - 01)),
        closing("o4", date!(2026 - 02 - 01)),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let sorted = site.sorted(OpportunitySort::CloseDate).await;
    assert_eq!(sorted, ["o5", "o3", "o4", "o2", "o1"]);
}

/// OLL-1: by value, the largest first, exactly; those without one last.
pub async fn oll_1_opportunities_sort_by_value(store: &StoreUnderTest) {
    let rows = vec![
        opportunity("o0"),
        valued("o1", "922337203685477.5806", "EUR"),
        valued("o2", "922337203685477.5807", "USD"),
        valued("o3", "-5", "EUR"),
        valued("o4", "9", "EUR"),
        valued("o5", "10", "EUR"),
        valued("o6", "0.0001", "EUR"),
        valued("o7", "9.0000", "EUR"),
        valued("o8", "-40", "EUR"),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let sorted = site.sorted(OpportunitySort::ValueDescending).await;
    assert_eq!(sorted, ["o2", "o1", "o5", "o4", "o7", "o6", "o3", "o8", "o0"]);
}

/// OLL-1: pages follow one another in every order, through ties and missing values.
pub async fn oll_1_pages_of_opportunities_follow_one_another(store: &StoreUnderTest) {
    let priced = |id, value: &str, on| Opportunity { close_date: on, ..valued(id, value, "EUR") };
    let (soon, late) = (Some(date!(2026 - 03 - 01)), Some(date!(2026 - 04 - 01)));
    let rows = vec![
        priced("o1", "5", late),
        priced("o2", "922337203685477.5807", None),
        priced("o3", "5.0", soon),
        opportunity("o4"),
        priced("o5", "922337203685477.5806", soon),
        opportunity("o6"),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let orders = [
        (OpportunitySort::Name, ["o1", "o2", "o3", "o4", "o5", "o6"]),
        (OpportunitySort::CloseDate, ["o3", "o5", "o1", "o2", "o4", "o6"]),
        (OpportunitySort::ValueDescending, ["o2", "o5", "o1", "o3", "o4", "o6"]),
    ];
    for (sort, expected) in orders {
        for limit in [1, 2, 4] {
            let pages = all_pages(async |cursor| {
                let mut query = OpportunityQuery::new(site.scope());
                query.sort = sort;
                (query.page.limit, query.page.cursor) = (limit, cursor);
                site.stores.query.opportunities(&query).await
            });
            assert_eq!(pages.await.concat(), expected, "{sort:?} in pages of {limit}");
        }
    }
}

/// OLL-1: ties between connections go by connection, then id; each row says where it is from.
pub async fn oll_1_ties_go_by_connection_and_id(store: &StoreUnderTest) {
    let mut sites = Vec::new();
    for number in [2, 1] {
        let site = store.connect("acme", number).await;
        let claim = site.claim().await;
        let same = |id| Opportunity { name: Some("same".to_owned()), ..opportunity(id) };
        site.pull(&claim, 1, [Opportunity::batch(vec![same("o2"), same("o1")])]).await;
        sites.push(site.connection);
    }
    let scope = Scope::workspace(workspace("acme"));
    for sort in
        [OpportunitySort::Name, OpportunitySort::CloseDate, OpportunitySort::ValueDescending]
    {
        let mut query = OpportunityQuery::new(scope.clone());
        (query.sort, query.page.limit) = (sort, 3);
        let first = store.stores.query.opportunities(&query).await.unwrap();
        query.page.cursor.clone_from(&first.next);
        let second = store.stores.query.opportunities(&query).await.unwrap();
        let found: Vec<_> = first
            .rows
            .iter()
            .chain(&second.rows)
            .map(|found| (found.connection, found.row.id.to_string()))
            .collect();
        let expected = [(sites[1], "o1"), (sites[1], "o2"), (sites[0], "o1"), (sites[0], "o2")];
        assert_eq!(found, expected.map(|(site, id)| (site, id.to_owned())), "{sort:?}");
    }
}

/// OLL-1: the account is the one set beside the customer, else the customer.
pub async fn oll_1_opportunities_are_filtered_by_account(store: &StoreUnderTest) {
    let (contoso, other) = (account("a1", "").id, account("a2", "").id);
    let with = |id, account, customer| Opportunity { account, customer, ..opportunity(id) };
    let customer = |id: &crate::model::AccountId| Some(CustomerRef::Account(id.clone()));
    let rows = vec![
        with("o1", Some(contoso.clone()), None),
        with("o2", None, customer(&contoso)),
        with("o3", Some(other.clone()), customer(&contoso)),
        with("o4", Some(contoso.clone()), customer(&other)),
        with("o5", None, Some(CustomerRef::Contact(contact("a1", "").id))),
        opportunity("o6"),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let filter = OpportunityFilter { account: Some(contoso), ..OpportunityFilter::default() };
    assert_eq!(site.filtered(filter).await, ["o1", "o2", "o4"]);
}

/// OLL-1: the owner is a user; a team with the same id is another.
pub async fn oll_1_opportunities_are_filtered_by_owner(store: &StoreUnderTest) {
    let owned = |id, owner| Opportunity { owner, ..opportunity(id) };
    let team = crate::model::TeamId::new("u1").unwrap();
    let rows = vec![
        owned("o1", Some(OwnerRef::User(user("u1").id))),
        owned("o2", Some(OwnerRef::User(user("u2").id))),
        owned("o3", Some(OwnerRef::Team(team))),
        owned("o4", None),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let filter = OpportunityFilter { owner: Some(user("u1").id), ..OpportunityFilter::default() };
    assert_eq!(site.filtered(filter).await, ["o1"]);
}

/// OLL-1: each status is told from the others.
pub async fn oll_1_opportunities_are_filtered_by_status(store: &StoreUnderTest) {
    let statuses = [
        OpportunityStatus::Open,
        OpportunityStatus::Won,
        OpportunityStatus::Lost,
        OpportunityStatus::Unknown,
    ];
    let rows = statuses.iter().enumerate().map(|(number, status)| Opportunity {
        status: *status,
        ..opportunity(&format!("o{number}"))
    });
    let site = store.holding([Opportunity::batch(rows.collect())]).await;
    for (number, status) in statuses.into_iter().enumerate() {
        let filter = OpportunityFilter { status: Some(status), ..OpportunityFilter::default() };
        assert_eq!(site.filtered(filter).await, [format!("o{number}")]);
    }
}

/// OLL-1: the currency is compared by its code, which the mirror has to know.
pub async fn oll_1_opportunities_are_filtered_by_currency(store: &StoreUnderTest) {
    let mut unpriced = opportunity("o3");
    unpriced.currency = Some(currency("EUR", "EUR").id);
    let rows = vec![
        valued("o1", "1", "EUR"),
        valued("o2", "1", "USD"),
        unpriced,
        valued("o4", "1", "GBP"),
        opportunity("o5"),
    ];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let of = |code| OpportunityFilter {
        currency: Some(currency(code, code).code),
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(of("EUR")).await, ["o1", "o3"]);
    assert_eq!(site.filtered(of("GBP")).await, [""; 0]);
}

/// OLL-1: both ends of a range of values count, to the last decimal place.
pub async fn oll_1_opportunities_are_filtered_by_value(store: &StoreUnderTest) {
    let values = ["-1", "0.0001", "9", "10", "922337203685477.5806", "922337203685477.5807"];
    let rows = values.iter().enumerate();
    let rows = rows.map(|(number, value)| valued(&format!("o{number}"), value, "EUR"));
    let rows: Vec<_> = rows.chain([opportunity("o9")]).collect();
    let site = store.holding([Opportunity::batch(rows)]).await;
    let between = |min: Option<&str>, max: Option<&str>| OpportunityFilter {
        min_value: min.map(amount),
        max_value: max.map(amount),
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(between(Some("9"), Some("10"))).await, ["o2", "o3"]);
    assert_eq!(site.filtered(between(Some("0.0002"), Some("9.9999"))).await, ["o2"]);
    assert_eq!(site.filtered(between(None, Some("0.0001"))).await, ["o0", "o1"]);
    assert_eq!(site.filtered(between(Some("922337203685477.5807"), None)).await, ["o5"]);
}

/// OLL-1: a range of close dates holds its first day, and not its last.
pub async fn oll_1_opportunities_are_filtered_by_close_date(store: &StoreUnderTest) {
    let rows = vec![
        closing("o1", date!(2026 - 03 - 31)),
        closing("o2", date!(2026 - 04 - 01)),
        closing("o3", date!(2026 - 06 - 30)),
        closing("o4", date!(2026 - 07 - 01)),
        opportunity("o5"),
    ];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let (first, after) = (Some(date!(2026 - 04 - 01)), Some(date!(2026 - 07 - 01)));
    let quarter = OpportunityFilter {
        close_from: first,
        close_before: after,
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(quarter).await, ["o2", "o3"]);
    let from = OpportunityFilter { close_from: after, ..OpportunityFilter::default() };
    assert_eq!(site.filtered(from).await, ["o4"]);
    let before = OpportunityFilter { close_before: first, ..OpportunityFilter::default() };
    assert_eq!(site.filtered(before).await, ["o1"]);
}

/// OLL-1: names are filtered by words, like those of accounts.
pub async fn oll_1_opportunities_are_filtered_by_name(store: &StoreUnderTest) {
    let named = |id, name: &str| Opportunity { name: Some(name.to_owned()), ..opportunity(id) };
    let rows = vec![named("o1", "Big ÄNDERUNG"), named("o2", "Big deal"), named("o3", "änderung")];
    let site = store.holding([Opportunity::batch(rows)]).await;
    let words = |text: &str| OpportunityFilter {
        name: Some(text.to_owned()),
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(words("big")).await, ["o2", "o1"]);
    assert_eq!(site.filtered(words("änderung BIG")).await, ["o1"]);
}

/// DEA-3: the newest active assignment says where an opportunity stands; the record comes after.
pub async fn dea_3_opportunities_are_filtered_by_their_best_stage(store: &StoreUnderTest) {
    let mut on_record = opportunity("o1");
    on_record.record_stage.stage = Some(stage_id("s1"));
    let mut assigned = opportunity("o2");
    assigned.record_stage.stage = Some(stage_id("s1"));
    let mut by_label = opportunity("o3");
    by_label.record_stage.label = Some("s1".to_owned());
    let mut aborted = opportunity("o5");
    aborted.record_stage.stage = Some(stage_id("s1"));
    let found = vec![on_record, assigned, by_label, opportunity("o4"), aborted];
    let at = |id, of, at, minutes| {
        let mut assignment = assignment(id, of, at);
        assignment.modified_at = Some(store.now() + time::Duration::minutes(minutes));
        assignment
    };
    let mut off = at("as5", "o5", "s2", 9);
    off.state = AssignmentState::Aborted;
    let assignments = vec![
        at("as1", "o2", "s3", 2),
        at("as2", "o2", "s2", 3),
        at("as3", "o2", "s1", 1),
        at("as4", "o4", "s1", 1),
        off,
    ];
    let stages = ["s1", "s2", "s3"].map(|id| stage(id, "p")).to_vec();
    let site = store
        .holding([
            Opportunity::batch(found),
            StageAssignment::batch(assignments),
            Stage::batch(stages),
        ])
        .await;
    let at = |id| OpportunityFilter { stage: Some(stage_id(id)), ..OpportunityFilter::default() };
    assert_eq!(site.filtered(at("s1")).await, ["o1", "o4", "o5"]);
    assert_eq!(site.filtered(at("s2")).await, ["o2"]);
    assert_eq!(site.filtered(at("s3")).await, [""; 0]);
    assert_eq!(site.totals(at("s1")).await.count, 3);
}

/// OLL-1: every part of a filter must hold.
pub async fn oll_1_the_parts_of_a_filter_are_combined(store: &StoreUnderTest) {
    let on = |id, value, month| Opportunity { close_date: Some(month), ..valued(id, value, "EUR") };
    let (march, april) = (date!(2026 - 03 - 15), date!(2026 - 04 - 15));
    let rows = vec![on("o1", "5", march), on("o2", "50", march), on("o3", "50", april)];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let filter = OpportunityFilter {
        name: Some("opportunity".to_owned()),
        status: Some(OpportunityStatus::Open),
        currency: Some(currency("EUR", "EUR").code),
        min_value: Some(amount("10")),
        close_before: Some(date!(2026 - 04 - 01)),
        ..OpportunityFilter::default()
    };
    assert_eq!(site.filtered(filter.clone()).await, ["o2"]);
    assert_eq!(site.totals(filter).await.by_currency, [total("50", "EUR", 1)]);
}

/// SYN-7: a row marked missing still counts, until its absence is proved.
pub async fn syn_7_missing_rows_still_count(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let accounts = Account::batch(vec![account("a1", "A")]);
    site.pull(&claim, 1, [accounts, opportunities(["o1", "o2"])]).await;
    site.pull(&claim, 2, [Account::batch(Vec::new()), opportunities(["o1"])]).await;
    assert_eq!(site.accounts_named("a").await, ["a1"]);
    assert_eq!(site.filtered(OpportunityFilter::default()).await, ["o1", "o2"]);
    assert_eq!(site.totals(OpportunityFilter::default()).await.count, 2);
}

/// OLL-2: sums are exact where floating point would round.
pub async fn oll_2_totals_are_exact_beyond_floating_point(store: &StoreUnderTest) {
    let rows = vec![
        valued("o1", "922337203685477.5807", "EUR"),
        valued("o2", "0.0001", "EUR"),
        valued("o3", "0.0001", "EUR"),
        valued("o4", "9007199254740993", "USD"),
        valued("o5", "0.1", "USD"),
        valued("o6", "0.2", "USD"),
    ];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    let expected = [total("922337203685477.5809", "EUR", 3), total("9007199254740993.3", "USD", 3)];
    assert_eq!((totals.count, totals.by_currency.as_slice()), (6, expected.as_slice()));
    assert_eq!((totals.without_value, totals.as_of), (0, Some(store.now())));
}

/// OLL-2: what cancels out is zero, and counted.
pub async fn oll_2_totals_may_be_negative_or_zero(store: &StoreUnderTest) {
    let rows = vec![
        valued("o1", "10.5", "EUR"),
        valued("o2", "-10.5000", "EUR"),
        valued("o3", "-922337203685477.5808", "USD"),
    ];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    let expected = [total("0", "EUR", 2), total("-922337203685477.5808", "USD", 1)];
    assert_eq!(totals.by_currency, expected);
}

/// OLL-2: what carries no amount, or no currency that is known, is counted apart.
pub async fn oll_2_totals_count_what_has_no_value(store: &StoreUnderTest) {
    let mut amount_alone = opportunity("o2");
    amount_alone.value = Some(amount("7"));
    let mut currency_alone = opportunity("o3");
    currency_alone.currency = Some(currency("EUR", "EUR").id);
    let rows = vec![
        valued("o1", "5", "EUR"),
        amount_alone,
        currency_alone,
        opportunity("o4"),
        valued("o5", "5", "GBP"),
    ];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    assert_eq!((totals.count, totals.without_value), (5, 4));
    assert_eq!(totals.by_currency, [total("5", "EUR", 1)]);
}

/// OLL-2: base values are summed in the base currency, as the CRM reported them.
pub async fn oll_2_totals_in_base_currency(store: &StoreUnderTest) {
    let mut rows = vec![valued("o1", "5", "EUR"), valued("o2", "5", "USD"), opportunity("o3")];
    rows[0].base_value = Some(amount("5.4321"));
    rows[1].base_value = Some(amount("922337203685477.5807"));
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    assert_eq!(totals.by_base_currency, [total("922337203685483.0128", "USD", 2)]);
}

/// OLL-2: where the base currency is not known, base values are left out.
pub async fn oll_2_base_values_need_a_known_base_currency(store: &StoreUnderTest) {
    let mut found = valued("o1", "5", "EUR");
    found.base_value = Some(amount("6"));
    let euro = Currency::batch(vec![currency("EUR", "EUR")]);
    let site = store.holding([Opportunity::batch(vec![found]), euro]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    assert_eq!((totals.by_base_currency, totals.by_currency.len()), (Vec::new(), 1));
}

/// OLL-2: connections with currencies and base currencies of their own are summed by code.
pub async fn oll_2_totals_span_connections(store: &StoreUnderTest) {
    for (number, base) in [(1, "USD"), (2, "EUR")] {
        let site = store.connect("acme", number).await;
        let claim = site.claim().await;
        let mut found = valued("o1", "1.0001", "cur");
        found.base_value = Some(amount("2"));
        let mut own = currency("cur", "GBP");
        own.role = CurrencyRole::Other;
        let mut org = currency("base", base);
        org.role = CurrencyRole::Base;
        let tables = [Opportunity::batch(vec![found]), Currency::batch(vec![own, org])];
        site.pull(&claim, 1, tables).await;
    }
    let query = TotalsQuery::new(Scope::workspace(workspace("acme")));
    let totals = store.stores.query.totals(&query).await.unwrap();
    assert_eq!(totals.by_currency, [total("2.0002", "GBP", 2)]);
    assert_eq!(totals.by_base_currency, [total("2", "EUR", 1), total("2", "USD", 1)]);
}

/// OLL-1: more rows than any page of a scan are found, sorted and summed.
pub async fn oll_1_large_tables_are_answered_in_full(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let (mut rows, mut assignments) = (Vec::new(), Vec::new());
    for number in 0..5_203 {
        let mut found = valued(&format!("o{number:05}"), "0.0001", "EUR");
        found.name = Some(format!("Deal {:05}", 99_999 - number));
        found.record_stage.stage = Some(stage_id(if number % 6 == 3 { "s1" } else { "s2" }));
        if number % 6 == 0 {
            assignments.push(assignment(&format!("as{number}"), found.id.as_str(), "s1"));
        }
        rows.push(found);
    }
    let assignments = StageAssignment::batch(assignments);
    site.pull(&claim, 1, [Opportunity::batch(rows), assignments, currencies()]).await;
    let at = OpportunityFilter { stage: Some(stage_id("s1")), ..OpportunityFilter::default() };
    let totals = site.totals(at.clone()).await;
    assert_eq!(totals.by_currency, [total("0.1735", "EUR", 1_735)]);
    let mut query = OpportunityQuery::new(site.scope());
    (query.filter, query.page.limit) = (at, MAX_LIMIT);
    let pages = all_pages(async |cursor| {
        let mut query = query.clone();
        query.page.cursor = cursor;
        site.stores.query.opportunities(&query).await
    });
    let found = pages.await;
    assert_eq!(
        found.iter().map(Vec::len).collect::<Vec<_>>(),
        [[200; 8].as_slice(), &[135]].concat()
    );
    assert_eq!((found[0][0].as_str(), found[8][134].as_str()), ("o05202", "o00000"));
}

/// OLL-4: no question of one workspace, or about one connection, sees the rows of another.
pub async fn oll_4_questions_stay_in_their_scope(store: &StoreUnderTest) {
    let mut sites = Vec::new();
    for (name, number) in [("acme", 1), ("acme", 2), ("other", 1)] {
        let site = store.connect(name, number).await;
        let claim = site.claim().await;
        let rows = vec![account("a1", &format!("Same {name} {number}"))];
        let contacts = Contact::batch(vec![contact("c1", &format!("Same {name} {number}"))]);
        let value = format!("1000{number}");
        let found = Opportunity::batch(vec![valued("o1", &value, "EUR")]);
        site.pull(&claim, 1, [Account::batch(rows), contacts, found, currencies()]).await;
        sites.push(site);
    }
    let query = &store.stores.query;
    for site in &sites {
        let (scope, name) = (site.scope(), format!("Same {} ", site.workspace));
        let accounts = query.accounts(&AccountQuery::new(scope.clone())).await.unwrap();
        let contacts = query.contacts(&ContactQuery::new(scope.clone())).await.unwrap();
        assert_eq!((accounts.rows.len(), contacts.rows.len()), (1, 1));
        assert!(accounts.rows[0].row.name.as_ref().unwrap().starts_with(&name));
        assert!(contacts.rows[0].row.name.as_ref().unwrap().starts_with(&name));
        assert_eq!(site.sorted(OpportunitySort::Name).await.len(), 1);
        assert_eq!(site.totals(OpportunityFilter::default()).await.count, 1);
    }
    let other = Scope::workspace(workspace("other"));
    let totals = query.totals(&TotalsQuery::new(other)).await.unwrap();
    assert_eq!(totals.by_currency, [total("10001", "EUR", 1)]);
    let both = query.accounts(&AccountQuery::new(Scope::workspace(workspace("acme")))).await;
    assert_eq!(both.unwrap().rows.len(), 2);
    let stranger = Scope::connection(workspace("other"), sites[1].connection);
    let stolen = query.accounts(&AccountQuery::new(stranger)).await.unwrap();
    assert_eq!(stolen.rows, []);
    let (theirs, ours) = (&workspace("other"), sites[1].connection);
    let rows = query.scan(theirs, ours, Table::Accounts, None, 10).await.unwrap();
    assert!(rows.is_empty(), "a scan should stay in its workspace");
}

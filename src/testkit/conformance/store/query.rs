//! Behaviours of [`Query`](crate::storage::Query): scans, questions, totals.

use time::Date;

use crate::error::Result;
use crate::model::query::{
    AccountQuery, Answer, ContactQuery, CurrencyTotal, MAX_LIMIT, OpportunityFilter,
    OpportunityQuery, OpportunitySort, QueryCursor, Scope, Totals, TotalsQuery,
};
use crate::model::{
    Account, AccountId, Contact, Currency, CurrencyRole, CustomerRef, Money, Opportunity, Record,
    RecordId, RowVersion, Rows, Table, User,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{
    Site, account, amount, assert_invalid, contact, currency, opportunities, opportunity, record,
    workspace,
};

/// The ids of an answer's rows, in their order.
pub(super) fn ids<R: Record>(answer: &Answer<R>) -> Vec<String> {
    answer.rows.iter().map(|found| found.row.record_id().to_string()).collect()
}

impl Site {
    pub(super) fn scope(&self) -> Scope {
        Scope::connection(self.workspace.clone(), self.connection)
    }

    /// The opportunities that pass a filter, by name.
    pub(super) async fn filtered(&self, filter: OpportunityFilter) -> Vec<String> {
        let mut query = OpportunityQuery::new(self.scope());
        query.filter = filter;
        ids(&self.stores.query.opportunities(&query).await.unwrap())
    }

    pub(super) async fn sorted(&self, sort: OpportunitySort) -> Vec<String> {
        let mut query = OpportunityQuery::new(self.scope());
        query.sort = sort;
        ids(&self.stores.query.opportunities(&query).await.unwrap())
    }

    pub(super) async fn accounts_named(&self, name: &str) -> Vec<String> {
        let mut query = AccountQuery::new(self.scope());
        query.name = Some(name.to_owned());
        ids(&self.stores.query.accounts(&query).await.unwrap())
    }

    pub(super) async fn totals(&self, filter: OpportunityFilter) -> Totals {
        let mut query = TotalsQuery::new(self.scope());
        query.filter = filter;
        self.stores.query.totals(&query).await.unwrap()
    }
}

impl StoreUnderTest {
    /// A connection that pulled these tables.
    pub(super) async fn holding(&self, tables: impl IntoIterator<Item = Rows>) -> Site {
        let (site, claim) = self.pulling().await;
        site.pull(&claim, 1, tables).await;
        site
    }

    /// A connection that pulled these accounts, by id and name.
    pub(super) async fn holding_accounts(&self, accounts: &[(&str, &str)]) -> Site {
        let rows = accounts.iter().map(|(id, name)| account(id, name)).collect();
        self.holding([Account::batch(rows)]).await
    }
}

pub(super) fn valued(id: &str, value: &str, of: &str) -> Opportunity {
    let mut found = opportunity(id);
    found.value = Some(amount(value));
    found.currency = Some(currency(of, of).id);
    found
}

pub(super) fn closing(id: &str, on: Date) -> Opportunity {
    Opportunity { close_date: Some(on), ..opportunity(id) }
}

pub(super) fn currencies() -> Rows {
    let mut base = currency("USD", "USD");
    base.role = CurrencyRole::Base;
    Currency::batch(vec![currency("EUR", "EUR"), base])
}

pub(super) fn total(sum: &str, of: &str, count: u64) -> CurrencyTotal {
    CurrencyTotal { total: Money::new(amount(sum), currency(of, of).code), count }
}

/// Follows the cursors of an answer to its end.
pub(super) async fn all_pages<R: Record>(
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

/// Rows are read by their ids: those that are there, in the order of their ids, each once.
pub async fn rows_are_read_by_their_ids(store: &StoreUnderTest) {
    let (site, claim) = store.pulling().await;
    let other = store.connect("other", 1).await;
    site.pull(
        &claim,
        1,
        [opportunities(["o1", "o2", "o3"]), Account::batch(vec![account("o1", "A")])],
    )
    .await;
    let read = async |site: &Site, table, ids: &[&str]| {
        let ids: Vec<_> = ids.iter().map(|id| record(id)).collect();
        site.stores.query.rows(&site.workspace, site.connection, table, &ids).await.unwrap()
    };
    let table = Table::Opportunities;
    assert_eq!(read(&site, table, &["o3", "o9", "o1", "o3"]).await, opportunities(["o1", "o3"]));
    assert_eq!(read(&site, Table::Accounts, &["o1", "o2"]).await.ids(), [record("o1")]);
    assert_eq!(read(&site, Table::Users, &["o1"]).await, User::batch(Vec::new()));
    assert_eq!(read(&site, table, &[]).await, opportunities([]));
    assert_eq!(read(&other, table, &["o1"]).await, opportunities([]), "of another workspace");
}

/// A scan of what is not there gives no rows, of the right table.
pub async fn a_scan_of_nothing_is_empty(store: &StoreUnderTest) {
    let site = store.connected().await;
    for table in Table::ALL {
        let rows = site.scan(table).await;
        assert_eq!((rows.len(), rows.table()), (0, table));
    }
}

/// OLL-1: names sort without regard to case and accents, a missing name last, ties by id.
pub async fn oll_1_accounts_come_by_name(store: &StoreUnderTest) {
    let named =
        [("a4", "beta"), ("a3", "Alpha"), ("a2", "ÄRZTE"), ("a1", "alpha"), ("a5", "ärzte")];
    let mut rows: Vec<_> = named.iter().map(|(id, name)| account(id, name)).collect();
    rows.push(Account { name: None, ..account("a0", "") });
    let site = store.holding([Account::batch(rows)]).await;
    let answer = store.stores.query.accounts(&AccountQuery::new(site.scope())).await.unwrap();
    assert_eq!(ids(&answer), ["a1", "a3", "a2", "a5", "a4", "a0"]);
    assert!(answer.rows.iter().all(|found| found.connection == site.connection));
    assert_eq!(answer.next, None);
}

/// OLL-1: every word must begin one of the name's, in any order.
pub async fn oll_1_every_word_must_be_found(store: &StoreUnderTest) {
    let named = [("a1", "Contoso Ltd"), ("a2", "Contoso GmbH"), ("a3", "Fabrikam Ltd")];
    let site = store.holding_accounts(&named).await;
    assert_eq!(site.accounts_named("contoso").await, ["a2", "a1"]);
    assert_eq!(site.accounts_named("  LTD   conto ").await, ["a1"]);
    assert_eq!(site.accounts_named("cont").await, ["a2", "a1"]);
    assert_eq!(site.accounts_named("toso").await, [""; 0]);
    assert_eq!(site.accounts_named("contoso fabrikam").await, [""; 0]);
    assert_eq!(site.accounts_named(" ").await.len(), 3);
}

/// OLL-1: case and accents are folded beyond ASCII; a script without spaces is searched within.
pub async fn oll_1_words_are_compared_without_case_beyond_ascii(store: &StoreUnderTest) {
    let named = [("a1", "ÅRHUS ΑΘΗΝΑ"), ("a2", "Arhus"), ("a3", "株式会社東京商事")];
    let site = store.holding_accounts(&named).await;
    assert_eq!(site.accounts_named("århus").await, ["a2", "a1"]);
    assert_eq!(site.accounts_named("αθηνα").await, ["a1"]);
    assert_eq!(site.accounts_named("ARHUS").await, ["a2", "a1"]);
    assert_eq!(site.accounts_named("商事").await, ["a3"]);
}

/// OLL-2: the nearest names come first, whatever was mistyped, and nothing else.
pub async fn oll_2_the_accounts_nearest_to_a_name_come_first(store: &StoreUnderTest) {
    let named = [
        ("a1", "Contoso Deutschland GmbH"),
        ("a2", "Contoso Ltd"),
        ("a3", "Fabrikam Ltd"),
        ("a4", "contoso"),
        ("a5", "International Business Machines"),
    ];
    let mut rows: Vec<_> = named.iter().map(|(id, name)| account(id, name)).collect();
    rows.push(Account { name: None, ..account("a0", "") });
    let site = store.holding([Account::batch(rows)]).await;
    let near = async |name: &str, limit| {
        ids(&store.stores.query.nearest_accounts(&site.scope(), name, limit).await.unwrap())
    };
    assert_eq!(near("Contosso", 10).await, ["a4", "a2", "a1"]);
    assert_eq!(near("CONTOSO", 2).await, ["a4", "a2"]);
    assert_eq!(near("ibm", 10).await, ["a5"]);
    assert_eq!(near("fabricam", 10).await, ["a3"]);
    for nothing in ["Northwind", "", "  ", "%"] {
        assert_eq!(near(nothing, 10).await, [""; 0], "{nothing}");
    }
    let stranger = Scope::workspace(workspace("other"));
    let found = store.stores.query.nearest_accounts(&stranger, "contoso", 10).await.unwrap();
    assert!(found.rows.is_empty(), "OLL-4");
}

/// what looks like a pattern is text.
pub async fn r_15_words_are_never_patterns(store: &StoreUnderTest) {
    let named = [("a1", "100% \"pure\""), ("a2", "100 pure"), ("a3", "a_b\\c'd"), ("a4", "axbycd")];
    let site = store.holding_accounts(&named).await;
    assert_eq!(site.accounts_named("100%").await, ["a1", "a2"], "punctuation does not count");
    assert_eq!(site.accounts_named("\"pure\"").await, ["a1", "a2"]);
    assert_eq!(site.accounts_named("a_b").await, ["a3"]);
    for pattern in ["%", "_", "*", "?", "'", "\\", "\"", "--"] {
        assert_eq!(site.accounts_named(pattern).await, [""; 0], "{pattern}");
    }
    assert_eq!(site.accounts_named("p%e").await, [""; 0]);
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

/// OLL-1, ACC-1: an account is found by its id, and by the web domain that identifies it.
pub async fn oll_1_an_account_is_found_by_its_id_or_its_domain(store: &StoreUnderTest) {
    let at = |id: &str, website: &str, email: &str| {
        let mut row = account(id, id);
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (row.website, row.email) = (some(website), some(email));
        row
    };
    let rows = vec![
        at("a1", "https://www.Contoso.co.uk/shop", "ada@fabrikam.com"),
        at("a2", "", "info@mail.contoso.co.uk"),
        at("a3", "contoso.com", ""),
        at("a4", "", "contoso.co.uk@gmail.com"),
        at("a5", "", ""),
    ];
    let site = store.holding([Account::batch(rows)]).await;
    for (id, domain, found) in [
        (Some("a4"), None, vec!["a4"]),
        (Some("nobody"), None, vec![]),
        (None, Some("contoso.co.uk"), vec!["a1", "a2"]),
        (None, Some("fabrikam.com"), vec![]),
        (None, Some("gmail.com"), vec![]),
        (Some("a2"), Some("contoso.co.uk"), vec!["a2"]),
        (Some("a3"), Some("contoso.co.uk"), vec![]),
    ] {
        let mut query = AccountQuery::new(site.scope());
        query.id = id.map(|id| AccountId::new(id).unwrap());
        query.domain = domain.map(str::to_owned);
        assert_eq!(
            ids(&store.stores.query.accounts(&query).await.unwrap()),
            found,
            "{id:?} {domain:?}"
        );
    }
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
    query.name = Some("GRA".to_owned());
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

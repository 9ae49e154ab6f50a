//! The memory store is the model: SQLite gives the same answers over generated rows.

mod deals;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use fluint_crm::model::query::{
    AccountQuery, Answer, ChangesQuery, ContactQuery, DealFilter, DealQuery, GroupBy, GroupsQuery,
    OpportunityFilter, OpportunityQuery, OpportunitySort, PageRequest, QueryCursor, Scope,
    StageQuery, TotalsQuery, UserQuery,
};
use fluint_crm::model::{
    Account, AccountId, AccountStatus, Amount, AssignmentState, Contact, ContactId, Currency,
    CurrencyCode, CurrencyId, CurrencyRole, CustomerRef, Decided, EmailAddress, Opportunity,
    OpportunityId, OpportunityStatus, OwnerRef, ProcessId, ProcessRef, RecordId, RowVersion, Rows,
    RunId, Stage, StageAssignment, StageId, Table, TeamId, User, UserId,
};
use fluint_crm::storage::{Claim, Settled, Stores, SweepDecision};
use fluint_crm::store::{MemoryStore, SqliteStore};
use fluint_crm::testkit::ManualClock;
use proptest::prelude::*;
use proptest::sample::select;
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::sqlite::agree::deals::{deal_filter, decisions};
use crate::sqlite::{begin, connection_record, page, sealed, workspace};

fn name() -> impl Strategy<Value = Option<String>> {
    let names = [
        "Alpha Beta",
        "ALPHA",
        "alpha",
        "",
        "100%_x",
        "\u{130}stanbul",
        "\u{c9}T\u{c9}",
        "été",
        "a'b\"c",
        "stra\u{df}e",
        "Beta\u{0}Gamma",
        "ﬁn",
        "Alpha Betta GmbH",
        "東京商事",
    ];
    proptest::option::weighted(0.9, select(names.map(str::to_owned).to_vec()))
}

fn words() -> impl Strategy<Value = Option<String>> {
    let words = [
        "alpha", "BETA a", "%", "_", "É", "i\u{307}", "'", " ", "stan", "ß", "\u{0}g", "商事",
        "alhpa",
    ];
    proptest::option::weighted(0.4, select(words.map(str::to_owned).to_vec()))
}

fn id(kind: &'static str, many: u8) -> impl Strategy<Value = String> {
    (0..many).prop_map(move |number| format!("{kind}{number}"))
}

fn amount() -> impl Strategy<Value = Option<Amount>> {
    let amounts = ["0", "-1", "1.0000000001", "1", "999999999999999999", "-999999999999999.99"];
    let amounts = amounts.map(|text| text.parse::<Amount>().unwrap());
    proptest::option::of(select(amounts.to_vec()))
}

fn day() -> impl Strategy<Value = Option<Date>> {
    let days = [date!(1753 - 01 - 01), date!(2026 - 02 - 28), date!(2026 - 03 - 01)];
    proptest::option::of(select(days.to_vec()))
}

fn moment() -> impl Strategy<Value = Option<OffsetDateTime>> {
    let moments = [datetime!(2025-12-31 23:59:59.999999 UTC), datetime!(2026-01-01 00:00 UTC)];
    proptest::option::of(select(moments.to_vec()))
}

fn status() -> impl Strategy<Value = OpportunityStatus> {
    select(vec![OpportunityStatus::Open, OpportunityStatus::Won, OpportunityStatus::Unknown])
}

fn customer() -> impl Strategy<Value = Option<CustomerRef>> {
    prop_oneof![
        Just(None),
        id("a", 4).prop_map(|id| Some(CustomerRef::Account(AccountId::new(id).unwrap()))),
        id("p", 4).prop_map(|id| Some(CustomerRef::Contact(ContactId::new(id).unwrap()))),
    ]
}

fn owner() -> impl Strategy<Value = Option<OwnerRef>> {
    prop_oneof![
        Just(None),
        id("u", 3).prop_map(|id| Some(OwnerRef::User(UserId::new(id).unwrap()))),
        id("u", 3).prop_map(|id| Some(OwnerRef::Team(TeamId::new(id).unwrap()))),
    ]
}

fn opportunity() -> impl Strategy<Value = Opportunity> {
    let links = (customer(), proptest::option::of(id("a", 4)), owner(), status());
    let figures = (amount(), amount(), proptest::option::of(id("c", 4)), day(), day());
    let stage = proptest::option::of(id("s", 3));
    (id("o", 12), name(), links, figures, stage, 0..3_i64).prop_map(
        |(id, name, links, figures, stage, version)| {
            let mut row = Opportunity::new(OpportunityId::new(id).unwrap());
            row.name = name;
            let account;
            (row.customer, account, row.owner, row.status) = links;
            row.account = account.map(|id| AccountId::new(id).unwrap());
            let currency;
            (row.value, row.base_value, currency, row.close_date, row.closed_on) = figures;
            row.currency = currency.map(|id| CurrencyId::new(id).unwrap());
            row.record_stage.stage = stage.map(|id| StageId::new(id).unwrap());
            row.version = RowVersion::new(version);
            row
        },
    )
}

fn account() -> impl Strategy<Value = Account> {
    let sites = ["contoso.com", "https://www.Contoso.com/de", "contoso.co.uk", "none", "fb.com/x"];
    let site = proptest::option::of(select(sites.map(str::to_owned).to_vec()));
    let email =
        proptest::option::of(select(vec!["a@contoso.com".to_owned(), "a@gmx.de".to_owned()]));
    let into = proptest::option::weighted(0.2, id("a", 12));
    (id("a", 12), name(), site, email, into).prop_map(|(id, name, site, email, into)| {
        let mut row = Account::new(AccountId::new(id).unwrap());
        (row.website, row.email) = (site, email);
        row.name = name;
        if let Some(into) = into {
            row.status = AccountStatus::MergedInto(AccountId::new(into).unwrap());
        }
        row
    })
}

fn contact() -> impl Strategy<Value = Contact> {
    (id("p", 12), name(), customer(), owner()).prop_map(|(id, name, parent, owner)| {
        let mut row = Contact::new(ContactId::new(id).unwrap());
        (row.name, row.parent, row.owner) = (name, parent, owner);
        row
    })
}

fn assignment() -> impl Strategy<Value = StageAssignment> {
    let states = [AssignmentState::Active, AssignmentState::Finished, AssignmentState::Aborted];
    (id("t", 25), id("o", 12), id("s", 3), select(states.to_vec()), moment(), moment(), 0..3_i64)
        .prop_map(|(id, opportunity, stage, state, since, modified_at, version)| {
            let mut row = StageAssignment::new(
                RecordId::new(id).unwrap(),
                OpportunityId::new(opportunity).unwrap(),
                StageId::new(stage).unwrap(),
            );
            (row.state, row.since, row.modified_at) = (state, since, modified_at);
            row.version = RowVersion::new(version);
            row
        })
}

fn currency() -> impl Strategy<Value = Currency> {
    (id("c", 3), select(vec!["EUR", "USD"]), any::<bool>()).prop_map(|(id, code, base)| {
        let code = CurrencyCode::new(code).unwrap();
        let mut row = Currency::new(CurrencyId::new(id).unwrap(), code);
        row.role = if base { CurrencyRole::Base } else { CurrencyRole::Other };
        row
    })
}

fn stage() -> impl Strategy<Value = Stage> {
    let process = proptest::option::of(id("q", 2));
    (id("s", 4), name(), process, proptest::option::of(0..3)).prop_map(
        |(id, name, process, position)| {
            let mut row = Stage::new(StageId::new(id).unwrap());
            (row.name, row.position) = (name, position);
            row.process = process.map(|id| ProcessRef::new(ProcessId::new(id).unwrap()));
            row
        },
    )
}

fn user() -> impl Strategy<Value = User> {
    let emails = ["U@contoso.com", "u@contoso.com", "ü@contoso.com"].map(str::to_owned);
    let email = proptest::option::of(select(emails.to_vec()));
    (id("u", 6), name(), email).prop_map(|(id, name, email)| {
        let mut row = User::new(UserId::new(id).unwrap());
        row.name = name;
        row.email = email.map(|email| EmailAddress::new(email).unwrap());
        row
    })
}

fn rows() -> impl Strategy<Value = Rows> {
    use proptest::collection::vec;
    prop_oneof![
        4 => vec(opportunity(), 1..30).prop_map(Rows::Opportunities),
        1 => vec(account(), 1..10).prop_map(Rows::Accounts),
        1 => vec(contact(), 1..10).prop_map(Rows::Contacts),
        2 => vec(assignment(), 1..20).prop_map(Rows::StageAssignments),
        1 => vec(currency(), 1..4).prop_map(Rows::Currencies),
        1 => vec(stage(), 1..5).prop_map(Rows::Stages),
        1 => vec(user(), 1..8).prop_map(Rows::Users),
    ]
}

fn filter() -> impl Strategy<Value = OpportunityFilter> {
    let rarely = |id: BoxedStrategy<String>| proptest::option::weighted(0.15, id);
    let few = |id: BoxedStrategy<String>| {
        let pair = (0..3_u8, id).prop_map(|(of, id)| (connection(of), id));
        prop_oneof![17 => Just(Vec::new()), 3 => proptest::collection::vec(pair, 1..4)]
    };
    let ids = (
        rarely(id("a", 4).boxed()),
        few(id("u", 3).boxed()),
        few(id("s", 3).boxed()),
        proptest::option::weighted(0.2, status()),
        proptest::option::weighted(0.2, select(vec!["EUR", "USD", "GBP"])),
    );
    let ranges = (
        proptest::option::weighted(0.2, amount()),
        proptest::option::weighted(0.2, amount()),
        proptest::option::weighted(0.2, day()),
        proptest::option::weighted(0.2, day()),
        proptest::option::weighted(0.1, day()),
        proptest::option::weighted(0.1, day()),
    );
    (words(), ids, ranges).prop_map(|(name, ids, ranges)| {
        let mut filter = OpportunityFilter::default();
        filter.name = name;
        filter.account = ids.0.map(|id| AccountId::new(id).unwrap());
        let owner = |(of, id)| (of, UserId::new(id).unwrap());
        filter.owners = ids.1.into_iter().map(owner).collect();
        let stage = |(of, id)| (of, StageId::new(id).unwrap());
        filter.stages = ids.2.into_iter().map(stage).collect();
        filter.status = ids.3;
        filter.currency = ids.4.map(|code| CurrencyCode::new(code).unwrap());
        filter.min_value = ranges.0.flatten();
        filter.max_value = ranges.1.flatten();
        filter.close_from = ranges.2.flatten();
        filter.close_before = ranges.3.flatten();
        (filter.closed_from, filter.closed_before) = (ranges.4.flatten(), ranges.5.flatten());
        filter
    })
}

/// A question of every kind.
#[derive(Clone, Debug)]
struct Questions {
    deals: DealFilter,
    only: Option<u8>,
    name: Option<String>,
    account: Option<String>,
    filter: OpportunityFilter,
    limit: u32,
}

fn questions() -> impl Strategy<Value = Questions> {
    (
        proptest::option::weighted(0.3, 0..3_u8),
        words(),
        proptest::option::weighted(0.3, id("a", 4)),
        filter(),
        deal_filter(),
        1..9_u32,
    )
        .prop_map(|(only, name, account, filter, deals, limit)| Questions {
            deals,
            only,
            name,
            account,
            filter,
            limit,
        })
}

/// The first two connections are connected and pulled; the third is not there.
fn connection(number: u8) -> fluint_crm::model::ConnectionId {
    fluint_crm::model::ConnectionId::new(Uuid::from_u128(u128::from(number) + 1))
}

async fn claims(stores: &Stores) -> Vec<Claim> {
    for number in 0..2 {
        let record = connection_record(connection(number));
        stores.connections.connect(&record, &sealed()).await.unwrap();
    }
    stores.due.claim(fluint_crm::storage::WorkKind::Pull, 2, Duration::from_secs(60)).await.unwrap()
}

/// Applies the same pages as three pulls per connection, some weeks apart.
async fn fill(
    stores: &Stores,
    clock: &ManualClock,
    pages: &[(u8, Rows)],
    decided: &[(u8, Decided)],
) -> Vec<String> {
    let mut told = Vec::new();
    for (claim, number) in claims(stores).await.iter().zip(0..2_u8) {
        let ours = decided.iter().filter(|(of, _)| *of == number);
        let ours: Vec<_> = ours.map(|(_, decided)| decided.clone()).collect();
        told.push(show(&stores.deals.apply(claim, &ours).await.unwrap()));
        let of_it: Vec<_> = pages.iter().filter(|(to, _)| *to == number).collect();
        let (first, others) = of_it.split_at(of_it.len() / 3);
        let (second, third) = others.split_at(others.len() / 2);
        for (part, run) in [(first, 10), (second, 20), (third, 30)] {
            let run = RunId::new(Uuid::from_u128(run));
            begin(&*stores.mirror, claim, run).await.unwrap();
            let mut places = BTreeMap::new();
            for (_, rows) in part {
                let seq = places.entry(rows.table()).or_insert(0);
                let mut page = page(*seq, rows.clone());
                *seq += 1;
                page.run = run;
                told.push(show(&crate::sqlite::put(&*stores.mirror, claim, page).await));
            }
            let proofs = Table::ALL.map(|table| crate::sqlite::proof(run, table));
            told.push(show(&stores.mirror.finish_pull(claim, run, &proofs).await.unwrap()));
            // Of what is missing, every other row is called gone.
            for table in Table::ALL {
                let (workspace, of) = (workspace(), connection(number));
                let missing = stores.mirror.missing(&workspace, of, table, None, 50);
                let gone =
                    missing.await.unwrap().into_iter().step_by(2).map(|row| row.id).collect();
                let found = Rows::concat(table, Vec::new());
                let settled = Settled { found, absent: Vec::new(), gone };
                stores.mirror.settle(claim, run, &settled).await.unwrap();
            }
            stores.mirror.finish_run(claim, run).await.unwrap();
            if part.len() % 2 == 1 {
                let (of, undo) = (workspace(), SweepDecision::Undo);
                let decided = stores.mirror.decide_sweep(&of, connection(number), run, undo).await;
                told.push(show(&decided.map_err(|error| error.to_string())));
            }
            clock.advance(time::Duration::days(20));
        }
    }
    told
}

fn show(value: &impl Debug) -> String {
    format!("{value:?}")
}

/// Everything that a store answers to the questions, page after page.
async fn ask(stores: &Stores, questions: &Questions) -> Vec<String> {
    let Questions { deals, only, name, account, filter, limit } = questions;
    let scope = match only {
        Some(number) => Scope::connection(workspace(), connection(*number)),
        None => Scope::workspace(workspace()),
    };
    let mut told = Vec::new();
    let mut accounts = AccountQuery::new(scope.clone());
    (accounts.name, accounts.page.limit) = (name.clone(), *limit);
    loop {
        let answer = stores.query.accounts(&accounts).await.unwrap();
        if follow(&mut told, &mut accounts.page, answer).is_break() {
            break;
        }
    }
    for (id, domain) in [(account.as_deref(), None), (None, Some("contoso.com"))] {
        let mut accounts = AccountQuery::new(scope.clone());
        accounts.id = id.map(|id| AccountId::new(id).unwrap());
        accounts.domain = domain.map(str::to_owned);
        told.push(show(&stores.query.accounts(&accounts).await.unwrap()));
    }
    let (query, wanted) = (&stores.query, name.as_deref().unwrap_or_default());
    told.push(show(&query.nearest_accounts(&scope, wanted, *limit).await.unwrap()));
    told.push(show(&query.nearest_contacts(&scope, wanted, *limit).await.unwrap()));
    told.push(show(&query.nearest_opportunities(&scope, wanted, *limit).await.unwrap()));
    told.push(show(&query.nearest_users(&scope, wanted, *limit).await.unwrap()));
    let mut users = UserQuery::new(scope.clone());
    (users.name, users.page.limit) = (name.clone(), *limit);
    loop {
        let answer = stores.query.users(&users).await.unwrap();
        if follow(&mut told, &mut users.page, answer).is_break() {
            break;
        }
    }
    for (id, email) in [(Some("u1"), None), (None, Some("u@contoso.com")), (None, None)] {
        let mut users = UserQuery::new(scope.clone());
        users.id = id.map(|id| UserId::new(id).unwrap());
        users.email = email.map(|email| EmailAddress::new(email).unwrap());
        told.push(show(&stores.query.users(&users).await.unwrap()));
    }
    for (id, process) in [(Some("s1"), None), (None, Some("q1")), (None, None)] {
        let mut stages = StageQuery::new(scope.clone());
        (stages.name, stages.page.limit) = (name.clone(), *limit);
        stages.id = id.map(|id| StageId::new(id).unwrap());
        stages.process = process.map(|process| ProcessId::new(process).unwrap());
        loop {
            let answer = stores.query.stages(&stages).await.unwrap();
            if follow(&mut told, &mut stages.page, answer).is_break() {
                break;
            }
        }
    }
    let mut contacts = ContactQuery::new(scope.clone());
    (contacts.name, contacts.page.limit) = (name.clone(), *limit);
    contacts.account = account.clone().map(|id| AccountId::new(id).unwrap());
    loop {
        let answer = stores.query.contacts(&contacts).await.unwrap();
        if follow(&mut told, &mut contacts.page, answer).is_break() {
            break;
        }
    }
    for sort in
        [OpportunitySort::Name, OpportunitySort::CloseDate, OpportunitySort::ValueDescending]
    {
        let mut query = OpportunityQuery::new(scope.clone());
        (query.filter, query.sort, query.page.limit) = (filter.clone(), sort, *limit);
        loop {
            let answer = stores.query.opportunities(&query).await.unwrap();
            if follow(&mut told, &mut query.page, answer).is_break() {
                break;
            }
        }
    }
    for sort in
        [OpportunitySort::Name, OpportunitySort::CloseDate, OpportunitySort::ValueDescending]
    {
        let mut query = DealQuery::new(scope.clone());
        (query.filter, query.sort, query.page.limit) = (deals.clone(), sort, *limit);
        loop {
            let page = stores.deals.find(&query).await.unwrap();
            told.push(show(&page));
            query.page.cursor = page.next;
            if query.page.cursor.is_none() {
                break;
            }
        }
    }
    told.push(show(&stores.deals.list(&scope, None, *limit).await.unwrap()));
    for by in [GroupBy::Month, GroupBy::Owner, GroupBy::Stage] {
        let mut groups = GroupsQuery::new(scope.clone(), by);
        groups.filter = filter.clone();
        told.push(show(&stores.query.groups(&groups).await.map_err(|error| error.to_string())));
    }
    for account in [None, account.clone()] {
        let mut changes = ChangesQuery::new(scope.clone());
        changes.account = account.map(|id| AccountId::new(id).unwrap());
        changes.limit = *limit * 10;
        told.push(show(&stores.query.row_changes(&changes).await.unwrap()));
    }
    let mut totals = TotalsQuery::new(scope);
    totals.filter = filter.clone();
    // Two of the largest amounts together do not fit, which both must say.
    told.push(show(&stores.query.totals(&totals).await.map_err(|error| error.to_string())));
    for number in 0..2 {
        let number = connection(number);
        for (table, ids) in [(Table::Accounts, ["a1", "a0"]), (Table::Stages, ["s9", "s1"])] {
            let ids = ids.map(|id| RecordId::new(id).unwrap());
            told.push(show(&stores.query.rows(&workspace(), number, table, &ids).await.unwrap()));
        }
        told.push(show(&stores.mirror.stages(&workspace(), number).await.unwrap()));
        told.push(show(&stores.mirror.candidates(&workspace(), number, None, 50).await.unwrap()));
        told.push(show(&stores.mirror.progress(&workspace(), number).await.unwrap()));
    }
    told
}

/// Notes an answer and turns to its next page; breaks at the last one.
fn follow<R: Debug>(
    told: &mut Vec<String>,
    page: &mut PageRequest,
    answer: Answer<R>,
) -> ControlFlow<()> {
    told.push(show(&answer.rows));
    told.push(show(&(answer.as_of, answer.next.as_ref().map(QueryCursor::as_str))));
    page.cursor = answer.next;
    if page.cursor.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn oll_1_sqlite_answers_as_the_memory_store_does(
        pages in proptest::collection::vec((0..2_u8, rows()), 0..14),
        decided in decisions(),
        questions in proptest::collection::vec(questions(), 6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let clock = || Arc::new(ManualClock::new(datetime!(2026-02-01 09:00 UTC)));
            let (ours, theirs) = (clock(), clock());
            let memory = Stores::all(Arc::new(MemoryStore::new(Arc::clone(&ours) as _)));
            let sqlite = SqliteStore::in_memory(Arc::clone(&theirs) as _).unwrap();
            let sqlite = Stores::all(Arc::new(sqlite));
            prop_assert_eq!(
                fill(&memory, &ours, &pages, &decided).await,
                fill(&sqlite, &theirs, &pages, &decided).await
            );
            for questions in &questions {
                prop_assert_eq!(ask(&memory, questions).await, ask(&sqlite, questions).await);
            }
            Ok(())
        })?;
    }
}

//! Thousands of rows that share a name, an owner or a stage: more than are read one by one.

use std::sync::Arc;

use fluint_crm::model::query::{
    Answer, ContactQuery, GroupBy, GroupsQuery, OpportunityFilter, OpportunityQuery,
    OpportunitySort, Scope, TotalsQuery,
};
use fluint_crm::model::{
    Amount, ConnectionId, Contact, ContactId, Opportunity, OpportunityId, OpportunityStatus,
    OwnerRef, Record, RecordId, Rows, RunId, StageId, Table, UserId,
};
use fluint_crm::storage::{Stores, WorkKind};
use fluint_crm::store::{MemoryStore, SqliteStore};
use fluint_crm::testkit::ManualClock;
use time::Date;
use time::macros::datetime;
use uuid::Uuid;

use crate::sqlite::{begin, connection_record, euro, page, proof, put, sealed, workspace};

/// So many of each per connection: more contacts of one name than are sorted, and more opportunities
/// of one owner.
const CONTACTS: u64 = 1_000;
const OPPORTUNITIES: u64 = 2_600;

fn connection(number: u128) -> ConnectionId {
    ConnectionId::new(Uuid::from_u128(number))
}

/// An id in an order that has nothing to do with the number's.
fn id(number: u64) -> String {
    Uuid::from_u128(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).to_string()
}

/// More than half are called the same, the others stand before and behind them.
fn contact(number: u64) -> Contact {
    let mut contact = Contact::new(ContactId::new(id(number)).unwrap());
    contact.name = Some(match number % 10 {
        0..6 => "John Smith".to_owned(),
        6 => format!("Ada Smith-{:03}", number % 97),
        7 => format!("Zoë Smith {number}"),
        8 => format!("Smith {number} John"),
        _ => "Somebody Else".to_owned(),
    });
    contact
}

fn opportunity(number: u64) -> Opportunity {
    let mut row = Opportunity::new(OpportunityId::new(id(number)).unwrap());
    row.name = Some(format!("Renewal {} Smith {number}", number % 13));
    row.owner = Some(OwnerRef::User(UserId::new(format!("u{}", number % 7 / 6)).unwrap()));
    row.status = match number % 5 {
        0 => OpportunityStatus::Won,
        _ => OpportunityStatus::Open,
    };
    row.record_stage.stage = StageId::new(format!("s{}", number % 11 / 10)).ok();
    row.value = Amount::new(number.into()).ok().filter(|_| !number.is_multiple_of(17));
    row.currency = Some(euro().id);
    row.close_date = Date::from_ordinal_date(2026, u16::try_from(number % 365).unwrap() + 1).ok();
    row
}

async fn filled(stores: Stores) -> Stores {
    for number in 1..3 {
        let record = connection_record(connection(number));
        stores.connections.connect(&record, &sealed()).await.unwrap();
    }
    let lease = std::time::Duration::from_secs(60);
    for claim in stores.due.claim(WorkKind::Pull, 2, lease).await.unwrap() {
        let run = RunId::new(Uuid::from_u128(5));
        begin(&*stores.mirror, &claim, run).await.unwrap();
        for rows in [
            Rows::Currencies(vec![euro()]),
            Rows::Contacts((0..CONTACTS).map(contact).collect()),
            Rows::Opportunities((0..OPPORTUNITIES).map(opportunity).collect()),
        ] {
            let mut page = page(0, rows);
            page.run = run;
            put(&*stores.mirror, &claim, page).await;
        }
        let proofs = Table::ALL.map(|table| proof(run, table));
        stores.mirror.finish_pull(&claim, run, &proofs).await.unwrap();
        stores.mirror.finish_run(&claim, run).await.unwrap();
    }
    stores
}

async fn both() -> [Stores; 2] {
    let clock = Arc::new(ManualClock::new(datetime!(2026-02-01 09:00 UTC)));
    let sqlite = SqliteStore::in_memory(Arc::clone(&clock) as _).unwrap();
    let memory = Stores::all(Arc::new(MemoryStore::new(clock)));
    [filled(memory).await, filled(Stores::all(Arc::new(sqlite))).await]
}

fn scope() -> Scope {
    Scope::workspace(workspace())
}

fn ids<R: Record>(answer: &Answer<R>) -> Vec<(ConnectionId, RecordId)> {
    answer.rows.iter().map(|found| (found.connection, found.row.record_id())).collect()
}

async fn contacts(stores: &Stores, words: &str) -> Vec<(ConnectionId, RecordId)> {
    let mut question = ContactQuery::new(scope());
    (question.name, question.page.limit) = (Some(words.to_owned()), 200);
    let mut found = Vec::new();
    loop {
        let answer = stores.query.contacts(&question).await.unwrap();
        found.extend(ids(&answer));
        question.page.cursor = answer.next;
        if question.page.cursor.is_none() {
            return found;
        }
    }
}

/// Page by page, everybody of a crowd is found once and in order.
#[tokio::test]
async fn oll_1_a_crowd_of_one_name_is_paged_through() {
    let [memory, sqlite] = both().await;
    for (words, count) in [("smith", 1_800), ("smith john", 1_400), ("zoe", 200), ("else x", 0)] {
        let found = contacts(&sqlite, words).await;
        assert_eq!(found.len(), count, "{words}");
        assert_eq!(found, contacts(&memory, words).await, "{words}");
    }
}

/// Of a crowd with the name that was meant, the first ones by their ids are told.
#[tokio::test]
async fn oll_2_the_nearest_of_a_crowd_are_the_same_everywhere() {
    let [memory, sqlite] = both().await;
    for (name, limit) in [("Jhon Smith", 50), ("Zoe Smth 17", 7), ("Adda Smith", 200)] {
        let [ours, theirs] = [&memory, &sqlite].map(async |stores: &Stores| {
            ids(&stores.query.nearest_contacts(&scope(), name, limit).await.unwrap())
        });
        let ours = ours.await;
        assert_eq!(ours, theirs.await, "{name}");
        assert_eq!(ours.len(), limit as usize, "{name}");
    }
}

/// An owner, a stage or a name of thousands: totals read the packed rows, lists walk an order.
#[tokio::test]
async fn oll_1_what_thousands_share_is_added_up_and_listed() {
    let [memory, sqlite] = both().await;
    let of = |change: &dyn Fn(&mut OpportunityFilter)| {
        let mut filter = OpportunityFilter::default();
        change(&mut filter);
        filter
    };
    let filters = [
        of(&|filter| filter.owners = vec![(connection(1), UserId::new("u0").unwrap())]),
        of(&|filter| {
            filter.stages = vec![(connection(2), StageId::new("s0").unwrap())];
            filter.min_value = Amount::new(2_000.into()).ok();
        }),
        of(&|filter| {
            filter.owners = [1, 2].map(|at| (connection(at), UserId::new("u0").unwrap())).to_vec();
            filter.name = Some("smith rene".to_owned());
            filter.status = Some(OpportunityStatus::Open);
            filter.close_from = Date::from_ordinal_date(2026, 100).ok();
        }),
        of(&|filter| filter.name = Some("renewal 1 smith".to_owned())),
        of(&|filter| {
            filter.name = Some("smith".to_owned());
            filter.currency = Some(euro().code);
            filter.status = Some(OpportunityStatus::Won);
        }),
    ];
    for filter in filters {
        let mut totals = TotalsQuery::new(scope());
        totals.filter = filter.clone();
        let counted = memory.query.totals(&totals).await.unwrap();
        assert!(counted.count > 100, "{filter:?}");
        assert_eq!(sqlite.query.totals(&totals).await.unwrap(), counted, "{filter:?}");
        for by in [GroupBy::Month, GroupBy::Owner, GroupBy::Stage] {
            let mut groups = GroupsQuery::new(scope(), by);
            groups.filter = filter.clone();
            let ours = memory.query.groups(&groups).await.unwrap();
            assert_eq!(sqlite.query.groups(&groups).await.unwrap(), ours, "{filter:?}");
        }
        for sort in
            [OpportunitySort::Name, OpportunitySort::CloseDate, OpportunitySort::ValueDescending]
        {
            let mut question = OpportunityQuery::new(scope());
            (question.filter, question.sort) = (filter.clone(), sort);
            question.page.limit = 60;
            for _ in 0..2 {
                let ours = memory.query.opportunities(&question).await.unwrap();
                let theirs = sqlite.query.opportunities(&question).await.unwrap();
                assert_eq!(ids(&ours), ids(&theirs), "{filter:?} {sort:?}");
                question.page.cursor = theirs.next;
            }
        }
    }
}

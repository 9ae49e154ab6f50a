//! What only a database file can get wrong: files, processes, crashes, rewritten rows.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod agree;
mod conformance;
mod crash;
mod crowds;
mod files;
mod load;
mod rows;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fluint_crm::model::{
    Amount, ChangeSeq, Connection, ConnectionId, CrmKind, Currency, CurrencyCode, CurrencyId,
    CurrencyRole, Identity, MemberId, Opportunity, OpportunityId, OrganisationId, OwnerRef,
    RecordId, RowVersion, Rows, RunId, Table, UserId, WorkspaceId,
};
use fluint_crm::storage::{
    Claim, Connections as _, Due as _, Mirror, MirrorPage, NewRun, PageWritten, Pull, Reader,
    TableSummary, Unfinished, WorkKind,
};
use fluint_crm::store::SqliteStore;
use fluint_crm::testkit::ManualClock;
use fluint_crm::walk::{CompletenessProof, Page, ResumeToken, TablePlan, Walk};
use fluint_crm::{Result, Sealed, SystemClock};
use time::Date;
use time::macros::datetime;
use uuid::Uuid;

/// A store on a file, by the machine's clock.
fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Arc::new(SystemClock::new())).unwrap()
}

fn in_memory() -> SqliteStore {
    let clock = ManualClock::new(datetime!(2026-02-01 09:00 UTC));
    SqliteStore::in_memory(Arc::new(clock)).unwrap()
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new("acme").unwrap()
}

fn connection() -> ConnectionId {
    ConnectionId::new(Uuid::from_u128(7))
}

fn connection_record(id: ConnectionId) -> Connection {
    let identity = Identity::new(OrganisationId::new("org").unwrap(), RecordId::new("us").unwrap());
    Connection::new(
        id,
        workspace(),
        CrmKind::new("dynamics"),
        "https://contoso.crm.dynamics.com".to_owned(),
        identity,
        MemberId::new("ada").unwrap(),
        datetime!(2026-01-31 12:00 UTC),
    )
}

fn sealed() -> Sealed {
    Sealed { key_id: "k1".to_owned(), bytes: vec![1, 2, 3] }
}

/// Connects an org and claims its pull.
async fn connected(store: &SqliteStore) -> Claim {
    store.connect(&connection_record(connection()), &sealed()).await.unwrap();
    claim(store).await
}

async fn claim(store: &SqliteStore) -> Claim {
    store
        .claim(WorkKind::Pull, 1, Duration::from_secs(600))
        .await
        .unwrap()
        .pop()
        .expect("a pull is due")
}

/// Starts a run, or goes on with the unfinished one.
async fn begin(store: &dyn Mirror, claim: &Claim, run: RunId) -> Result<Pull> {
    let record = connection_record(connection());
    let reader = Reader { identity: record.identity, signed_in_at: record.connected_at };
    store
        .start_pull(
            claim,
            &NewRun { run, reader, followed: ChangeSeq::default() },
            Unfinished::Resume,
        )
        .await
}

fn run() -> RunId {
    RunId::new(Uuid::from_u128(99))
}

/// An opportunity with most columns filled, different for every number.
fn opportunity(number: u64, version: i64) -> Opportunity {
    let mut row = Opportunity::new(OpportunityId::new(opportunity_id(number)).unwrap());
    row.name = Some(format!("Renewal {number} of Contoso"));
    row.owner = Some(OwnerRef::User(UserId::new(format!("user-{}", number % 50)).unwrap()));
    row.value = Some(format!("{number}.{:04}", number % 10_000).parse::<Amount>().unwrap());
    row.base_value = row.value;
    row.currency = Some(CurrencyId::new("eur").unwrap());
    row.record_stage.label = Some("Propose".to_owned());
    row.close_date = Date::from_ordinal_date(2026, u16::try_from(number % 365).unwrap() + 1).ok();
    row.probability = Some(50);
    row.created_at = Some(datetime!(2026-01-01 00:00 UTC));
    row.modified_at = Some(datetime!(2026-01-02 00:00 UTC));
    row.version = RowVersion::new(version);
    row
}

fn opportunity_id(number: u64) -> String {
    Uuid::from_u128(u128::from(number) << 64).hyphenated().to_string()
}

fn euro() -> Currency {
    let mut euro =
        Currency::new(CurrencyId::new("eur").unwrap(), CurrencyCode::new("EUR").unwrap());
    euro.role = CurrencyRole::Base;
    euro
}

/// The page at one place of a table that is read in one chain.
fn page(seq: u64, rows: Rows) -> MirrorPage {
    let resume = Some(ResumeToken::new(format!("after page {seq}")));
    MirrorPage {
        run: run(),
        attempt: 0,
        chain: 0,
        seq,
        rows,
        also_seen: Vec::new(),
        absent: Vec::new(),
        resume,
        doubt: None,
    }
}

/// Stores a page of a table, which is planned first where it is not.
async fn put(store: &dyn Mirror, claim: &Claim, page: MirrorPage) -> PageWritten {
    let (run, table, plan) = (page.run, page.rows.table(), TablePlan::whole("all"));
    store.plan_table(claim, run, table, 0, &plan).await.unwrap();
    store.apply_page(claim, page).await.unwrap()
}

/// Applies opportunities as pages of a run, from the place `seq` on.
async fn apply(
    store: &SqliteStore,
    claim: &Claim,
    seq: u64,
    rows: Vec<Opportunity>,
) -> PageWritten {
    put(store, claim, page(seq, Rows::Opportunities(rows))).await
}

/// A proof that a table was read to its end.
fn proof(run: RunId, table: Table) -> CompletenessProof {
    let mut walk = Walk::new(run, table, &TablePlan::whole("all"));
    walk.take(0, &Page::<Opportunity>::last(Vec::new())).unwrap();
    walk.finish().unwrap()
}

/// Ends the reading part and the run.
async fn finish(store: &SqliteStore, claim: &Claim) -> TableSummary {
    let summaries =
        store.finish_pull(claim, run(), &[proof(run(), Table::Opportunities)]).await.unwrap();
    store.finish_run(claim, run()).await.unwrap();
    summaries.into_iter().find(|summary| summary.table == Table::Opportunities).unwrap()
}

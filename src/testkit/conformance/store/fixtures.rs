//! What the behaviours share: names, connections, claims, pages and rows.

use std::future::Future;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::clock::Clock;
use crate::error::Error;
use crate::model::{
    Account, AccountId, Amount, ChangeSeq, Connection, ConnectionId, Contact, ContactId, CrmKind,
    Currency, CurrencyCode, CurrencyId, DealDetails, Decided, Decision, EmailAddress, Identity,
    MemberId, Opportunity, OpportunityId, OrganisationId, OwnerMatch, ProcessId, ProcessRef,
    Record, RecordId, RowVersion, Rows, RunId, Stage, StageAssignment, StageId, Table, User,
    UserId, WorkspaceId,
};
use crate::seal::Sealed;
use crate::storage::{
    Claim, MirrorPage, NewRun, PageWritten, Pull, Reader, Stores, TableRead, TableSummary,
    Unfinished, Work, WorkItem, WorkKind,
};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::walk::{CompletenessProof, Page, ResumeToken, TablePlan, Walk};

/// A lease that no behaviour outlives by accident.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// One connection of one workspace, and what a worker does for it.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) stores: Stores,
    pub(super) workspace: WorkspaceId,
    pub(super) connection: ConnectionId,
}

impl StoreUnderTest {
    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(time::Duration::try_from(Duration::from_secs(seconds)).unwrap());
    }

    /// Connects connection 1 of the workspace `acme`.
    pub(super) async fn connected(&self) -> Site {
        self.connect("acme", 1).await
    }

    pub(super) async fn connect(&self, name: &str, number: u128) -> Site {
        let record = connection(name, number, self.now());
        self.stores.connections.connect(&record, &sealed("first")).await.unwrap();
        Site { stores: self.stores.clone(), workspace: workspace(name), connection: record.id }
    }

    /// Connects connection 1 of the workspace `acme` and claims its pull.
    pub(super) async fn pulling(&self) -> (Site, Claim) {
        let site = self.connected().await;
        let claim = site.claim().await;
        (site, claim)
    }

    /// A claim that was lost to another worker, and the one that it was lost to.
    pub(super) async fn lose(&self, site: &Site, lost: &Claim) -> Claim {
        self.clock.set(lost.expires_at);
        let current = site.claim().await;
        assert_ne!(current.token, lost.token, "a new claim needs a token of its own");
        current
    }
}

impl Site {
    pub(super) fn work(&self) -> Work {
        Work { workspace: self.workspace.clone(), item: WorkItem::Pull(self.connection) }
    }

    /// Claims the connection's pull, which must be due. Other work that is due gives way.
    pub(super) async fn claim(&self) -> Claim {
        let claims = self.stores.due.claim(WorkKind::Pull, 100, LEASE).await.unwrap();
        let ours = claims.into_iter().find(|claim| claim.work == self.work());
        ours.expect("the connection's pull should be due")
    }

    pub(super) async fn start(&self, claim: &Claim, number: u128) -> RunId {
        self.begin(claim, number, Unfinished::Resume).await.run
    }

    pub(super) async fn begin(&self, claim: &Claim, number: u128, unfinished: Unfinished) -> Pull {
        self.stores.mirror.start_pull(claim, &new_run(number), unfinished).await.unwrap()
    }

    /// Plans a table in one chain, unless it is planned already.
    pub(super) async fn plan(&self, claim: &Claim, run: RunId, table: Table) -> TableRead {
        let plan = TablePlan::whole("all");
        self.stores.mirror.plan_table(claim, run, table, 0, &plan).await.unwrap()
    }

    /// Stores rows as the only page of their table.
    pub(super) async fn store(&self, claim: &Claim, run: RunId, rows: Rows) -> PageWritten {
        let attempt = self.plan(claim, run, rows.table()).await.attempt;
        let page = MirrorPage { attempt, ..whole(run, rows) };
        self.stores.mirror.apply_page(claim, page).await.unwrap()
    }

    /// Pulls every given table once, proved, and finishes the run.
    pub(super) async fn pull(
        &self,
        claim: &Claim,
        number: u128,
        tables: impl IntoIterator<Item = Rows>,
    ) -> Vec<TableSummary> {
        let run = self.start(claim, number).await;
        let mut proofs = Vec::new();
        for rows in tables {
            proofs.push(proof(run, rows.table()));
            self.store(claim, run, rows).await;
        }
        let summaries = self.stores.mirror.finish_pull(claim, run, &proofs).await.unwrap();
        self.stores.mirror.finish_run(claim, run).await.unwrap();
        summaries
    }

    pub(super) async fn scan(&self, table: Table) -> Rows {
        self.stores.query.scan(&self.workspace, self.connection, table, None, 1_000).await.unwrap()
    }

    pub(super) async fn apply(&self, claim: &Claim, opportunity: &str, decision: Decision) {
        self.stores.deals.apply(claim, &[decided(opportunity, decision)]).await.unwrap();
    }
}

/// Runs twenty futures at once and hands their results back.
pub(super) async fn twenty_at_once<T, F>(make: impl Fn(u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        tasks.spawn(make(number));
    }
    tasks.join_all().await
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "callers hand over what they got")]
pub(super) fn assert_stale<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(
        matches!(result, Err(Error::StaleClaim { .. })),
        "a stale claim should be refused as one, not answered with {result:?}"
    );
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "callers hand over what they got")]
pub(super) fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(
        matches!(result, Err(Error::InvalidInput { .. })),
        "this should be refused as input that cannot be used, not answered with {result:?}"
    );
}

pub(super) fn workspace(name: &str) -> WorkspaceId {
    WorkspaceId::new(name).unwrap()
}

pub(super) fn connection(name: &str, number: u128, at: OffsetDateTime) -> Connection {
    Connection::new(
        ConnectionId::new(Uuid::from_u128(number)),
        workspace(name),
        CrmKind::from_name("test"),
        "https://example.com".to_owned(),
        Identity::new(OrganisationId::new("org").unwrap(), record("me")),
        MemberId::new("ada").unwrap(),
        at,
    )
}

pub(super) fn sealed(secret: &str) -> Sealed {
    Sealed { key_id: "k1".to_owned(), bytes: secret.as_bytes().to_vec() }
}

pub(super) fn run(number: u128) -> RunId {
    RunId::new(Uuid::from_u128(number))
}

/// A run that is read with the eyes of the user `me`.
pub(super) fn new_run(number: u128) -> NewRun {
    let identity = Identity::new(OrganisationId::new("org").unwrap(), record("me"));
    let signed_in_at = OffsetDateTime::UNIX_EPOCH + time::Duration::nanoseconds(1);
    let reader = Reader { identity, signed_in_at };
    NewRun { run: run(number), reader, followed: ChangeSeq::new(7) }
}

pub(super) fn record(id: &str) -> RecordId {
    RecordId::new(id).unwrap()
}

pub(super) fn opportunity_id(id: &str) -> OpportunityId {
    OpportunityId::new(id).unwrap()
}

pub(super) fn stage_id(id: &str) -> StageId {
    StageId::new(id).unwrap()
}

pub(super) fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

pub(super) fn user(id: &str) -> User {
    let mut user = User::new(UserId::new(id).unwrap());
    user.name = Some(format!("User {id}"));
    user
}

pub(super) fn account(id: &str, name: &str) -> Account {
    let mut account = Account::new(AccountId::new(id).unwrap());
    account.name = Some(name.to_owned());
    account
}

pub(super) fn contact(id: &str, name: &str) -> Contact {
    let mut contact = Contact::new(ContactId::new(id).unwrap());
    contact.name = Some(name.to_owned());
    contact
}

pub(super) fn opportunity(id: &str) -> Opportunity {
    let mut opportunity = Opportunity::new(opportunity_id(id));
    opportunity.name = Some(format!("Opportunity {id}"));
    opportunity
}

pub(super) fn currency(id: &str, code: &str) -> Currency {
    Currency::new(CurrencyId::new(id).unwrap(), CurrencyCode::new(code).unwrap())
}

pub(super) fn stage(id: &str, process: &str) -> Stage {
    let mut stage = Stage::new(stage_id(id));
    stage.name = Some(format!("Stage {id}"));
    stage.process = Some(ProcessRef::new(ProcessId::new(process).unwrap()));
    stage
}

pub(super) fn assignment(id: &str, opportunity: &str, stage: &str) -> StageAssignment {
    StageAssignment::new(record(id), opportunity_id(opportunity), stage_id(stage))
}

/// Three opportunities, `o1` to `o3`, at version 1.
pub(super) fn three() -> Rows {
    opportunities(["o1", "o2", "o3"])
}

/// Opportunities with these ids, at version 1.
pub(super) fn opportunities<const N: usize>(ids: [&str; N]) -> Rows {
    let one = |id| Opportunity { version: RowVersion::new(1), ..opportunity(id) };
    Opportunity::batch(ids.map(one).to_vec())
}

/// A page that is its whole table.
pub(super) fn whole(run: RunId, rows: Rows) -> MirrorPage {
    page(run, 0, rows, None)
}

/// A page of a table that is read in one chain.
pub(super) fn page(run: RunId, seq: u64, rows: Rows, resume: Option<&str>) -> MirrorPage {
    MirrorPage {
        run,
        attempt: 0,
        chain: 0,
        seq,
        rows,
        also_seen: Vec::new(),
        absent: Vec::new(),
        resume: resume.map(ResumeToken::new),
        doubt: None,
    }
}

/// A proof that a table was read to its end, as only a walk can give it.
pub(super) fn proof(run: RunId, table: Table) -> CompletenessProof {
    let mut walk = Walk::new(run, table, &TablePlan::whole("all"));
    walk.take(0, &Page::<()>::last(Vec::new())).unwrap();
    walk.finish().unwrap()
}

pub(super) fn details(name: &str) -> DealDetails {
    let owner = OwnerMatch::new(
        MemberId::new("ada").unwrap(),
        UserId::new("u1").unwrap(),
        EmailAddress::new("ada@example.com").unwrap(),
    );
    DealDetails::new(name.to_owned(), owner)
}

pub(super) fn decided(opportunity: &str, decision: Decision) -> Decided {
    let name = Some(format!("Opportunity {opportunity}"));
    Decided { opportunity: opportunity_id(opportunity), name, decision }
}

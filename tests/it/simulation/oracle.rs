//! What must hold after two quiet syncs: the mirror is the org, and the deals are what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    AssignedStage, Candidate, ChangeSeq, Connection, Deal, DealState, Decision, FeedEvent,
    Opportunity, OpportunityStatus, Outcome, OwnerRef, Presence, PublicationState, Record,
    RecordId, Rows, SkipReason, Table, User,
};
use fluint_crm::rules::{MemberIndex, decide};
use fluint_crm::storage::{Listed, Stores};

use crate::simulation::org::{Living, Org};
use crate::simulation::world::World;
use crate::support::workspace;

const ALL: u32 = 100_000;

/// Looks for everything that is not as it must be.
pub(crate) async fn judge(world: &World) {
    let stores = world.stores();
    let mut connections = stores.connections.connections(&workspace()).await.unwrap();
    let Some(connection) = connections.pop() else {
        return world.book.wrong("there is no connection".to_owned());
    };
    let judge = Judge { world, stores: &stores, connection: &connection };
    judge.table::<fluint_crm::model::Account>().await;
    judge.table::<fluint_crm::model::Contact>().await;
    judge.table::<User>().await;
    judge.table::<fluint_crm::model::Stage>().await;
    judge.table::<fluint_crm::model::Currency>().await;
    judge.opportunities().await;
    judge.deals().await;
    judge.feed().await;
    judge.notes().await;
}

/// No opportunity that is there may be called gone, at no time.
pub(crate) async fn nothing_false(world: &World) {
    let stores = world.stores();
    for connection in stores.connections.connections(&workspace()).await.unwrap() {
        let all = stores.mirror.candidates(&workspace(), connection.id, None, ALL).await.unwrap();
        let org = world.org.lock().unwrap();
        for candidate in all {
            let id = candidate.opportunity.record_id();
            let gone = matches!(candidate.presence, Presence::Gone { .. });
            if gone && org.opportunities.contains_key(&id) {
                world.book.wrong(format!("{id} is there and called gone"));
            }
        }
    }
}

struct Judge<'a> {
    world: &'a World,
    stores: &'a Stores,
    connection: &'a Connection,
}

/// Rows of one type.
trait Unpack: Living {
    fn unpack(rows: Rows) -> Vec<Self>;
}

macro_rules! unpack {
    ($row:ident, $variant:ident) => {
        impl Unpack for fluint_crm::model::$row {
            fn unpack(rows: Rows) -> Vec<Self> {
                let Rows::$variant(rows) = rows else { panic!("rows of another table") };
                rows
            }
        }
    };
}

unpack!(User, Users);
unpack!(Account, Accounts);
unpack!(Contact, Contacts);
unpack!(Opportunity, Opportunities);
unpack!(Stage, Stages);
unpack!(Currency, Currencies);

impl Judge<'_> {
    fn wrong(&self, what: String) {
        self.world.book.wrong(what);
    }

    async fn rows<R: Unpack>(&self) -> BTreeMap<RecordId, R> {
        let (id, scan) = (self.connection.id, &self.stores.query);
        let rows = scan.scan(&workspace(), id, R::TABLE, None, ALL).await.unwrap();
        R::unpack(rows).into_iter().map(|row| (row.record_id(), row)).collect()
    }

    /// The mirror holds the table as it is in the org.
    async fn table<R: Unpack>(&self) {
        let held = self.rows::<R>().await;
        let missing = self.missing(R::TABLE).await;
        let org = self.world.org.lock().unwrap();
        for (id, kept) in R::shelf(&org) {
            self.same(id, held.get(id), &kept.row);
        }
        for id in held.keys().filter(|id| !R::shelf(&org).contains_key(*id)) {
            self.wrong(format!("{}: {id} is held and was deleted", R::TABLE));
        }
        if !missing.is_empty() {
            self.wrong(format!("{}: {missing:?} are still missing", R::TABLE));
        }
    }

    fn same<R: Record>(&self, id: &RecordId, held: Option<&R>, row: &R) {
        if held != Some(row) {
            self.wrong(format!("{}: {id} is {row:?}, held is {held:?}", R::TABLE));
        }
    }

    async fn missing(&self, table: Table) -> BTreeSet<RecordId> {
        let (mirror, id) = (&self.stores.mirror, self.connection.id);
        let rows = mirror.missing(&workspace(), id, table, None, ALL).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    }

    /// Open ones are held as they are; closed ones, where they are held, as closed that way.
    async fn opportunities(&self) {
        let held = self.rows::<Opportunity>().await;
        let missing = self.missing(Table::Opportunities).await;
        let org = self.world.org.lock().unwrap();
        for (id, kept) in &org.opportunities {
            match held.get(id) {
                found if kept.row.status == OpportunityStatus::Open => {
                    self.same(id, found, &kept.row);
                }
                Some(found) if found.status != kept.row.status => {
                    self.wrong(format!("{id} is {:?}, held {:?}", kept.row.status, found.status));
                }
                _ => {}
            }
        }
        // One that was closed before it was deleted stays, with its outcome.
        let open = |row: &&Opportunity| row.status == OpportunityStatus::Open;
        let gone = |row: &&Opportunity| !org.opportunities.contains_key(&row.record_id());
        for row in held.values().filter(open).filter(gone) {
            self.wrong(format!("{} is held as open and was deleted", row.id));
        }
        if !missing.is_empty() {
            self.wrong(format!("opportunities {missing:?} are still missing"));
        }
    }

    /// Every deal is what deciding about the org's own rows gives, and no deal is left out.
    async fn deals(&self) {
        let id = self.connection.id;
        let deals =
            self.stores.deals.list(&Scope::connection(workspace(), id), None, ALL).await.unwrap();
        let deals: BTreeMap<RecordId, Deal> =
            deals.into_iter().map(|deal| (deal.opportunity.clone().into(), deal)).collect();
        let skipped = self.stores.deals.skipped(&workspace(), id, None, ALL).await.unwrap();
        let skipped: BTreeMap<RecordId, SkipReason> =
            skipped.into_iter().map(|one| (one.opportunity.into(), one.reason)).collect();
        let members = MemberIndex::new(&self.world.people.lock().unwrap());
        let org = self.world.org.lock().unwrap();
        for (id, kept) in &org.opportunities {
            let (candidate, deal) = (candidate(&org, &kept.row), deals.get(id));
            match decide(&candidate, &members, &self.connection.filter, deal, None) {
                // One that was closed before anybody saw it is on no list.
                Decision::Unchanged | Decision::Skip(SkipReason::NotOpen { .. }) => {}
                Decision::Skip(reason) if skipped.get(id) == Some(&reason) => {}
                decision => self.wrong(format!("deal of {id}: {decision:?} is left, of {deal:?}")),
            }
        }
        for (id, deal) in deals.iter().filter(|(id, _)| !org.opportunities.contains_key(*id)) {
            if !matches!(
                deal.state,
                DealState::Ended(Outcome::Deleted | Outcome::Won | Outcome::Lost)
            ) {
                self.wrong(format!("deal of {id}, which was deleted, is {:?}", deal.state));
            }
        }
    }

    /// Every line once: the deals' changes, and one start and at most one end for each run.
    async fn feed(&self) {
        let id = self.connection.id;
        let entries = self.stores.feed.entries(&workspace(), id, None, ALL).await.unwrap();
        let all = ChangeSeq::default();
        let changes = self.stores.deals.changes(&workspace(), id, all, ALL).await.unwrap();
        let mut lines: BTreeMap<String, i64> = BTreeMap::new();
        let mut of_deals = 0;
        for entry in entries {
            match entry.event {
                FeedEvent::SyncStarted { run } => count(&mut lines, ("started", run)),
                FeedEvent::SyncFinished { run, .. } => count(&mut lines, ("finished", run)),
                FeedEvent::RowsGone { run, table, .. } => count(&mut lines, ("gone", run, table)),
                FeedEvent::DealCreated { deal, .. } => {
                    count(&mut lines, ("created", deal));
                    of_deals += 1;
                }
                FeedEvent::DealUpdated { .. }
                | FeedEvent::DealStopped { .. }
                | FeedEvent::DealEnded { .. }
                | FeedEvent::OpportunitySkipped { .. } => of_deals += 1,
                _ => {}
            }
        }
        for (line, times) in lines.iter().filter(|(_, times)| **times > 1) {
            self.wrong(format!("the feed says {line} {times} times"));
        }
        if of_deals != changes.len() {
            self.wrong(format!("{of_deals} lines about {} changes of deals", changes.len()));
        }
    }

    /// At most one note for each opportunity, and every publication in its newest revision.
    async fn notes(&self) {
        let (id, ledger) = (self.connection.id, &self.stores.publications);
        let mut notes: BTreeMap<RecordId, Vec<Option<u64>>> = BTreeMap::new();
        for note in self.world.notes.state().timeline.notes.values() {
            let revision = note.stamp.map(|stamp| stamp.revision);
            notes.entry(note.opportunity.clone().into()).or_default().push(revision);
        }
        for publication in ledger.list(&workspace(), id, Listed::All, None, ALL).await.unwrap() {
            let opportunity = publication.opportunity.clone().into();
            let there = notes.remove(&opportunity).unwrap_or_default();
            let newest = [Some(publication.document.revision)];
            if publication.state != PublicationState::Published || there != newest {
                let state = &publication.state;
                self.wrong(format!("note of {opportunity}: {there:?}, {state:?}, not {newest:?}"));
            }
        }
    }
}

fn count(lines: &mut BTreeMap<String, i64>, line: impl Debug) {
    *lines.entry(format!("{line:?}")).or_default() += 1;
}

/// The opportunity with everything that the org knows about it.
fn candidate(org: &Org, row: &Opportunity) -> Candidate {
    let mut candidate = Candidate::new(row.clone());
    if let Some(OwnerRef::User(user)) = &row.owner {
        candidate.owner = org.users.get(&user.clone().into()).map(|kept| kept.row.clone());
    }
    let places = org.assignments.values().filter(|kept| kept.row.opportunity == row.id);
    let place = places.map(|kept| AssignedStage {
        assignment: kept.row.clone(),
        stage: org.stages.get(&kept.row.stage.clone().into()).map(|kept| kept.row.clone()),
        presence: Presence::Seen,
    });
    candidate.assignments = place.collect();
    let account = row.account.as_ref().and_then(|id| org.accounts.get(&id.clone().into()));
    candidate.account_name = account.and_then(|kept| kept.row.name.clone());
    let contact = row.contact.as_ref().and_then(|id| org.contacts.get(&id.clone().into()));
    candidate.contact_name = contact.and_then(|kept| kept.row.name.clone());
    let currency = row.currency.as_ref().and_then(|id| org.currencies.get(&id.clone().into()));
    candidate.currency = currency.map(|kept| kept.row.clone());
    candidate.base_currency = org.currencies.values().next().map(|kept| kept.row.clone());
    candidate
}

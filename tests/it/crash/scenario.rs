//! What users, the org and time do, as steps that can be taken again after a crash.

use std::cell::Cell;

use fluint_crm::connector::Callback;
use fluint_crm::documents::{PublishTarget, Published};
use fluint_crm::model::{
    Connection, DealId, Document, DocumentId, OpportunityId, StageFilter, StageId,
};
use fluint_crm::storage::Stores;
use fluint_crm::testkit::{Crash, CrashPoint, CrashStore};
use fluint_crm::{Budget, ConnectRequest, Crm, Error, MirrorFate, Result};
use time::{Duration, OffsetDateTime};

use crate::crash::snapshot::Snapshot;
use crate::crash::world::World;
use crate::support::{KIND, PlainState, ada, workspace};

/// Something that happens. A user whose request died sends it again, so every step that a crash
/// interrupts is taken again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The user signs in, unless the connection works already.
    Connect,
    /// The user disconnects.
    Disconnect(MirrorFate),
    /// The user sets the stage filter.
    Filter(&'static [&'static str]),
    /// Something happens in the org.
    Org(fn(&mut PlainState)),
    /// The user publishes a revision of a document on an opportunity's deal.
    Publish(&'static str, &'static str, u64),
    /// Time goes by, and all that is due within the next minutes is done.
    Settle,
    /// The user asks for a sync.
    SyncNow,
}

/// What happens undisturbed, and then where crashes are tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) before: &'static [Step],
    pub(crate) crashed: &'static [Step],
}

impl Scenario {
    /// Runs to the end without a crash, and counts the writes of the part that is to crash.
    pub(crate) async fn undisturbed(&self, world: &World) -> (Snapshot, u64) {
        let prepared = world.start(world.stores());
        perform(world, &prepared, self.before, &Cell::new(0)).await.unwrap();
        drop(prepared);
        let (stores, control) = CrashStore::wrap(world.stores());
        perform(world, &world.start(stores), self.crashed, &Cell::new(0)).await.unwrap();
        (Snapshot::take(world).await, control.writes())
    }

    /// Crashes at each of the points in turn, starts anew on the same store after each, and gives
    /// where it ends, with the crashes that happened.
    pub(crate) async fn crashed(
        &self,
        world: &World,
        points: &[CrashPoint],
    ) -> Result<(Snapshot, Vec<Crash>)> {
        let prepared = world.start(world.stores());
        perform(world, &prepared, self.before, &Cell::new(0)).await?;
        drop(prepared);
        let done = Cell::new(0);
        let mut crashes = Vec::new();
        for point in points {
            let (stores, control) = CrashStore::wrap(world.stores());
            control.arm(*point);
            let process = world.start(stores);
            // The future of everything under way is dropped at the await where it crashed.
            tokio::select! {
                biased;
                crash = control.crashed() => crashes.push(crash),
                ended = perform(world, &process, self.crashed, &done) => ended?,
            }
            drop(process);
            world.clock.advance(Duration::minutes(2));
        }
        perform(world, &world.start(world.stores()), self.crashed, &done).await?;
        Ok((Snapshot::take(world).await, crashes))
    }

    /// Lets two workers do at once what the first part has made due; then a third settles the rest.
    pub(crate) async fn contested(&self, world: &World, stores: &Stores) -> Snapshot {
        let user = world.start(world.stores());
        perform(world, &user, self.before, &Cell::new(0)).await.unwrap();
        let (one, other) = (world.start(stores.clone()), world.start(stores.clone()));
        tokio::join!(work(world, &one), work(world, &other));
        perform(world, &user, self.crashed, &Cell::new(0)).await.unwrap();
        Snapshot::take(world).await
    }
}

/// Takes the steps that were not taken yet.
async fn perform(world: &World, crm: &Crm, steps: &[Step], done: &Cell<usize>) -> Result<()> {
    for (index, step) in steps.iter().enumerate().skip(done.get()) {
        Box::pin(take(world, crm, *step)).await?;
        done.set(index + 1);
        // Two things that users do never happen at the very same moment.
        world.clock.advance(Duration::seconds(1));
    }
    Ok(())
}

async fn take(world: &World, crm: &Crm, step: Step) -> Result<()> {
    match step {
        Step::Connect => connect(crm).await,
        Step::Disconnect(mirror) => {
            crm.disconnect(&workspace(), the_connection(crm).await?.id, mirror).await
        }
        Step::Filter(stages) => {
            let stages = stages.iter().map(|stage| StageId::new(*stage).unwrap());
            let id = the_connection(crm).await?.id;
            crm.set_stage_filter(&workspace(), id, StageFilter::new(stages)).await.map(drop)
        }
        Step::Org(happens) => {
            happens(&mut world.plain.state());
            Ok(())
        }
        Step::Publish(opportunity, document, revision) => {
            publish(crm, opportunity, document, revision).await
        }
        Step::Settle => settle(world, crm).await,
        Step::SyncNow => crm.sync_now(&workspace(), the_connection(crm).await?.id).await,
    }
}

async fn the_connection(crm: &Crm) -> Result<Connection> {
    let mut connections = crm.connections(&workspace()).await?;
    connections.pop().ok_or_else(|| Error::not_found("the connection"))
}

async fn connect(crm: &Crm) -> Result<()> {
    if the_connection(crm).await.is_ok_and(|connection| connection.health.is_working()) {
        return Ok(());
    }
    let request = ConnectRequest::new(workspace(), ada(), KIND, "plain.example");
    let started = crm.begin_connect(request).await?;
    let state = started.url.query_pairs().next().unwrap().1.into_owned();
    let callback = Callback::new([("state", state), ("code", "marker-code".to_owned())]);
    crm.finish_connect(&workspace(), &ada(), &callback).await.map(drop)
}

async fn publish(crm: &Crm, opportunity: &str, document: &str, revision: u64) -> Result<()> {
    let connection = the_connection(crm).await?.id;
    let opportunity = OpportunityId::new(opportunity)?;
    let deal = DealId::derive(&workspace(), connection, &opportunity);
    let document = Document::new(
        DocumentId::new(document)?,
        format!("Plan {document}"),
        format!("<p>Revision {revision}</p>"),
        revision,
        OffsetDateTime::UNIX_EPOCH,
    );
    match crm.publish(&workspace(), PublishTarget::Deal(deal), document).await? {
        Published::Accepted { .. } => Ok(()),
        declined => panic!("{declined:?}"),
    }
}

/// How far ahead work is still part of what is under way: past leases, debounce and drain, short of
/// the next planned sync.
const HORIZON: Duration = Duration::minutes(20);

async fn settle(world: &World, crm: &Crm) -> Result<()> {
    for _ in 0..100 {
        let report = crm.run_due(&Budget::default()).await?;
        match report.next_due {
            Some(due) if due <= crm.now() + HORIZON => world.clock.set(due.max(crm.now())),
            _ => return Ok(()),
        }
    }
    panic!("it never settles");
}

/// Turns that a worker with nothing to do leaves to the other one.
const TURNS: u32 = 40;

/// Works until nothing is due soon, as long as the other worker takes.
async fn work(world: &World, crm: &Crm) {
    for _ in 0..200 {
        let report = crm.run_due(&Budget::default()).await.unwrap();
        // The other worker gets turns before the time moves past its lease, or both would only ever
        // take the work from each other.
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        match report.next_due {
            Some(due) if due <= crm.now() + HORIZON => world.clock.set(due.max(crm.now())),
            _ => return,
        }
    }
    panic!("it never settles");
}

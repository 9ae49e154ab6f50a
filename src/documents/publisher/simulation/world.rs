//! Two workspaces on one org, their authors, the CRM's users, some workers, and the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration as Lease;

use futures_util::future::{Either, join, join_all, select};
use time::{Duration, OffsetDateTime};

use crate::clock::Clock;
use crate::documents::publisher::simulation::crm::{Line, Timeline};
use crate::documents::publisher::simulation::ledger::{SlowLedger, Tokens};
use crate::documents::publisher::simulation::weather::{Nature, OwnClock};
use crate::documents::publisher::tests::{connection, details, sealed};
use crate::documents::publisher::{PublishOptions, PublishTarget, Published, Publisher, Sent};
use crate::error::Error;
use crate::model::{
    Connection, DealId, Decided, Decision, Document, DocumentId, NoteContent, OpportunityId,
    Publication, PublicationId, PublicationState, WorkspaceId,
};
use crate::storage::{Stores, Work, WorkItem, WorkKind};

/// Leases are not lengthened here: a pause is a worker that everybody takes for dead.
const LEASE: Lease = Lease::from_secs(60);

/// How often an idle worker looks.
const CYCLE: Duration = Duration::seconds(8);

pub(super) struct World {
    pub(super) nature: Arc<Nature>,
    pub(super) stores: Stores,
    pub(super) timeline: Timeline,
    tokens: Tokens,
    desks: Vec<Desk>,
    /// Nobody publishes any more.
    is_over: AtomicBool,
    published: Mutex<BTreeMap<PublicationId, u64>>,
    /// What users deleted or replaced, when this was the newest revision that had stood.
    meddled: Mutex<BTreeSet<(PublicationId, u64)>>,
}

/// A workspace with its deal.
struct Desk {
    workspace: WorkspaceId,
    connection: Connection,
    deal: DealId,
}

impl World {
    pub(super) async fn new(nature: Nature, store: impl FnOnce(&Arc<Nature>) -> Stores) -> Self {
        let nature = Arc::new(nature);
        let mut stores = store(&nature);
        let mut desks = Vec::new();
        for name in ["acme", "beta"] {
            desks.push(Desk::furnish(&stores, name, nature.now()).await);
        }
        let tokens = Tokens::default();
        stores.publications = Arc::new(SlowLedger {
            inner: Arc::clone(&stores.publications),
            nature: Arc::clone(&nature),
            tokens: Arc::clone(&tokens),
        });
        Self {
            nature,
            stores,
            timeline: Timeline::default(),
            tokens,
            desks,
            is_over: AtomicBool::new(false),
            published: Mutex::default(),
            meddled: Mutex::default(),
        }
    }

    fn publisher(&self, clock: Arc<dyn Clock>) -> Publisher {
        Publisher::new(self.stores.clone(), clock, PublishOptions::default())
    }

    pub(super) async fn publish(&self, desk: usize, document: &str, revision: u64) {
        let desk = &self.desks[desk];
        let clock: Arc<dyn Clock> = Arc::clone(&self.nature.clock) as _;
        let html = format!("<p>Revision {revision}</p>");
        let (id, title) = (DocumentId::new(document).unwrap(), "Plan".to_owned());
        let document = Document::new(id, title, html, revision, self.nature.now());
        let target = PublishTarget::Deal(desk.deal);
        let publisher = self.publisher(clock);
        let taken = publisher.publish(&desk.workspace, target, document).await.unwrap();
        let Published::Accepted { publication, .. } = taken else { panic!("declined") };
        self.published.lock().unwrap().insert(publication, revision);
    }

    /// Somebody who edits a document, by and by.
    pub(super) async fn author(&self, desk: usize, document: &str, until: OffsetDateTime) {
        let mut revision = 0;
        while self.nature.now() < until {
            revision += 1;
            self.publish(desk, document, revision).await;
            let hasty = self.nature.dice.fraction() < 0.6;
            let longest = Duration::minutes(if hasty { 2 } else { 25 });
            self.sleep(self.nature.up_to(longest)).await;
        }
    }

    /// Users of the CRM, and its plug-ins.
    pub(super) async fn meddle(&self, until: OffsetDateTime) {
        while self.nature.now() < until {
            self.sleep(self.nature.up_to(Duration::minutes(25))).await;
            let mut book = self.timeline.at(self.nature.now());
            let some = self.nature.dice.uuid().as_u128() % (book.notes.len().max(1) as u128);
            let some = book.notes.iter().zip(0..).find(|(_, number)| *number == some);
            let Some((id, owner)) = some.map(|((id, note), _)| (*id, note.owner)) else { continue };
            let stood = book.stood.get(&owner).copied().unwrap_or_default();
            let what = self.nature.dice.fraction();
            if what < 0.4 {
                book.touch(id);
                continue;
            }
            self.meddled.lock().unwrap().insert((owner, stood));
            let now = self.nature.now();
            if what < 0.8 {
                book.trace.push(format!("{now} {owner} deleted by a user"));
                book.notes.remove(&id);
            } else {
                book.trace.push(format!("{now} {owner} replaced by a user"));
                book.replace_file(id);
            }
        }
    }

    /// A worker: claims, sends, dies now and then, and starts again.
    pub(super) async fn worker(&self, until: OffsetDateTime) {
        let own = OwnClock::new(&self.nature);
        let publisher = self.publisher(Arc::clone(&own) as _);
        let line = Line {
            timeline: self.timeline.clone(),
            nature: Arc::clone(&self.nature),
            own: Arc::clone(&own) as _,
        };
        while self.nature.now() < until {
            if self.nature.happens(0.05) {
                own.jump();
            }
            let claim = self.stores.due.claim(WorkKind::Publish, 1, LEASE).await.unwrap().pop();
            let Some(claim) = claim else {
                let Some(idle) = self.idle().await else { return };
                self.sleep(idle).await;
                continue;
            };
            self.tokens.lock().unwrap().insert(claim.work.clone(), claim.token);
            let WorkItem::Publish(id) = claim.work.item else { panic!("a pull") };
            let ledger = &self.stores.publications;
            let publication = ledger.by_id(&claim.work.workspace, id).await.unwrap().unwrap();
            let dies = self.nature.happens(0.1);
            let life = if dies { self.nature.up_to(Duration::seconds(15)) } else { Duration::DAY };
            let work = async {
                let next = match publisher.send(&claim, &line, &publication).await {
                    Ok(Sent { next, .. }) => next,
                    Err(Error::StaleClaim { .. }) => return,
                    Err(error) => Some(publisher.next_try(&error, publication.attempts)),
                };
                let _ = self.stores.due.complete(&claim, next).await;
            };
            let death = pin!(self.sleep(life));
            if let Either::Right(_) = select(pin!(work), death).await {
                self.sleep(Duration::seconds(10)).await;
            }
        }
    }

    /// How long an idle worker looks away; `None` when nothing will ever be due any more.
    async fn idle(&self) -> Option<Duration> {
        let next = self.stores.due.next_due().await.unwrap();
        if next.is_none() && self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        let until = next.map_or(Duration::MINUTE, |at| at - self.nature.now());
        Some(until.clamp(Duration::ZERO, Duration::seconds(50)) + self.nature.up_to(CYCLE))
    }

    pub(super) async fn workers(&self, count: usize, until: OffsetDateTime) {
        join_all((0..count).map(|_| self.worker(until))).await;
    }

    /// Rough hours, then calm ones in which everything must come to rest.
    pub(super) async fn live(&self, life: Duration, workers: usize) {
        let calm = self.nature.now() + life;
        let end = calm + Duration::hours(4);
        let authors = join_all(
            [(0, "plan"), (0, "minutes"), (1, "plan")]
                .map(|(desk, document)| self.author(desk, document, calm)),
        );
        let weather = async {
            self.nature.clock.sleep_until(calm).await;
            self.nature.calm();
            self.is_over.store(true, Ordering::Relaxed);
        };
        let people = join(authors, join(self.meddle(calm), weather));
        join(people, self.workers(workers, end)).await;
    }

    async fn sleep(&self, length: Duration) {
        self.nature.clock.sleep_until(self.nature.now() + length).await;
    }

    pub(super) async fn publications(&self) -> Vec<Publication> {
        let mut all = Vec::new();
        for desk in &self.desks {
            let ledger = &self.stores.publications;
            let list = ledger.list(&desk.workspace, desk.connection.id, None, 2_000);
            all.extend(list.await.unwrap());
        }
        all
    }

    /// What is wrong in the end; empty when nothing is.
    pub(super) async fn judge(&self) -> Vec<String> {
        let publications = self.publications().await;
        let mut book = self.timeline.at(self.nature.now());
        let mut wrong = std::mem::take(&mut book.wrong);
        for publication in publications {
            let id = publication.key.publication();
            let newest = self.published.lock().unwrap()[&id];
            if publication.state != PublicationState::Published || publication.is_pending() {
                wrong.push(format!("{id} is still {:?}", publication.state));
            }
            let notes: Vec<_> = book.notes.values().filter(|note| note.owner == id).collect();
            let meddled = self.meddled.lock().unwrap().contains(&(id, newest));
            match &notes[..] {
                [] if meddled => {}
                [] => wrong.push(format!("{id}: revision {newest} is lost")),
                [note] => match note.content {
                    NoteContent::Ours(stamp) if stamp.revision == newest => {}
                    NoteContent::Foreign if meddled => {}
                    other => wrong.push(format!("{id} regressed: {other:?}, not {newest}")),
                },
                _ => wrong.push(format!("{id} has a duplicate in the end")),
            }
        }
        wrong
    }
}

impl Desk {
    async fn furnish(stores: &Stores, name: &str, now: OffsetDateTime) -> Self {
        let workspace = WorkspaceId::new(name).unwrap();
        let connection = connection(&workspace);
        stores.connections.connect(&connection, &sealed()).await.unwrap();
        let pull = Work { workspace: workspace.clone(), item: WorkItem::Pull(connection.id) };
        stores.due.schedule(&pull, now).await.unwrap();
        let claim = stores.due.claim(WorkKind::Pull, 1, LEASE).await.unwrap().pop().unwrap();
        let opportunity = OpportunityId::new("o1").unwrap();
        let decision = Decision::Create(details());
        let decided = Decided { opportunity: opportunity.clone(), name: None, decision };
        stores.deals.apply(&claim, &[decided]).await.unwrap();
        stores.due.complete(&claim, None).await.unwrap();
        let deal = DealId::derive(&workspace, connection.id, &opportunity);
        Self { workspace, connection, deal }
    }
}

//! in virtual time: eight tasks on three workers that act as one user, a service that
//! throttles, and an oracle that knows by itself until when nobody may ask.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use http::header::{HeaderValue, RETRY_AFTER};
use time::Duration;
use time::macros::format_description;

use super::*;
use crate::clock::stepped::SteppedClock;
use crate::connector::ConnectorContext;
use crate::dynamics::fixtures::Org;
use crate::http::fixtures::{START, answer};
use crate::http::transport::Request;
use crate::storage::Gates;
use crate::store::MemoryStore;

const WORKERS: usize = 3;
const TASKS: usize = 8;
const THROTTLES: u64 = 10_000;

/// What the service and everybody's deadlines look like from outside.
#[derive(Debug)]
struct Oracle {
    clock: Arc<SteppedClock>,
    sent: AtomicU64,
    throttled: AtomicU64,
    early: AtomicU64,
    /// Until when each worker was told to wait.
    told: Mutex<[OffsetDateTime; WORKERS]>,
    /// Until when every worker has to wait, since the store says so.
    stored: Mutex<OffsetDateTime>,
}

impl Oracle {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: SteppedClock::new(),
            sent: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            early: AtomicU64::new(0),
            told: Mutex::new([START; WORKERS]),
            stored: Mutex::new(START),
        })
    }

    /// A worker begins a request; gives its number.
    fn begins(&self, worker: usize) -> u64 {
        let until = self.told.lock().unwrap()[worker].max(*self.stored.lock().unwrap());
        if self.clock.now() < until {
            self.early.fetch_add(1, Ordering::Relaxed);
        }
        self.sent.fetch_add(1, Ordering::Relaxed)
    }

    /// The headers of a 429 are in.
    fn tells(&self, worker: usize, wait: Duration) {
        let told = &mut self.told.lock().unwrap()[worker];
        *told = (*told).max(self.clock.now() + wait);
    }

    /// The gate's row of a worker is committed.
    fn stores(&self, worker: usize) {
        let told = self.told.lock().unwrap()[worker];
        let mut stored = self.stored.lock().unwrap();
        *stored = (*stored).max(told);
    }
}

/// What a worker sends through: half of it is throttled, with `Retry-After` in every form.
#[derive(Debug)]
struct Line {
    worker: usize,
    oracle: Arc<Oracle>,
}

#[async_trait]
impl Transport for Line {
    async fn send(&self, _request: Request) -> Result<Response, TransportError> {
        let oracle = &self.oracle;
        let number = oracle.begins(self.worker);
        // Long and short answers take turns, so that throttles arrive while others are under way.
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let latency = Duration::milliseconds(20 + i64::try_from(spread % 400).unwrap());
        oracle.clock.sleep_until(oracle.clock.now() + latency).await;
        if spread & 0x1000 == 0 {
            return Ok(answer(200, &[], "{}"));
        }
        let throttle = oracle.throttled.fetch_add(1, Ordering::Relaxed);
        let mut response = answer(429, &[], "");
        let (values, wait) = retry_after_form(throttle, oracle.clock.now());
        for value in values {
            response.headers.append(RETRY_AFTER, HeaderValue::from_bytes(&value).unwrap());
        }
        oracle.tells(self.worker, wait);
        Ok(response)
    }
}

/// One of the forms of `Retry-After`, and how long it asks to wait at least. Where it asks nothing
/// that can be obeyed, half a second of backoff is the least.
fn retry_after_form(number: u64, now: OffsetDateTime) -> (Vec<Vec<u8>>, Duration) {
    let date = |at: OffsetDateTime| {
        let form = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        at.format(form).unwrap().into_bytes()
    };
    let text = |text: &str| vec![text.as_bytes().to_vec()];
    let backoff = Duration::milliseconds(500);
    match number % 11 {
        0 => (text("37"), Duration::seconds(37)),
        1 => (vec![date(now + Duration::seconds(91))], Duration::seconds(90)),
        2 => (Vec::new(), backoff),
        3 => (text("0"), backoff),
        4 => (text("-5"), backoff),
        5 => (text("1e9"), Duration::days(1)),
        6 => (vec![b"5".to_vec(), b"60".to_vec()], Duration::seconds(60)),
        7 => (vec![date(now - Duration::hours(1))], backoff),
        8 => (text("1.5"), Duration::milliseconds(1_500)),
        9 => (vec![b"\xff37".to_vec()], backoff),
        _ => (text("901"), Duration::seconds(901)),
    }
}

/// A worker's view of the store, which lets the oracle know what is committed.
#[derive(Debug)]
struct Committing {
    worker: usize,
    store: Arc<MemoryStore>,
    oracle: Arc<Oracle>,
}

#[async_trait]
impl Gates for Committing {
    async fn hold(&self, key: &GateKey, until: OffsetDateTime) -> Result<()> {
        self.store.hold(key, until).await?;
        self.oracle.stores(self.worker);
        Ok(())
    }

    async fn held_until(&self, key: &GateKey) -> Result<Option<OffsetDateTime>> {
        self.store.held_until(key).await
    }
}

/// How workers share their gates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Through one store.
    OneStore,
    /// Not at all: what the oracle must catch.
    None,
}

fn api(oracle: &Oracle, gates: Arc<dyn Gates>, transport: Arc<dyn Transport>) -> WebApi {
    let org = Org::new(|_, _| panic!("replaced"));
    let parts = org.parts();
    let clock: Arc<dyn Clock> = Arc::<SteppedClock>::clone(&oracle.clock);
    let context = ConnectorContext { clock, gates, ..parts.context.clone() };
    WebApi::new(&ConnectorParts { transport, context, ..parts })
}

fn workers(oracle: &Arc<Oracle>, sharing: Sharing) -> Vec<WebApi> {
    let store = || Arc::new(MemoryStore::new(Arc::<SteppedClock>::clone(&oracle.clock)));
    let shared = store();
    let worker = |worker: usize| {
        let store = if sharing == Sharing::OneStore { Arc::clone(&shared) } else { store() };
        let oracle = Arc::clone(oracle);
        let gates = Committing { worker, store, oracle: Arc::clone(&oracle) };
        let line = Line { worker, oracle: Arc::clone(&oracle) };
        api(&oracle, Arc::new(gates), Arc::new(line))
    };
    (0..WORKERS).map(worker).collect()
}

/// Lets the tasks ask until the service has throttled so many requests.
fn storm(sharing: Sharing, throttles: u64) -> Arc<Oracle> {
    let oracle = Oracle::new();
    let workers = workers(&oracle, sharing);
    let task = |number: usize| {
        let (worker, oracle) = (&workers[number % WORKERS], &oracle);
        async move {
            while oracle.throttled.load(Ordering::Relaxed) < throttles {
                let Err(failure) = worker.send(&read_call()).await else { continue };
                // Work that is given back is not taken up before its time.
                let error = failure.into_error("read", oracle.clock.now());
                oracle.clock.sleep_until(error.retry_at().expect("a throttle")).await;
            }
        }
    };
    oracle.clock.run(join_all((0..TASKS).map(task)));
    oracle
}

#[test]
fn r_3_no_request_begins_before_the_deadline() {
    let oracle = storm(Sharing::OneStore, THROTTLES);
    assert!(oracle.throttled.load(Ordering::Relaxed) >= THROTTLES);
    assert!(oracle.sent.load(Ordering::Relaxed) > THROTTLES * 3 / 2);
    assert_eq!(oracle.early.load(Ordering::Relaxed), 0);
}

/// The canary: the same oracle catches workers that do not tell each other.
#[test]
fn r_3_gates_that_are_not_shared_are_caught() {
    let oracle = storm(Sharing::None, THROTTLES / 100);
    assert!(oracle.early.load(Ordering::Relaxed) > 0, "the oracle is blind");
}

/// Nothing but 503, answered in a tenth of a second.
#[derive(Debug)]
struct Outage(Arc<Oracle>);

#[async_trait]
impl Transport for Outage {
    async fn send(&self, _request: Request) -> Result<Response, TransportError> {
        self.0.sent.fetch_add(1, Ordering::Relaxed);
        self.0.clock.sleep_until(self.0.clock.now() + Duration::milliseconds(100)).await;
        Ok(answer(503, &[], "<html>busy</html>"))
    }
}

#[test]
fn r_6_ten_minutes_of_503_cost_at_most_a_fifth_more_than_was_offered() {
    let oracle = Oracle::new();
    let store = Arc::new(MemoryStore::new(Arc::<SteppedClock>::clone(&oracle.clock)));
    let worker = |_| {
        let outage = Arc::new(Outage(Arc::clone(&oracle)));
        api(&oracle, Arc::<MemoryStore>::clone(&store), outage)
    };
    let workers: Vec<WebApi> = (0..WORKERS).map(worker).collect();
    let offered = AtomicU64::new(0);
    let task = |number: usize| {
        let (worker, clock, offered) = (&workers[number % WORKERS], &oracle.clock, &offered);
        async move {
            while clock.now() < START + Duration::minutes(10) {
                offered.fetch_add(1, Ordering::Relaxed);
                worker.send(&read_call()).await.unwrap_err();
                clock.sleep_until(clock.now() + Duration::seconds(2)).await;
            }
        }
    };
    oracle.clock.run(join_all((0..TASKS).map(task)));
    let (offered, sent) = (offered.into_inner(), oracle.sent.load(Ordering::Relaxed));
    assert!(offered >= 1_000, "{offered} were offered");
    assert!(sent > offered, "no call was tried again");
    assert!(sent * 5 <= offered * 6, "{sent} were sent for {offered} offered");
}

/// Hears of throttles.
#[derive(Debug, Default)]
struct Ear(Mutex<Vec<(ConnectionId, OffsetDateTime)>>);

impl Observer for Ear {
    fn throttled(&self, connection: ConnectionId, until: OffsetDateTime) {
        self.0.lock().unwrap().push((connection, until));
    }
}

#[tokio::test]
async fn syn_9_r_3_a_throttle_is_told_once_by_each_process_that_waits() {
    let org = Org::new(|_, before| {
        Ok(match before {
            0 => answer(429, &[("retry-after", "37")], ""),
            2 => answer(503, &[("retry-after", "1800")], ""),
            _ => answer(200, &[], "{}"),
        })
    });
    let ears = [Arc::new(Ear::default()), Arc::new(Ear::default())];
    let parts = |ear: &Arc<Ear>| {
        let parts = org.parts();
        let observer: Arc<dyn Observer> = Arc::<Ear>::clone(ear);
        let context = ConnectorContext { observer, ..parts.context.clone() };
        ConnectorParts { context, ..parts }
    };
    let apis = ears.each_ref().map(|ear| WebApi::new(&parts(ear)));
    let heard = |ear: usize| ears[ear].0.lock().unwrap().clone();
    let connection = org.parts().connection.id;
    let first = (connection, START + Duration::seconds(37));
    apis[0].send(&read_call()).await.unwrap();
    assert_eq!((heard(0), heard(1)), (vec![first], vec![]));
    // Too long to wait for, which is told as well, and again where it is learned from the store.
    apis[0].send(&read_call()).await.unwrap_err();
    let second = (connection, first.1 + Duration::minutes(30));
    assert_eq!((heard(0), heard(1)), (vec![first, second], vec![]));
    for _ in 0..2 {
        apis[1].send(&read_call()).await.unwrap_err();
        assert_eq!((heard(0), heard(1)), (vec![first, second], vec![second]));
    }
    let stored = org.gates.held_until(&GateKey::of(&org.parts().connection)).await;
    assert_eq!(stored.unwrap(), Some(second.1));
}

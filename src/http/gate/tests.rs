use super::*;
use crate::http::fixtures::{JumpingClock, MemoryGates, START};
use crate::model::CrmKind;
use time::Duration;

fn key(user: &str) -> GateKey {
    GateKey { kind: CrmKind::new("test"), scope: format!("crm.example/{user}") }
}

fn worker(clock: &Arc<JumpingClock>, gates: &Arc<MemoryGates>, user: &str) -> Gate {
    let (clock, gates) = (Arc::<JumpingClock>::clone(clock), Arc::<MemoryGates>::clone(gates));
    Gate::new(key(user), clock, gates, USUAL_WIDTH)
}

async fn closed_until(gate: &Gate) -> Result<Option<OffsetDateTime>> {
    gate.closed_until(|_| {}).await
}

#[tokio::test]
async fn r_3_a_hold_stops_every_worker_of_the_same_user() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let (one, other) = (worker(&clock, &gates, "u1"), worker(&clock, &gates, "u1"));
    let stranger = worker(&clock, &gates, "u2");
    let until = START + Duration::seconds(40);
    one.hold(until).await.unwrap();
    assert_eq!(closed_until(&stranger).await.unwrap(), None);
    assert_eq!(closed_until(&other).await.unwrap(), Some(until));
    clock.sleep_until(until).await;
    assert_eq!(closed_until(&other).await.unwrap(), None);
    assert_eq!(closed_until(&one).await.unwrap(), None);
}

#[tokio::test]
async fn r_3_a_longer_hold_wins_over_a_shorter_later_one() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let gate = worker(&clock, &gates, "u1");
    gate.hold(START + Duration::seconds(60)).await.unwrap();
    gate.hold(START + Duration::seconds(5)).await.unwrap();
    assert_eq!(closed_until(&gate).await.unwrap(), Some(START + Duration::seconds(60)));
}

#[tokio::test]
async fn r_3_a_wait_above_fifteen_minutes_gives_the_work_back() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let gate = worker(&clock, &gates, "u1");
    let until = START + Duration::seconds(901);
    gate.hold(until).await.unwrap();
    let error = closed_until(&gate).await.unwrap_err();
    assert_eq!(error.retry_at(), Some(until));
}

#[tokio::test]
async fn r_3_each_deadline_is_heard_of_once() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let (one, other) = (worker(&clock, &gates, "u1"), worker(&clock, &gates, "u1"));
    let until = START + Duration::seconds(40);
    assert_eq!(one.learn(until), Deadline::Later);
    assert_eq!(one.learn(until - Duration::seconds(1)), Deadline::Known);
    one.hold(until).await.unwrap();
    let heard = Mutex::new(Vec::new());
    let listen = |until| heard.lock().unwrap().push(until);
    one.closed_until(listen).await.unwrap();
    assert!(heard.lock().unwrap().is_empty(), "it was known here");
    other.hold(until + Duration::seconds(5)).await.unwrap();
    one.closed_until(listen).await.unwrap();
    one.closed_until(listen).await.unwrap();
    assert_eq!(*heard.lock().unwrap(), [until + Duration::seconds(5)]);
}

/// How many requests may be under way now.
async fn free_places(gate: &Gate) -> usize {
    let mut taken = Vec::new();
    loop {
        let place = gate.enter();
        tokio::pin!(place);
        match futures_util::poll!(place) {
            std::task::Poll::Ready(place) => taken.push(place.unwrap()),
            std::task::Poll::Pending => return taken.len(),
        }
    }
}

#[tokio::test]
async fn syn_5_only_a_few_requests_are_under_way_at_once() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    for (limit, recommended, width) in [
        (4, None, 4),
        (4, Some(0), 4),
        (4, Some(1), 1),
        (4, Some(2), 2),
        (4, Some(64), 4),
        (8, None, 4),
        (8, Some(6), 6),
        (8, Some(usize::MAX), 8),
        (2, None, 2),
        (0, None, 1),
    ] {
        let (clock, gates) = (Arc::clone(&clock), Arc::clone(&gates));
        let gate = Gate::new(key("u1"), clock, gates, limit);
        if let Some(recommended) = recommended {
            gate.recommend(recommended);
        }
        assert_eq!(free_places(&gate).await, width, "{limit}, {recommended:?}");
        gate.recommend(3);
        assert_eq!(free_places(&gate).await, limit.clamp(1, 3), "{limit}, then 3");
    }
}

#[tokio::test]
async fn syn_5_a_narrower_recommendation_interrupts_nobody() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let (clock, gates) = (Arc::clone(&clock), Arc::clone(&gates));
    let gate = Gate::new(key("u1"), clock, gates, 8);
    gate.recommend(8);
    let mut under_way = Vec::new();
    for _ in 0..6 {
        under_way.push(gate.enter().await.unwrap());
    }
    gate.recommend(2);
    assert_eq!(free_places(&gate).await, 0);
    for left in [5, 4, 3, 2] {
        under_way.pop();
        assert_eq!((under_way.len(), free_places(&gate).await), (left, 0));
    }
    under_way.pop();
    assert_eq!(free_places(&gate).await, 1, "one under way, one more");
    // Wider again while some are still to leave.
    gate.recommend(8);
    assert_eq!(free_places(&gate).await, 7);
    let mut seven = Vec::new();
    for _ in 0..7 {
        seven.push(gate.enter().await.unwrap());
    }
    gate.recommend(1);
    gate.recommend(5);
    seven.truncate(3);
    assert_eq!(free_places(&gate).await, 1, "four under way of five");
    drop((seven, under_way));
    assert_eq!(free_places(&gate).await, 5);
}

use super::*;
use crate::http::fixtures::{JumpingClock, MemoryGates, START};
use crate::model::CrmKind;
use time::Duration;

fn key(user: &str) -> GateKey {
    GateKey { kind: CrmKind::new("test"), scope: format!("crm.example/{user}") }
}

fn worker(clock: &Arc<JumpingClock>, gates: &Arc<MemoryGates>, user: &str) -> Gate {
    Gate::new(key(user), Arc::<JumpingClock>::clone(clock), Arc::<MemoryGates>::clone(gates))
}

#[tokio::test]
async fn r_3_a_hold_stops_every_worker_of_the_same_user() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let (one, other) = (worker(&clock, &gates, "u1"), worker(&clock, &gates, "u1"));
    let stranger = worker(&clock, &gates, "u2");
    one.hold(START + Duration::seconds(40)).await.unwrap();
    assert_eq!(stranger.pass().await.unwrap(), Passed::AtOnce);
    assert!(clock.waits().is_empty());
    assert_eq!(other.pass().await.unwrap(), Passed::AfterWaiting);
    assert_eq!(clock.waits(), [Duration::seconds(40)]);
    assert_eq!(one.pass().await.unwrap(), Passed::AtOnce);
}

#[tokio::test]
async fn r_3_a_longer_hold_wins_over_a_shorter_later_one() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let gate = worker(&clock, &gates, "u1");
    gate.hold(START + Duration::seconds(60)).await.unwrap();
    gate.hold(START + Duration::seconds(5)).await.unwrap();
    gate.pass().await.unwrap();
    assert_eq!(clock.waits(), [Duration::seconds(60)]);
}

#[tokio::test]
async fn r_3_a_wait_above_fifteen_minutes_gives_the_work_back() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let gate = worker(&clock, &gates, "u1");
    let until = START + Duration::seconds(901);
    gate.hold(until).await.unwrap();
    let error = gate.pass().await.unwrap_err();
    assert_eq!(error.retry_at(), Some(until));
    assert!(clock.waits().is_empty());
}

#[tokio::test]
async fn syn_5_only_a_few_requests_are_under_way_at_once() {
    let (clock, gates) = (JumpingClock::new(), Arc::new(MemoryGates::default()));
    let gate = worker(&clock, &gates, "u1");
    for (recommended, width) in [(0, 4), (2, 4), (6, 6), (5, 6), (64, 8)] {
        gate.widen(recommended);
        let mut places = Vec::new();
        for _ in 0..width {
            places.push(gate.enter().await.unwrap());
        }
        let one_more = gate.enter();
        tokio::pin!(one_more);
        assert!(futures_util::poll!(&mut one_more).is_pending(), "{recommended}");
    }
}

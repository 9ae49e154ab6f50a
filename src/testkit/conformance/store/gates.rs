//! Behaviours of [`Gates`](crate::storage::Gates): throttle deadlines.

use time::{Duration, OffsetDateTime};

use crate::model::CrmKind;
use crate::storage::GateKey;
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::twenty_at_once;

fn key() -> GateKey {
    GateKey { kind: CrmKind::new("test"), scope: "example.com/me".to_owned() }
}

impl StoreUnderTest {
    async fn hold(&self, key: &GateKey, until: OffsetDateTime) {
        self.stores.gates.hold(key, until).await.unwrap();
    }

    /// Until when requests have to wait; a deadline that has passed holds nobody back.
    async fn waits_until(&self, key: &GateKey) -> Option<OffsetDateTime> {
        let until = self.stores.gates.held_until(key).await.unwrap();
        until.filter(|until| *until > self.now())
    }
}

/// SYN-5: nobody is held back who was not told to wait.
pub async fn syn_5_nobody_is_held_back_at_first(store: &StoreUnderTest) {
    assert_eq!(store.waits_until(&key()).await, None);
}

/// SYN-5: a throttle holds until its time, for every worker that asks.
pub async fn syn_5_a_throttle_holds_until_its_time(store: &StoreUnderTest) {
    let until = store.now() + Duration::seconds(90);
    store.hold(&key(), until).await;
    store.advance(89);
    assert_eq!(store.waits_until(&key()).await, Some(until));
    store.advance(1);
    assert_eq!(store.waits_until(&key()).await, None);
}

/// SYN-5: a shorter throttle does not open the gate early.
pub async fn syn_5_the_longest_throttle_is_kept(store: &StoreUnderTest) {
    let (short, long) = (store.now() + Duration::seconds(10), store.now() + Duration::seconds(90));
    for until in [short, long, short] {
        store.hold(&key(), until).await;
    }
    assert_eq!(store.waits_until(&key()).await, Some(long));
}

/// SYN-5: of twenty throttles at once, the longest is kept.
pub async fn syn_5_the_longest_of_twenty_throttles_at_once_is_kept(store: &StoreUnderTest) {
    let start = store.now() + Duration::seconds(1);
    twenty_at_once(|number| {
        let stores = store.stores.clone();
        let until = start + std::time::Duration::from_secs(u64::from(number) * 7 % 20);
        async move { stores.gates.hold(&key(), until).await.unwrap() }
    })
    .await;
    assert_eq!(store.waits_until(&key()).await, Some(start + Duration::seconds(19)));
}

/// SYN-5: a gate that opened can be closed again.
pub async fn syn_5_a_gate_closes_again(store: &StoreUnderTest) {
    store.hold(&key(), store.now() + Duration::seconds(10)).await;
    store.advance(60);
    let until = store.now() + Duration::seconds(5);
    store.hold(&key(), until).await;
    assert_eq!(store.waits_until(&key()).await, Some(until));
}

/// SYN-5: a throttle holds back one budget of one kind of CRM.
pub async fn syn_5_every_part_of_a_gate_key_counts(store: &StoreUnderTest) {
    store.hold(&key(), store.now() + Duration::seconds(90)).await;
    let others = [
        GateKey { kind: CrmKind::new("other"), ..key() },
        GateKey { scope: "example.com/you".to_owned(), ..key() },
    ];
    for other in others {
        assert_eq!(store.waits_until(&other).await, None, "{other:?} was not throttled");
    }
}

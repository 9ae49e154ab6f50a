use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::future::join;

use super::*;
use crate::connector::TokenVault;
use crate::dynamics::bearer::BearerTokens;
use crate::dynamics::test_bench::{MemoryVault, START, answer, bench, with_header};
use crate::dynamics::tokens::RefreshTokens;
use crate::dynamics::tokens::tests::{HOUR, bearer, entra, failing, refused, source, tokens};
use crate::error::Remedy;
use crate::http::transport::TransportErrorKind;
use crate::model::ConnectionId;

fn expired() -> Arc<MemoryVault> {
    MemoryVault::new("marker-access-0", "marker-refresh-0", START)
}

/// Stores another worker's tokens after a few turns.
async fn stored_later(vault: &MemoryVault) {
    for _ in 0..12 {
        tokio::task::yield_now().await;
    }
    vault.put("marker-access-w", "marker-refresh-w", START + HOUR);
}

#[tokio::test]
async fn r_7_three_workers_at_once_cause_one_refresh() {
    let (bench, entra, vault) = (bench(), entra(3600), expired());
    let workers = [(); 3].map(|()| source(&bench, &vault, &entra));
    let [one, two, three] = &workers;
    let all = join(bearer(one), join(bearer(two), bearer(three))).await;
    assert_eq!(all.0, "marker-access-1");
    assert_eq!((all.1.0, all.1.1), (all.0.clone(), all.0));
    assert_eq!(entra.sent().len(), 1);
    assert_eq!(vault.read().refreshing_until, None);
}

#[tokio::test]
async fn r_7_another_workers_reservation_is_waited_for() {
    let (bench, entra, vault) = (bench(), entra(3600), expired());
    vault.reserved(Some(START + LEASE));
    let source = source(&bench, &vault, &entra);
    let (got, ()) = join(bearer(&source), stored_later(&vault)).await;
    assert_eq!(got, "marker-access-w");
    assert!(entra.sent().is_empty());
    let waits = bench.clock.waits();
    assert!(waits[0] - START <= FIRST_LOOK && waits[0] - START >= FIRST_LOOK / 2, "{waits:?}");
    assert!(waits.iter().all(|wait| *wait < START + Duration::minutes(1)), "{waits:?}");
}

#[tokio::test]
async fn r_7_a_token_that_lives_is_used_while_another_worker_refreshes() {
    let (bench, entra) = (bench(), entra(3600));
    let end = START + Duration::minutes(4);
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", end);
    vault.reserved(Some(START + LEASE));
    let source = source(&bench, &vault, &entra);
    assert_eq!(bearer(&source).await, "marker-access-0");
    assert!(bench.clock.waits().is_empty() && entra.sent().is_empty());
    // Soon it looks again.
    vault.put("marker-access-w", "marker-refresh-w", START + HOUR);
    bench.clock.set(START + LONGEST_LOOK);
    assert_eq!(bearer(&source).await, "marker-access-w");
    assert!(entra.sent().is_empty());
}

#[tokio::test]
async fn r_7_tasks_use_a_token_that_lives_while_one_of_them_refreshes() {
    let (bench, entra) = (bench(), entra(3600));
    let end = START + Duration::minutes(4);
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", end);
    let source = source(&bench, &vault, &entra);
    let refreshing = source.bearer();
    tokio::pin!(refreshing);
    while entra.sent().is_empty() {
        assert!(futures_util::poll!(&mut refreshing).is_pending());
    }
    assert_eq!(bearer(&source).await, "marker-access-0");
    assert_eq!(refreshing.await.unwrap().expose_secret(), "marker-access-1");
    assert_eq!(bearer(&source).await, "marker-access-1");
}

#[tokio::test]
async fn r_23_a_reservation_whose_holder_died_ends_by_itself() {
    let (bench, entra, vault) = (bench(), entra(3600), expired());
    {
        let one = source(&bench, &vault, &entra);
        let dies = one.bearer();
        tokio::pin!(dies);
        while entra.sent().is_empty() {
            assert!(futures_util::poll!(&mut dies).is_pending());
        }
    }
    assert_eq!(vault.read().refreshing_until, Some(START + LEASE));
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-1");
    assert_eq!(entra.sent().len(), 2);
    assert_eq!(bench.context.clock.now(), START + LEASE, "no longer than that");
}

#[tokio::test]
async fn r_23_a_reservation_written_under_another_time_blocks_nobody() {
    let (bench, entra, vault) = (bench(), entra(3600), expired());
    vault.reserved(Some(START + HOUR));
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-1");
    assert!(bench.clock.waits().is_empty());
}

#[tokio::test]
async fn r_23_whoever_reserves_again_and_again_keeps_nobody_waiting_for_ever() {
    let (bench, entra, vault) = (bench(), entra(3600), expired());
    let source = source(&bench, &vault, &entra);
    let restless = async {
        loop {
            vault.reserved(Some(bench.context.clock.now() + LEASE));
            tokio::task::yield_now().await;
        }
    };
    let error = tokio::select! {
        biased;
        () = restless => unreachable!(),
        got = source.bearer() => got.unwrap_err(),
    };
    assert_eq!(error.remedy(), Remedy::Retry);
    assert!(error.retry_at().is_some());
    assert!(bench.context.clock.now() <= START + PATIENCE + LONGEST_LOOK);
}

#[tokio::test]
async fn r_8_a_single_use_refresh_token_is_never_sent_again_in_one_exchange() {
    for (outcome, sent) in [
        (TransportErrorKind::MaybeSent, 1),
        (TransportErrorKind::UnusableBody, 1),
        (TransportErrorKind::NotSent, 3),
    ] {
        let (bench, vault) = (bench(), expired());
        let entra = failing(move |_| Err(outcome));
        let mut source = source(&bench, &vault, &entra);
        source.refresh_tokens = RefreshTokens::SingleUse;
        assert_eq!(source.bearer().await.unwrap_err().remedy(), Remedy::Retry);
        assert_eq!(entra.sent().len(), sent, "{outcome:?}");
        assert_eq!(vault.read().refreshing_until, None, "others need not wait");
        // It may never have arrived, so it is tried once by whoever comes next.
        let _ = source.bearer().await;
        assert_eq!(entra.sent().len(), sent * 2);
    }
    let (bench, vault) = (bench(), expired());
    let entra = failing(|_| Ok(with_header(answer(503, ""), "retry-after", "1")));
    let mut source = source(&bench, &vault, &entra);
    source.refresh_tokens = RefreshTokens::SingleUse;
    assert!(source.bearer().await.unwrap_err().is_retryable());
    assert_eq!(entra.sent().len(), 1);
}

#[tokio::test]
async fn r_8_a_grant_refused_while_another_worker_refreshes_is_not_given_up() {
    let (bench, vault) = (bench(), expired());
    let other = Arc::clone(&vault);
    let entra = failing(move |_| {
        other.reserved(Some(START + LEASE));
        Ok(refused(70008))
    });
    let source = source(&bench, &vault, &entra);
    let (got, ()) = join(bearer(&source), stored_later(&vault)).await;
    assert_eq!(got, "marker-access-w");
    assert_eq!(entra.sent().len(), 1);
}

#[tokio::test]
async fn r_8_newer_grants_are_tried_once() {
    let (bench, vault) = (bench(), expired());
    let (other, count) = (Arc::clone(&vault), AtomicU32::new(0));
    let entra = failing(move |_| {
        let name = format!("marker-refresh-{}", count.fetch_add(1, Ordering::Relaxed) + 1);
        other.put("marker-access-x", &name, START);
        Ok(refused(70008))
    });
    let error = source(&bench, &vault, &entra).bearer().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect);
    assert_eq!(entra.sent().len(), 2);
}

#[tokio::test]
async fn r_8_an_answer_that_comes_after_its_reservation_is_stored_all_the_same() {
    let (bench, vault) = (bench(), expired());
    let other = Arc::clone(&vault);
    let entra = failing(move |_| {
        other.reserved(Some(START + LEASE * 2));
        Ok(tokens("late", 3600))
    });
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-late");
    assert_eq!(vault.shown().1, "marker-refresh-late");
}

/// A vault that fails to store so many times.
#[derive(Debug)]
struct Flaky(Arc<MemoryVault>, AtomicU32);

#[async_trait]
impl TokenVault for Flaky {
    fn connection(&self) -> ConnectionId {
        self.0.connection()
    }

    async fn load(&self) -> Result<StoredTokens> {
        self.0.load().await
    }

    async fn reserve(&self, stored: &StoredTokens, until: OffsetDateTime) -> Result<Replaced> {
        self.0.reserve(stored, until).await
    }

    async fn replace(&self, expected: TokenVersion, tokens: &Tokens) -> Result<Replaced> {
        let left = self.1.load(Ordering::Relaxed);
        if left > 0 {
            self.1.store(left - 1, Ordering::Relaxed);
            return Err(Error::store("replace the tokens", "a test's fault"));
        }
        self.0.replace(expected, tokens).await
    }
}

#[tokio::test]
async fn con_5_tokens_that_came_are_offered_to_a_failing_store_again() {
    for (failures, remedy) in [(3, None), (4, Some(Remedy::Retry))] {
        let (bench, entra, vault) = (bench(), entra(3600), expired());
        let mut source = source(&bench, &vault, &entra);
        source.vault = Arc::new(Flaky(Arc::clone(&vault), failures.into()));
        assert_eq!(source.bearer().await.err().map(|error| error.remedy()), remedy);
        assert_eq!(entra.sent().len(), 1);
        let shown = if remedy.is_none() { "marker-access-1" } else { "marker-access-0" };
        assert_eq!(vault.shown().0, shown, "nothing is used that is not stored");
    }
}

#[tokio::test]
async fn r_8_a_refused_grant_gives_nothing_up_while_the_store_is_silent() {
    let (bench, vault) = (bench(), expired());
    let entra = failing(|_| Ok(refused(70008)));
    let mut source = source(&bench, &vault, &entra);
    source.vault = Arc::new(Flaky(Arc::clone(&vault), 1.into()));
    assert_eq!(source.bearer().await.unwrap_err().remedy(), Remedy::Retry);
    bench.clock.set(START + LEASE);
    assert_eq!(source.bearer().await.unwrap_err().remedy(), Remedy::Reconnect);
}

use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::ExposeSecret;

use super::*;
use crate::dynamics::test_bench::{
    Bench, MemoryVault, START, answer, app, bench, endpoints, everything_said, with_header,
};
use crate::error::Remedy;
use crate::http::fixtures::FnTransport;
use crate::http::transport::{Request, Response, TransportErrorKind};
use crate::model::ConnectionId;

pub(super) const HOUR: Duration = Duration::hours(1);

pub(super) fn source(
    bench: &Bench,
    vault: &Arc<MemoryVault>,
    transport: &Arc<FnTransport>,
) -> TokenSource {
    TokenSource {
        app: Arc::new(app()),
        endpoints: endpoints("contoso.crm4.dynamics.com"),
        tenant: Some("11111111-2222-3333-4444-555555555555".to_owned()),
        refresh_tokens: RefreshTokens::default(),
        transport: Arc::<FnTransport>::clone(transport),
        vault: Arc::<MemoryVault>::clone(vault),
        context: bench.context.clone(),
        held: Mutex::new(None),
        refreshing: Arc::default(),
        spread: TokenSource::spread(&bench.context.randomness),
    }
}

/// Entra, giving out `access-1`, `access-2` and so on, with a life in seconds.
pub(super) fn entra(life: i64) -> Arc<FnTransport> {
    let count = AtomicUsize::new(0);
    FnTransport::new(move |_, _| {
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(tokens(&count.to_string(), life))
    })
}

pub(super) fn tokens(name: &str, life: i64) -> Response {
    answer(
        200,
        format!(
            r#"{{"token_type":"Bearer","expires_in":{life},"access_token":"marker-access-{name}",
                "refresh_token":"marker-refresh-{name}"}}"#
        ),
    )
}

pub(super) fn refused(code: u32) -> Response {
    answer(400, format!(r#"{{"error":"invalid_grant","error_codes":[{code}]}}"#))
}

pub(super) fn failing(
    respond: impl Fn(&Request) -> Result<Response, TransportErrorKind> + Send + Sync + 'static,
) -> Arc<FnTransport> {
    FnTransport::new(move |request, _| respond(request))
}

pub(super) async fn bearer(source: &TokenSource) -> String {
    source.bearer().await.unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn con_5_a_good_token_is_used_without_asking_entra() {
    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START + HOUR);
    let source = source(&bench, &vault, &entra);
    for _ in 0..3 {
        assert_eq!(bearer(&source).await, "marker-access-0");
    }
    bench.clock.set(START + Duration::minutes(54));
    assert_eq!(bearer(&source).await, "marker-access-0");
    assert!(entra.sent().is_empty());
}

#[tokio::test]
async fn con_5_a_token_is_refreshed_five_minutes_ahead_and_stored_first() {
    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START + HOUR);
    let source = source(&bench, &vault, &entra);
    bench.clock.set(START + Duration::minutes(55));
    assert_eq!(bearer(&source).await, "marker-access-1");
    assert_eq!(vault.shown(), ("marker-access-1".to_owned(), "marker-refresh-1".to_owned(), 3));
    let sent = entra.sent();
    let form = std::str::from_utf8(&sent[0].body).unwrap();
    assert!(form.contains("&refresh_token=marker-refresh-0&"), "{form}");
    assert_eq!(sent[0].url.path(), "/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token");
    assert!(!format!("{source:?} {:?}", source.held()).contains("marker"));
}

#[tokio::test]
async fn con_5_the_margin_takes_at_most_half_of_a_short_life() {
    let (bench, entra) = (bench(), entra(240));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let source = source(&bench, &vault, &entra);
    assert_eq!(bearer(&source).await, "marker-access-1");
    bench.clock.set(START + Duration::seconds(119));
    assert_eq!(bearer(&source).await, "marker-access-1");
    bench.clock.set(START + Duration::seconds(120));
    assert_eq!(bearer(&source).await, "marker-access-2");
}

#[tokio::test]
async fn r_7_sixteen_tasks_at_expiry_cause_one_refresh() {
    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let source = Arc::new(source(&bench, &vault, &entra));
    for round in 1..=2 {
        let tasks = (0..16).map(|_| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { bearer(&source).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            assert_eq!(task.await.unwrap(), format!("marker-access-{round}"));
        }
        assert_eq!(entra.sent().len(), round);
        bench.clock.set(START + HOUR * 2);
    }
}

#[tokio::test]
async fn r_7_a_worker_that_comes_late_reads_the_winners_token() {
    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START + HOUR);
    let workers = [(); 3].map(|()| source(&bench, &vault, &entra));
    for worker in &workers {
        assert_eq!(bearer(worker).await, "marker-access-0");
    }
    bench.clock.set(START + HOUR);
    for worker in &workers {
        assert_eq!(bearer(worker).await, "marker-access-1");
    }
    assert_eq!(entra.sent().len(), 1);
}

#[tokio::test]
async fn con_5_a_lost_swap_goes_on_with_the_winners_token() {
    let bench = bench();
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let winner = Arc::clone(&vault);
    let entra = failing(move |_| {
        winner.put("marker-access-w", "marker-refresh-w", START + HOUR);
        Ok(tokens("l", 3600))
    });
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-w");
    assert_eq!(vault.shown().1, "marker-refresh-w");
}

#[tokio::test]
async fn r_10_a_seal_renewed_during_the_refresh_does_not_lose_the_new_tokens() {
    let bench = bench();
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let sealer = Arc::clone(&vault);
    let entra = failing(move |_| {
        sealer.put("marker-access-0", "marker-refresh-0", START);
        Ok(tokens("1", 3600))
    });
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-1");
    assert_eq!(vault.shown(), ("marker-access-1".to_owned(), "marker-refresh-1".to_owned(), 4));
}

#[tokio::test]
async fn r_8_a_refused_grant_with_a_newer_one_stored_is_no_outage() {
    let bench = bench();
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let other = Arc::clone(&vault);
    let entra = failing(move |_| {
        other.put("marker-access-n", "marker-refresh-n", START + HOUR);
        Ok(refused(700_082))
    });
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-n");
    assert_eq!(entra.sent().len(), 1);
}

#[tokio::test]
async fn r_8_a_newer_grant_whose_token_has_ended_is_redeemed_once() {
    let bench = bench();
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let other = Arc::clone(&vault);
    let entra = failing(move |request| {
        let form = std::str::from_utf8(&request.body).unwrap();
        if form.contains("refresh_token=marker-refresh-0&") {
            other.put("marker-access-n", "marker-refresh-n", START);
            return Ok(refused(70008));
        }
        Ok(tokens("2", 3600))
    });
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-2");
    assert_eq!(entra.sent().len(), 2);
}

#[tokio::test]
async fn r_8_a_refused_grant_without_a_newer_one_ends_the_connection() {
    let bench = bench();
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let entra = failing(|_| Ok(refused(700_082)));
    let error = source(&bench, &vault, &entra).bearer().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect);
    assert_eq!(error.customer_message(), "The connection was unused for too long. Connect again.");
    assert!(!everything_said(&error).contains("marker"));
    assert_eq!((entra.sent().len(), vault.shown().1), (1, "marker-refresh-0".to_owned()));
    assert_eq!(vault.read().refreshing_until, None);
}

#[tokio::test]
async fn r_7_sources_of_one_connection_share_one_flight() {
    let flights = Flights::default();
    let [one, two] = [1, 2].map(|id| ConnectionId::new(uuid::Uuid::from_u128(id)));
    let held = flights.of(one);
    assert!(Arc::ptr_eq(&held, &flights.of(one)));
    assert!(!Arc::ptr_eq(&held, &flights.of(two)));
    drop(held);
    let _ = flights.of(two);
    assert_eq!(flights.open(), 1, "a flight that nobody holds is let go");

    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let shared = flights.of(one);
    let tasks = (0..3).map(|_| {
        let mut source = source(&bench, &vault, &entra);
        source.refreshing = Arc::clone(&shared);
        tokio::spawn(async move { bearer(&source).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), "marker-access-1");
    }
    assert_eq!(entra.sent().len(), 1);
}

#[tokio::test]
async fn con_6_a_rejected_secret_does_not_cut_a_token_short() {
    let bench = bench();
    let end = START + Duration::minutes(2);
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", end);
    let body = r#"{"error":"invalid_client","error_codes":[7000222]}"#;
    let entra = failing(move |_| Ok(answer(401, body)));
    let source = source(&bench, &vault, &entra);
    assert_eq!(bearer(&source).await, "marker-access-0");
    bench.clock.set(end);
    let error = source.bearer().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::FixConfiguration);
    assert_eq!(bench.ear.0.lock().unwrap().len(), 1, "the operator hears of it, once");
}

#[tokio::test]
async fn r_8_a_revoked_sign_in_ends_a_token_that_still_lives() {
    let bench = bench();
    let end = START + Duration::minutes(2);
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", end);
    let entra = failing(|_| Ok(refused(50173)));
    let error = source(&bench, &vault, &entra).bearer().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect);
}

#[tokio::test]
async fn con_6_a_rejected_secret_leaves_the_tokens_alone() {
    let bench = bench();
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let body = r#"{"error":"invalid_client","error_codes":[7000222]}"#;
    let entra = failing(move |_| Ok(answer(401, body)));
    let error = source(&bench, &vault, &entra).bearer().await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::FixConfiguration);
    assert_eq!(vault.shown().1, "marker-refresh-0");
    assert_eq!(vault.read().refreshing_until, None);
}

#[tokio::test]
async fn con_5_passing_faults_are_ridden_out() {
    let (bench, count) = (bench(), AtomicUsize::new(0));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let entra = failing(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Err(TransportErrorKind::MaybeSent),
        1 => Ok(with_header(answer(503, "<html>"), "retry-after", "9")),
        _ => Ok(tokens("1", 3600)),
    });
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-1");
    let waits = bench.clock.waits();
    assert_eq!(waits.len(), 2);
    assert_eq!(waits[1] - waits[0], Duration::seconds(9));
}

#[tokio::test]
async fn con_5_while_entra_is_down_a_token_is_used_to_its_end() {
    let bench = bench();
    let vault =
        MemoryVault::new("marker-access-0", "marker-refresh-0", START + Duration::minutes(4));
    let entra = failing(|_| Ok(with_header(answer(503, ""), "retry-after", "600")));
    let source = source(&bench, &vault, &entra);
    for _ in 0..5 {
        assert_eq!(bearer(&source).await, "marker-access-0");
    }
    assert_eq!(entra.sent().len(), 1, "Entra is left alone for a while");
    bench.clock.set(START + Duration::seconds(30));
    assert_eq!(bearer(&source).await, "marker-access-0");
    assert_eq!(entra.sent().len(), 2);
    bench.clock.set(START + Duration::minutes(4));
    let error = source.bearer().await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.retry_at(), Some(START + Duration::minutes(14)));
}

#[tokio::test]
async fn r_5_one_refresh_serves_all_who_saw_the_same_token_rejected() {
    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START + HOUR);
    let source = Arc::new(source(&bench, &vault, &entra));
    let rejected = source.bearer().await.unwrap();
    let tasks = (0..8).map(|_| {
        let (source, rejected) = (Arc::clone(&source), rejected.clone());
        tokio::spawn(async move { source.renew(&rejected, None).await.unwrap() })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap().expose_secret(), "marker-access-1");
    }
    assert_eq!(entra.sent().len(), 1);
    assert_eq!(bearer(&source).await, "marker-access-1");
}

#[tokio::test]
async fn r_5_a_rejected_token_that_another_worker_replaced_is_not_refreshed_again() {
    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START + HOUR);
    let source = source(&bench, &vault, &entra);
    let rejected = source.bearer().await.unwrap();
    vault.put("marker-access-n", "marker-refresh-n", START + HOUR);
    let renewed = source.renew(&rejected, None).await.unwrap();
    assert_eq!(renewed.expose_secret(), "marker-access-n");
    assert!(entra.sent().is_empty());
}

#[tokio::test]
async fn con_5_a_claims_challenge_reaches_entra() {
    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START + HOUR);
    let source = source(&bench, &vault, &entra);
    let rejected = source.bearer().await.unwrap();
    let claims = r#"{"access_token":{"nbf":{"value":"1"}}}"#;
    assert_eq!(
        source.renew(&rejected, Some(claims)).await.unwrap().expose_secret(),
        "marker-access-1"
    );
    let sent = entra.sent();
    let form: Vec<_> = url::form_urlencoded::parse(&sent[0].body).collect();
    let claims = form.iter().find(|(name, _)| name == "claims").unwrap();
    assert!(claims.1.contains(r#""nbf":{"value":"1"}"#), "{}", claims.1);
}

#[tokio::test]
async fn con_5_a_refresh_without_a_new_refresh_token_keeps_the_old_one() {
    let bench = bench();
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let body = r#"{"access_token":"marker-access-1","expires_in":3600}"#;
    let entra = failing(move |_| Ok(answer(200, body)));
    assert_eq!(bearer(&source(&bench, &vault, &entra)).await, "marker-access-1");
    assert_eq!(vault.shown().1, "marker-refresh-0");
}

#[tokio::test]
async fn con_5_a_refresh_dropped_half_way_blocks_nobody() {
    let (bench, entra) = (bench(), entra(3600));
    let vault = MemoryVault::new("marker-access-0", "marker-refresh-0", START);
    let source = source(&bench, &vault, &entra);
    {
        let dropped = source.bearer();
        tokio::pin!(dropped);
        assert!(futures_util::poll!(&mut dropped).is_pending());
    }
    assert_eq!(bearer(&source).await, "marker-access-1");
}

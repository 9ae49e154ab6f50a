mod outcomes;
mod throttles;

use super::*;
use crate::dynamics::call::Precondition;
use crate::dynamics::fixtures::{Org, ROOT, refusal};
use crate::error::Remedy;
use crate::http::fixtures::{JumpingClock, START, answer};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use time::Duration;
use url::Url;

fn read_call() -> Call {
    Call::read("read the accounts", Url::parse(&format!("{ROOT}accounts")).unwrap())
}

fn write_call(precondition: Precondition) -> Call {
    let url = Url::parse(&format!("{ROOT}annotations(1)")).unwrap();
    Call::write("write notes", url, precondition, Bytes::from_static(b"{}"))
}

#[tokio::test]
async fn r_5_a_401_renews_the_token_once() {
    let org = Org::new(|_, before| {
        Ok(if before == 0 { answer(401, &[], "") } else { answer(200, &[], "{}") })
    });
    org.api().send(&read_call()).await.unwrap();
    let sent = org.transport.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].headers[AUTHORIZATION], "Bearer token-1");
    assert_eq!(sent[1].headers[AUTHORIZATION], "Bearer token-2");
    assert_eq!((org.tokens.renewed(), org.clock.waits().len()), (1, 0));
}

#[tokio::test]
async fn r_5_a_second_401_is_an_error() {
    let org = Org::new(|_, _| Ok(answer(401, &[], "")));
    let api = org.api();
    let error = api.read("read the accounts", "accounts").await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Reconnect);
    assert_eq!((org.transport.sent().len(), org.tokens.renewed()), (2, 1));
}

#[tokio::test]
async fn r_5_the_token_is_asked_for_at_every_attempt() {
    let org = Org::new(|_, before| {
        Ok(if before < 3 { answer(503, &[], "") } else { answer(200, &[], "{}") })
    });
    org.api().send(&read_call()).await.unwrap();
    assert_eq!((org.transport.sent().len(), org.tokens.asked()), (4, 4));
}

#[tokio::test]
async fn r_3_a_throttle_is_waited_out_by_every_call_of_the_user() {
    let org = Org::new(|_, before| {
        Ok(if before == 0 {
            answer(429, &[("retry-after", "37")], "")
        } else {
            answer(200, &[], "{}")
        })
    });
    let (one, other) = (org.api(), org.api());
    one.send(&read_call()).await.unwrap();
    assert_eq!(org.clock.waits(), [Duration::seconds(37)]);
    // The token may have aged meanwhile, so it is asked for again after the wait.
    assert_eq!((org.transport.sent().len(), org.tokens.asked()), (2, 3));
    other.send(&read_call()).await.unwrap();
    assert_eq!(org.clock.waits().len(), 1);
}

#[tokio::test]
async fn r_3_a_wait_above_fifteen_minutes_gives_the_work_back() {
    let org = Org::new(|_, _| Ok(answer(429, &[("retry-after", "1800")], "")));
    let (api, other) = (org.api(), org.api());
    for api in [api, other] {
        let error = api.read("read the accounts", "accounts").await.unwrap_err();
        assert_eq!(error.retry_at(), Some(START + Duration::minutes(30)));
    }
    assert_eq!(org.transport.sent().len(), 1);
}

#[tokio::test]
async fn r_2_a_conditional_write_is_sent_again_and_stays_lost_without_an_answer() {
    let org = Org::new(|_, _| Err(TransportErrorKind::MaybeSent));
    let failure = org.api().send(&write_call(Precondition::Absent)).await.unwrap_err();
    assert!(matches!(failure, Failure::Lost(Error::Unavailable { .. })), "{failure:?}");
    assert_eq!(org.transport.sent().len(), 5);
}

/// an attempt whose answer was lost is not forgotten when a later one is throttled.
#[tokio::test]
async fn r_2_a_lost_answer_outweighs_a_later_throttle() {
    let org = Org::new(|_, before| match before {
        0 => Err(TransportErrorKind::MaybeSent),
        _ => Ok(answer(429, &[("retry-after", "3600")], "")),
    });
    let failure = org.api().send(&write_call(Precondition::Absent)).await.unwrap_err();
    assert!(matches!(failure, Failure::Lost(Error::RateLimited { .. })), "{failure:?}");
}

#[tokio::test]
async fn r_2_a_definite_refusal_is_an_answer() {
    let org = Org::new(|_, before| match before {
        0 => Err(TransportErrorKind::MaybeSent),
        _ => Ok(answer(412, &[], refusal("0x80060882", "mismatch"))),
    });
    let failure = org.api().send(&write_call(Precondition::Absent)).await.unwrap_err();
    assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
}

#[tokio::test]
async fn r_1_a_connection_that_was_never_made_is_no_lost_write() {
    let org = Org::new(|_, _| Err(TransportErrorKind::NotSent));
    let failure = org.api().send(&write_call(Precondition::Absent)).await.unwrap_err();
    assert!(matches!(failure, Failure::Stopped(Error::Unavailable { .. })), "{failure:?}");
}

#[tokio::test]
async fn r_11_every_redirect_is_an_error() {
    for status in [301, 302, 303, 307, 308] {
        let org =
            Org::new(move |_, _| Ok(answer(status, &[("location", "https://evil.example/")], "")));
        let error = org.api().read("read the accounts", "accounts").await.unwrap_err();
        assert!(matches!(error, Error::UnexpectedResponse { .. }), "{error:?}");
        assert_eq!(org.transport.sent().len(), 1);
    }
}

#[tokio::test]
async fn r_6_a_connector_in_trouble_sends_at_most_a_fifth_more() {
    let org = Org::new(|_, _| Ok(answer(503, &[], "<html>")));
    let api = org.api();
    for _ in 0..1000 {
        api.send(&read_call()).await.unwrap_err();
    }
    let sent = org.transport.sent().len();
    assert!((1001..=1200).contains(&sent), "{sent}");
}

/// nothing begins between the throttle and its deadline, whoever asks.
#[tokio::test]
async fn r_3_nothing_is_sent_while_the_gate_is_closed() {
    let org = Org::new(|_, before| {
        Ok(if before % 5 == 0 {
            answer(429, &[("retry-after", "9")], "")
        } else {
            answer(200, &[], "{}")
        })
    });
    let workers = [org.api(), org.api(), org.api()];
    for round in 0..40 {
        let before = (org.transport.sent().len(), org.clock.now());
        workers[round % 3].send(&read_call()).await.unwrap();
        let throttled = before.0.is_multiple_of(5);
        let waited = org.clock.now() - before.1;
        assert_eq!(waited, if throttled { Duration::seconds(9) } else { Duration::ZERO });
    }
}

#[tokio::test]
async fn syn_5_a_page_that_waits_for_room_keeps_no_other_call_from_sending() {
    let org = Org::new(|_, _| Ok(answer(200, &[], "{}")));
    let api = org.api();
    let all = api.intake.reserve(usize::MAX).await;
    let page = read_call().taking(1024 * 1024);
    let pages = futures_util::future::join_all((0..20).map(|_| api.take_in(&page)));
    tokio::pin!(pages);
    assert!(futures_util::poll!(&mut pages).is_pending(), "there is no room");
    api.send(&write_call(Precondition::Absent)).await.unwrap();
    assert_eq!(org.transport.sent().len(), 1);
    drop(all);
    pages.await;
    assert_eq!(org.transport.sent().len(), 21);
}

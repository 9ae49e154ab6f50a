use http::Method;
use url::Url;

use super::*;
use crate::dynamics::test_bench::{START, answer, bench, with_header};
use crate::http::fixtures::FnTransport;

fn request() -> Request {
    Request {
        method: Method::POST,
        url: Url::parse("https://login.microsoftonline.com/x").unwrap(),
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
        expect: 0,
    }
}

/// How often a request was sent that always meets the same outcome.
async fn sent(
    resend: Resend,
    outcome: impl Fn() -> Result<Response, TransportErrorKind> + Send + Sync + 'static,
) -> usize {
    let transport = FnTransport::new(move |_, _| outcome());
    let _ = send(&*transport, &bench().context, &request(), resend).await;
    transport.sent().len()
}

#[tokio::test]
async fn r_1_which_outcome_is_worth_a_repeat() {
    for status in [408, 429, 500, 502, 503, 504] {
        assert_eq!(sent(Resend::IfTransient, move || Ok(answer(status, ""))).await, 3, "{status}");
        assert_eq!(sent(Resend::IfNotSent, move || Ok(answer(status, ""))).await, 1, "{status}");
    }
    for status in [200, 204, 302, 304, 400, 401, 403, 404, 409, 412] {
        assert_eq!(sent(Resend::IfTransient, move || Ok(answer(status, ""))).await, 1, "{status}");
    }
    for (kind, transient, not_sent) in [
        (TransportErrorKind::NotSent, 3, 3),
        (TransportErrorKind::MaybeSent, 3, 1),
        (TransportErrorKind::UnusableBody, 1, 1),
    ] {
        assert_eq!(sent(Resend::IfTransient, move || Err(kind)).await, transient);
        assert_eq!(sent(Resend::IfNotSent, move || Err(kind)).await, not_sent);
    }
}

#[tokio::test]
async fn r_3_a_short_retry_after_is_waited_out_and_a_long_one_handed_back() {
    let bench = bench();
    let busy = FnTransport::new(|_, _| Ok(with_header(answer(429, ""), "retry-after", "30")));
    let last = send(&*busy, &bench.context, &request(), Resend::IfTransient).await.unwrap();
    assert_eq!(last.status.as_u16(), 429);
    let half = Duration::seconds(30);
    assert_eq!(bench.clock.waits(), [START + half, START + half * 2]);

    let busy = FnTransport::new(|_, _| Ok(with_header(answer(429, ""), "retry-after", "31")));
    let _ = send(&*busy, &bench.context, &request(), Resend::IfTransient).await.unwrap();
    assert_eq!(busy.sent().len(), 1);
}

#[tokio::test]
async fn syn_5_pauses_grow_and_are_jittered() {
    let bench = bench();
    let down = FnTransport::new(|_, _| Err(TransportErrorKind::NotSent));
    let _ = send(&*down, &bench.context, &request(), Resend::IfTransient).await;
    let [first, second] = bench.clock.waits()[..] else { panic!("two waits") };
    let (first, second) = (first - START, second - first);
    assert!((Duration::milliseconds(500)..=Duration::seconds(1)).contains(&first), "{first}");
    assert!((Duration::seconds(1)..=Duration::seconds(2)).contains(&second), "{second}");
}

#[test]
fn r_3_retry_after_is_believed_up_to_an_hour() {
    for (value, seconds) in [
        ("0", Some(0)),
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("-5", Some(0)),
        ("1000000000", Some(3600)),
        ("Sun, 01 Feb 2026 09:02:00 GMT", Some(120)),
        ("Sun, 01 Feb 2026 08:00:00 GMT", Some(0)),
        ("1.5", Some(2)),
        ("soon", None),
        ("", None),
        ("99999999999999999999", Some(3600)),
    ] {
        let response = with_header(answer(429, ""), "retry-after", value);
        let expected = seconds.map(|seconds| START + Duration::seconds(seconds));
        assert_eq!(retry_after(&response.headers, START), expected, "{value:?}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), START), None);
}

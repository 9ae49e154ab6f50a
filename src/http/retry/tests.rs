use super::*;
use http::header::HeaderValue;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-02-01 09:00 UTC);

/// What is expected, short enough for a table: `.` stop, `b` backoff, `h<s>` after a hold, `g<s>`
/// give back, `t` fresh token.
fn shown(retry: Retry) -> String {
    match retry {
        Retry::AfterBackoff { wait } => format!("b{}", wait.as_secs_f64()),
        Retry::AfterHold { wait } => format!("h{}", wait.as_secs_f64()),
        Retry::GiveBack { after } => format!("g{}", after.as_secs_f64()),
        Retry::Stop => ".".to_owned(),
        Retry::WithFreshToken => "t".to_owned(),
    }
}

fn first() -> Attempt {
    nth(1)
}

fn nth(number: u32) -> Attempt {
    Attempt { number, token: Token::Offered, jitter: 1.0 }
}

fn status(code: u16, retry_after: Option<u64>) -> Outcome {
    let retry_after = retry_after.map(Duration::from_secs);
    let status = StatusCode::from_u16(code).unwrap();
    Outcome::Status { status, retry_after, hint: Hint::None }
}

fn transient(code: u16) -> Outcome {
    let status = StatusCode::from_u16(code).unwrap();
    Outcome::Status { status, retry_after: None, hint: Hint::Transient }
}

fn throttled(code: u16, retry_after: u64) -> Outcome {
    let (status, retry_after) =
        (StatusCode::from_u16(code).unwrap(), Some(Duration::from_secs(retry_after)));
    Outcome::Status { status, retry_after, hint: Hint::Throttled }
}

const NOT_SENT: Outcome = Outcome::NoAnswer(TransportErrorKind::NotSent);
const MAYBE_SENT: Outcome = Outcome::NoAnswer(TransportErrorKind::MaybeSent);
const UNUSABLE: Outcome = Outcome::NoAnswer(TransportErrorKind::UnusableBody);

type Row = (&'static str, Outcome, bool, Option<f64>, [&'static str; 4]);

/// Outcome, whether it is ambiguous, the gate's hold in seconds, then the decision after the first
/// attempt for a GET, a conditional PATCH, a POST and a DELETE.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    vec![
        ("200",              status(200, None),        false, None,          [".", ".", ".", "."]),
        ("200 deadlock",     transient(200),           true,  None,          ["b1", "b1", ".", "."]),
        ("200 throttle",     throttled(200, 7),        false, Some(7.0),     ["h7", "h7", "h7", "h7"]),
        ("204",              status(204, None),        false, None,          [".", ".", ".", "."]),
        ("302",              status(302, None),        false, None,          [".", ".", ".", "."]),
        ("304",              status(304, None),        false, None,          [".", ".", ".", "."]),
        ("400",              status(400, None),        false, None,          [".", ".", ".", "."]),
        ("400 deadlock",     transient(400),           true,  None,          ["b1", "b1", ".", "."]),
        ("401",              status(401, None),        false, None,          ["t", "t", "t", "t"]),
        ("403",              status(403, None),        false, None,          [".", ".", ".", "."]),
        ("404",              status(404, None),        false, None,          [".", ".", ".", "."]),
        ("405",              status(405, None),        false, None,          [".", ".", ".", "."]),
        ("408",              status(408, None),        true,  None,          ["b1", "b1", ".", "."]),
        ("409",              status(409, None),        false, None,          [".", ".", ".", "."]),
        ("412",              status(412, None),        false, None,          [".", ".", ".", "."]),
        ("413",              status(413, None),        false, None,          [".", ".", ".", "."]),
        ("429",              status(429, None),        false, Some(1.0),     ["h1", "h1", "h1", "h1"]),
        ("429 in 0 s",       status(429, Some(0)),     false, Some(1.0),     ["h1", "h1", "h1", "h1"]),
        ("429 in 7 s",       status(429, Some(7)),     false, Some(7.0),     ["h7", "h7", "h7", "h7"]),
        ("429 in 900 s",     status(429, Some(900)),   false, Some(900.0),   ["h900", "h900", "h900", "h900"]),
        ("429 in 901 s",     status(429, Some(901)),   false, Some(901.0),   ["g901", "g901", "g901", "g901"]),
        ("429 in 1e9 s",     status(429, Some(1_000_000_000)), false, Some(86400.0), ["g86400", "g86400", "g86400", "g86400"]),
        ("500",              status(500, None),        true,  None,          ["b1", "b1", ".", "."]),
        ("501",              status(501, None),        true,  None,          [".", ".", ".", "."]),
        ("502",              status(502, None),        true,  None,          ["b1", "b1", ".", "."]),
        ("503",              status(503, None),        true,  None,          ["b1", "b1", ".", "."]),
        ("503 in 30 s",      status(503, Some(30)),    true,  Some(30.0),    ["h30", "h30", ".", "."]),
        ("503 in 3600 s",    status(503, Some(3600)),  true,  Some(3600.0),  ["g3600", "g3600", ".", "."]),
        ("503 throttle",     throttled(503, 7),        false, Some(7.0),     ["h7", "h7", "h7", "h7"]),
        ("504",              status(504, None),        true,  None,          ["b1", "b1", ".", "."]),
        ("not sent",         NOT_SENT,                 false, None,          ["b1", "b1", "b1", "b1"]),
        ("maybe sent",       MAYBE_SENT,               true,  None,          ["b1", "b1", ".", "."]),
        ("unusable body",    UNUSABLE,                 true,  None,          [".", ".", ".", "."]),
    ]
}

const KINDS: [Idempotency; 4] =
    [Idempotency::Read, Idempotency::Conditional, Idempotency::Once, Idempotency::Once];

#[test]
fn r_1_every_outcome_has_its_decision() {
    let table = table();
    assert!(table.len() * KINDS.len() >= 100);
    for (name, outcome, ambiguous, held, expected) in table {
        assert_eq!(outcome.is_ambiguous(), ambiguous, "{name}");
        let hold = hold(first(), outcome).map(|wait| wait.as_secs_f64());
        assert_eq!(hold, held, "the hold of {name}");
        let decided = KINDS.map(|kind| shown(decide(first(), outcome, kind, Budget::Left)));
        assert_eq!(decided, expected, "{name}");
    }
}

/// the last attempt of each outcome, after which a GET is not sent again.
#[test]
fn r_1_attempts_are_bounded() {
    for (name, outcome, sends) in [
        ("502", status(502, None), 5),
        ("503 in 30 s", status(503, Some(30)), 5),
        ("not sent", NOT_SENT, 5),
        ("500", status(500, None), 3),
        ("deadlock", transient(400), 3),
        ("400", status(400, None), 1),
    ] {
        for number in 1..=6 {
            let retry = decide(nth(number), outcome, Idempotency::Read, Budget::Left);
            assert_eq!(retry == Retry::Stop, number >= sends, "{name}, attempt {number}");
        }
    }
    let throttled =
        |n| shown(decide(nth(n), status(429, Some(5)), Idempotency::Once, Budget::Left));
    assert_eq!((throttled(9).as_str(), throttled(10).as_str()), ("h5", "g5"));
}

#[test]
fn r_1_backoff_doubles_and_is_spread_over_its_upper_half() {
    let waits: Vec<String> = (1..=4)
        .map(|n| shown(decide(nth(n), status(503, None), Idempotency::Read, Budget::Left)))
        .collect();
    assert_eq!(waits, ["b1", "b2", "b4", "b8"]);
    let lowest = Attempt { jitter: 0.0, ..nth(3) };
    assert_eq!(shown(decide(lowest, status(503, None), Idempotency::Read, Budget::Left)), "b2");
    assert_eq!(nth(u32::MAX).backoff(), LAST_BACKOFF);
}

/// nothing that may have been carried out is sent again unless it is conditional.
#[test]
fn r_2_an_ambiguous_write_is_never_sent_again_blindly() {
    for (name, outcome, ambiguous, ..) in table() {
        if !ambiguous {
            continue;
        }
        for number in 1..=5 {
            let retry = decide(nth(number), outcome, Idempotency::Once, Budget::Left);
            assert_eq!(retry, Retry::Stop, "{name}, attempt {number}");
        }
    }
}

#[test]
fn r_5_a_second_401_is_final() {
    let renewed = Attempt { token: Token::Renewed, ..nth(2) };
    for kind in KINDS {
        assert_eq!(decide(renewed, status(401, None), kind, Budget::Left), Retry::Stop);
    }
}

#[test]
fn r_3_retry_after_is_read_in_every_form() {
    let seconds = |text: &str| read(&[text.as_bytes()]);
    for (text, expected) in [
        ("0", Some(0)),
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("-5", Some(0)),
        ("1.2", Some(2)),
        ("1000000000", Some(1_000_000_000)),
        ("1e9", Some(1_000_000_000)),
        ("Sun, 01 Feb 2026 09:02:05 GMT", Some(125)),
        ("Sun, 01 Feb 2026 09:02:05 +0000", Some(125)),
        ("Sunday, 01-Feb-26 09:02:05 GMT", Some(125)),
        ("Sun Feb  1 09:02:05 2026", Some(125)),
        ("Sat, 31 Jan 2026 09:00:00 GMT", Some(0)),
        ("soon", None),
        ("NaN", None),
        ("", None),
        ("Sun, 31 Feb 2026 09:02:05 GMT", None),
    ] {
        assert_eq!(seconds(text), expected, "{text:?}");
    }
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[b"5", b"60"]), Some(60));
    assert_eq!(read(&[b"soon", b"60"]), Some(60));
    assert_eq!(read(&[b"\xff\xfe"]), None);
    assert!(read(&[b"inf"]).is_some_and(|wait| wait > 86_400));
}

fn read(values: &[&[u8]]) -> Option<u64> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(RETRY_AFTER, HeaderValue::from_bytes(value).unwrap());
    }
    retry_after(&headers, NOW).map(|wait| wait.as_secs())
}

/// ten minutes of nothing but 503.
#[test]
fn r_6_a_storm_of_503_is_answered_with_at_most_a_fifth_more() {
    let budget = RetryBudget::new();
    let mut sent = 0_u32;
    for _ in 0..1000 {
        budget.offer();
        let mut attempt = first();
        loop {
            sent += 1;
            let outcome = status(503, None);
            let retry = decide(attempt, outcome, Idempotency::Read, budget.reserve());
            if !retry.is_charged(outcome) {
                assert_eq!(retry, Retry::Stop);
                break;
            }
            attempt.number += 1;
        }
    }
    assert!(sent > 1000, "no call was retried");
    assert!(sent <= 1200, "{sent} requests for 1000 calls");
}

#[test]
fn r_6_throttles_are_not_charged() {
    let outcome = status(429, Some(3));
    let retry = decide(first(), outcome, Idempotency::Read, Budget::Spent);
    assert_eq!(shown(retry), "h3");
    assert!(!retry.is_charged(outcome));
}

#[test]
fn r_6_an_unused_reserve_is_put_back() {
    let budget = RetryBudget::new();
    for _ in 0..1000 {
        assert_eq!(budget.reserve(), Budget::Left);
        budget.put_back();
    }
    let spent = (0..11).filter(|_| budget.reserve() == Budget::Spent).count();
    assert_eq!(spent, 1);
}

//! R-1: every outcome, for every kind of call, through the whole line to the fake Dataverse.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method};
use std::time::Duration;
use url::Url;

use super::*;
use crate::dynamics::call::Precondition;
use crate::dynamics::decode;
use crate::dynamics::fixtures::{Org, ROOT};
use crate::dynamics::tables::users::Users;
use crate::testkit::{FakeMicrosoft, Fault, OrgBuilder, Place};

/// Asks the fake Entra for a token whenever one is needed.
#[derive(Debug)]
struct Minted(FakeMicrosoft);

#[async_trait]
impl BearerTokens for Minted {
    async fn bearer(&self) -> Result<SecretString> {
        Ok(self.0.entra().mint_token(&ROOT.parse().unwrap()).into())
    }

    async fn renew(&self, _rejected: &SecretString, _claims: Option<&str>) -> Result<SecretString> {
        self.bearer().await
    }
}

/// The expected ends of a GET, of a conditional PATCH and of a write that would happen twice: how
/// often it is sent, each wait in seconds (`~4` is a step of backoff, spread by chance), whether the
/// write is lost or refused, and the error.
type Row = (Fault, [&'static str; 3]);

const THROTTLED: &str = "10 ~1 ~2 ~4 ~8 ~16 ~32 ~60 ~60 ~60 RateLimited";

#[rustfmt::skip]
fn table() -> Vec<Row> {
    let status = Fault::Status;
    let refusal = |status, code: &str| Fault::Refusal { status, code: code.to_owned() };
    let throttle = |wait: &str| Fault::TooManyRequests { retry_after: Some(wait.to_owned()) };
    let busy = |wait| Fault::Unavailable { retry_after: Some(Duration::from_secs(wait)) };
    let body = |body: &str| Fault::Answer { status: 200, headers: vec![], body: body.to_owned() };
    let to = |status| Fault::Answer {
        status,
        headers: vec![("location".to_owned(), "https://evil.example/".to_owned())],
        body: String::new(),
    };
    let trouble = ["5 ~1 ~2 ~4 ~8 Unavailable", "5 ~1 ~2 ~4 ~8 lost Unavailable", "1 lost Unavailable"];
    let failure = ["3 ~1 ~2 Unavailable", "3 ~1 ~2 lost Unavailable", "1 lost Unavailable"];
    let unsent = ["5 ~1 ~2 ~4 ~8 Unavailable", "5 ~1 ~2 ~4 ~8 Unavailable", "5 ~1 ~2 ~4 ~8 Unavailable"];
    let redirect = ["1 UnexpectedResponse", "1 refused UnexpectedResponse", "1 refused UnexpectedResponse"];
    let rejected = ["1 Rejected", "1 refused Rejected", "1 refused Rejected"];
    let unusable = ["1 UnexpectedResponse", "1 lost UnexpectedResponse", "1 lost UnexpectedResponse"];
    let garbage = ["1 UnexpectedResponse", "1 done", "1 done"];
    vec![
        // Under a status of success.
        (Fault::ErrorInSuccess,              failure),
        (refusal(200, "0x80044150"),         failure),
        (refusal(200, "-2147204784"),        failure),
        (refusal(200, "0x80040265"),         rejected),
        (refusal(200, "0x80072322"),         [THROTTLED; 3]),
        (Fault::BadJson,                     garbage),
        (body(r#"{"value":[{"fullna"#),      garbage),
        (body(""),                           garbage),
        (body("<html>"),                     garbage),
        (body("[]"),                         garbage),
        (Fault::DeepBody,                    garbage),
        (Fault::MillionBrackets,             garbage),
        (Fault::NotANumber,                  garbage),
        (Fault::LoneSurrogates,              ["1 done", "1 done", "1 done"]),
        (Fault::HugeNumber,                  ["1 done", "1 done", "1 done"]),
        (Fault::GzipBomb,                    unusable),
        (Fault::Oversized,                   unusable),
        (status(204),                        garbage),
        // Elsewhere.
        (to(301),                            redirect),
        (to(302),                            redirect),
        (to(303),                            redirect),
        (to(307),                            redirect),
        (to(308),                            redirect),
        (status(304),                        redirect),
        // Refused.
        (status(400),                        rejected),
        (refusal(400, "0x80040203"),         rejected),
        (refusal(400, "0x80048573"),         rejected),
        (refusal(400, "0x80040216"),         failure),
        (refusal(400, "0x80040255"),         failure),
        (refusal(400, "0x80072321"),         [THROTTLED; 3]),
        (status(401),                        ["2 Unauthenticated", "2 refused Unauthenticated", "2 refused Unauthenticated"]),
        (status(403),                        ["1 PermissionDenied", "1 refused PermissionDenied", "1 refused PermissionDenied"]),
        (refusal(403, "0x80072560"),         ["1 NeedsAdmin", "1 refused NeedsAdmin", "1 refused NeedsAdmin"]),
        (refusal(403, "0x8004A113"),         ["1 NeedsAdmin", "1 refused NeedsAdmin", "1 refused NeedsAdmin"]),
        (status(404),                        ["1 NotFound", "1 refused NotFound", "1 refused NotFound"]),
        (refusal(404, "0x80040217"),         ["1 NotFound", "1 refused NotFound", "1 refused NotFound"]),
        (status(405),                        rejected),
        (status(409),                        rejected),
        (status(412),                        rejected),
        (status(413),                        rejected),
        // Throttled.
        (Fault::TooManyRequests { retry_after: None }, [THROTTLED; 3]),
        (throttle("0"),                      [THROTTLED; 3]),
        (throttle("soon"),                   [THROTTLED; 3]),
        (throttle("7"),                      ["10 7 7 7 7 7 7 7 7 7 RateLimited"; 3]),
        (throttle("Sun, 01 Feb 2026 09:02:05 GMT"), ["10 125 ~2 ~4 ~8 ~16 ~32 ~60 ~60 ~60 RateLimited"; 3]),
        (throttle("900"),                    ["10 900 900 900 900 900 900 900 900 900 RateLimited"; 3]),
        (throttle("901"),                    ["1 RateLimited"; 3]),
        (throttle("1e9"),                    ["1 RateLimited"; 3]),
        // In trouble.
        (status(408),                        trouble),
        (status(500),                        failure),
        (refusal(500, "0x80044151"),         failure),
        (status(501),                        ["1 Unavailable", "1 lost Unavailable", "1 lost Unavailable"]),
        (Fault::BadGateway,                  trouble),
        (Fault::Unavailable { retry_after: None }, trouble),
        (busy(0),                            trouble),
        (busy(30),                           ["5 30 30 30 30 Unavailable", "5 30 30 30 30 lost Unavailable", "1 lost Unavailable"]),
        (busy(3600),                         ["1 RateLimited", "1 lost RateLimited", "1 lost Unavailable"]),
        (status(504),                        trouble),
        // Without an answer.
        (Fault::Reset,                       trouble),
        (Fault::AnswerLost,                  trouble),
        (Fault::LandsLater,                  trouble),
        (Fault::ReadTimeout,                 trouble),
        (Fault::ConnectionRefused,           unsent),
        (Fault::UnknownHost,                 unsent),
        (Fault::TlsFailed,                   unsent),
        (Fault::ConnectTimeout,              unsent),
    ]
}

/// The kinds of calls, each with its place in the table's rows.
fn calls() -> [(usize, &'static str, Call); 5] {
    let url = |path: &str| Url::parse(&format!("{ROOT}{path}")).unwrap();
    let note = || url("annotations(00000000-0000-4000-8000-000000000001)");
    let write = |condition| {
        Call::write("write notes", note(), condition, Bytes::from_static(br#"{"subject":"x"}"#))
    };
    let etag = Precondition::Unchanged(HeaderValue::from_static("W/\"7\""));
    [
        (0, "a GET", Call::read("read the users", url("systemusers?$select=fullname"))),
        (1, "a create", write(Precondition::Absent)),
        (1, "an update", write(etag)),
        (2, "a POST", Call::once("write notes", Method::POST, url("annotations"))),
        (2, "a DELETE", Call::once("delete notes", Method::DELETE, note())),
    ]
}

/// An org behind the fake, in which a fault strikes so many requests in a row.
fn org(fault: &Fault, times: u32) -> (Org, FakeMicrosoft, WebApi) {
    let org = Org::new(|_, _| panic!("the fake takes its place"));
    let mut rows = OrgBuilder::new(7);
    rows.add_user("Ada Lovelace", "ada@contoso.com");
    let clock: Arc<dyn Clock> = Arc::<JumpingClock>::clone(&org.clock);
    let fake = FakeMicrosoft::new(rows.build(), clock);
    fake.dataverse().plant_times(Place::next(), fault.clone(), times);
    let parts = ConnectorParts {
        transport: Arc::new(fake.in_process()),
        tokens: Arc::new(Minted(fake.clone())),
        ..org.parts()
    };
    (org, fake, WebApi::new(&parts))
}

/// The variant's name.
fn class(error: &Error) -> String {
    let shown = format!("{error:?}");
    shown.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()
}

fn end(call: &Call, end: Result<Response, Failure>) -> String {
    match (end, call.idempotency()) {
        (Ok(page), Idempotency::Read) => match decode::page(&Users, &page.body) {
            Ok(_) => "done".to_owned(),
            Err(_) => "UnexpectedResponse".to_owned(),
        },
        (Ok(_), _) => "done".to_owned(),
        (Err(failure), Idempotency::Read) => class(&failure.into_error("read", START)),
        (Err(Failure::Lost(error)), _) => format!("lost {}", class(&error)),
        (Err(Failure::Stopped(error)), _) => class(&error),
        (Err(Failure::Refused(refusal)), _) => {
            format!("refused {}", class(&refusal.into_error("write", START)))
        }
    }
}

/// The waits of a row in seconds, given the chances that the connector will draw.
fn waits(expected: &str, chances: &[f64]) -> Vec<f64> {
    let words = expected.split(' ').skip(1).zip(chances);
    let waits = words.map_while(|(word, chance)| match word.strip_prefix('~') {
        Some(step) => Some(step.parse::<f64>().unwrap() * (0.5 + chance / 2.0)),
        None => word.parse().ok(),
    });
    waits.collect()
}

#[tokio::test]
async fn r_1_r_2_every_outcome_has_its_attempts_waits_and_error() {
    // The same seed as the connector's.
    let chance = Randomness::seeded(1);
    let chances: Vec<f64> = (0..10).map(|_| chance.fraction()).collect();
    let table = table();
    assert!(table.len() * 3 >= 100);
    for (fault, expected) in table {
        for (column, kind, call) in calls() {
            let (org, fake, api) = org(&fault, 1_000);
            let ended = api.send(&call).await;
            let expected = expected[column];
            let shown = format!("{kind} under {fault:?}: {expected}");
            let sent = fake.dataverse().total_requests();
            let (sends, rest) = expected.split_once(' ').unwrap();
            let is_wait = |word: &&str| word.trim_start_matches('~').parse::<f64>().is_ok();
            let words: Vec<&str> = rest.split(' ').skip_while(is_wait).collect();
            assert_eq!(end(&call, ended), words.join(" "), "{shown}");
            assert_eq!(sent.to_string(), sends, "{shown}");
            let waited = org.clock.waits();
            let waits = waits(expected, &chances);
            assert_eq!(waited.len(), waits.len(), "{shown}: {waited:?}");
            for (waited, wait) in waited.iter().zip(waits) {
                assert!((waited.as_seconds_f64() - wait).abs() < 1e-6, "{shown}: {waited}");
            }
        }
    }
}

/// R-1: what passes by itself is got over at the second attempt.
#[tokio::test]
async fn r_1_a_fault_that_passes_costs_one_more_attempt() {
    for fault in Fault::transient() {
        let (org, fake, api) = org(&fault, 1);
        let call = &calls()[0].2;
        let page = api.send(call).await.unwrap();
        assert!(decode::page(&Users, &page.body).is_ok(), "{fault:?}");
        let waits = org.clock.waits().len();
        assert_eq!((fake.dataverse().total_requests(), waits), (2, 1), "{fault:?}");
    }
}

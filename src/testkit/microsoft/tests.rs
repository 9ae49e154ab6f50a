//! Both ways to the fakes give the same answers.

use std::sync::Arc;

use http::{HeaderMap, Method};
use time::macros::datetime;

use crate::http::client::{HttpClient, Reach};
use crate::http::transport::{Request, Response, Transport, TransportErrorKind};
use crate::testkit::{FakeMicrosoft, Fault, ManualClock, Org, OrgBuilder, Place};

fn org() -> Org {
    let mut org = OrgBuilder::new(7);
    let ada = org.add_user("Ada Lovelace", "ada@contoso.com").id();
    let account = org.add_account("Fabrikam").owned_by(ada).id();
    for number in 0..5 {
        org.add_opportunity(&format!("Deal {number}"), account).owned_by(ada).worth("7.25");
    }
    org.build()
}

fn fake() -> FakeMicrosoft {
    FakeMicrosoft::new(org(), Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC))))
}

fn request(fake: &FakeMicrosoft, base: &str, path: &str) -> Request {
    let base: url::Url = base.parse().unwrap();
    let mut headers = HeaderMap::new();
    let token = format!("Bearer {}", fake.entra().mint_token(&base));
    headers.insert("authorization", token.parse().unwrap());
    for (name, value) in [
        ("accept", "application/json"),
        ("odata-version", "4.0"),
        ("odata-maxversion", "4.0"),
        ("prefer", "odata.maxpagesize=2,odata.include-annotations=\"*\""),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let url = base.join("/api/data/v9.2/").unwrap().join(path).unwrap();
    Request { method: Method::GET, url, headers, body: bytes::Bytes::new(), expect: 0 }
}

async fn over_loopback(request: Request) -> Result<Response, reqwest::Error> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    let sent = client.request(request.method, request.url).headers(request.headers);
    let answer = sent.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok(Response { status, headers, body: answer.bytes().await? })
}

fn text(response: &Response, base: &str) -> String {
    String::from_utf8_lossy(&response.body).replace(base.trim_end_matches('/'), "BASE")
}

#[tokio::test]
async fn host_4_both_adapters_agree() {
    let (near, far) = (fake(), fake());
    let transport = near.in_process();
    let server = far.start().await;
    let base = server.org_base();
    for path in [
        "",
        "WhoAmI",
        "opportunities?$select=name,estimatedvalue&$orderby=name desc",
        "opportunities?$filter=statecode eq 9",
        "opportunities?$select=nome",
        "nowhere",
        "EntityDefinitions?$select=LogicalName,EntitySetName&$filter=IsBPFEntity eq true",
    ] {
        let near = request(&near, FakeMicrosoft::ORG_ADDRESS, path);
        let near = transport.send(near).await.unwrap();
        let far = over_loopback(request(&far, base.as_str(), path)).await.unwrap();
        assert_eq!(near.status, far.status, "{path}");
        assert_eq!(near.headers.get("content-type"), far.headers.get("content-type"), "{path}");
        let near = text(&near, FakeMicrosoft::ORG_ADDRESS);
        // The cookie's sum covers path and query only, so even the links agree.
        assert_eq!(near, text(&far, base.as_str()), "{path}");
    }
}

#[tokio::test]
async fn host_4_a_reset_is_a_broken_connection_on_both() {
    let (near, far) = (fake(), fake());
    for fake in [&near, &far] {
        fake.dataverse().plant(Place::next_to("WhoAmI"), Fault::Reset);
    }
    let sent = request(&near, FakeMicrosoft::ORG_ADDRESS, "WhoAmI");
    let error = near.in_process().send(sent).await.unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::MaybeSent);
    let server = far.start().await;
    let sent = request(&far, server.org_base().as_str(), "WhoAmI");
    assert!(over_loopback(sent).await.is_err());
    assert_eq!(far.dataverse().requests("WhoAmI"), 1);
}

/// What a client that is as careful as ours makes of each fault, in process.
#[tokio::test]
async fn r_1_r_12_every_fault_is_what_it_says() {
    use TransportErrorKind::{MaybeSent, NotSent, UnusableBody};
    let answered = |status: u16| Ok(status);
    let refusal = |status| Fault::Refusal { status, code: "0x80040216".to_owned() };
    let exactly = Fault::Answer {
        status: 429,
        headers: vec![("retry-after".to_owned(), "5".to_owned()); 2],
        body: "busy".to_owned(),
    };
    for (fault, expected) in [
        (exactly, answered(429)),
        (Fault::AnswerLost, Err(MaybeSent)),
        (Fault::BadGateway, answered(502)),
        (Fault::BadJson, answered(200)),
        (Fault::ClaimsChallenge, answered(401)),
        (Fault::ConnectionRefused, Err(NotSent)),
        (Fault::ConnectTimeout, Err(NotSent)),
        (Fault::DeepBody, answered(200)),
        (Fault::ErrorInSuccess, answered(200)),
        (Fault::ExpiredToken, answered(401)),
        (Fault::GzipBomb, Err(UnusableBody)),
        (Fault::HugeNumber, answered(200)),
        (Fault::LandsLater, Err(MaybeSent)),
        (Fault::LoneSurrogates, answered(200)),
        (Fault::MillionBrackets, answered(200)),
        (Fault::NotANumber, answered(200)),
        (Fault::Oversized, Err(UnusableBody)),
        (Fault::ReadTimeout, Err(MaybeSent)),
        (Fault::Redirect("https://evil.example/".to_owned()), answered(302)),
        (refusal(200), answered(200)),
        (refusal(412), answered(412)),
        (Fault::Reset, Err(MaybeSent)),
        (Fault::Status(204), answered(204)),
        (Fault::Status(500), answered(500)),
        (Fault::TlsFailed, Err(NotSent)),
        (Fault::TooManyRequests { retry_after: Some("\u{e9}".to_owned()) }, answered(429)),
        (Fault::TruncatedBody, answered(200)),
        (Fault::Unavailable { retry_after: None }, answered(503)),
        (Fault::UnknownHost, Err(NotSent)),
    ] {
        let fake = fake();
        fake.dataverse().plant(Place::next_to("WhoAmI"), fault.clone());
        let sent = request(&fake, FakeMicrosoft::ORG_ADDRESS, "WhoAmI");
        let got = fake.in_process().send(sent).await;
        let got = got.map(|answer| answer.status.as_u16()).map_err(|error| error.kind);
        assert_eq!(got, expected, "{fault:?}");
        assert_eq!(fake.dataverse().faults_struck(), 1, "{fault:?}");
    }
}

/// over loopback the bomb is a bomb, and the crate's own client does not let it go off.
#[tokio::test]
async fn r_12_a_bomb_over_loopback_is_not_taken_in() {
    let far = fake();
    let server = far.start().await;
    let client = HttpClient::new(Reach::HttpsOrLoopback).unwrap();
    for fault in [Fault::GzipBomb, Fault::Oversized] {
        far.dataverse().plant(Place::next_to("WhoAmI"), fault.clone());
        let sent = request(&far, server.org_base().as_str(), "WhoAmI");
        let error = client.send(sent).await.unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::UnusableBody, "{fault:?}: {error:?}");
        assert_eq!(error.source.to_string(), "the body exceeds the cap", "{fault:?}");
    }
    for fault in [Fault::ConnectionRefused, Fault::ReadTimeout] {
        far.dataverse().plant(Place::next_to("WhoAmI"), fault.clone());
        let sent = request(&far, server.org_base().as_str(), "WhoAmI");
        let error = client.send(sent).await.unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::MaybeSent, "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn r_11_a_stranger_gets_no_connection_and_is_remembered() {
    let fake = fake();
    let transport = fake.in_process();
    let sent = request(&fake, "https://contoso.crm4.dynamics.com.evil.example", "WhoAmI");
    let error = transport.send(sent).await.unwrap_err();
    assert_eq!(error.kind, TransportErrorKind::NotSent);
    assert_eq!(transport.strangers(), ["https://contoso.crm4.dynamics.com.evil.example"]);
}

/// How long a full read of a million computed rows takes; run it by name to see the figure.
#[tokio::test]
#[ignore = "a measurement, not a check"]
async fn a_million_rows_in_pages() {
    let clock = Arc::new(ManualClock::new(datetime!(2026-02-02 09:00 UTC)));
    let fake = FakeMicrosoft::new(OrgBuilder::synthetic(7, 1_000_000).build(), clock);
    let transport = fake.in_process();
    let path = "opportunities?$select=name,statecode,createdon,estimatedvalue,_customerid_value\
                &$filter=statecode eq 0";
    let mut next = request(&fake, FakeMicrosoft::ORG_ADDRESS, path);
    next.headers.insert("prefer", "odata.maxpagesize=5000".parse().unwrap());
    let (mut pages, mut bytes) = (0, 0);
    loop {
        let page = transport.send(next.clone()).await.unwrap();
        (pages, bytes) = (pages + 1, bytes + page.body.len());
        let body = std::str::from_utf8(&page.body).unwrap();
        let Some((_, link)) = body.rsplit_once("\"@odata.nextLink\":\"") else { break };
        next.url = link.trim_end_matches("\"}").parse().unwrap();
    }
    assert!((160..=162).contains(&pages), "{pages} pages, {bytes} bytes");
}

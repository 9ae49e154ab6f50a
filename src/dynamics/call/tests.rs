use super::*;
use crate::dynamics::fixtures::ROOT;

fn read_call() -> Call {
    Call::read("read the accounts", Url::parse(&format!("{ROOT}accounts")).unwrap())
}

fn write_call(precondition: Precondition) -> Call {
    let url = Url::parse(&format!("{ROOT}annotations(1)")).unwrap();
    Call::write("write notes", url, precondition, Bytes::from_static(b"{}"))
}

fn headers(request: &Request) -> Vec<String> {
    let shown = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    let mut headers: Vec<String> = request.headers.iter().map(shown).collect();
    headers.sort();
    headers
}

#[test]
fn syn_4_a_read_carries_the_headers_of_the_reference() {
    let request = read_call().request(&"t".into()).unwrap();
    assert_eq!(request.method, Method::GET);
    assert_eq!(
        headers(&request),
        [
            "accept: application/json",
            "authorization: Bearer t",
            "if-none-match: null",
            "odata-maxversion: 4.0",
            "odata-version: 4.0",
            "prefer: odata.maxpagesize=5000,odata.include-annotations=\"Microsoft.Dynamics.CRM.lookuplogicalname\"",
        ]
    );
}

#[test]
fn doc_2_a_write_is_always_conditional() {
    let etag = HeaderValue::from_static("W/\"7\"");
    for (precondition, expected) in [
        (Precondition::Absent, "if-none-match: *"),
        (Precondition::Unchanged(etag), "if-match: W/\"7\""),
    ] {
        let request = write_call(precondition).request(&"t".into()).unwrap();
        assert_eq!(request.method, Method::PATCH);
        let headers = headers(&request);
        assert!(headers.contains(&expected.to_owned()), "{headers:?}");
        assert!(headers.contains(&"prefer: return=representation".to_owned()), "{headers:?}");
        assert!(headers.contains(&"content-type: application/json".to_owned()), "{headers:?}");
        assert_eq!(headers.iter().filter(|header| header.starts_with("if-")).count(), 1);
    }
}

#[test]
fn con_9_a_request_never_prints_its_token() {
    let request = read_call().request(&"marker-secret".into()).unwrap();
    assert!(!format!("{request:?}{:?}", request.headers).contains("marker"));
    let broken = read_call().request(&"marker\nsecret".into()).unwrap_err();
    assert!(!format!("{broken:?}").contains("marker"));
}

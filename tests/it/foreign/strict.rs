//! The foreign server is strict, or what it lets pass would prove little.

use fluint_crm::dynamics::reqwest::Method;
use uuid::Uuid;

use crate::foreign::server::{JSON, ODataServer};

#[tokio::test]
async fn doc_2_the_foreign_server_judges_conditions_keys_columns_and_media_types() {
    let Some(odata) = ODataServer::start() else { return };
    let id = Uuid::from_u128(0x7d2f_0e64_0f5e_5c0e_9a55_0d5a_3f1c_9b10);
    let note = format!("annotations({id})");
    let plan = r#"{"subject":"Plan"}"#;
    let (absent, any) = (("if-none-match", "*"), ("if-match", "*"));
    let stale = ("if-match", "W/\"0\"");
    let json = ("content-type", JSON);
    let broken = r#"{"subject":"#;
    let unknown = r#"{"sobject":"Plan"}"#;
    let wrong_type = r#"{"subject":5}"#;
    let nobody = r#"{"objectid_opportunity@odata.bind":"/opportunities(0a1b2c3d-1111-2222-3333-444455556666)"}"#;
    let too_much = format!(r#"{{"documentbody":"{}"}}"#, "A".repeat(60_000));
    let patch = Method::PATCH;
    for (method, path, headers, body, expected) in [
        (&patch, &*note, vec![json], plan, 428),
        (&patch, &note, vec![json, any], plan, 412),
        (&patch, &note, vec![json, stale], plan, 412),
        (&patch, &note, vec![json, absent], broken, 400),
        (&patch, &note, vec![json, absent], unknown, 400),
        (&patch, &note, vec![json, absent], wrong_type, 400),
        (&patch, &note, vec![json, absent], nobody, 400),
        (&patch, &note, vec![json, absent], &too_much, 413),
        (&patch, &note, vec![("content-type", "text/plain"), absent], plan, 415),
        (&patch, "annotations(1-2)", vec![json, absent], plan, 400),
        (&patch, "annotations", vec![json, absent], plan, 405),
        (&Method::GET, &note, vec![], "", 404),
        (&Method::GET, "notes", vec![], "", 404),
        (&patch, &note, vec![json, absent], plan, 201),
        (&patch, &note, vec![json, absent], plan, 412),
        (&patch, &note, vec![json, stale], plan, 412),
        (&patch, &note, vec![json, any], plan, 200),
        (&Method::GET, &note, vec![("prefer", "return=representation")], "", 400),
        (&Method::GET, "annotations?$select=nothing", vec![], "", 400),
        (&Method::DELETE, &note, vec![], "", 428),
        (&Method::DELETE, &note, vec![stale], "", 412),
        (&Method::DELETE, &note, vec![any], "", 204),
    ] {
        let asked = headers.iter().fold(odata.ask(method.clone(), path), |asked, (name, value)| {
            asked.header(*name, *value)
        });
        let status = asked.body(body.to_owned()).send().await.unwrap().status();
        assert_eq!(status, expected, "{method} {path} {headers:?} {body:.60}");
    }
    assert!(odata.rows().await.is_empty());
}

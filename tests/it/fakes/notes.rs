//! Notes: preconditions, etags, the attachment policy, uploads in blocks.

use fluint_crm::testkit::{Cell, Fault, Place};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fakes::{Answer, World, send};

const ID: Uuid = Uuid::from_u128(0x7d2f_0e64_0f5e_5c0e_9a55_0d5a_3f1c_9b10);

fn note(deal: Uuid) -> Value {
    json!({
        "subject": "Account plan",
        "notetext": "Generated document attached.",
        "filename": "plan.html",
        "mimetype": "text/html",
        "isdocument": true,
        "documentbody": "PCFkb2N0eXBlIGh0bWw+",
        "objectid_opportunity@odata.bind": format!("/opportunities({deal})"),
    })
}

/// `PATCH annotations(ID)` with these headers.
async fn patch(world: &World, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let mut request = world.request(Method::PATCH, &world.url(&format!("annotations({ID})")));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.header("content-type", "application/json").body(body.to_string());
    send(request).await
}

async fn create(world: &World, body: &Value) -> Answer {
    patch(world, body, &[("if-none-match", "*")]).await
}

#[tokio::test]
async fn a_create_happens_once_and_says_no_etag_unless_asked() {
    let (world, deals) = World::small().await;
    let created = create(&world, &note(deals[0])).await;
    assert_eq!(created.status, 204);
    assert!(created.headers.get("etag").is_none());
    assert!(created.header("odata-entityid").ends_with(&format!("annotations({ID})")));
    create(&world, &note(deals[0])).await.refused(412, "0x80040237");
    let post = json!({"annotationid": ID, "subject": "x"});
    let post = world.request(Method::POST, &world.url("annotations")).body(post.to_string());
    send(post.header("content-type", "application/json")).await.refused(412, "0x80040237");
    let row =
        world.read(&format!("annotations({ID})?$select=filename,filesize,_objectid_value")).await;
    assert_eq!(row.json()["filesize"], 15);
    assert_eq!(row.json()["_objectid_value"], deals[0].to_string());
    let body = world.read(&format!("annotations({ID})/documentbody/$value")).await;
    assert_eq!(body.text, "PCFkb2N0eXBlIGh0bWw+");
}

#[tokio::test]
async fn an_update_is_fenced_by_its_etag() {
    let (world, deals) = World::small().await;
    let change = json!({"subject": "Second"});
    patch(&world, &change, &[("if-match", "*")]).await.refused(404, "0x80040217");
    create(&world, &note(deals[0])).await;
    let path = format!("annotations({ID})?$select=subject");
    let etag = world.read(&path).await.header("etag").to_owned();
    let headers = [("if-match", etag.as_str()), ("prefer", "return=representation")];
    let answer = patch(&world, &change, &headers).await;
    assert_eq!((answer.status, answer.json()["subject"].as_str()), (200, Some("Second")));
    assert_ne!(answer.header("etag"), etag);
    patch(&world, &change, &[("if-match", &etag)]).await.refused(412, "0x80060882");
    assert_eq!(patch(&world, &change, &[("if-match", "*")]).await.status, 204);
}

#[tokio::test]
async fn a_note_needs_a_subject_an_opportunity_and_known_properties() {
    let (world, deals) = World::small().await;
    for (name, value, status, code) in [
        ("subject", Value::Null, 400, "0x80040203"),
        ("objectid_opportunity@odata.bind", json!("/accounts(1)"), 400, "0x80060888"),
        (
            "objectid_opportunity@odata.bind",
            json!(format!("/opportunities({ID})")),
            404,
            "0x80040217",
        ),
        ("notes", json!("x"), 400, "0x80060888"),
        ("filename", Value::Null, 400, "0x80040203"),
        ("subject", json!("x".repeat(501)), 400, "0x80044331"),
    ] {
        let mut body = note(deals[0]);
        body[name] = value;
        create(&world, &body).await.refused(status, code);
    }
    let mut unbound = note(deals[0]);
    unbound.as_object_mut().unwrap().remove("objectid_opportunity@odata.bind");
    create(&world, &unbound).await.refused(400, "0x80040203");
    world.read("annotations").await.refused(400, "0x80060888");
}

#[tokio::test]
async fn the_attachment_policy_is_kept() {
    let (world, deals) = World::small().await;
    let dataverse = world.fake.dataverse();
    let organization = dataverse.ids("organization")[0];
    let mut svg = note(deals[0]);
    svg["filename"] = json!("plan.SVG");
    create(&world, &svg).await.refused(400, "0x80043E09");
    let mut empty = note(deals[0]);
    empty["documentbody"] = json!("");
    create(&world, &empty).await.refused(400, "0x80044A04");
    for (column, value, code) in [
        ("maxuploadfilesize", Cell::from(19), "0x80044A02"),
        ("blockedmimetypes", Cell::from("text/css; text/html"), "0x80072522"),
        ("allowedmimetypes", Cell::from("application/pdf"), "0x80072521"),
    ] {
        let before = dataverse.cell("organization", organization, column).unwrap();
        dataverse.update("organization", organization, column, value);
        create(&world, &note(deals[0])).await.refused(400, code);
        dataverse.update("organization", organization, column, before);
    }
    // The limit counts base64: twenty characters for fifteen bytes.
    dataverse.update("organization", organization, "maxuploadfilesize", 20);
    assert_eq!(create(&world, &note(deals[0])).await.status, 204);
}

#[tokio::test]
async fn privileges_to_write_notes_are_demanded() {
    let (world, deals) = World::small().await;
    for privilege in ["prvCreateNote", "prvAppendNote", "prvAppendToOpportunity"] {
        world.fake.dataverse().withhold_privilege(privilege);
        let refused = create(&world, &note(deals[0])).await;
        refused.refused(403, "0x80040220");
        assert!(refused.text.contains(privilege));
        world.fake.dataverse().grant_privilege(privilege);
    }
    assert_eq!(create(&world, &note(deals[0])).await.status, 204);
    world.fake.dataverse().withhold_privilege("prvWriteNote");
    patch(&world, &json!({"subject": "x"}), &[]).await.refused(403, "0x80040220");
}

#[tokio::test]
async fn an_answer_can_be_lost_and_a_request_can_land_later() {
    let (world, deals) = World::small().await;
    let dataverse = world.fake.dataverse();
    let attempt = || {
        let request = world.request(Method::PATCH, &world.url(&format!("annotations({ID})")));
        let request = request.header("content-type", "application/json");
        request.header("if-none-match", "*").body(note(deals[0]).to_string()).send()
    };
    dataverse.plant(Place::next_to("annotations"), Fault::LandsLater);
    assert!(attempt().await.is_err());
    assert!(dataverse.ids("annotation").is_empty());
    assert_eq!(dataverse.land(), 1);
    assert_eq!(dataverse.ids("annotation"), [ID]);
    dataverse.delete("annotation", ID);
    dataverse.plant(Place::next_to("annotations"), Fault::AnswerLost);
    assert!(attempt().await.is_err());
    assert_eq!(dataverse.ids("annotation"), [ID]);
}

#[tokio::test]
async fn blocks_become_the_file_when_they_are_committed() {
    let (world, deals) = World::small().await;
    create(&world, &note(deals[0])).await;
    let post = async |action: &str, body: Value| {
        let request = world.request(Method::POST, &world.url(action));
        send(request.header("content-type", "application/json").body(body.to_string())).await
    };
    let target = json!({"annotationid": ID, "subject": "Big", "filename": "big.html",
        "mimetype": "text/html", "@odata.type": "Microsoft.Dynamics.CRM.annotation"});
    let begun = post("InitializeAnnotationBlocksUpload", json!({"Target": target})).await.json();
    let token = begun["FileContinuationToken"].clone();
    for (id, data) in [("YTE=", "PGI+"), ("YTI=", "aGk=")] {
        let block = json!({"BlockId": id, "BlockData": data, "FileContinuationToken": token});
        assert_eq!(post("UploadBlock", block).await.status, 204);
    }
    let uneven = json!({"BlockId": "YTEyMw==", "BlockData": "", "FileContinuationToken": token});
    post("UploadBlock", uneven).await.refused(400, "0x80040203");
    let commit = |list: &[&str]| json!({"Target": target, "BlockList": list, "FileContinuationToken": token});
    let unknown = post("CommitAnnotationBlocksUpload", commit(&["YTM="])).await;
    unknown.refused(400, "0x80040203");
    let done = post("CommitAnnotationBlocksUpload", commit(&["YTE=", "YTI="])).await;
    assert_eq!(done.json()["FileSizeInBytes"], 5);
    let body = world.read(&format!("annotations({ID})/documentbody/$value")).await;
    assert_eq!(body.text, "PGI+aGk=");
}

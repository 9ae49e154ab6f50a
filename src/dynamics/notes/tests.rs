use super::*;
use crate::dynamics::fixtures::{Org, ROOT, refusal};
use crate::dynamics::note_body::MAX_BASE64;
use crate::error::Remedy;
use crate::http::fixtures::answer;
use crate::http::transport::{Request, TransportErrorKind};
use crate::model::{ContentHash, DealId, DocumentId, OrganisationId, RevisionStamp, WorkspaceId};

const NEVER: OffsetDateTime = time::macros::datetime!(9999-01-01 00:00 UTC);
const OPPORTUNITY: &str = "0a1b2c3d-1111-2222-3333-444455556666";

fn key() -> NoteKey {
    NoteKey {
        workspace: WorkspaceId::new("acme").unwrap(),
        organisation: OrganisationId::new("org").unwrap(),
        deal: DealId::new(Uuid::from_u128(7)),
        document: DocumentId::new("plan").unwrap(),
    }
}

fn stamped(revision: u64) -> RevisionStamp {
    RevisionStamp { revision, content: ContentHash::of(b"content") }
}

fn page(stamp: RevisionStamp) -> String {
    let (revision, hash) = (stamp.revision, stamp.content);
    format!(
        "<!doctype html><html><head><meta charset=\"utf-8\">\
         <meta name=\"fluint-revision\" content=\"{revision}:{hash}\"></head><body>Plan</body></html>"
    )
}

fn draft() -> NoteDraft {
    let attachment = Attachment {
        file_name: "plan.html".to_owned(),
        media_type: "text/html".to_owned(),
        bytes: page(stamped(3)).into_bytes(),
    };
    let opportunity = OpportunityId::new(OPPORTUNITY).unwrap();
    let text = "Synced from Fluint.".to_owned();
    NoteDraft::new(opportunity, "Account plan".to_owned(), text, attachment, stamped(3))
}

fn handle() -> NoteHandle {
    let id = key().note_id(0).to_string();
    NoteHandle {
        id: RecordId::new(id).unwrap(),
        version: Some("W/\"7\"".to_owned()),
        opportunity: Some(draft().opportunity),
    }
}

/// The note as a read answers it.
fn remote(stamp: RevisionStamp) -> String {
    serde_json::json!({
        "@odata.etag": "W/\"9\"", "subject": "Account plan", "filename": "plan.html",
        "mimetype": "text/html", "documentbody": STANDARD.encode(page(stamp)),
        "_objectid_value": OPPORTUNITY.to_uppercase(),
        "_objectid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "opportunity"
    })
    .to_string()
}

/// An org whose writes are answered by `write` and whose reads by `read`.
fn org(
    write: impl Fn(usize) -> Result<Response, TransportErrorKind> + Send + Sync + 'static,
    read: impl Fn() -> Response + Send + Sync + 'static,
) -> Org {
    Org::new(
        move |request: &Request, before| {
            if request.method == http::Method::PATCH { write(before) } else { Ok(read()) }
        },
    )
}

fn refuses(status: u16, code: &'static str, message: &'static str) -> Org {
    org(move |_| Ok(answer(status, &[], refusal(code, message))), || panic!("nothing to read"))
}

async fn create_at(org: &Org) -> Result<NoteWrite> {
    create(&org.api(), &key(), 0, &draft(), NEVER).await
}

async fn update_at(org: &Org) -> Result<NoteWrite> {
    update(&org.api(), &handle(), &draft(), Fence::Version).await
}

#[tokio::test]
async fn doc_1_a_note_is_created_under_its_derived_id() {
    let org = org(|_| Ok(answer(201, &[], r#"{"@odata.etag":"W/\"8\""}"#)), || panic!());
    let written = create_at(&org).await.unwrap();
    let id = key().note_id(0).to_string();
    let version = Some("W/\"8\"".to_owned());
    let opportunity = Some(draft().opportunity);
    let handle = NoteHandle { id: RecordId::new(id.clone()).unwrap(), version, opportunity };
    assert_eq!(written, NoteWrite::Written(handle));
    let sent = org.transport.sent();
    assert_eq!(sent[0].url.as_str(), format!("{ROOT}annotations({id})?$select=annotationid"));
    assert_eq!(sent[0].headers["if-none-match"], "*");
    let body: serde_json::Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "subject": "Account plan", "notetext": "Synced from Fluint.", "filename": "plan.html",
            "mimetype": "text/html", "isdocument": true,
            "documentbody": STANDARD.encode(page(stamped(3))),
            "objectid_opportunity@odata.bind": format!("/opportunities({OPPORTUNITY})")
        })
    );
}

#[tokio::test]
async fn doc_2_an_update_carries_the_etag_and_moves_no_note() {
    let org = org(|_| Ok(answer(200, &[("etag", "W/\"8\"")], "")), || panic!());
    let NoteWrite::Written(written) = update_at(&org).await.unwrap() else { panic!("not written") };
    assert_eq!(written.version.as_deref(), Some("W/\"8\""));
    let sent = org.transport.sent();
    assert_eq!(sent[0].headers["if-match"], "W/\"7\"");
    let body: serde_json::Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert!(body.get("objectid_opportunity@odata.bind").is_none());
    assert_eq!(body["documentbody"], STANDARD.encode(page(stamped(3))));
}

#[tokio::test]
async fn doc_2_a_conflict_tells_what_stands_there() {
    for creates in [true, false] {
        let org = org(
            |_| Ok(answer(412, &[], refusal("0x80060882", "mismatch"))),
            || answer(200, &[], remote(stamped(5))),
        );
        let outcome = if creates { create_at(&org).await } else { update_at(&org).await };
        let NoteWrite::Conflict(note) = outcome.unwrap() else { panic!("no conflict") };
        assert_eq!(note.content.stamp(), Some(stamped(5)));
        assert_eq!(note.handle.version.as_deref(), Some("W/\"9\""));
        assert_eq!(note.handle.opportunity.unwrap().as_str(), OPPORTUNITY);
    }
}

/// R-2, DOC-2: the second of two conditional creates finds the first one's note.
#[tokio::test]
async fn r_2_a_create_whose_answer_was_lost_is_not_sent_again() {
    let org = org(|_| Err(TransportErrorKind::MaybeSent), || panic!("nothing to read"));
    assert_eq!(create_at(&org).await.unwrap(), NoteWrite::Unknown);
    let sent = org.transport.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].headers["if-none-match"], "*");
}

/// R-2: whoever wakes up after the time by which a create must be begun sends nothing.
#[tokio::test]
async fn r_2_a_create_is_not_begun_too_late() {
    let org = org(|_| panic!("sent too late"), || panic!());
    let long_ago = time::macros::datetime!(2000-01-01 00:00 UTC);
    assert!(create(&org.api(), &key(), 0, &draft(), long_ago).await.is_err());
    assert_eq!(org.transport.sent().len(), 0);
}

#[tokio::test]
async fn doc_2_an_answer_that_stays_lost_is_unknown() {
    for status in [500, 502, 503, 504, 408] {
        let org = org(move |_| Ok(answer(status, &[], "<html>")), || panic!());
        assert_eq!(create_at(&org).await.unwrap(), NoteWrite::Unknown, "{status}");
    }
    for kind in [TransportErrorKind::MaybeSent, TransportErrorKind::UnusableBody] {
        let org = org(move |_| Err(kind), || panic!());
        assert_eq!(update_at(&org).await.unwrap(), NoteWrite::Unknown, "{kind:?}");
    }
    let unreadable = org(|_| Ok(answer(412, &[], "")), || answer(503, &[], ""));
    assert_eq!(create_at(&unreadable).await.unwrap(), NoteWrite::Unknown);
}

#[tokio::test]
async fn doc_2_a_connection_that_was_never_made_is_an_error() {
    let org = org(|_| Err(TransportErrorKind::NotSent), || panic!());
    assert_eq!(create_at(&org).await.unwrap_err().remedy(), Remedy::Retry);
}

#[tokio::test]
async fn doc_7_a_deleted_note_is_gone() {
    let org = refuses(404, "0x80040217", "annotation With Id Does Not Exist");
    assert_eq!(update_at(&org).await.unwrap(), NoteWrite::Gone);
    let gone = NoteWrite::Refused(NoteRefusal::OpportunityGone);
    assert_eq!(create_at(&org).await.unwrap(), gone);
    // A gateway's 404 says nothing about the note.
    let gateway = refuses(404, "", "");
    assert!(update_at(&gateway).await.is_err());
}

#[tokio::test]
async fn doc_6_refusals_of_one_note_are_outcomes() {
    let other = |code: &str, message: &str| NoteRefusal::Other {
        code: code.to_owned(),
        message: message.to_owned(),
    };
    let privilege = Some("prvCreateNote".to_owned());
    for (status, code, message, expected) in [
        (413, "", "", NoteRefusal::TooLarge { limit: None }),
        (400, "0x80044A02", "too big", NoteRefusal::TooLarge { limit: None }),
        (400, "-2147202558", "too big", NoteRefusal::TooLarge { limit: None }),
        (400, "0x80043E09", "x", NoteRefusal::TypeBlocked),
        (400, "0x80072521", "x", NoteRefusal::TypeBlocked),
        (400, "0x80072522", "x", NoteRefusal::TypeBlocked),
        (400, "0x80040265", "No notes today", other("0x80040265", "No notes today")),
        (
            403,
            "0x80040220",
            "missing prvCreateNote privilege",
            NoteRefusal::NotAllowed { privilege },
        ),
    ] {
        let org = refuses(status, code, message);
        assert_eq!(create_at(&org).await.unwrap(), NoteWrite::Refused(expected), "{code}");
        assert_eq!(org.transport.sent().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn con_7_refusals_of_the_connection_are_errors() {
    for (status, code, remedy) in [
        (401, "", Remedy::Reconnect),
        (403, "0x80072560", Remedy::AskAdmin),
        (403, "0x80095FFC", Remedy::AskAdmin),
    ] {
        let org = refuses(status, code, "x");
        assert_eq!(create_at(&org).await.unwrap_err().remedy(), remedy, "{code}");
    }
}

#[tokio::test]
async fn doc_6_a_body_above_four_megabytes_is_left_for_an_upload_in_blocks() {
    let org = org(|_| Ok(answer(201, &[], r#"{"@odata.etag":"W/\"8\""}"#)), || panic!());
    let mut big = draft();
    big.attachment.bytes = vec![b'x'; MAX_BASE64 / 4 * 3 + 1];
    let created = create(&org.api(), &key(), 0, &big, NEVER).await.unwrap();
    let NoteWrite::Bare(handle) = created else { panic!("{created:?}") };
    let body: serde_json::Value = serde_json::from_slice(&org.transport.sent()[0].body).unwrap();
    assert_eq!(body["documentbody"], serde_json::Value::Null);
    let fenced = update(&org.api(), &handle, &big, Fence::Version).await.unwrap();
    assert_eq!(fenced, NoteWrite::CannotFence, "an upload has no etag");
    assert_eq!(org.transport.sent().len(), 1, "nothing was sent");
}

/// DOC-2: a table that compares no versions says so, and nothing was written.
#[tokio::test]
async fn doc_2_a_table_without_versions_cannot_fence() {
    let org = refuses(400, "0x8006088D", "Optimistic concurrency isn't enabled");
    assert_eq!(update_at(&org).await.unwrap(), NoteWrite::CannotFence);
}

/// DOC-2: an update without etag would overwrite whatever stands there.
#[tokio::test]
async fn doc_2_an_update_without_etag_only_reads() {
    let org = org(|_| panic!("written blindly"), || answer(200, &[], remote(stamped(2))));
    let handle = NoteHandle { version: None, ..handle() };
    let outcome = update(&org.api(), &handle, &draft(), Fence::Version).await.unwrap();
    assert!(matches!(outcome, NoteWrite::Conflict(_)), "{outcome:?}");
}

#[tokio::test]
async fn doc_7_a_note_is_read_back_with_its_attachment() {
    let org = org(|_| panic!(), || answer(200, &[], remote(stamped(4))));
    let note = find(&org.api(), &key(), 0, NoteParts::Whole).await.unwrap().unwrap();
    assert_eq!(
        (note.subject.as_deref(), note.content.stamp()),
        (Some("Account plan"), Some(stamped(4)))
    );
    assert_eq!(note.attachment.unwrap().bytes, page(stamped(4)).into_bytes());
    let absent = Org::new(|_, _| Ok(answer(404, &[], refusal("0x80040217", "x"))));
    assert_eq!(find(&absent.api(), &key(), 0, NoteParts::Head).await.unwrap(), None);
    let gateway = Org::new(|_, _| Ok(answer(404, &[], "<html>")));
    assert!(find(&gateway.api(), &key(), 0, NoteParts::Head).await.is_err());
}

/// DOC-7: a user's huge replacement does not hide the note.
#[tokio::test]
async fn doc_7_a_note_whose_attachment_cannot_be_taken_in_is_read_without_it() {
    let org = Org::new(|request, _| {
        if request.url.as_str().contains("documentbody") {
            return Err(TransportErrorKind::UnusableBody);
        }
        Ok(answer(200, &[], r#"{"@odata.etag":"W/\"9\"","subject":"Account plan"}"#))
    });
    let note = find(&org.api(), &key(), 0, NoteParts::Head).await.unwrap().unwrap();
    assert_eq!((note.content, note.attachment), (NoteContent::Foreign, None));
    assert_eq!(note.handle.version.as_deref(), Some("W/\"9\""));
}

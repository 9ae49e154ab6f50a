//! Notes against an OData server that others wrote: what we write is judged by somebody who did not
//! write it, and what stands there in the end is read from its database by another client.
//!
//! Sign-in, sync, tokens and throttles are the fakes'. Needs Node.js and `npm ci` in `tests/odata`;
//! says loudly when it was skipped. What the server leaves to us is said in `tests/odata/server.mjs`.

mod front;
mod server;
mod site;
mod strict;

use fluint_crm::Clock as _;
use fluint_crm::model::{Document, DocumentId, FeedEvent, NoteRefusal, PublicationState};
use fluint_crm::testkit::{Fault, Place};
use time::Duration;

use crate::dynamics::bench::{document_of, workspace};
use crate::foreign::front::Trouble;
use crate::foreign::site::Site;

#[tokio::test]
async fn doc_1_doc_2_a_foreign_server_takes_the_create_and_updates_it_in_place() {
    let Some(site) = Site::new().await else { return };
    let id = site.publish("plan", 1).await;
    site.settle().await;
    let first = site.odata.row().await;
    assert_eq!(first.text("subject"), "Plan plan");
    let text = "Synced from Fluint. Open the attachment to view the document.";
    assert_eq!(first.text("notetext"), text);
    assert_eq!(first.text("mimetype"), "text/html");
    assert!(first.text("filename").ends_with(".html"), "{}", first.text("filename"));
    assert_eq!(first.columns["isdocument"], true);
    assert_eq!(first.text("_objectid_value"), site.deals[0].opportunity.as_str());

    site.publish("plan", 2).await;
    site.settle().await;
    let second = site.odata.row().await;
    assert_eq!(second.id, first.id);
    assert_ne!(second.etag, first.etag);
    assert_eq!(second.text("_objectid_value"), first.text("_objectid_value"));
    site.shows(2).await;
    // Each of them at the first attempt, under its condition.
    assert_eq!(site.front.since(0), ["PATCH if-none-match 201", "PATCH if-match 200"]);
    for written in site.front.journal() {
        assert_eq!(written.heeded.as_deref(), Some("return=representation"), "{written:?}");
    }

    // And what the host reads back.
    let publication = site.crm.publication(&workspace(), id).await.unwrap().unwrap();
    let read = site.crm.read_note(&workspace(), &publication).await.unwrap().expect("it is there");
    assert_eq!(read.handle.version, Some(second.etag.clone()));
    assert_eq!(read.handle.opportunity, Some(site.deals[0].opportunity.clone()));
    assert_eq!(read.content.stamp().expect("our stamp").revision, 2);
    assert_eq!(read.attachment.expect("a file").bytes, second.page().as_bytes());
}

#[tokio::test]
async fn doc_2_lost_answers_at_a_foreign_server_leave_one_note_with_the_newest_revision() {
    let Some(mut site) = Site::new().await else { return };
    for trouble in [Trouble::AnswerLost, Trouble::Reset, Trouble::LandsLater] {
        for times in [1, 5] {
            // The create, which is sent once in each attempt.
            site.front.plant(trouble, times.min(2));
            let id = site.publish("plan", 1).await;
            site.settle().await;
            site.front.land();
            site.shows(1).await;
            if (trouble, times) == (Trouble::AnswerLost, 1) {
                let steps = ["lost PATCH if-none-match 201", "GET 200"];
                assert_eq!(site.front.since(0), steps);
            }
            // The update: a second revision on its way is passed by a third one.
            site.front.plant(trouble, times);
            site.publish("plan", 2).await;
            site.run_after(Duration::seconds(61)).await;
            site.publish("plan", 3).await;
            site.settle().await;
            let late = site.front.land();
            site.settle().await;
            site.shows(3).await;
            assert!(late.iter().all(|status| *status == 412), "{trouble:?} x {times}: {late:?}");
            assert_eq!(site.state(id).await, PublicationState::Published, "{trouble:?} x {times}");
            assert_eq!(site.overwritten().await, 0, "{trouble:?} x {times}: it was ours");
            site = Site::new().await.expect("it was there before");
        }
    }
}

#[tokio::test]
async fn doc_2_a_create_that_a_foreign_server_carries_out_later_makes_no_second_note() {
    let Some(site) = Site::new().await else { return };
    site.front.plant(Trouble::LandsLater, 2);
    let id = site.publish("plan", 1).await;
    site.run_after(Duration::seconds(61)).await;
    site.run_after(Duration::seconds(61)).await;
    assert!(site.odata.rows().await.is_empty());
    assert_eq!(site.front.land(), [201, 412]);
    let created = site.odata.row().await;
    site.publish("plan", 2).await;
    site.settle().await;
    assert_eq!(site.shows(2).await, created.id);
    assert_eq!(site.state(id).await, PublicationState::Published);
    assert_eq!(site.overwritten().await, 0, "it was ours");
}

#[tokio::test]
async fn doc_7_a_note_deleted_at_a_foreign_server_comes_back_only_with_a_newer_revision() {
    let Some(site) = Site::new().await else { return };
    site.publish("plan", 1).await;
    site.settle().await;
    let first = site.odata.row().await.id;
    site.odata.delete(first).await;
    // The same revision again: it stays deleted.
    site.publish("plan", 1).await;
    site.settle().await;
    assert!(site.odata.rows().await.is_empty(), "a retry resurrects nothing");
    let before = site.front.journal().len();
    site.publish("plan", 2).await;
    site.settle().await;
    assert_ne!(site.shows(2).await, first, "a fresh Note");
    let steps = ["PATCH if-match 412", "GET 404", "PATCH if-none-match 201"];
    assert_eq!(site.front.since(before), steps);
}

#[tokio::test]
async fn doc_7_an_edit_at_a_foreign_server_is_overwritten_and_told_but_a_touch_is_not() {
    let Some(site) = Site::new().await else { return };
    site.publish("plan", 1).await;
    site.settle().await;
    let note = site.odata.row().await.id;
    // "PGI+TWluZTwvYj4=" is a page of the user's own.
    site.odata.edit(note, "documentbody", "PGI+TWluZTwvYj4=").await;
    let before = site.front.journal().len();
    site.publish("plan", 2).await;
    site.settle().await;
    assert_eq!(site.shows(2).await, note);
    assert_eq!(site.overwritten().await, 1);
    assert_eq!(site.front.since(before), ["PATCH if-match 412", "GET 200", "PATCH if-match 200"]);
    // A plug-in touches it: a new etag, the same attachment.
    site.odata.edit(note, "notetext", "touched").await;
    site.publish("plan", 3).await;
    site.settle().await;
    assert_eq!(site.shows(3).await, note);
    assert_eq!(site.overwritten().await, 1);
}

#[tokio::test]
async fn doc_6_what_a_foreign_server_refuses_is_parked_and_blocks_no_other() {
    let Some(site) = Site::new().await else { return };
    let now = site.clock.now();
    // 413: more than the server takes in. The very next revision is small enough.
    let long = format!("<p>{}</p>", "0123456789 ".repeat(6_000));
    let named = |name: &str| DocumentId::new(name).unwrap();
    let long = Document::new(named("long"), "Long".to_owned(), long, 1, now);
    let long = site.publish_to(&site.deals[0], long).await;
    // 400: a rule of the customer's own.
    let page = "<p>x</p>".to_owned();
    let secret = Document::new(named("secret"), "Confidential plan".to_owned(), page, 1, now);
    let secret = site.publish_to(&site.deals[0], secret).await;
    // 400: an opportunity that is not there.
    let lonely = site.publish_to(&site.deals[1], document_of("lonely", 1, now)).await;
    let fine = site.publish("plan", 1).await;
    site.settle().await;

    let too_large = NoteRefusal::TooLarge { limit: None };
    assert_eq!(site.state(long).await, PublicationState::Parked { refusal: too_large });
    for (id, expected) in [(secret, "matching the pattern"), (lonely, "doesn't exist")] {
        let state = site.state(id).await;
        let PublicationState::Parked { refusal: NoteRefusal::Other { code, message } } = state
        else {
            panic!("{expected}: {state:?}");
        };
        assert!(message.contains(expected), "{code}: {message}");
    }
    assert_eq!(site.state(fine).await, PublicationState::Published);
    site.shows(1).await;
    assert_eq!(site.told(|event| matches!(event, FeedEvent::NoteRefused { .. })).await, 3);
    let mut asked = site.front.since(0);
    asked.sort();
    let refused = |status| format!("PATCH if-none-match {status}");
    assert_eq!(asked, [201, 400, 400, 413].map(refused), "a parked one is left alone");

    site.publish("long", 2).await;
    site.settle().await;
    assert_eq!(site.state(long).await, PublicationState::Published);
    assert_eq!(site.odata.rows().await.len(), 2);
}

#[tokio::test]
async fn doc_2_a_throttle_in_the_middle_is_waited_out_before_a_foreign_server_is_asked_again() {
    let Some(site) = Site::new().await else { return };
    let throttled = || Fault::TooManyRequests { retry_after: Some("30".to_owned()) };
    for revision in 1..=2 {
        site.fake.dataverse().plant(Place::next_to("WhoAmI"), throttled());
        let before = site.front.journal().len();
        site.publish("plan", revision).await;
        site.settle().await;
        site.shows(revision).await;
        let [refused, taken] = <[_; 2]>::try_from(site.front.journal().split_off(before)).unwrap();
        assert!(refused.what.ends_with("429"), "{refused:?}");
        let written = ["PATCH if-none-match 201", "PATCH if-match 200"];
        assert!(written.contains(&taken.what.as_str()), "{taken:?}");
        assert!(taken.at - refused.at >= Duration::seconds(30), "{refused:?} {taken:?}");
    }
    assert_eq!(site.fake.dataverse().impatient_requests(), 0);
}

#[tokio::test]
async fn doc_2_a_token_that_ends_in_the_middle_costs_one_refresh_and_no_second_note() {
    let Some(site) = Site::new().await else { return };
    for revision in 1..=2 {
        let refreshed = site.fake.entra().counts().refreshes;
        site.fake.dataverse().plant(Place::next_to("WhoAmI"), Fault::ExpiredToken);
        let before = site.front.journal().len();
        site.publish("plan", revision).await;
        site.settle().await;
        site.shows(revision).await;
        assert_eq!(site.fake.entra().counts().refreshes, refreshed + 1);
        let condition = ["if-none-match", "if-match"][usize::from(revision == 2)];
        let status = [201, 200][usize::from(revision == 2)];
        let steps = [format!("PATCH {condition} 401"), format!("PATCH {condition} {status}")];
        assert_eq!(site.front.since(before), steps);
    }
    // An hour and a half later the token has ended by itself.
    site.clock.advance(Duration::minutes(90));
    site.publish("plan", 3).await;
    site.settle().await;
    site.shows(3).await;
}

//! R-13 in a real browser with scripts switched on: the rendered pages of the whole hostile corpus
//! run nothing and send nothing. Needs Chromium; says loudly when it was skipped.

mod chromium;
mod recorder;
mod visit;

use std::collections::BTreeSet;

use tempfile::TempDir;

use self::chromium::Chromium;
use self::recorder::Recorder;
use self::visit::Deed;
use super::attacks::{SWALLOWING, closed};
use super::{document, rendered};

/// What a page did as the browser tells it, and what arrived at the recorder.
struct Visit {
    payload: String,
    deeds: Vec<Deed>,
    arrived: Vec<String>,
}

fn corpus() -> Vec<String> {
    let payloads: BTreeSet<String> =
        closed().into_iter().chain(SWALLOWING.iter().map(|it| (*it).to_owned())).collect();
    payloads.into_iter().collect()
}

/// The page that a customer gets, with the payload in every place that a stranger fills.
fn sanitised(payload: &str) -> String {
    let mut document = document(&format!("<p>words before</p>{payload}<p>words after</p>"));
    document.title = payload.to_owned();
    document.author = Some(payload.to_owned());
    document.language = Some(payload.to_owned());
    rendered(&document)
}

/// Opens the page of every payload; `None` without a browser.
fn visit_all(page: fn(&str) -> String) -> Option<Vec<Visit>> {
    let payloads = corpus();
    let recorder = Recorder::start(payloads.iter().map(|payload| page(payload)).collect());
    let addresses = (0..recorder.page_count()).map(|page| recorder.address(page));
    visit_each(&recorder, payloads, addresses)
}

fn visit_each(
    recorder: &Recorder,
    payloads: Vec<String>,
    addresses: impl Iterator<Item = String>,
) -> Option<Vec<Visit>> {
    let mut browser = Chromium::start(chromium::find()?, recorder.port);
    browser.watch();
    let visit = |(payload, address): (String, String)| {
        let deeds = browser.visit(&address);
        Visit { payload, deeds, arrived: recorder.take_strange_requests() }
    };
    Some(payloads.into_iter().zip(addresses).map(visit).collect())
}

#[track_caller]
fn assert_nothing_happened(visits: &[Visit]) {
    for Visit { payload, deeds, arrived } in visits {
        assert_eq!(*deeds, [], "{payload}");
        assert_eq!(*arrived, Vec::<String>::new(), "{payload}");
    }
}

#[test]
fn r_13_browser_runs_and_sends_nothing_for_any_hostile_document() {
    let Some(visits) = visit_all(sanitised) else { return };
    assert!(visits.len() >= 300, "only {} pages", visits.len());
    assert_nothing_happened(&visits);
}

/// As a person opens it who has downloaded the attachment.
#[test]
fn r_13_browser_runs_and_sends_nothing_for_any_downloaded_page() {
    let folder = TempDir::new().unwrap();
    let payloads = corpus();
    let addresses: Vec<String> = payloads
        .iter()
        .enumerate()
        .map(|(page, payload)| {
            let path = folder.path().join(format!("{page}.html"));
            std::fs::write(&path, sanitised(payload)).unwrap();
            format!("file://{}", path.display())
        })
        .collect();
    let recorder = Recorder::start(Vec::new());
    let Some(visits) = visit_each(&recorder, payloads, addresses.into_iter()) else { return };
    assert_nothing_happened(&visits);
}
#[test]
fn r_13_x_raw() {
    for (name, page) in [
        (
            "raw",
            (|payload: &str| {
                format!("<!DOCTYPE html><p>words before</p>{payload}<p>words after</p>")
            }) as fn(&str) -> String,
        ),
        ("wall", behind_policy),
    ] {
        let Some(visits) = visit_all(page) else { return };
        for v in &visits {
            println!("{name}\t{:?}\t{:?}\t{:?}", v.payload, v.deeds, v.arrived);
        }
    }
}
fn behind_policy(payload: &str) -> String {
    rendered(&document("<p>words</p>"))
        .replace("<p>words</p>", &format!("<p>words before</p>{payload}<p>words after</p>"))
}

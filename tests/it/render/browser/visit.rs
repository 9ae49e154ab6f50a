//! What happens when somebody opens a page and touches everything in it.
//!
//! That no script ran is not asked of the page, which could lie or be slow: the debugger reports
//! every script that the engine so much as parses, handlers and `javascript:` links included.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::chromium::{Chromium, Event};
use crate::render::attacks::EVENTS;

/// Something that a page did beyond being shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    /// The engine parsed a script.
    Script(String),
    /// `alert` and its like, or a question before leaving.
    Dialog(String),
    /// Asked for something other than the page or an image within it.
    Request(String),
    /// Tried, and the page's own policy stopped it.
    Blocked(String),
    /// The page put another in its place.
    Left(String),
    Frame,
    Window(String),
}

/// The name of the world that our own scripts run in; the page cannot see into it.
const OUR_WORLD: &str = "visitor";

/// What a visitor might do, and more. Web links stay where they are: following one is no attack.
const TOUCH_EVERYTHING: &str = r#"
(async events => {
  const next = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const everything = [window, document, ...document.querySelectorAll("*")];
  for (const element of everything)
    for (const name of events) {
      if (name === "click" && element.closest?.("a[href]")) continue;
      const event = new Event(name, {bubbles: false, cancelable: true});
      try { element.dispatchEvent(event); } catch {}
    }
  for (const element of document.querySelectorAll("*"))
    try { element.focus?.(); element.scrollIntoView?.(); } catch {}
  for (const link of document.querySelectorAll("a[href], area[href], svg a, math *"))
    if (!/^(https?|mailto):/.test(link.href ?? "")) try { link.click(); } catch {}
  for (const button of document.querySelectorAll("button, input"))
    try { HTMLElement.prototype.click.call(button); } catch {}
  for (const form of document.querySelectorAll("form"))
    try { HTMLFormElement.prototype.requestSubmit.call(form); } catch {}
  await next();
})"#;

impl Chromium {
    /// Turns on every report that [`Chromium::visit`] reads.
    pub(super) fn watch(&mut self) {
        for domain in ["Page", "Runtime", "Debugger", "Network", "Log"] {
            self.call(&format!("{domain}.enable"), &json!({})).unwrap();
        }
        self.call("Debugger.setSkipAllPauses", &json!({"skip": true})).unwrap();
        self.take_events();
    }

    /// Opens a page, touches everything, and tells what the page did.
    pub(super) fn visit(&mut self, address: &str) -> Vec<Deed> {
        let opened = self.call("Page.navigate", &json!({"url": address})).unwrap();
        assert_eq!(opened.get("errorText"), None, "{address} does not open");
        let mut events = Vec::new();
        loop {
            let event = self.next_event();
            let loaded = event.method == "Page.loadEventFired";
            events.push(event);
            if loaded {
                break;
            }
        }
        let touched = self.touch_everything(&opened["frameId"]);
        events.extend(self.take_events());
        let mut deeds = deeds(address, events);
        if let Err(why) = touched {
            deeds.push(Deed::Left(why));
        }
        deeds
    }

    fn touch_everything(&mut self, frame: &Value) -> Result<(), String> {
        let world = json!({"frameId": frame, "worldName": OUR_WORLD});
        let world = self.call("Page.createIsolatedWorld", &world)?;
        let expression = format!("{TOUCH_EVERYTHING}({})", json!(EVENTS));
        let evaluate = json!({
            "contextId": world["executionContextId"], "expression": expression,
            "awaitPromise": true, "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", &evaluate)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details.to_string()),
            None => Ok(()),
        }
    }
}

/// Reads the deeds out of the reports.
fn deeds(address: &str, events: Vec<Event>) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let mut requests: HashMap<String, String> = HashMap::new();
    let mut blocked = HashSet::new();
    for Event { method, params } in events {
        let text = |pointer: &str| params.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        match method.as_str() {
            "Debugger.scriptParsed" => {
                let ours = text("/executionContextAuxData/type") == "isolated";
                // The page in place of a frame that does not open has scripts of its own.
                if ours || text("/url").starts_with("chrome-error://") {
                    continue;
                }
                deeds.push(Deed::Script(format!("{} {}", text("/url"), text("/hash"))));
            }
            "Page.javascriptDialogOpening" => deeds.push(Deed::Dialog(text("/message").to_owned())),
            "Page.frameAttached" => deeds.push(Deed::Frame),
            "Page.windowOpen" => deeds.push(Deed::Window(text("/url").to_owned())),
            "Page.frameNavigated" if text("/frame/url") != address => {
                deeds.push(Deed::Left(text("/frame/url").to_owned()));
            }
            "Network.requestWillBeSent" => {
                let url = text("/request/url");
                if url != address && !is_raster_data(url) {
                    requests.insert(text("/requestId").to_owned(), url.to_owned());
                }
            }
            "Network.loadingFailed" if text("/blockedReason") == "csp" => {
                blocked.insert(text("/requestId").to_owned());
            }
            "Log.entryAdded" if text("/entry/source") == "security" => {
                deeds.push(Deed::Blocked(text("/entry/text").to_owned()));
            }
            _ => {}
        }
    }
    for (id, url) in requests {
        deeds.push(if blocked.contains(&id) { Deed::Blocked(url) } else { Deed::Request(url) });
    }
    deeds
}

/// An image that is part of the page: shown without a request.
fn is_raster_data(url: &str) -> bool {
    ["png", "jpeg", "jpg", "gif", "webp"]
        .iter()
        .any(|kind| url.starts_with(&format!("data:image/{kind};base64,")))
}

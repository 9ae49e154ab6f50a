//! A Chromium without a screen, driven by the DevTools protocol over a pipe: JSON messages, each
//! ended by a zero byte, read from file descriptor 3 and written to 4. No port, no web socket.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the browser may think about one thing before the test gives it up as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A handler that opens a dialog whenever the last one is closed would keep a test for ever.
const MOST_DIALOGS: usize = 100;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Every address but the recorder's own is asked of the recorder as well. The rest keeps the
/// browser itself silent, and makes it run where a container allows neither sandbox nor GPU.
const SWITCHES: &[&str] = &[
    "--headless",
    "--remote-debugging-pipe",
    "--proxy-bypass-list=<-loopback>",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-features=HttpsUpgrades,OptimizationHints,MediaRouter,Translate",
    "--disable-frame-rate-limit",
    "--disable-gpu",
    "--disable-gpu-vsync",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-sandbox",
    "--use-mock-keychain",
];

/// Where Chromium is. Without one a user's machine skips the test and says so; the gate must not.
pub(super) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(env::var_os("CI").is_none(), "no Chromium on the PATH");
        eprintln!("SKIPPED: no Chromium on the PATH");
    }
    found
}

/// A message of the browser that nobody asked for.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) method: String,
    pub(super) params: Value,
}

/// The browser's process with one open tab. It ends with this value.
pub(super) struct Chromium {
    process: Child,
    commands: Option<ChildStdin>,
    messages: Receiver<Value>,
    waiting: VecDeque<Event>,
    last_id: u64,
    dialogs: usize,
    tab: Option<String>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts it with an HTTP proxy on this port, and opens a tab.
    pub(super) fn start(program: &Path, proxy_port: u16) -> Self {
        let profile = TempDir::new().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null"])
            .arg(program)
            .args(SWITCHES)
            .arg(format!("--proxy-server=http://127.0.0.1:{proxy_port}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = process.stdin.take();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let (sender, messages) = channel();
        // Ends with the browser, or when nobody listens any more.
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|bytes| bytes > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            process,
            commands,
            messages,
            waiting: VecDeque::new(),
            last_id: 0,
            dialogs: 0,
            tab: None,
            _profile: profile,
        };
        browser.open_tab();
        browser
    }

    fn open_tab(&mut self) {
        let created = self.call("Target.createTarget", &json!({"url": "about:blank"})).unwrap();
        let attach = json!({"targetId": created["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", &attach).unwrap();
        self.tab = Some(attached["sessionId"].as_str().unwrap().to_owned());
    }

    /// Sends a command to the tab and waits for its result. An error is the browser's refusal.
    pub(super) fn call(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        let id = self.send(method, params);
        loop {
            let mut message = self.receive(method);
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(message["result"].take()),
                };
            }
            self.keep(message);
        }
    }

    /// The next event, as long as it takes.
    pub(super) fn next_event(&mut self) -> Event {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return event;
            }
            let message = self.receive("an event");
            self.keep(message);
        }
    }

    /// The events that came while commands were waited for.
    pub(super) fn take_events(&mut self) -> VecDeque<Event> {
        std::mem::take(&mut self.waiting)
    }

    fn send(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(tab) = &self.tab {
            message["sessionId"] = json!(tab);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.as_mut().unwrap().write_all(&bytes).unwrap();
        self.last_id
    }

    fn receive(&self, awaited: &str) -> Value {
        match self.messages.recv_timeout(PATIENCE) {
            Ok(message) => message,
            Err(why) => panic!("Chromium is silent instead of {awaited}: {why}"),
        }
    }

    fn keep(&mut self, mut message: Value) {
        let Some(method) = message["method"].as_str().map(str::to_owned) else { return };
        // A dialog stops the page until somebody answers.
        if method == "Page.javascriptDialogOpening" {
            self.dialogs += 1;
            assert!(self.dialogs < MOST_DIALOGS, "dialog after dialog: {}", message["params"]);
            self.send("Page.handleJavaScriptDialog", &json!({"accept": true}));
        }
        self.waiting.push_back(Event { method, params: message["params"].take() });
    }
}

impl Drop for Chromium {
    /// The end of the pipe ends the browser, and then its profile can be removed.
    fn drop(&mut self) {
        self.commands = None;
        let ended = loop {
            match self.messages.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(why) => break why == RecvTimeoutError::Disconnected,
            }
        };
        if !ended {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

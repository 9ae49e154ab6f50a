//! A web server and proxy that serves the pages and writes down everything that it is asked for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Whom a Chromium that was told to be silent still asks for the time, updates and accounts, at
/// moments of its own choosing. No payload may name them.
pub(super) const BROWSERS_OWN: [&str; 3] = [".google.com", ".googleapis.com", ".gvt1.com"];

/// Answers on a free port of this machine, until the test's process ends.
pub(super) struct Recorder {
    pub(super) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(super) fn start(pages: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let recorder = Self { port, asked: Arc::default() };
        let (pages, asked) = (Arc::new(pages), Arc::clone(&recorder.asked));
        std::thread::spawn(move || {
            // A browser opens connections in advance, so none may keep the others waiting.
            for connection in listener.incoming().flatten() {
                let (pages, asked) = (Arc::clone(&pages), Arc::clone(&asked));
                std::thread::spawn(move || answer(&connection, port, &pages, &asked));
            }
        });
        recorder
    }

    /// The address of a page.
    pub(super) fn address(&self, page: usize) -> String {
        format!("http://127.0.0.1:{}/{page}", self.port)
    }

    /// Every request so far that was not for a page, in words. Forgets them.
    pub(super) fn take_strange_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// One request for each connection is enough.
fn answer(mut connection: &TcpStream, port: u16, pages: &[String], asked: &Mutex<Vec<String>>) {
    let mut line = String::new();
    let mut reader = BufReader::new(connection);
    if !reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        return;
    }
    let origin = format!("http://127.0.0.1:{port}/");
    let target = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next());
    // To a proxy a browser sends the whole address, to a server the path.
    let path = target.and_then(|it| it.strip_prefix(&origin).or_else(|| it.strip_prefix('/')));
    let page = path.and_then(|path| pages.get(path.parse::<usize>().ok()?));
    let own = BROWSERS_OWN.iter().any(|host| line.contains(host)) || path == Some("favicon.ico");
    if page.is_none() && !own {
        asked.lock().unwrap().push(line.trim_end().to_owned());
    }
    let mut header = String::new();
    while reader.read_line(&mut header).is_ok_and(|bytes| bytes > 2) {
        header.clear();
    }
    let (status, body) = page.map_or(("404 Not Found", ""), |page| ("200 OK", page));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = connection.write_all(head.as_bytes());
    let _ = connection.write_all(body.as_bytes());
}

//! The org's address: Notes go on to the foreign server, everything else to the fake Dataverse.
//!
//! The fake is asked about every Note's request first, by a `WhoAmI` with the same token: it judges
//! tokens and paces callers, and a refusal of its (401, 429) is the answer.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fluint_crm::Clock as _;
use time::OffsetDateTime;
use url::{Position, Url};
use wiremock::matchers::any;
use wiremock::{Match, Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::dynamics::jumping_clock::JumpingClock;

/// Headers that speak of one connection, and the lengths that are told anew.
const OF_THE_LINE: [&str; 6] =
    ["accept-encoding", "connection", "content-length", "host", "keep-alive", "transfer-encoding"];

/// What happens to a write on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// It is carried out, and the connection breaks before the answer.
    AnswerLost,
    /// The connection breaks, and it is carried out at [`Front::land`].
    LandsLater,
    /// The connection breaks, and it is never carried out.
    Reset,
}

/// A request for a Note: when it came, and what became of it, as `PATCH if-match 200`.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: OffsetDateTime,
    pub(crate) what: String,
    /// The preference that the foreign server says it heeded.
    pub(crate) heeded: Option<String>,
}

pub(crate) struct Front {
    server: MockServer,
    line: Arc<Line>,
}

struct Line {
    odata: SocketAddr,
    fake: SocketAddr,
    clock: Arc<JumpingClock>,
    troubles: Mutex<VecDeque<Trouble>>,
    waiting: Mutex<Vec<Request>>,
    journal: Mutex<Vec<Entry>>,
    busy: AtomicU64,
    moves: AtomicU64,
}

impl Front {
    pub(crate) async fn start(odata: SocketAddr, fake: &Url, clock: Arc<JumpingClock>) -> Self {
        let fake = SocketAddr::from(([127, 0, 0, 1], fake.port().unwrap()));
        let line = Arc::new(Line {
            odata,
            fake,
            clock,
            troubles: Mutex::default(),
            waiting: Mutex::default(),
            journal: Mutex::default(),
            busy: AtomicU64::new(0),
            moves: AtomicU64::new(0),
        });
        // Answers on a thread of its own, which may wait for the others.
        let server = MockServer::builder().disable_request_recording().start().await;
        let breaks = Mock::given(Breaks(Arc::clone(&line)));
        let breaks = breaks.respond_with_err(|_: &Request| Error::from(ErrorKind::ConnectionReset));
        breaks.with_priority(1).mount(&server).await;
        let passes = Mock::given(any()).respond_with(Passes(Arc::clone(&line)));
        passes.with_priority(5).mount(&server).await;
        Self { server, line }
    }

    pub(crate) fn base(&self) -> Url {
        Url::parse(&self.server.uri()).unwrap()
    }

    /// Strikes the next writes, one each.
    pub(crate) fn plant(&self, trouble: Trouble, times: usize) {
        self.line.troubles.lock().unwrap().extend(std::iter::repeat_n(trouble, times));
    }

    /// Carries out what was held back; their statuses.
    pub(crate) fn land(&self) -> Vec<u16> {
        let waiting = std::mem::take(&mut *self.line.waiting.lock().unwrap());
        let landed = waiting.iter().map(|late| self.line.carry_out(late, "late ").unwrap().status);
        landed.collect()
    }

    pub(crate) fn journal(&self) -> Vec<Entry> {
        self.line.journal.lock().unwrap().clone()
    }

    /// What the journal says since its entry number `from`, in brief.
    pub(crate) fn since(&self, from: usize) -> Vec<String> {
        self.journal().into_iter().skip(from).map(|entry| entry.what).collect()
    }

    /// A number that changes as long as something is under way.
    pub(crate) fn activity(&self) -> u64 {
        let goes_on = self.line.busy.load(Ordering::SeqCst).min(1);
        self.line.moves.fetch_add(goes_on, Ordering::SeqCst) + goes_on
    }
}

impl Line {
    fn note(&self, request: &Request, prefix: &str, end: &str, heeded: Option<String>) {
        let condition = ["if-match", "if-none-match"]
            .into_iter()
            .find(|name| request.method != "GET" && request.headers.contains_key(*name));
        let condition = condition.map(|name| format!(" {name}")).unwrap_or_default();
        let what = format!("{prefix}{}{condition} {end}", request.method);
        let entry = Entry { at: self.clock.now(), what, heeded };
        self.journal.lock().unwrap().push(entry);
    }

    /// Asks the fake whether the caller may speak now; its refusal, if it may not.
    fn refusal(&self, request: &Request) -> Result<Option<Answer>> {
        let mut question = request.clone();
        question.method = "GET".parse().unwrap();
        question.url.set_path("/api/data/v9.2/WhoAmI");
        question.url.set_query(None);
        question.body.clear();
        for name in ["if-match", "if-none-match", "content-type", "prefer"] {
            question.headers.remove(name);
        }
        let answer = exchange(self.fake, &question)?;
        Ok(Some(answer).filter(|answer| answer.status != 200))
    }

    fn carry_out(&self, request: &Request, prefix: &str) -> Result<Answer> {
        let answer = exchange(self.odata, request)?;
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("preference-applied");
        let heeded = answer.headers.iter().find(named).map(|(_, value)| value.clone());
        self.note(request, prefix, &answer.status.to_string(), heeded);
        Ok(answer)
    }

    fn pass(&self, request: &Request) -> Result<Answer> {
        if !is_for_notes(request) {
            return exchange(self.fake, request);
        }
        if let Some(refusal) = self.refusal(request)? {
            self.note(request, "", &refusal.status.to_string(), None);
            return Ok(refusal);
        }
        self.carry_out(request, "")
    }

    fn strike(&self, request: &Request) -> bool {
        let is_write = is_for_notes(request) && request.method != "GET";
        let trouble = is_write.then(|| self.troubles.lock().unwrap().pop_front()).flatten();
        match trouble {
            None => return false,
            Some(Trouble::AnswerLost) => {
                self.carry_out(request, "lost ").unwrap();
            }
            Some(Trouble::LandsLater) => self.waiting.lock().unwrap().push(request.clone()),
            Some(Trouble::Reset) => self.note(request, "", "reset", None),
        }
        true
    }

    fn busily<T>(&self, work: impl FnOnce() -> T) -> T {
        self.busy.fetch_add(1, Ordering::SeqCst);
        let done = work();
        self.moves.fetch_add(1, Ordering::SeqCst);
        self.busy.fetch_sub(1, Ordering::SeqCst);
        done
    }
}

fn is_for_notes(request: &Request) -> bool {
    request.url.path().starts_with("/api/data/v9.2/annotations")
}

struct Breaks(Arc<Line>);

impl Match for Breaks {
    fn matches(&self, request: &Request) -> bool {
        self.0.busily(|| self.0.strike(request))
    }
}

struct Passes(Arc<Line>);

impl Respond for Passes {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let answer = match self.0.busily(|| self.0.pass(request)) {
            Ok(answer) => answer,
            Err(broken) => return ResponseTemplate::new(502).set_body_string(broken.to_string()),
        };
        let template = ResponseTemplate::new(answer.status).set_body_bytes(answer.body);
        answer.headers.into_iter().fold(template, |template, (name, value)| {
            template.append_header(name.as_str(), value.as_str())
        })
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Sends a request on as it came, over a connection of its own.
fn exchange(to: SocketAddr, request: &Request) -> Result<Answer> {
    let of_the_line = |name: &str| OF_THE_LINE.contains(&name.to_ascii_lowercase().as_str());
    let target = &request.url[Position::BeforePath..Position::AfterQuery];
    let mut sent = format!("{} {target} HTTP/1.0\r\nhost: {to}\r\n", request.method).into_bytes();
    for (name, value) in request.headers.iter().filter(|(name, _)| !of_the_line(name.as_str())) {
        sent.extend_from_slice(format!("{name}: ").as_bytes());
        sent.extend_from_slice(value.as_bytes());
        sent.extend_from_slice(b"\r\n");
    }
    if !request.body.is_empty() {
        sent.extend_from_slice(format!("content-length: {}\r\n", request.body.len()).as_bytes());
    }
    sent.extend_from_slice(b"\r\n");
    sent.extend_from_slice(&request.body);

    let mut line = TcpStream::connect(to)?;
    line.write_all(&sent)?;
    let mut got = Vec::new();
    line.read_to_end(&mut got)?;
    let odd = || Error::from(ErrorKind::InvalidData);
    let end = got.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or_else(odd)?;
    let body = got.split_off(end + 4);
    let head = String::from_utf8(got).map_err(|_| odd())?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !of_the_line(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(Answer { status: status.ok_or_else(odd)?, headers: headers.collect(), body })
}

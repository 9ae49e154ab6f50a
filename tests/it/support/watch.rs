//! Watches everything that the suite logs, at TRACE, and everything that panics, for secrets.
//!
//! Every secret of the fakes carries a marker. Whoever finds one in a line of the log ends the
//! program at once: a panic could be swallowed by a task that nobody waits for.

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use fluint_crm::testkit::FakeEntra;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// What secrets carry: those of the fakes, and those of the plain CRM of this folder.
const MARKERS: [&str; 2] = [FakeEntra::SECRET_MARKER, "marker-"];

static LINES: AtomicU64 = AtomicU64::new(0);

/// A log that keeps nothing: each line is looked at and forgotten.
#[derive(Clone, Copy)]
struct Watch;

impl io::Write for Watch {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LINES.fetch_add(1, Ordering::Relaxed);
        look("the log", &String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Watch {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

fn look(place: &str, text: &str) {
    if let Some(marker) = found(text) {
        eprintln!("R-9: the secret {marker} is in {place}: {text}");
        std::process::abort();
    }
}

fn found(text: &str) -> Option<&'static str> {
    MARKERS.into_iter().find(|marker| text.contains(marker))
}

/// Begins to watch; from the second call on it does nothing.
pub(crate) fn watch_secrets() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(Watch)
            .finish();
        // Somebody else may watch this program already; then nobody is left unwatched either.
        let _ = tracing::subscriber::set_global_default(subscriber);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            look("a panic", &panic.to_string());
            before(panic);
        }));
    });
}

/// Runs what is too much to be watched: thousands of seeds of what is watched elsewhere.
pub(crate) fn unwatched<T>(work: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), work)
}

#[test]
fn r_9_the_watch_sees_the_log_and_knows_a_secret() {
    watch_secrets();
    let before = LINES.load(Ordering::Relaxed);
    tracing::trace!("a line");
    assert!(LINES.load(Ordering::Relaxed) > before, "TRACE is watched");
    assert_eq!(found("Bearer eyJfake.fake-secret-00ff"), Some(FakeEntra::SECRET_MARKER));
    assert_eq!(found("GET /api/data/v9.2/accounts"), None);
}

//! No secret leaves by a log, an error, a Debug or the store's file (CON-9, R-9).

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

use fluint_crm::connector::Callback;
use fluint_crm::testkit::{FakeEntra, Fault, Place, Rotation};
use fluint_crm::{Budget, Error};
use time::Duration;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::dynamics::bench::{Bench, request, small_org, workspace};

/// Everything that was logged on this thread, where all of a test's work happens.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// An error in all its forms, with its causes.
fn describe(all: &mut String, error: &Error) {
    write!(all, "{error} {error:?} {}", error.customer_message()).unwrap();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        write!(all, "{error} {error:?}").unwrap();
        cause = error.source();
    }
}

#[tokio::test]
async fn r_9_con_9_no_secret_is_logged_printed_or_stored_in_the_clear() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // With one subscriber alone, a span or event that another test's thread meets first is judged
    // by that thread's own subscriber, of which there is none, and is off for everybody from then
    // on. With two, all subscribers are asked.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.sqlite");
    let org = small_org();
    let bench = Bench::on_file(org.builder.build(), &path).await;
    // A thread that was about to judge while the second came in has done so by now.
    tracing::callsite::rebuild_interest_cache();
    bench.fake.entra().set_rotation(Rotation::Strict);
    let (entra, dataverse) = (bench.fake.entra(), bench.fake.dataverse());
    let mut all = String::new();

    // Connecting: well, refused by Entra, cut off by it.
    let started = bench.crm.begin_connect(request()).await.unwrap();
    let callback = Callback::from_url(&bench.fake.browse(&started.url).unwrap());
    let secrets = ["state", "code"].map(|name| callback.value(name).unwrap().to_owned());
    write!(all, "{callback:?}").unwrap();
    let connection = bench.finish(&callback).await.unwrap();
    describe(&mut all, &bench.finish(&callback).await.unwrap_err());
    for fault in [Fault::TruncatedBody, Fault::BadGateway, Fault::Reset] {
        entra.plant(fault);
        let again = bench.sign_in().await.unwrap();
        describe(&mut all, &bench.finish(&again).await.unwrap_err());
    }
    let again = bench.sign_in().await.unwrap();
    let state = again.value("state").unwrap().to_owned();
    let used = Callback::new([("state", state), ("code", secrets[1].clone())]);
    describe(&mut all, &bench.finish(&used).await.unwrap_err());

    // Syncs with every kind of trouble, refreshes among it.
    bench.synced(&connection).await;
    let faults = [
        Fault::ExpiredToken,
        Fault::ClaimsChallenge,
        Fault::Redirect("https://evil.example/?a=b".to_owned()),
        Fault::TruncatedBody,
        Fault::ErrorInSuccess,
        Fault::Reset,
    ];
    for fault in faults {
        dataverse.plant(Place::page("contacts", 1), fault);
        if let Err(error) = bench.sync(&connection).await {
            describe(&mut all, &error);
        }
    }
    for code in [50173, 7_000_215, 90033] {
        entra.revoke_access_tokens();
        let kind = match code {
            90033 => "temporarily_unavailable",
            7_000_215 => "invalid_client",
            _ => continue,
        };
        entra.fail_next(code, kind);
        if let Err(error) = bench.sync(&connection).await {
            describe(&mut all, &error);
        }
    }
    let deal = bench.deal(&connection, org.deals[0]).await;
    bench.publish(&deal, "plan", 1).await;
    let report = bench.run_after(Duration::seconds(61)).await;
    write!(all, "{report:?}").unwrap();
    entra.revoke_sessions();
    entra.revoke_access_tokens();
    describe(&mut all, &bench.sync_error(&connection).await);
    write!(all, "{:?} {:?} {:?}", bench.crm, bench.stores, Budget::default()).unwrap();
    let feed = bench.crm.feed(&workspace(), connection.id, None, 200).await.unwrap();
    write!(all, "{feed:?} {:?}", bench.crm.connections(&workspace()).await).unwrap();
    drop(guard);

    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(entra.counts().refreshes > 2, "tokens were refreshed");
    assert!(logged.contains("fluint_crm") && logged.contains("request"), "it was logged at all");
    for (name, text) in [("log", &logged), ("errors and Debug", &all)] {
        for secret in [FakeEntra::SECRET_MARKER, &secrets[0], &secrets[1]] {
            let at = text.find(secret).map(|at| around(text, at));
            assert!(at.is_none(), "{secret} is in the {name}: {at:?}");
        }
    }
    // The file and its log hold the tokens, but sealed.
    drop(bench);
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let file = std::fs::read(entry.unwrap().path()).unwrap();
        bytes += file.len();
        for secret in [FakeEntra::SECRET_MARKER, &secrets[0], &secrets[1]] {
            let found = file.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in the file");
        }
    }
    assert!(bytes > 10_000, "the file was read");
}

fn around(text: &str, at: usize) -> String {
    let from = (0..=at.saturating_sub(200)).rev().find(|at| text.is_char_boundary(*at));
    text[from.unwrap_or(0)..].chars().take(400).collect()
}

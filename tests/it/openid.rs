//! Signing in at a certified OpenID provider that stands behind Entra's paths: what we send is judged
//! by somebody who did not write it. Needs Node.js and `npm ci` in `tests/oidc`; says loudly when it
//! was skipped.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use fluint_crm::connector::Callback;
use fluint_crm::dynamics::DynamicsProvider;
use fluint_crm::dynamics::reqwest;
use fluint_crm::host::{SealingKey, StaticKeys};
use fluint_crm::model::{Connection, Health, Member};
use fluint_crm::storage::Stores;
use fluint_crm::store::SqliteStore;
use fluint_crm::testkit::{FakeEntra, FakeMicrosoft, FakeServer};
use fluint_crm::{Budget, Clock as _, Crm, Error};
use time::Duration;
use time::macros::datetime;
use url::Url;

use crate::dynamics::bench::{ada, request, small_org, workspace};
use crate::dynamics::jumping_clock::JumpingClock;
use crate::support::watch::watch_secrets;

const SCOPE: &str = "https://contoso.api.crm4.dynamics.com/user_impersonation";
const SECRET: &str = "fake-secret-for-the-certified-provider";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc")
}

/// The provider's process; it ends with its standard input.
struct OpenIdProvider {
    process: Child,
    base: Url,
    /// Whoever writes into a pipe that nobody reads is ended.
    _output: BufReader<ChildStdout>,
}

impl OpenIdProvider {
    /// Starts it, or says why not.
    fn start(tenant: &str) -> Option<Self> {
        let installed = folder().join("node_modules/oidc-provider").exists();
        let node = Command::new("node").arg("--version").output().is_ok();
        if !installed || !node {
            assert!(
                std::env::var_os("CI").is_none(),
                "Node.js and `npm ci` in tests/oidc are missing"
            );
            eprintln!("SKIPPED: no Node.js, or `npm ci` was not run in tests/oidc");
            return None;
        }
        let mut process = Command::new("node")
            .arg("provider.mjs")
            .current_dir(folder())
            .env("CLIENT_ID", FakeEntra::CLIENT_ID)
            .env("CLIENT_SECRET", SECRET)
            .env("REDIRECT_URI", FakeEntra::REDIRECT_URI)
            .env("SCOPE", SCOPE)
            .env("TENANT", tenant)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut port).unwrap();
        let base = Url::parse(&format!("http://127.0.0.1:{}/", port.trim())).unwrap();
        Some(Self { process, base, _output: output })
    }
}

impl Drop for OpenIdProvider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A person's browser: follows redirects within the provider and keeps its cookies.
async fn browse(from: &Url) -> Option<Url> {
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut cookies: BTreeMap<String, String> = BTreeMap::new();
    let mut url = from.clone();
    for _ in 0..10 {
        let jar: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let asked = client.get(url.clone()).header("cookie", jar.join("; "));
        let answered = asked.send().await.unwrap();
        for cookie in answered.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answered.headers().get("location")?.to_str().unwrap();
        url = url.join(location).unwrap();
        if url.as_str().starts_with(FakeEntra::REDIRECT_URI) {
            return Some(url);
        }
    }
    None
}

/// A host on a database file, the fake Dataverse, and the provider.
struct Site {
    provider: OpenIdProvider,
    fake: FakeMicrosoft,
    server: FakeServer,
    clock: Arc<JumpingClock>,
    folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Option<Self> {
        watch_secrets();
        let clock = Arc::new(JumpingClock::new(datetime!(2026-02-02 09:00 UTC)));
        let org = small_org().builder.build();
        let provider = OpenIdProvider::start(&org.tenant().to_string())?;
        let fake = FakeMicrosoft::new(org, Arc::clone(&clock) as _);
        let server = fake.start().await;
        fake.sign_in_elsewhere(provider.base.clone());
        Some(Self { provider, fake, server, clock, folder: tempfile::tempdir().unwrap() })
    }

    /// The crate as a process that has just started.
    fn start(&self) -> Crm {
        let path = self.folder.path().join("crm.sqlite");
        let store = SqliteStore::open(path, Arc::clone(&self.clock) as _).unwrap();
        let keys = StaticKeys::new(SealingKey::new("k1", [7; 32]).unwrap(), vec![]);
        let provider = DynamicsProvider::builder()
            .client_id(FakeEntra::CLIENT_ID)
            .client_secret(SECRET.to_owned())
            .redirect_uri(FakeEntra::REDIRECT_URI)
            .authority_base(self.provider.base.clone())
            .org_base(self.server.org_base())
            .build()
            .unwrap();
        let stores = Stores::all(Arc::new(store));
        Crm::builder(stores, Arc::new(Vec::<Member>::new()), Arc::new(keys))
            .provider(provider)
            .clock(Arc::clone(&self.clock) as _)
            .build()
            .unwrap()
    }

    async fn connect(&self, crm: &Crm) -> Connection {
        let started = crm.begin_connect(request()).await.unwrap();
        let back = browse(&started.url).await.expect("the provider took the request");
        crm.finish_connect(&workspace(), &ada(), &Callback::from_url(&back)).await.unwrap()
    }

    async fn sync(&self, crm: &Crm, connection: &Connection) {
        crm.sync_now(&workspace(), connection.id).await.unwrap();
        let activity = || self.fake.dataverse().total_requests();
        let report = self.clock.drive(activity, crm.run_due(&Budget::default())).await.unwrap();
        assert!(report.syncs[0].outcome.is_ok(), "{:?}", report.syncs[0].outcome);
    }
}

#[tokio::test]
async fn con_2_con_3_con_5_a_certified_provider_connects_refreshes_and_refreshes_after_a_restart() {
    let Some(site) = Site::new().await else { return };
    let crm = site.start();
    let connection = site.connect(&crm).await;
    assert_eq!(connection.health, Health::Connected);
    assert!(connection.identity.tenant.is_some());
    site.sync(&crm, &connection).await;
    // An hour and a half later the token has ended; each refresh token counts once.
    site.clock.advance(Duration::minutes(90));
    site.sync(&crm, &connection).await;
    drop(crm);
    let crm = site.start();
    site.clock.advance(Duration::minutes(90));
    site.sync(&crm, &connection).await;
    site.clock.advance(Duration::minutes(90));
    site.sync(&crm, &connection).await;
    let now = crm.connection(&workspace(), connection.id).await.unwrap();
    assert_eq!(now.health, Health::Connected);
    assert_eq!(site.fake.entra().counts().refreshes, 0, "our own fake had no part in it");
    assert!(site.clock.now() > connection.connected_at + Duration::hours(4));
}

/// The stand-in is strict, or the test above would prove little.
#[tokio::test]
async fn con_2_con_3_the_certified_provider_refuses_what_it_should() {
    let Some(site) = Site::new().await else { return };
    let crm = site.start();
    let started = crm.begin_connect(request()).await.unwrap();
    let mut bare = started.url.clone();
    let kept = started.url.query_pairs().filter(|(name, _)| !name.starts_with("code_challenge"));
    bare.query_pairs_mut().clear().extend_pairs(kept);
    let back = browse(&bare).await.unwrap();
    assert!(back.query_pairs().any(|(name, value)| name == "error" && value == "invalid_request"));

    // A code that belongs to another sign-in fails at PKCE, and nothing is connected.
    let ours = Callback::from_url(&browse(&started.url).await.unwrap());
    let other = crm.begin_connect(request()).await.unwrap();
    let theirs = Callback::from_url(&browse(&other.url).await.unwrap());
    let pair =
        |callback: &Callback, name: &'static str| (name, callback.value(name).unwrap().to_owned());
    let crossed = Callback::new([pair(&ours, "state"), pair(&theirs, "code")]);
    let refused = crm.finish_connect(&workspace(), &ada(), &crossed).await.unwrap_err();
    assert!(matches!(refused, Error::Unauthenticated { .. }), "{refused:?}");
    assert!(crm.connections(&workspace()).await.unwrap().is_empty());
}

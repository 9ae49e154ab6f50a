//! From `publish` to a Note, with the debounce set to zero: how long, and how many requests.
//!
//! `cargo bench --bench publish -- [--notes N]`. The org is the testkit's fake over loopback, the
//! store a SQLite file that is flushed with every step, as a host's would be. Both ways are paired
//! with a bare write of the same page to the same server, which it turns down: what a request costs
//! when nothing is kept.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a program may measure time")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use clap::Parser;
use fluint_crm::connector::Callback;
use fluint_crm::documents::{PublishOptions, PublishTarget, Published};
use fluint_crm::dynamics::{DYNAMICS, DynamicsProvider};
use fluint_crm::host::{Members, SealingKey, StaticKeys};
use fluint_crm::model::{
    DealId, Document, DocumentId, EmailAddress, Member, MemberId, PublicationState, WorkspaceId,
};
use fluint_crm::storage::Stores;
use fluint_crm::store::SqliteStore;
use fluint_crm::testkit::{FakeEntra, FakeMicrosoft, FakeServer, OrgBuilder};
use fluint_crm::{Budget, ConnectRequest, Crm, SystemClock};
use tempfile::TempDir;

/// Measures publishing.
#[derive(Parser, Debug)]
struct Options {
    /// Notes created, and then updated, one after the other.
    #[arg(long, value_name = "N", default_value_t = 300)]
    notes: u32,

    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One member, who owns every opportunity of the org.
#[derive(Debug)]
struct Ada;

#[async_trait]
impl Members for Ada {
    async fn members(&self, _: &WorkspaceId) -> fluint_crm::Result<Vec<Member>> {
        Ok(vec![Member::new(MemberId::new("ada")?, EmailAddress::new("ada@contoso.com")?)])
    }
}

struct Site {
    crm: Crm,
    fake: FakeMicrosoft,
    server: FakeServer,
    workspace: WorkspaceId,
    deal: DealId,
    _folder: TempDir,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let site = Site::new().await?;
    let mut lines = Vec::new();
    for (revision, what) in [(1, "create"), (2, "update in place")] {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        let before = site.fake.dataverse().requests("annotations");
        for number in 0..options.notes {
            ours.push(site.publish(number, revision).await?);
        }
        let requests = site.fake.dataverse().requests("annotations") - before;
        for _ in 0..options.notes {
            bare.push(site.bare_write().await?);
        }
        lines.push((what, requests, ours, bare));
    }
    let notes = site.fake.dataverse().ids("annotation").len();
    ensure!(notes == options.notes as usize, "{notes} Notes of {} documents", options.notes);
    println!(
        "{:<16} {:>9} {:>9} {:>14} {:>20} {:>7}",
        "", "median", "p99", "requests each", "bare write, median", "ratio"
    );
    for (what, requests, mut ours, mut bare) in lines {
        let (median, p99) = (at(&mut ours, 50), at(&mut ours, 99));
        let alone = at(&mut bare, 50);
        println!(
            "{what:<16} {median:>9.2?} {p99:>9.2?} {:>14.2} {alone:>20.2?} {:>7.1}",
            f64::from(u32::try_from(requests)?) / f64::from(options.notes),
            median.as_secs_f64() / alone.as_secs_f64(),
        );
    }
    Ok(())
}

impl Site {
    async fn new() -> Result<Self> {
        let clock = Arc::new(SystemClock::new());
        let mut org = OrgBuilder::new(7);
        let ada = org.add_user("Ada Lovelace", "ada@contoso.com").id();
        let account = org.add_account("Contoso").owned_by(ada).id();
        org.add_opportunity("Looms", account).owned_by(ada);
        let fake = FakeMicrosoft::new(org.build(), Arc::<SystemClock>::clone(&clock) as _);
        let server = fake.start().await;
        let folder = tempfile::tempdir()?;
        let store = SqliteStore::open(folder.path().join("crm.sqlite"), clock)?;
        let keys = StaticKeys::new(SealingKey::new("k1", [7; 32])?, vec![]);
        let provider = DynamicsProvider::builder()
            .client_id(FakeEntra::CLIENT_ID)
            .client_secret(FakeEntra::CLIENT_SECRET.to_owned())
            .redirect_uri(FakeEntra::REDIRECT_URI)
            .authority_base(server.authority_base())
            .org_base(server.org_base())
            .build()?;
        let mut publishing = PublishOptions::default();
        publishing.debounce.quiet = Duration::ZERO;
        let crm = Crm::builder(Stores::all(Arc::new(store)), Arc::new(Ada), Arc::new(keys))
            .provider(provider)
            .publishing(publishing)
            .build()?;
        let (workspace, ada) = (WorkspaceId::new("acme")?, MemberId::new("ada")?);
        let address = "contoso.crm4.dynamics.com";
        let request = ConnectRequest::new(workspace.clone(), ada.clone(), DYNAMICS, address);
        let started = crm.begin_connect(request).await?;
        let back = fake.browse(&started.url).context("the sign-in leads back")?;
        let connection = crm.finish_connect(&workspace, &ada, &Callback::from_url(&back)).await?;
        crm.run_due(&Budget::default()).await?;
        let deals = crm.deals(&workspace, connection.id, None, 10).await?;
        let deal = deals.first().context("the opportunity became a deal")?.id;
        Ok(Self { crm, fake, server, workspace, deal, _folder: folder })
    }

    /// Publishes a revision and works on what is due; how long until the Note stood.
    async fn publish(&self, number: u32, revision: u64) -> Result<Duration> {
        let id = DocumentId::new(format!("plan-{number}"))?;
        let html = page(revision);
        let document = Document::new(id, "Account plan".to_owned(), html, revision, self.crm.now());
        let start = Instant::now();
        let target = PublishTarget::Deal(self.deal);
        let published = self.crm.publish(&self.workspace, target, document).await?;
        let report = self.crm.run_due(&Budget::default()).await?;
        let took = start.elapsed();
        let Published::Accepted { .. } = published else { bail!("declined: {published:?}") };
        let [ended] = report.publications.as_slice() else { bail!("not sent: {report:?}") };
        ensure!(matches!(ended.outcome, Ok(PublicationState::Published)), "{:?}", ended.outcome);
        Ok(took)
    }

    /// The same page in a write that the server turns down: nobody is signed in.
    async fn bare_write(&self) -> Result<Duration> {
        let url = self.server.org_base().join("api/data/v9.2/annotations")?;
        let start = Instant::now();
        let answer = CLIENT.with(Clone::clone).post(url).body(page(1)).send().await?;
        let took = start.elapsed();
        ensure!(answer.status() == 401, "{}", answer.status());
        Ok(took)
    }
}

thread_local! {
    static CLIENT: reqwest::Client = reqwest::Client::new();
}

/// A document of about 20 KB.
fn page(revision: u64) -> String {
    let row = "<tr><td>Licence</td><td>12,500.50</td></tr>";
    format!("<h1>Plan</h1><p>Revision {revision}</p><table>{}</table>", row.repeat(450))
}

/// A percentile, by the nearest rank.
fn at(durations: &mut [Duration], percentile: usize) -> Duration {
    durations.sort_unstable();
    let rank = (durations.len() * percentile).div_ceil(100);
    durations[rank.clamp(1, durations.len()) - 1]
}

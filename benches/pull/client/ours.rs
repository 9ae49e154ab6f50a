//! The crate as a host uses it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fluint_crm::connector::{Callback, Split};
use fluint_crm::dynamics::{DYNAMICS, DynamicsProvider};
use fluint_crm::host::{Observer, SealingKey, StaticKeys, SyncProgress, TableStep};
use fluint_crm::model::{EmailAddress, Member, MemberId, SyncCounts, WorkspaceId};
use fluint_crm::storage::Stores;
use fluint_crm::store::{MemoryStore, SqliteStore};
use fluint_crm::testkit::FakeEntra;
use fluint_crm::{Budget, ConnectRequest, Crm, CrmBuilder, SystemClock};
use url::Url;

use crate::client::{Ours, Told, cpu_seconds};

/// Calls of a sync that does not end well before giving up.
const MAX_CALLS: u32 = 200;

pub(crate) async fn run(ours: &Ours) -> Result<Told> {
    let watch = Arc::new(Watch { start: Instant::now(), last_done: AtomicU64::new(0) });
    let crm = build(ours, Arc::clone(&watch) as _)?;
    let workspace = WorkspaceId::new("bench")?;
    match crm.connections(&workspace).await?.first() {
        Some(known) => crm.sync_now(&workspace, known.id).await?,
        None => connect(&crm, &workspace).await?,
    }
    let (cpu, begin, before) = (cpu_seconds()?, Instant::now(), watch.start.elapsed());
    let (counts, calls) = sync(&crm).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let last_done = Duration::from_micros(watch.last_done.load(Ordering::Relaxed));
    Ok(Told {
        seconds,
        reading_seconds: last_done.saturating_sub(before).as_secs_f64(),
        rows: counts.rows_read,
        written: counts.rows_written,
        pages: counts.pages,
        calls,
        cpu_seconds: cpu_seconds()? - cpu,
        peak_mib: 0.0,
    })
}

fn build(ours: &Ours, observer: Arc<dyn Observer>) -> Result<Crm> {
    let clock = Arc::new(SystemClock::new());
    let stores = match &ours.database {
        Some(file) => Stores::all(Arc::new(SqliteStore::open(file, clock)?)),
        None => Stores::all(Arc::new(MemoryStore::new(clock))),
    };
    // One of the ten owners is a member: most workspaces are one team of a company.
    let email = EmailAddress::new("seller1@contoso.com")?;
    let members = vec![Member::new(MemberId::new("seller1")?, email)];
    let keys = StaticKeys::new(SealingKey::new("bench", [42; 32])?, vec![]);
    let provider = DynamicsProvider::builder()
        .client_id(FakeEntra::CLIENT_ID)
        .client_secret(FakeEntra::CLIENT_SECRET.to_owned())
        .redirect_uri(FakeEntra::REDIRECT_URI)
        .authority_base(ours.addresses.authority.parse()?)
        .org_base(ours.addresses.org.parse()?)
        .build()?;
    let builder = Crm::builder(stores, Arc::new(members), Arc::new(keys))
        .provider(provider)
        .observer(observer);
    Ok(split(builder, ours.ranges).build()?)
}

/// Asks for so many ranges a big table; none is one chain a table.
fn split(builder: CrmBuilder, ranges: Option<u32>) -> CrmBuilder {
    match ranges.and_then(NonZeroU32::new) {
        Some(ranges) if ranges.get() > 1 => builder.split(Split::Fixed(ranges)),
        _ => builder.split(Split::Off),
    }
}

/// Whether the crate can be asked for ranges.
pub(crate) const CAN_SPLIT: bool = true;

async fn connect(crm: &Crm, workspace: &WorkspaceId) -> Result<()> {
    let member = MemberId::new("seller1")?;
    let address = "contoso.crm4.dynamics.com";
    let request = ConnectRequest::new(workspace.clone(), member.clone(), DYNAMICS, address);
    let started = crm.begin_connect(request).await?;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let redirect: Url = FakeEntra::REDIRECT_URI.parse()?;
    let mut page = started.url;
    while page.origin() != redirect.origin() || page.path() != redirect.path() {
        let answer = browser.get(page.clone()).send().await?;
        let location = answer.headers().get("location").context("the sign-in led nowhere")?;
        page = page.join(location.to_str()?)?;
    }
    crm.finish_connect(workspace, &member, &Callback::from_url(&page)).await?;
    Ok(())
}

/// Calls until the sync ended well, as a host's scheduler does.
async fn sync(crm: &Crm) -> Result<(SyncCounts, u32)> {
    let budget = Budget::default();
    for call in 1..=MAX_CALLS {
        let report = crm.run_due(&budget).await?;
        for ended in report.syncs {
            match ended.outcome {
                Ok(done) => return Ok((done.counts, call)),
                Err(error) if error.is_retryable() => {
                    eprintln!("  the sync goes on later: {error}")
                }
                Err(error) => return Err(error).context("the sync failed"),
            }
        }
        let Some(due) = report.next_due else { bail!("no sync is due") };
        let wait = Duration::try_from(due - crm.now()).unwrap_or_default();
        tokio::time::sleep(wait + Duration::from_millis(5)).await;
    }
    bail!("the sync did not end well in {MAX_CALLS} calls")
}

/// Notes when the last table was read.
#[derive(Debug)]
struct Watch {
    start: Instant,
    /// Microseconds after `start`.
    last_done: AtomicU64,
}

impl Observer for Watch {
    fn progress(&self, progress: &SyncProgress) {
        if progress.step == TableStep::Done {
            let now = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.last_done.fetch_max(now, Ordering::Relaxed);
        }
    }
}

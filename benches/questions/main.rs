//! Questions over a large org in SQLite, while a pull of it is writing.
//!
//! `cargo bench --bench questions -- [--opportunities N] [--asked K]`. The org has as many accounts as
//! opportunities and three times as many contacts. Its rows are made up as they are read, so that
//! nothing but questions and the pull's writing costs anything.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a program may measure time")]

mod org;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use fluint_crm::connector::Tokens;
use fluint_crm::host::{SealingKey, StaticKeys};
use fluint_crm::model::query::{
    AccountQuery, ContactQuery, DealQuery, DealStanding, GroupBy, GroupsQuery, OpportunityQuery,
    OpportunitySort, QueryCursor, Scope, TotalsQuery,
};
use fluint_crm::model::{
    ConnectionId, EmailAddress, Member, MemberId, OpportunityStatus, WorkspaceId,
};
use fluint_crm::storage::Stores;
use fluint_crm::store::SqliteStore;
use fluint_crm::{Budget, ConnectRequest, Crm, SystemClock};
use time::macros::date;

use crate::org::{
    KIND, MadeUp, Size, account_id, account_name, person, rare_stage, seller, stage_id,
};

/// Measures questions.
#[derive(Parser, Debug)]
struct Options {
    /// Opportunities of the org.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    opportunities: u64,

    /// How often each question is asked; 0 for the first sync alone.
    #[arg(long, value_name = "K", default_value_t = 200)]
    asked: usize,

    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let folder = tempfile::tempdir()?;
    let clock = Arc::new(SystemClock::new());
    let store = SqliteStore::open(folder.path().join("crm.sqlite"), clock)?;
    let members = vec![Member::new(MemberId::new("ada")?, EmailAddress::new("ada@example.com")?)];
    let keys = StaticKeys::new(SealingKey::new("k1", [7; 32])?, vec![]);
    let size = Size {
        accounts: options.opportunities,
        contacts: options.opportunities * 3,
        opportunities: options.opportunities,
    };
    let crm = Crm::builder(Stores::all(Arc::new(store)), Arc::new(members), Arc::new(keys))
        .provider(MadeUp::new(size))
        .build()?;
    let (workspace, ada) = (WorkspaceId::new("acme")?, MemberId::new("ada")?);
    let request = ConnectRequest::new(workspace.clone(), ada, KIND, "made-up.example");
    let tokens = Tokens { access: "none".to_owned().into(), expires_at: None, refresh: None };
    let connection = crm.connect_with_tokens(request, tokens).await?.id;
    let start = Instant::now();
    crm.run_due(&Budget::default()).await?;
    println!("first sync: {:.1?}", start.elapsed());
    if options.asked == 0 {
        return Ok(());
    }
    let site = Site { crm, scope: Scope::workspace(workspace), connection, size };
    println!("at rest");
    site.ask(options.asked).await?;
    println!("while a pull of everything is writing");
    let pulling = AtomicBool::new(true);
    // Every row has changed since the last pull, so that it writes all the time.
    let pull = async {
        let mut pulls = 0;
        while pulling.load(Ordering::Relaxed) {
            site.crm.sync_now(&site.scope.workspace, connection).await?;
            site.crm.run_due(&Budget::default()).await?;
            pulls += 1;
        }
        anyhow::Ok(pulls)
    };
    let asked = async {
        let answer = site.ask(options.asked).await;
        pulling.store(false, Ordering::Relaxed);
        answer
    };
    let (pulls, asked) = tokio::join!(pull, asked);
    asked?;
    println!("({} pulls went on meanwhile)", pulls?);
    Ok(())
}

struct Site {
    crm: Crm,
    scope: Scope,
    connection: ConnectionId,
    size: Size,
}

impl Site {
    /// Where the last page of all accounts begins.
    async fn last_page(&self) -> Result<Option<QueryCursor>> {
        let mut question = AccountQuery::new(self.scope.clone());
        question.page.limit = 200;
        loop {
            let next = self.crm.query().accounts(&question).await?.next;
            if next.is_none() {
                return Ok(question.page.cursor);
            }
            question.page.cursor = next;
        }
    }

    async fn ask(&self, times: usize) -> Result<()> {
        let query = self.crm.query();
        let last_page = self.last_page().await?;
        let number = |at: usize| (at as u64 * 7_919) % self.size.accounts;
        let name = |at: usize| account_name(number(at));
        let id = |at: usize| account_id(number(at)).ok();
        println!("  {:<44} {:>9} {:>9} {:>9}", "", "median", "p99", "most");
        measure("accounts by the words of a name", times, async |at| {
            let mut question = AccountQuery::new(self.scope.clone());
            question.name = Some(name(at));
            Ok(query.accounts(&question).await?.rows.len())
        })
        .await?;
        measure("accounts nearest to a name with a typo", times, async |at| {
            let mut typo = name(at);
            typo.remove(typo.floor_char_boundary(typo.len() / 2));
            Ok(query.nearest_accounts(&self.scope, &typo, 50).await?.rows.len())
        })
        .await?;
        measure("contacts nearest to a name with a typo", times, async |at| {
            let mut typo = person(number(at));
            typo.remove(typo.floor_char_boundary(typo.len() / 2));
            Ok(query.nearest_contacts(&self.scope, &typo, 50).await?.rows.len())
        })
        .await?;
        measure("contacts by the words of a name", times, async |at| {
            let mut question = ContactQuery::new(self.scope.clone());
            question.name = Some(person(number(at)));
            Ok(query.contacts(&question).await?.rows.len())
        })
        .await?;
        measure("contacts of an account", times, async |at| {
            let mut question = ContactQuery::new(self.scope.clone());
            question.account = id(at);
            Ok(query.contacts(&question).await?.rows.len())
        })
        .await?;
        measure("open opportunities of an account", times, async |at| {
            let mut question = OpportunityQuery::new(self.scope.clone());
            question.filter.account = id(at);
            question.filter.status = Some(OpportunityStatus::Open);
            question.sort = OpportunitySort::CloseDate;
            Ok(query.opportunities(&question).await?.rows.len())
        })
        .await?;
        for (what, sort) in [
            ("open opportunities of an owner, to close", OpportunitySort::CloseDate),
            ("open opportunities of an owner, by name", OpportunitySort::Name),
            ("open opportunities of an owner, by value", OpportunitySort::ValueDescending),
        ] {
            measure(what, times, async |at| {
                let mut question = OpportunityQuery::new(self.scope.clone());
                question.filter.owners = vec![(self.connection, seller(at as u64)?)];
                question.filter.status = Some(OpportunityStatus::Open);
                question.sort = sort;
                Ok(query.opportunities(&question).await?.rows.len())
            })
            .await?;
        }
        for (what, stage) in [
            ("open opportunities at a common stage", false),
            ("open opportunities at a rare stage", true),
        ] {
            measure(what, times, async |at| {
                let mut question = OpportunityQuery::new(self.scope.clone());
                let id = if stage { rare_stage()? } else { stage_id(at as u64)? };
                question.filter.stages = vec![(self.connection, id)];
                question.filter.status = Some(OpportunityStatus::Open);
                question.sort = OpportunitySort::CloseDate;
                Ok(query.opportunities(&question).await?.rows.len())
            })
            .await?;
        }
        measure("totals of an owner", times, async |at| {
            let mut question = TotalsQuery::new(self.scope.clone());
            question.filter.owners = vec![(self.connection, seller(at as u64)?)];
            question.filter.status = Some(OpportunityStatus::Open);
            Ok(usize::try_from(query.totals(&question).await?.count)?)
        })
        .await?;
        measure("the last page of all accounts", times, async |_| {
            let mut question = AccountQuery::new(self.scope.clone());
            question.page.limit = 200;
            question.page.cursor = last_page.clone();
            Ok(query.accounts(&question).await?.rows.len())
        })
        .await?;
        measure("an account by its id, of any connection", times, async |at| {
            let mut question = AccountQuery::new(self.scope.clone());
            question.id = id(at);
            Ok(query.accounts(&question).await?.rows.len())
        })
        .await?;
        for (what, sort) in [
            ("first live deals to close", OpportunitySort::CloseDate),
            ("first live deals by name", OpportunitySort::Name),
            ("largest live deals", OpportunitySort::ValueDescending),
        ] {
            measure(what, times, async |_| {
                let mut question = DealQuery::new(self.scope.clone());
                question.filter.standing = Some(DealStanding::Live);
                question.sort = sort;
                Ok(self.crm.find_deals(&question).await?.rows.len())
            })
            .await?;
        }
        measure("deals of an account", times, async |at| {
            let mut question = DealQuery::new(self.scope.clone());
            question.filter.account = id(at);
            Ok(self.crm.find_deals(&question).await?.rows.len())
        })
        .await?;
        for (what, sort) in [
            ("first open opportunities to close", OpportunitySort::CloseDate),
            ("largest open opportunities", OpportunitySort::ValueDescending),
            ("first open opportunities by name", OpportunitySort::Name),
        ] {
            measure(what, times, async |_| {
                let mut question = OpportunityQuery::new(self.scope.clone());
                question.filter.status = Some(OpportunityStatus::Open);
                question.sort = sort;
                Ok(query.opportunities(&question).await?.rows.len())
            })
            .await?;
        }
        measure("totals of everything", times, async |_| {
            let totals = query.totals(&TotalsQuery::new(self.scope.clone())).await?;
            Ok(usize::try_from(totals.count)?)
        })
        .await?;
        for (what, by) in [
            ("totals by month", GroupBy::Month),
            ("totals by owner", GroupBy::Owner),
            ("totals by stage", GroupBy::Stage),
        ] {
            measure(what, times, async |_| {
                let question = GroupsQuery::new(self.scope.clone(), by);
                Ok(query.groups(&question).await?.groups.len())
            })
            .await?;
        }
        measure("what is open and closes in a quarter, by stage", times, async |at| {
            let mut question = GroupsQuery::new(self.scope.clone(), GroupBy::Stage);
            question.filter.status = Some(OpportunityStatus::Open);
            let quarter = date!(2026 - 01 - 01) + time::Duration::days(i64::try_from(at % 500)?);
            question.filter.close_from = Some(quarter);
            question.filter.close_before = Some(quarter + time::Duration::days(90));
            Ok(query.groups(&question).await?.groups.len())
        })
        .await?;
        measure("totals of what is open", times, async |_| {
            let mut question = TotalsQuery::new(self.scope.clone());
            question.filter.status = Some(OpportunityStatus::Open);
            Ok(usize::try_from(query.totals(&question).await?.count)?)
        })
        .await
    }
}

async fn measure(
    what: &str,
    times: usize,
    mut ask: impl AsyncFnMut(usize) -> Result<usize>,
) -> Result<()> {
    let (mut took, mut rows) = (Vec::new(), 0);
    for at in 0..times {
        let start = Instant::now();
        rows += ask(at).await?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    ensure!(rows > 0, "{what}: nothing was found");
    let at = |percent: usize| took[(took.len() * percent).div_ceil(100).max(1) - 1];
    let most: Duration = at(100);
    println!("  {what:<44} {:>9.2?} {:>9.2?} {most:>9.2?}", at(50), at(99));
    Ok(())
}

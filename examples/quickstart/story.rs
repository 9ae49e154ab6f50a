//! The main job, step by step.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use fluint_crm::documents::{PublishTarget, Published};
use fluint_crm::model::query::Scope;
use fluint_crm::model::{
    Connection, Deal, Document, FeedEvent, MemberId, OwnerHint, Publication, PublicationId,
    PublicationState, StageFilter, Verdict, WorkspaceId,
};
use fluint_crm::{Budget, Crm, SyncReport};
use serde_json::json;
use time::OffsetDateTime;

use crate::bars::Bars;
use crate::people::People;
use crate::place::Place;
use crate::requests::Requests;
use crate::show::Show;
use crate::tally::{Deals, Skips};

/// Everything that the steps share.
pub(crate) struct Story {
    pub(crate) crm: Crm,
    pub(crate) place: Place,
    pub(crate) people: Arc<People>,
    pub(crate) bars: Arc<Bars>,
    pub(crate) requests: Requests,
    pub(crate) workspace: WorkspaceId,
    pub(crate) show: Show,
}

/// Rows fetched at once from lists.
const LIST: u32 = 500;

impl Story {
    /// Connects, syncs three times, publishes and asks.
    pub(crate) async fn tell(&mut self) -> Result<()> {
        let connection = self.connect().await?;
        self.first_sync(&connection).await?;
        self.sync_with_filter(&connection).await?;
        self.sync_with_alternate_email(&connection).await?;
        self.publish(&connection).await?;
        self.ask(&connection).await?;
        self.feed(&connection).await
    }

    async fn connect(&mut self) -> Result<Connection> {
        self.show.chapter("Connect");
        let connection = self.place.connect(&self.crm, &self.workspace, &host_member()?).await?;
        self.show.line(&format!("  connected to {}", connection.address));
        self.show.line(&format!(
            "  organisation {}, as user {}",
            connection.identity.organisation, connection.identity.user
        ));
        self.show.keep("connection", json!(connection));
        let preflight = self.crm.preflight(&self.workspace, connection.id).await?;
        for check in &preflight.checks {
            let mark = if check.verdict == Verdict::Passed { "✓" } else { "!" };
            self.show.line(&format!("  {mark} {}", check.message));
        }
        self.show.keep("preflight", json!(preflight));
        // An earlier run may have left its filter behind; the story starts without one.
        if connection.filter.is_empty() {
            return Ok(connection);
        }
        let all = StageFilter::EMPTY;
        Ok(self.crm.set_stage_filter(&self.workspace, connection.id, all).await?)
    }

    async fn first_sync(&mut self, connection: &Connection) -> Result<()> {
        self.show.chapter("First sync: every table, every open opportunity");
        // An earlier run may have left users behind; else they come with this sync.
        self.people.take_everybody(&self.crm, &self.workspace).await?;
        let report = self.sync(connection).await?;
        self.show.sync("first_sync", &report, self.requests.take());
        if self.people.take_everybody(&self.crm, &self.workspace).await? {
            self.show.line("  this org's own users become the members; syncing again");
            let report = self.sync(connection).await?;
            self.show.sync("sync_with_members", &report, self.requests.take());
        }
        self.show.chapter("Deals by stage and currency");
        let deals = self.deals(connection).await?;
        self.show.deals(&deals);
        self.show.chapter("Skipped opportunities, and why");
        let skipped = self.skipped(connection).await?;
        self.show.skipped("skipped", &skipped);
        Ok(())
    }

    /// Lets only the two busiest stages pass.
    async fn sync_with_filter(&mut self, connection: &Connection) -> Result<()> {
        let mut stages = self.crm.stages(&self.workspace, connection.id).await?;
        stages.sort_by_key(|choice| std::cmp::Reverse(choice.open_opportunities));
        let chosen: Vec<_> = stages.iter().take(2).map(|choice| choice.stage.clone()).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        self.show.chapter("Second sync: with a stage filter");
        for stage in &chosen {
            let process = stage.process.as_ref().and_then(|process| process.name.as_deref());
            let name = stage.name.as_deref().unwrap_or("(no name)");
            self.show.line(&format!("  let pass: {name} ({})", process.unwrap_or("no process")));
        }
        let filter = StageFilter::new(chosen.into_iter().map(|stage| stage.id));
        self.crm.set_stage_filter(&self.workspace, connection.id, filter).await?;
        let report = self.sync(connection).await?;
        self.show.sync("sync_with_filter", &report, self.requests.take());
        let deals = self.deals(connection).await?;
        let stopped = deals.stopped;
        self.show.line(&format!("  {stopped} deals stay as they are and receive no updates"));
        self.show.keep("stopped_by_filter", json!(stopped));
        Ok(())
    }

    /// Follows one of the hints, and removes the filter.
    async fn sync_with_alternate_email(&mut self, connection: &Connection) -> Result<()> {
        self.show.chapter("Third sync: filter removed, one hint followed");
        let all = StageFilter::EMPTY;
        self.crm.set_stage_filter(&self.workspace, connection.id, all).await?;
        let skipped = self.skipped(connection).await?;
        let groups = skipped.by_count();
        let hinted = groups.iter().find_map(|(_, group)| group.hinted.as_ref());
        let hint = hinted.and_then(|one| one.reason.hint().cloned());
        if let Some(OwnerHint::AddAlternateEmail { member, email }) = hint {
            self.show.line(&format!("  {email} becomes an alternate e-mail of {member}"));
            self.people.add_alternate(&member, &email);
        }
        let report = self.sync(connection).await?;
        self.show.sync("sync_with_alternate_email", &report, self.requests.take());
        let left = self.skipped(connection).await?.count;
        self.show.line(&format!("  {left} opportunities are still skipped"));
        self.show.keep("skipped_at_the_end", json!(left));
        Ok(())
    }

    /// Puts a document on the timeline of the most valuable deal, twice.
    async fn publish(&mut self, connection: &Connection) -> Result<()> {
        if !self.place.may_publish() {
            self.show.chapter("Publish: left out (give --publish to write to a real org)");
            return Ok(());
        }
        let deals = self.deals(connection).await?;
        let Some(deal) = &deals.best else { return Ok(()) };
        self.show.chapter("Publish a document as a Note, then a revision of it");
        let now = self.crm.now();
        // A second run of this program publishes newer revisions of the same document.
        let revision = u64::try_from(now.unix_timestamp())?;
        self.publish_revision(deal, revision, FIRST_DRAFT, now).await?;
        let publication = self.publish_revision(deal, revision + 1, SECOND_DRAFT, now).await?;
        self.read_back(&publication).await
    }

    async fn publish_revision(
        &self,
        deal: &Deal,
        revision: u64,
        html: &str,
        now: OffsetDateTime,
    ) -> Result<Publication> {
        let id = self.place.document()?;
        let title = format!("Account plan: {}", deal.details.name);
        let mut document = Document::new(id, title, html.to_owned(), revision, now);
        document.author = Some("Ada Lovelace".to_owned());
        document.language = Some("en".to_owned());
        let target = PublishTarget::Deal(deal.id);
        let publication = match self.crm.publish(&self.workspace, target, document).await? {
            Published::Accepted { publication, .. } => publication,
            Published::Declined(why) => bail!("the document was declined: {why}"),
            other => bail!("the document was not taken in: {other:?}"),
        };
        self.crm.run_due(&budget()).await?;
        let publication = self.publication(publication).await?;
        match &publication.state {
            PublicationState::Published => {}
            PublicationState::Parked { refusal } => bail!("the document was refused: {refusal}"),
            other => bail!("the document is not there yet ({other:?}); run again later"),
        }
        let receipt = publication.receipt.as_ref().context("a published document has a receipt")?;
        self.show.line(&format!("  revision {revision} stands as Note {}", receipt.handle.id));
        Ok(publication)
    }

    async fn publication(&self, id: PublicationId) -> Result<Publication> {
        let found = self.crm.publication(&self.workspace, id).await?;
        let found = found.map(|status| status.publication);
        found.ok_or_else(|| anyhow!("the publication is not in the ledger"))
    }

    async fn read_back(&mut self, publication: &Publication) -> Result<()> {
        let Some(note) = self.crm.read_note(&self.workspace, publication.key.publication()).await?
        else {
            bail!("the Note is not in the org");
        };
        self.show.line(&format!("  subject: {}", note.subject.as_deref().unwrap_or_default()));
        if let Some(attachment) = &note.attachment {
            let (name, bytes) = (&attachment.file_name, attachment.bytes.len());
            self.show.line(&format!("  attachment: {name}, {bytes} bytes, read back from the org"));
            self.show.keep("note", json!({ "file": name, "bytes": bytes }));
        }
        Ok(())
    }

    async fn ask(&mut self, connection: &Connection) -> Result<()> {
        self.show.chapter("Ask: what is the pipeline value of deals closing this quarter?");
        let scope = Scope::connection(self.workspace.clone(), connection.id);
        let arguments = json!({ "period": "this_quarter" });
        let answer = self.crm.tools().call(&scope, "pipeline_value", arguments).await?;
        for line in format!("{answer:#}").lines() {
            self.show.line(&format!("  {line}"));
        }
        self.show.keep("pipeline_value", answer);
        Ok(())
    }

    async fn feed(&self, connection: &Connection) -> Result<()> {
        self.show.chapter("The activity feed, newest first (deals and skips left out)");
        let mut before = None;
        let mut shown = 0;
        while shown < 12 {
            let page = self.crm.feed(&self.workspace, connection.id, before, LIST).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.seq);
            for entry in page.iter().filter(|entry| is_about_the_connection(&entry.event)) {
                let time = entry.at.time();
                let clock = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
                self.show.line(&format!("  {clock}  {}", entry.event));
                shown += 1;
            }
        }
        Ok(())
    }

    /// Runs what is due until the connection was synced.
    async fn sync(&self, connection: &Connection) -> Result<SyncReport> {
        self.crm.sync_now(&self.workspace, connection.id).await?;
        loop {
            let mut report = self.crm.run_due(&budget()).await?;
            self.bars.next_sync();
            if let Some(ended) = report.syncs.pop() {
                return Ok(ended.outcome?);
            }
            // A run of this program that was killed still holds the work, for some seconds.
            let due = report.next_due.context("no sync is due")?;
            let wait = (due - self.crm.now()).max(time::Duration::ZERO);
            self.show.line(&format!("  an interrupted run holds the work; waiting {wait:.0}"));
            tokio::time::sleep(wait.unsigned_abs()).await;
        }
    }

    async fn deals(&self, connection: &Connection) -> Result<Deals> {
        let (mut tally, mut after) = (Deals::default(), None);
        loop {
            let page = self.crm.deals(&self.workspace, connection.id, after, LIST).await?;
            let Some(last) = page.last() else { return Ok(tally) };
            after = Some(last.id);
            page.iter().for_each(|deal| tally.add(deal));
        }
    }

    async fn skipped(&self, connection: &Connection) -> Result<Skips> {
        let (mut tally, mut after) = (Skips::default(), None);
        loop {
            let page =
                self.crm.skipped(&self.workspace, connection.id, after.as_ref(), LIST).await?;
            let Some(last) = page.last() else { return Ok(tally) };
            after = Some(last.opportunity.clone());
            page.iter().for_each(|one| tally.add(one));
        }
    }
}

/// A short lease, so that whoever kills this program and starts it again need not wait long.
fn budget() -> Budget {
    let mut budget = Budget::default();
    budget.lease = std::time::Duration::from_secs(10);
    budget
}

fn is_about_the_connection(event: &FeedEvent) -> bool {
    !matches!(
        event,
        FeedEvent::DealCreated { .. }
            | FeedEvent::DealUpdated { .. }
            | FeedEvent::DealStopped { .. }
            | FeedEvent::DealEnded { .. }
            | FeedEvent::OpportunitySkipped { .. }
    )
}

/// The member who connects the org.
fn host_member() -> Result<MemberId> {
    Ok(MemberId::new("ada.lovelace")?)
}

const FIRST_DRAFT: &str = "<h1>Where we stand</h1><p>A first draft.</p>";

const SECOND_DRAFT: &str = "<h1>Where we stand</h1>\
    <p>The pilot <strong>went well</strong>; security review is next.</p>\
    <table><thead><tr><th>Step</th><th>Owner</th><th>By</th></tr></thead><tbody>\
    <tr><td>Security review</td><td>Contoso IT</td><td>12 March</td></tr>\
    <tr><td>Commercials</td><td>Ada Lovelace</td><td>20 March</td></tr></tbody></table>\
    <ul><li>Risks<ul><li>Budget freeze in April</li></ul></li><li>Champion: Grace Hopper</li></ul>";

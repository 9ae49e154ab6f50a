//! The ledger of publications.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction, params_from_iter};

use crate::error::{Error, Result};
use crate::model::{
    ConnectionId, DealId, Document, NoteKey, Publication, PublicationId, Receipt, Unsettled,
    WorkspaceId,
};
use crate::storage::{Claim, Publications, PublishRequest, SetAside, steps};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::claims;
use crate::store::sqlite::codec::{
    Columns, NULL, Owner, Values, collect, counter, integer, json, maybe_text, maybe_time,
    stored_time, text, time, uuid,
};
use crate::store::sqlite::database::Survives;
use crate::store::sqlite::trouble::Trouble;

#[async_trait]
impl Publications for SqliteStore {
    async fn accept(&self, request: &PublishRequest) -> Result<Publication> {
        let mut request = request.clone();
        request.at = stored_time(request.at);
        request.document.revised_at = stored_time(request.document.revised_at);
        self.database
            .write("take a revision in", Survives::PowerLoss, move |tx| {
                let id = request.key.publication();
                let known = held(tx, &request.key.workspace, id)?;
                let next = steps::accept(known.clone(), &request);
                if known.as_ref() != Some(&next) {
                    put(tx, &next)?;
                }
                Ok(next)
            })
            .await
    }

    async fn by_id(
        &self,
        workspace: &WorkspaceId,
        id: PublicationId,
    ) -> Result<Option<Publication>> {
        let workspace = workspace.clone();
        self.database.read("read a publication", move |tx| held(tx, &workspace, id)).await
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<PublicationId>,
        limit: u32,
    ) -> Result<Vec<Publication>> {
        let owner = Owner::new(workspace, connection);
        self.database
            .read("list publications", move |tx| {
                let after = after.map_or(NULL, |id| uuid(id.as_uuid()));
                let mut statement = tx.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM publications WHERE workspace = ? AND connection = ? \
                         AND id > coalesce(?, x'') ORDER BY id LIMIT ?"
                ))?;
                let values = owner.with([after, integer(limit.into())]);
                collect(statement.query(params_from_iter(values))?, read)
            })
            .await
    }

    async fn record_sending(&self, claim: &Claim, epoch: u32, write: Unsettled) -> Result<()> {
        let claim = claim.clone();
        self.database
            .write("record a write to a note", Survives::PowerLoss, move |tx| {
                put(tx, &steps::record_sending(claimed(tx, &claim)?, epoch, write)?)
            })
            .await
    }

    async fn record_receipt(
        &self,
        claim: &Claim,
        receipt: &Receipt,
        unsettled: Option<Unsettled>,
    ) -> Result<Publication> {
        let (claim, mut receipt) = (claim.clone(), receipt.clone());
        receipt.at = stored_time(receipt.at);
        self.database
            .write("record a receipt", Survives::PowerLoss, move |tx| {
                let next = steps::record_receipt(claimed(tx, &claim)?, receipt, unsettled);
                put(tx, &next)?;
                Ok(next)
            })
            .await
    }

    async fn set_aside(&self, claim: &Claim, aside: &SetAside) -> Result<Publication> {
        let (claim, aside) = (claim.clone(), aside.clone());
        self.database
            .write("set a publication aside", Survives::PowerLoss, move |tx| {
                let next = steps::set_aside(claimed(tx, &claim)?, &aside);
                put(tx, &next)?;
                Ok(next)
            })
            .await
    }
}

/// The publication that a claim is about.
fn claimed(tx: &Transaction<'_>, claim: &Claim) -> Result<Publication, Trouble> {
    let (workspace, id) = claims::published(tx, claim)?;
    held(tx, &workspace, id)?.ok_or_else(|| Error::not_found(claim.work.to_string()).into())
}

fn held(
    tx: &Transaction<'_>,
    workspace: &WorkspaceId,
    id: PublicationId,
) -> Result<Option<Publication>, Trouble> {
    tx.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM publications WHERE workspace = ? AND id = ?"
    ))?
    .query_row(params_from_iter([text(workspace.as_str()), uuid(id.as_uuid())]), |row| {
        Ok(read(row))
    })
    .optional()?
    .transpose()
}

const COLUMNS: &str = "workspace, connection, opportunity, organisation, deal, document, title, \
    html, revision, author, revised_at, language, first_pending_at, last_pending_at, state, \
    epoch, unsettled, receipt, attempts, next_try_at, last_refusal, resend";

/// Writes a publication, new or changed.
fn put(tx: &Transaction<'_>, publication: &Publication) -> Result<(), Trouble> {
    let mut values = vec![uuid(publication.key.publication().as_uuid())];
    bind(publication, &mut values)?;
    let places = vec!["?"; values.len()].join(", ");
    tx.prepare_cached(&format!(
        "INSERT OR REPLACE INTO publications (id, {COLUMNS}) VALUES ({places})"
    ))?
    .execute(params_from_iter(values))?;
    Ok(())
}

fn bind<'a>(publication: &'a Publication, values: &mut Values<'a>) -> Result<(), Trouble> {
    let Publication { key, document, receipt, .. } = publication;
    values.extend([
        text(key.workspace.as_str()),
        uuid(publication.connection.as_uuid()),
        text(publication.opportunity.as_str()),
        text(key.organisation.as_str()),
        uuid(key.deal.as_uuid()),
        text(key.document.as_str()),
        text(&document.title),
        text(&document.html),
        counter(document.revision),
        maybe_text(document.author.as_deref()),
        time(document.revised_at),
        maybe_text(document.language.as_deref()),
        time(publication.first_pending_at),
        time(publication.last_pending_at),
        json(&publication.state)?,
        integer(publication.epoch.into()),
        json(&publication.unsettled)?,
        json(receipt)?,
        integer(publication.attempts.into()),
        maybe_time(publication.next_try_at),
        json(&publication.last_refusal)?,
        integer(publication.resend.into()),
    ]);
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Publication, Trouble> {
    let mut columns = Columns::of(row);
    let workspace = columns.id()?;
    let connection = ConnectionId::new(columns.uuid()?);
    let opportunity = columns.id()?;
    let organisation = columns.id()?;
    let deal = DealId::new(columns.uuid()?);
    let document = read_document(&mut columns)?;
    let key = NoteKey { workspace, organisation, deal, document: document.id.clone() };
    let at = columns.time()?;
    let mut publication = Publication::new(key, connection, opportunity, document, at);
    publication.last_pending_at = columns.time()?;
    publication.state = columns.json()?;
    publication.epoch = columns.small()?;
    publication.unsettled = columns.json()?;
    publication.receipt = columns.json()?;
    publication.attempts = columns.small()?;
    publication.next_try_at = columns.maybe_time()?;
    publication.last_refusal = columns.json()?;
    publication.resend = columns.small::<u8>()? != 0;
    Ok(publication)
}

fn read_document(columns: &mut Columns<'_>) -> Result<Document, Trouble> {
    let (id, title, html) = (columns.id()?, columns.text()?, columns.text()?);
    let (revision, author) = (columns.counter()?, columns.maybe_text()?);
    let mut document = Document::new(id, title, html, revision, columns.time()?);
    document.author = author;
    document.language = columns.maybe_text()?;
    Ok(document)
}

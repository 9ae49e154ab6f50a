//! Deals, the opportunities that are none, and the change feed of both.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction, params_from_iter};

use crate::error::Result;
use crate::model::{
    ChangeSeq, ConnectionId, Deal, DealChange, DealId, Decided, OpportunityId, Skipped, WorkspaceId,
};
use crate::storage::{Applied, Claim, Deals};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::claims;
use crate::store::sqlite::codec::{Columns, NULL, Owner, collect, integer, text, uuid};
use crate::store::sqlite::database::Survives;
use crate::store::sqlite::trouble::Trouble;

mod step;

use step::Step;

#[async_trait]
impl Deals for SqliteStore {
    async fn by_id(&self, workspace: &WorkspaceId, ids: &[DealId]) -> Result<Vec<Deal>> {
        let (workspace, ids) = (workspace.clone(), ids.to_vec());
        self.database
            .read("read deals", move |tx| {
                let mut statement = tx.prepare_cached(&format!(
                    "SELECT {DEAL} FROM deals WHERE workspace = ? AND id = ?"
                ))?;
                let mut found = Vec::with_capacity(ids.len());
                for id in ids {
                    let key = [text(workspace.as_str()), uuid(id.as_uuid())];
                    let deal = statement.query_row(params_from_iter(key), |row| Ok(read_deal(row)));
                    found.extend(deal.optional()?.transpose()?);
                }
                Ok(found)
            })
            .await
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<DealId>,
        limit: u32,
    ) -> Result<Vec<Deal>> {
        let owner = Owner::new(workspace, connection);
        self.database
            .read("list deals", move |tx| {
                let after = after.map_or(NULL, |id| uuid(id.as_uuid()));
                let mut statement = tx.prepare_cached(&format!(
                    "SELECT {DEAL} FROM deals WHERE workspace = ? AND connection = ? \
                         AND id > coalesce(?, x'') ORDER BY id LIMIT ?"
                ))?;
                let values = owner.with([after, integer(limit.into())]);
                collect(statement.query(params_from_iter(values))?, read_deal)
            })
            .await
    }

    async fn apply(&self, claim: &Claim, decisions: &[Decided]) -> Result<Applied> {
        let (claim, decisions, at) = (claim.clone(), decisions.to_vec(), self.now());
        self.database
            .write("apply decisions", Survives::PowerLoss, move |tx| {
                let owner = claims::pulled(tx, &claim)?;
                let mut applied = Applied::default();
                for decided in &decisions {
                    applied += Step { tx, owner: &owner, at, decided }.apply()?;
                }
                Ok(applied)
            })
            .await
    }

    async fn changes(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: ChangeSeq,
        limit: u32,
    ) -> Result<Vec<DealChange>> {
        let owner = Owner::new(workspace, connection);
        let after = i64::try_from(after.as_u64()).unwrap_or(i64::MAX);
        self.database
            .read("read the changes of deals", move |tx| {
                let mut statement = tx.prepare_cached(
                    "SELECT seq, at, opportunity, name, kind FROM deal_changes \
                     WHERE workspace = ? AND connection = ? AND seq > ? ORDER BY seq LIMIT ?",
                )?;
                let values = owner.with([integer(after), integer(limit.into())]);
                collect(statement.query(params_from_iter(values))?, |row| {
                    let mut columns = Columns::of(row);
                    Ok(DealChange {
                        seq: ChangeSeq::new(columns.counter()?),
                        at: columns.time()?,
                        opportunity: columns.id()?,
                        name: columns.maybe_text()?,
                        kind: columns.json()?,
                    })
                })
            })
            .await
    }

    async fn skipped(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        after: Option<&OpportunityId>,
        limit: u32,
    ) -> Result<Vec<Skipped>> {
        let (owner, after) = (Owner::new(workspace, connection), after.cloned());
        self.database
            .read("list skipped opportunities", move |tx| {
                let after = after.as_ref().map_or("", OpportunityId::as_str);
                let mut statement = tx.prepare_cached(&format!(
                    "SELECT {SKIPPED} FROM skipped \
                     WHERE workspace = ? AND connection = ? AND opportunity > ? \
                     ORDER BY opportunity LIMIT ?"
                ))?;
                let values = owner.with([text(after), integer(limit.into())]);
                collect(statement.query(params_from_iter(values))?, read_skipped)
            })
            .await
    }
}

const DEAL: &str = "id, workspace, connection, opportunity, details, state, revision, \
                    created_at, updated_at";

fn read_deal(row: &Row<'_>) -> Result<Deal, Trouble> {
    let mut columns = Columns::of(row);
    Ok(Deal {
        id: DealId::new(columns.uuid()?),
        workspace: columns.id()?,
        connection: ConnectionId::new(columns.uuid()?),
        opportunity: columns.id()?,
        details: columns.json()?,
        state: columns.json()?,
        revision: columns.counter()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

const SKIPPED: &str = "opportunity, name, reason, since";

fn read_skipped(row: &Row<'_>) -> Result<Skipped, Trouble> {
    let mut columns = Columns::of(row);
    Ok(Skipped {
        opportunity: columns.id()?,
        name: columns.maybe_text()?,
        reason: columns.json()?,
        since: columns.time()?,
    })
}

/// The deal of an opportunity, found by the id that is derived from it.
fn held(tx: &Transaction<'_>, owner: &Owner, id: DealId) -> Result<Option<Deal>, Trouble> {
    tx.prepare_cached(&format!(
        "SELECT {DEAL} FROM deals WHERE workspace = ? AND connection = ? AND id = ?"
    ))?
    .query_row(params_from_iter(owner.with([uuid(id.as_uuid())])), |row| Ok(read_deal(row)))
    .optional()?
    .transpose()
}

//! Deals, the opportunities that are none, and the change feed of both.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction, params_from_iter};

use crate::error::Result;
use crate::model::query::{DealPage, DealQuery, Scope};
use crate::model::{
    ChangeSeq, ConnectionId, Deal, DealChange, DealId, Decided, OpportunityId, Skipped, WorkspaceId,
};
use crate::storage::fallback::SortedPage;
use crate::storage::{Applied, Claim, Deals};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::claims;
use crate::store::sqlite::codec::{Columns, NULL, Owner, blob, collect, integer, text, uuid};
use crate::store::sqlite::database::Survives;
use crate::store::sqlite::trouble::Trouble;

pub(crate) mod find;
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

    async fn list(&self, scope: &Scope, after: Option<DealId>, limit: u32) -> Result<Vec<Deal>> {
        let scope = scope.clone();
        self.database
            .read("list deals", move |tx| {
                let after = after.map_or_else(|| blob(&[]), |id| uuid(id.as_uuid()));
                let only = match scope.connection {
                    Some(_) => "AND connection = ?3",
                    None => "",
                };
                let mut statement = tx.prepare_cached(&format!(
                    "SELECT {DEAL} FROM deals WHERE workspace = ?1 AND id > ?2 {only} \
                     ORDER BY id LIMIT ?4"
                ))?;
                let only = scope.connection.map_or(NULL, |one| uuid(one.as_uuid()));
                let values = [text(scope.workspace.as_str()), after, only, integer(limit.into())];
                collect(statement.query(params_from_iter(values))?, read_deal)
            })
            .await
    }

    async fn find(&self, query: &DealQuery) -> Result<DealPage> {
        let page = SortedPage::of(query)?;
        let query = query.clone();
        self.database
            .read("answer a question for deals", move |tx| find::deals(tx, page, &query))
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

//! Checks claims inside the transaction that they protect.

use rusqlite::{OptionalExtension, Transaction, params_from_iter};

use crate::error::Error;
use crate::model::{PublicationId, WorkspaceId};
use crate::storage::{Claim, Work, WorkItem, WorkKind};
use crate::store::sqlite::codec::{Owner, Values, text, uuid};
use crate::store::sqlite::trouble::Trouble;

/// Refuses a claim that is not the newest of its item. A lease that has merely run out still
/// counts: nobody else has begun.
pub(crate) fn check(tx: &Transaction<'_>, claim: &Claim) -> Result<(), Trouble> {
    let newest: Option<i64> = tx
        .prepare_cached("SELECT token FROM work WHERE workspace = ? AND kind = ? AND id = ?")?
        .query_row(params_from_iter(key(&claim.work)), |row| row.get(0))
        .optional()?;
    match newest.map(i64::cast_unsigned) {
        Some(token) if token == claim.token && token > 0 => Ok(()),
        _ => Err(stale(claim).into()),
    }
}

/// Checks a claim and gives the connection that it is to pull.
pub(crate) fn pulled(tx: &Transaction<'_>, claim: &Claim) -> Result<Owner, Trouble> {
    check(tx, claim)?;
    Ok(Owner::new(&claim.work.workspace, claim.connection()?))
}

/// Checks a claim and gives the publication that it is to send.
pub(crate) fn published(
    tx: &Transaction<'_>,
    claim: &Claim,
) -> Result<(WorkspaceId, PublicationId), Trouble> {
    check(tx, claim)?;
    Ok((claim.work.workspace.clone(), claim.publication()?))
}

/// The key of an item of work: workspace, kind and id.
pub(crate) fn key(work: &Work) -> Values<'_> {
    let (kind, id) = match work.item {
        WorkItem::Publish(publication) => (PUBLISH, publication.as_uuid()),
        WorkItem::Pull(connection) => (PULL, connection.as_uuid()),
    };
    vec![text(work.workspace.as_str()), text(kind), uuid(id)]
}

/// A kind of work as its column writes it.
pub(crate) const fn word(kind: WorkKind) -> &'static str {
    match kind {
        WorkKind::Publish => PUBLISH,
        WorkKind::Pull => PULL,
    }
}

pub(crate) const PUBLISH: &str = "publish";
pub(crate) const PULL: &str = "pull";

pub(crate) fn stale(claim: &Claim) -> Error {
    Error::stale_claim(claim.work.to_string())
}

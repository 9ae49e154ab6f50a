//! Connections, sign-ins under way and sealed tokens.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction, params_from_iter};
use time::Duration;

use crate::error::{Error, Result};
use crate::model::{Connection, ConnectionChange, ConnectionId, CrmKind, Health, WorkspaceId};
use crate::seal::Sealed;
use crate::storage::{Connections, Handshake, TokenVersion, Work, WorkItem};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::codec::{
    Columns, Owner, blob, collect, counter, json, maybe_text, text, time,
};
use crate::store::sqlite::database::Survives;
use crate::store::sqlite::due;
use crate::store::sqlite::trouble::Trouble;

#[async_trait]
impl Connections for SqliteStore {
    async fn open_handshake(&self, handshake: &Handshake) -> Result<()> {
        let new = handshake.clone();
        self.database
            .write("remember a sign-in", Survives::Crash, move |tx| {
                tx.prepare_cached("DELETE FROM handshakes WHERE expires_at <= ?")?
                    .execute(params_from_iter([time(new.started_at - Duration::days(1))]))?;
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO handshakes (state_hash, workspace, member, kind, \
                         purpose, address, tenant, verifier_key, verifier_bytes, \
                         admin_consent, started_at, expires_at) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params_from_iter([
                    blob(&new.state_hash),
                    text(new.workspace.as_str()),
                    text(new.member.as_str()),
                    text(new.kind.as_str()),
                    json(&new.purpose)?,
                    text(&new.address),
                    maybe_text(new.tenant.as_deref()),
                    text(&new.verifier.key_id),
                    blob(&new.verifier.bytes),
                    maybe_text(new.admin_consent.as_deref()),
                    time(new.started_at),
                    time(new.expires_at),
                ]))?;
                Ok(())
            })
            .await
    }

    async fn take_handshake(&self, state_hash: &[u8; 32]) -> Result<Option<Handshake>> {
        let hash = *state_hash;
        self.database
            .write("take a sign-in", Survives::PowerLoss, move |tx| {
                tx.prepare_cached(&format!(
                    "DELETE FROM handshakes WHERE state_hash = ? RETURNING {HANDSHAKE}"
                ))?
                .query_row(params_from_iter([blob(&hash)]), |row| Ok(read_handshake(row)))
                .optional()?
                .transpose()
            })
            .await
    }

    async fn handshakes(&self, workspace: &WorkspaceId) -> Result<Vec<Handshake>> {
        let workspace = workspace.clone();
        self.database
            .read("list the sign-ins under way", move |tx| {
                let mut statement = tx.prepare_cached(&format!(
                    "SELECT {HANDSHAKE} FROM handshakes WHERE workspace = ? \
                     ORDER BY started_at DESC, state_hash"
                ))?;
                collect(statement.query([workspace.as_str()])?, read_handshake)
            })
            .await
    }

    async fn connect(&self, connection: &Connection, tokens: &Sealed) -> Result<Connection> {
        let (new, tokens, now) = (connection.clone(), tokens.clone(), self.now());
        self.database
            .write("store a connection", Survives::PowerLoss, move |tx| {
                let owner = Owner::new(&new.workspace, new.id);
                let new = match held(tx, &owner)? {
                    Some(before) => new.reconnected(&before),
                    None => new,
                };
                tx.prepare_cached(
                    "INSERT INTO connections (workspace, id, revision, record, token_key, \
                         token_bytes, token_version) VALUES (?, ?, ?, ?, ?, ?, 1) \
                     ON CONFLICT DO UPDATE SET revision = excluded.revision, \
                         record = excluded.record, token_key = excluded.token_key, \
                         token_bytes = excluded.token_bytes, token_version = token_version + 1",
                )?
                .execute(params_from_iter(owner.with([
                    counter(new.revision),
                    json(&new)?,
                    text(&tokens.key_id),
                    blob(&tokens.bytes),
                ])))?;
                let work = Work { workspace: new.workspace.clone(), item: WorkItem::Pull(new.id) };
                due::schedule(tx, &work, now)?;
                Ok(new)
            })
            .await
    }

    async fn connections(&self, workspace: &WorkspaceId) -> Result<Vec<Connection>> {
        let workspace = workspace.clone();
        self.database
            .read("list the connections", move |tx| {
                let mut statement = tx.prepare_cached(
                    "SELECT record FROM connections WHERE workspace = ? ORDER BY id",
                )?;
                collect(statement.query([workspace.as_str()])?, |row| Columns::of(row).json())
            })
            .await
    }

    async fn change(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        revision: u64,
        change: &ConnectionChange,
    ) -> Result<Connection> {
        let (owner, change) = (Owner::new(workspace, connection), change.clone());
        self.database
            .write("change a connection", Survives::PowerLoss, move |tx| {
                let named = || format!("connection {connection}");
                let current = held(tx, &owner)?.ok_or_else(|| Error::not_found(named()))?;
                if current.revision != revision {
                    return Err(Error::conflict(named()).into());
                }
                let changed = change.apply(&current)?;
                let values = owner.with([counter(changed.revision), json(&changed)?]);
                tx.prepare_cached(
                    "UPDATE connections SET revision = ?3, record = ?4 \
                     WHERE workspace = ?1 AND id = ?2",
                )?
                .execute(params_from_iter(values))?;
                if changed.health == Health::Disconnected {
                    erase_tokens(tx, &owner)?;
                }
                Ok(changed)
            })
            .await
    }

    async fn tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
    ) -> Result<Option<(Sealed, TokenVersion)>> {
        let owner = Owner::new(workspace, connection);
        self.database
            .read("read the tokens", move |tx| {
                tx.prepare_cached(
                    "SELECT token_key, token_bytes, token_version FROM connections \
                     WHERE workspace = ? AND id = ? AND token_bytes IS NOT NULL",
                )?
                .query_row(params_from_iter(owner.values()), |row| Ok(read_tokens(row)))
                .optional()?
                .transpose()
            })
            .await
    }

    async fn swap_tokens(
        &self,
        workspace: &WorkspaceId,
        connection: ConnectionId,
        expected: TokenVersion,
        tokens: &Sealed,
    ) -> Result<Option<TokenVersion>> {
        let (owner, tokens) = (Owner::new(workspace, connection), tokens.clone());
        self.database
            .write("replace the tokens", Survives::PowerLoss, move |tx| {
                let version = tx
                    .prepare_cached(
                        "UPDATE connections SET token_key = ?3, token_bytes = ?4, \
                             token_version = token_version + 1 \
                         WHERE workspace = ?1 AND id = ?2 AND token_version = ?5 \
                             AND token_bytes IS NOT NULL RETURNING token_version",
                    )?
                    .query_row(
                        params_from_iter(owner.with([
                            text(&tokens.key_id),
                            blob(&tokens.bytes),
                            counter(expected.0),
                        ])),
                        |row| row.get::<_, i64>(0),
                    )
                    .optional()?;
                Ok(version.map(|version| TokenVersion(version.cast_unsigned())))
            })
            .await
    }
}

fn held(tx: &Transaction<'_>, owner: &Owner) -> Result<Option<Connection>, Trouble> {
    tx.prepare_cached("SELECT record FROM connections WHERE workspace = ? AND id = ?")?
        .query_row(params_from_iter(owner.values()), |row| Ok(Columns::of(row).json()))
        .optional()?
        .transpose()
}

/// Erases the tokens; their version stays, so that it never starts again.
fn erase_tokens(tx: &Transaction<'_>, owner: &Owner) -> Result<(), Trouble> {
    tx.prepare_cached(
        "UPDATE connections SET token_key = NULL, token_bytes = NULL \
         WHERE workspace = ? AND id = ?",
    )?
    .execute(params_from_iter(owner.values()))?;
    Ok(())
}

const HANDSHAKE: &str = "state_hash, workspace, member, kind, purpose, address, tenant, \
                         verifier_key, verifier_bytes, admin_consent, started_at, expires_at";

fn read_handshake(row: &Row<'_>) -> Result<Handshake, Trouble> {
    let mut columns = Columns::of(row);
    Ok(Handshake {
        state_hash: columns
            .blob()?
            .try_into()
            .map_err(|_| Trouble::stored("a hash does not have 32 bytes"))?,
        workspace: columns.id()?,
        member: columns.id()?,
        kind: CrmKind::from_name(columns.text()?),
        purpose: columns.json()?,
        address: columns.text()?,
        tenant: columns.maybe_text()?,
        verifier: Sealed { key_id: columns.text()?, bytes: columns.blob()?.to_vec() },
        admin_consent: columns.maybe_text()?,
        started_at: columns.time()?,
        expires_at: columns.time()?,
    })
}

fn read_tokens(row: &Row<'_>) -> Result<(Sealed, TokenVersion), Trouble> {
    let mut columns = Columns::of(row);
    let sealed = Sealed { key_id: columns.text()?, bytes: columns.blob()?.to_vec() };
    Ok((sealed, TokenVersion(columns.counter()?)))
}

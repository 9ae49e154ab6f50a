//! Throttle deadlines.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params_from_iter};
use time::OffsetDateTime;

use crate::error::Result;
use crate::storage::{GateKey, Gates};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::codec::{Columns, Values, text, time};
use crate::store::sqlite::database::Survives;

#[async_trait]
impl Gates for SqliteStore {
    async fn hold(&self, key: &GateKey, until: OffsetDateTime) -> Result<()> {
        let key = key.clone();
        self.database
            .write("hold requests back", Survives::Crash, move |tx| {
                let mut values = parts(&key);
                values.push(time(until));
                tx.prepare_cached(
                    "INSERT INTO gates (kind, scope, until) VALUES (?, ?, ?) \
                     ON CONFLICT DO UPDATE SET until = excluded.until WHERE excluded.until > until",
                )?
                .execute(params_from_iter(values))?;
                Ok(())
            })
            .await
    }

    async fn held_until(&self, key: &GateKey) -> Result<Option<OffsetDateTime>> {
        let (key, now) = (key.clone(), self.now());
        self.database
            .read("see whether requests are held back", move |tx| {
                let mut values = parts(&key);
                values.push(time(now));
                tx.prepare_cached(
                    "SELECT until FROM gates WHERE kind = ? AND scope = ? AND until > ?",
                )?
                .query_row(params_from_iter(values), |row| Ok(Columns::of(row).time()))
                .optional()?
                .transpose()
            })
            .await
    }
}

fn parts(key: &GateKey) -> Values<'_> {
    vec![text(key.kind.as_str()), text(&key.scope)]
}

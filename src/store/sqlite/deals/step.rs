//! Applies one decision.

use rusqlite::{OptionalExtension, Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::model::query::DealStanding;
use crate::model::{Deal, DealChangeKind, DealId, Decided, Decision, Skipped, StageId};
use crate::rules::NameKey;
use crate::storage::Applied;
use crate::storage::fallback::amount;
use crate::storage::steps::{Listing, Standing, apply_decision};
use crate::store::sqlite::codec::{
    Owner, counter, json, maybe_amount, maybe_date, maybe_text, owned_text, text, time, uuid,
};
use crate::store::sqlite::deals::{SKIPPED, held, read_skipped};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;

/// One decision on its way into the tables.
pub(crate) struct Step<'a> {
    pub(crate) tx: &'a Transaction<'a>,
    pub(crate) owner: &'a Owner,
    pub(crate) at: OffsetDateTime,
    pub(crate) decided: &'a Decided,
}

impl Step<'_> {
    pub(crate) fn apply(&self) -> Result<Applied, Trouble> {
        let owner = (&self.owner.workspace, self.owner.connection);
        let step = apply_decision(owner, self.standing()?, self.decided, self.at);
        match &step.listing {
            Listing::Keep => {}
            Listing::Remove => self.unlist()?,
            Listing::Write(line) => self.list(line)?,
        }
        if let Some(deal) = &step.deal {
            self.put(deal)?;
        }
        if let Some(kind) = &step.change {
            self.record(kind)?;
        }
        Ok(step.applied)
    }

    /// Reads what the decision will be held against, and no more.
    fn standing(&self) -> Result<Standing, Trouble> {
        Ok(match self.decided.decision {
            Decision::Unchanged => Standing::default(),
            Decision::Skip(_) => Standing { deal: None, skipped: self.listed()? },
            _ => Standing { deal: self.deal()?, skipped: None },
        })
    }

    fn deal(&self) -> Result<Option<Deal>, Trouble> {
        let Owner { workspace, connection } = self.owner;
        let id = DealId::derive(workspace, *connection, &self.decided.opportunity);
        held(self.tx, self.owner, id)
    }

    /// The opportunity's line on the list of skipped ones.
    fn listed(&self) -> Result<Option<Skipped>, Trouble> {
        let key = self.owner.with([text(self.decided.opportunity.as_str())]);
        self.tx
            .prepare_cached(&format!(
                "SELECT {SKIPPED} FROM skipped \
                 WHERE workspace = ? AND connection = ? AND opportunity = ?"
            ))?
            .query_row(params_from_iter(key), |row| Ok(read_skipped(row)))
            .optional()?
            .transpose()
    }

    /// Writes a new or changed deal, with what deals are found and sorted by in columns of its own.
    fn put(&self, deal: &Deal) -> Result<(), Trouble> {
        let details = &deal.details;
        let account = details.account.as_ref().map(|account| account.id.as_str());
        let stage = details.stage.as_ref().and_then(|at| at.stage.as_ref()).map(StageId::as_str);
        let code = details.value.as_ref().map(|value| value.currency.as_str());
        self.tx
            .prepare_cached(
                "INSERT INTO deals (workspace, connection, id, opportunity, details, state, \
                     revision, created_at, updated_at, name_key, owner, standing, account, stage, \
                     currency, value, close_date) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
                 ON CONFLICT (workspace, connection, id) DO UPDATE SET \
                     details = excluded.details, state = excluded.state, \
                     revision = excluded.revision, updated_at = excluded.updated_at, \
                     name_key = excluded.name_key, owner = excluded.owner, \
                     standing = excluded.standing, account = excluded.account, \
                     stage = excluded.stage, currency = excluded.currency, \
                     value = excluded.value, close_date = excluded.close_date",
            )?
            .execute(params_from_iter(self.owner.with([
                uuid(deal.id.as_uuid()),
                text(deal.opportunity.as_str()),
                json(details)?,
                json(&deal.state)?,
                counter(deal.revision),
                time(deal.created_at),
                time(deal.updated_at),
                owned_text(NameKey::new(&details.name).folded().to_owned()),
                text(details.owner.member.as_str()),
                text(DealStanding::of(&deal.state).as_word()),
                maybe_text(account),
                maybe_text(stage),
                maybe_text(code),
                maybe_amount(amount(deal)),
                maybe_date(details.close_date),
            ])))?;
        Ok(())
    }

    /// Puts the opportunity on the list of skipped ones.
    fn list(&self, line: &Skipped) -> Result<(), Trouble> {
        self.tx
            .prepare_cached(
                "INSERT OR REPLACE INTO skipped \
                     (workspace, connection, opportunity, name, reason, since) \
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params_from_iter(self.owner.with([
                text(line.opportunity.as_str()),
                maybe_text(line.name.as_deref()),
                json(&line.reason)?,
                time(line.since),
            ])))?;
        Ok(())
    }

    /// Takes the opportunity off the list of skipped ones.
    fn unlist(&self) -> Result<(), Trouble> {
        let key = self.owner.with([text(self.decided.opportunity.as_str())]);
        self.tx
            .prepare_cached(
                "DELETE FROM skipped WHERE workspace = ? AND connection = ? AND opportunity = ?",
            )?
            .execute(params_from_iter(key))?;
        Ok(())
    }

    fn record(&self, kind: &DealChangeKind) -> Result<(), Trouble> {
        self.tx
            .prepare_cached(
                "INSERT INTO deal_changes (workspace, connection, seq, at, opportunity, name, kind) \
                 VALUES (?1, ?2, 1 + coalesce((SELECT seq FROM deal_changes \
                     WHERE workspace = ?1 AND connection = ?2 \
                     ORDER BY seq DESC LIMIT 1), 0), ?3, ?4, ?5, ?6)",
            )?
            .execute(params_from_iter(self.owner.with([
                time(self.at),
                text(self.decided.opportunity.as_str()),
                maybe_text(self.decided.name.as_deref()),
                json(kind)?,
            ])))?;
        Ok(())
    }
}

//! Applies one decision.

use rusqlite::{OptionalExtension, Transaction, params_from_iter};
use time::OffsetDateTime;

use crate::model::{
    Deal, DealChangeKind, DealDetails, DealId, DealState, Decided, Decision, SkipReason,
};
use crate::storage::Applied;
use crate::store::sqlite::codec::{Columns, Owner, counter, json, maybe_text, text, time, uuid};
use crate::store::sqlite::deals::held;
use crate::store::sqlite::trouble::Trouble;

/// One decision on its way into the tables.
pub(crate) struct Step<'a> {
    pub(crate) tx: &'a Transaction<'a>,
    pub(crate) owner: &'a Owner,
    pub(crate) at: OffsetDateTime,
    pub(crate) decided: &'a Decided,
}

impl Step<'_> {
    pub(crate) fn apply(&self, applied: &mut Applied) -> Result<(), Trouble> {
        if !matches!(self.decided.decision, Decision::Skip(_)) {
            self.unlist()?;
        }
        match &self.decided.decision {
            Decision::Create(details) => match self.deal()? {
                Some(deal) => self.update(deal, details, applied),
                None => self.create(details, applied),
            },
            Decision::Update(details) => match self.deal()? {
                Some(deal) => self.update(deal, details, applied),
                None => Ok(()),
            },
            Decision::Stop(reason) => self.retire(DealState::Stopped(reason.clone()), applied),
            Decision::End(outcome) => self.retire(DealState::Ended(*outcome), applied),
            Decision::Skip(reason) => self.skip(reason, applied),
            Decision::Unchanged => Ok(()),
        }
    }

    fn deal(&self) -> Result<Option<Deal>, Trouble> {
        let Owner { workspace, connection } = self.owner;
        let id = DealId::derive(workspace, *connection, &self.decided.opportunity);
        held(self.tx, self.owner, id)
    }

    fn create(&self, details: &DealDetails, applied: &mut Applied) -> Result<(), Trouble> {
        let Owner { workspace, connection } = self.owner.clone();
        let opportunity = self.decided.opportunity.clone();
        let deal = Deal::new(workspace, connection, opportunity, details.clone(), self.at);
        self.tx
            .prepare_cached(
                "INSERT INTO deals (workspace, connection, id, opportunity, details, state, \
                     revision, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params_from_iter(self.owner.with([
                uuid(deal.id.as_uuid()),
                text(deal.opportunity.as_str()),
                json(&deal.details)?,
                json(&deal.state)?,
                counter(deal.revision),
                time(deal.created_at),
                time(deal.updated_at),
            ])))?;
        applied.created += 1;
        self.record(&DealChangeKind::Created { deal: Box::new(deal) })
    }

    fn update(
        &self,
        mut deal: Deal,
        details: &DealDetails,
        applied: &mut Applied,
    ) -> Result<(), Trouble> {
        if deal.details == *details && deal.state == DealState::Live {
            return Ok(());
        }
        deal.details = details.clone();
        deal.state = DealState::Live;
        applied.updated += 1;
        let deal = self.put(deal)?;
        self.record(&DealChangeKind::Updated { deal })
    }

    /// Stops or ends a deal, if it is there and not so already.
    fn retire(&self, state: DealState, applied: &mut Applied) -> Result<(), Trouble> {
        let Some(mut deal) = self.deal()?.filter(|deal| deal.state != state) else {
            return Ok(());
        };
        let ends = matches!(state, DealState::Ended(_));
        deal.state = state;
        applied.stopped += 1;
        let deal = self.put(deal)?;
        self.record(&if ends {
            DealChangeKind::Ended { deal }
        } else {
            DealChangeKind::Stopped { deal }
        })
    }

    /// Writes a changed deal.
    fn put(&self, mut deal: Deal) -> Result<Box<Deal>, Trouble> {
        deal.revision += 1;
        deal.updated_at = self.at;
        self.tx
            .prepare_cached(
                "UPDATE deals SET details = ?4, state = ?5, revision = ?6, updated_at = ?7 \
                 WHERE workspace = ?1 AND connection = ?2 AND id = ?3",
            )?
            .execute(params_from_iter(self.owner.with([
                uuid(deal.id.as_uuid()),
                json(&deal.details)?,
                json(&deal.state)?,
                counter(deal.revision),
                time(deal.updated_at),
            ])))?;
        Ok(Box::new(deal))
    }

    fn skip(&self, reason: &SkipReason, applied: &mut Applied) -> Result<(), Trouble> {
        applied.skipped += 1;
        let listed = self.listed()?;
        let same = listed.as_ref().is_some_and(|(known, _)| known == reason);
        if same && listed.is_some_and(|(_, name)| name == self.decided.name) {
            return Ok(());
        }
        self.tx
            .prepare_cached(
                "INSERT INTO skipped (workspace, connection, opportunity, name, reason, since) \
                 VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
                     name = excluded.name, reason = excluded.reason, \
                     since = iif(reason = excluded.reason, since, excluded.since)",
            )?
            .execute(params_from_iter(self.owner.with([
                text(self.decided.opportunity.as_str()),
                maybe_text(self.decided.name.as_deref()),
                json(reason)?,
                time(self.at),
            ])))?;
        if same {
            return Ok(());
        }
        self.record(&DealChangeKind::Skipped { reason: reason.clone() })
    }

    /// Why the opportunity is on the list already, and under which name.
    fn listed(&self) -> Result<Option<(SkipReason, Option<String>)>, Trouble> {
        let key = self.owner.with([text(self.decided.opportunity.as_str())]);
        self.tx
            .prepare_cached(
                "SELECT reason, name FROM skipped \
                 WHERE workspace = ? AND connection = ? AND opportunity = ?",
            )?
            .query_row(params_from_iter(key), |row| {
                let mut columns = Columns::of(row);
                Ok(columns.json().and_then(|reason| Ok((reason, columns.maybe_text()?))))
            })
            .optional()?
            .transpose()
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
                 SELECT ?1, ?2, coalesce(max(seq), 0) + 1, ?3, ?4, ?5, ?6 FROM deal_changes \
                 WHERE workspace = ?1 AND connection = ?2",
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

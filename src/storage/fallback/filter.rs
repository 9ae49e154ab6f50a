//! Which opportunities pass a filter, and at which stage they are.

use std::collections::BTreeMap;

use time::Date;

use crate::error::Result;
use crate::model::query::{OpportunityFilter, Scope};
use crate::model::{
    ConnectionId, Currency, CurrencyCode, CurrencyId, CurrencyRole, Opportunity, OpportunityId,
    OwnerRef, Record, StageAssignment, StageId,
};
use crate::rules::NameWords;
use crate::storage::Query;
use crate::storage::fallback::{SCAN_ROWS, holds, other_table, rank, scan};

/// Opportunities whose stages are looked up together, in one scan of the assignments.
const STAGE_BATCH: usize = 5_000;

/// The currencies of one connection: a few dozen at most.
#[derive(Default)]
pub(crate) struct Currencies {
    codes: BTreeMap<CurrencyId, CurrencyCode>,
    pub(crate) base: Option<CurrencyCode>,
}

impl Currencies {
    pub(crate) async fn read<Q: Query + ?Sized>(
        store: &Q,
        scope: &Scope,
        connection: ConnectionId,
    ) -> Result<Self> {
        let mut found = Self::default();
        scan(store, scope, connection, |currency: Currency| {
            if currency.role == CurrencyRole::Base {
                found.base.get_or_insert_with(|| currency.code.clone());
            }
            found.codes.insert(currency.id, currency.code);
        })
        .await?;
        Ok(found)
    }

    pub(crate) fn code_of(&self, opportunity: &Opportunity) -> Option<&CurrencyCode> {
        opportunity.currency.as_ref().and_then(|id| self.codes.get(id))
    }
}

/// Which opportunities of one connection a question is about.
pub(crate) struct Filter<'a> {
    filter: &'a OpportunityFilter,
    words: NameWords,
    connection: ConnectionId,
    currencies: &'a Currencies,
}

impl<'a> Filter<'a> {
    pub(crate) fn new(
        filter: &'a OpportunityFilter,
        connection: ConnectionId,
        currencies: &'a Currencies,
    ) -> Self {
        let words = NameWords::new(filter.name.as_deref().unwrap_or_default());
        Self { filter, words, connection, currencies }
    }

    /// Whether a stage is one of those asked for.
    pub(crate) fn is_at(&self, stage: Option<&StageId>) -> bool {
        let OpportunityFilter { stages, .. } = self.filter;
        let is_it = |stage| stages.iter().any(|(at, id)| *at == self.connection && id == stage);
        stages.is_empty() || stage.is_some_and(is_it)
    }

    /// Shows every opportunity that passes.
    pub(crate) async fn each<Q: Query + ?Sized>(
        &self,
        store: &Q,
        scope: &Scope,
        mut visit: impl FnMut(Opportunity) + Send,
    ) -> Result<()> {
        if self.filter.stages.is_empty() {
            return scan(store, scope, self.connection, |found| {
                if self.passes(&found) {
                    visit(found);
                }
            })
            .await;
        }
        self.each_with_stage(store, scope, |found, _| visit(found)).await
    }

    /// Shows every opportunity that passes, with its stage.
    pub(crate) async fn each_with_stage<Q: Query + ?Sized>(
        &self,
        store: &Q,
        scope: &Scope,
        mut visit: impl FnMut(Opportunity, Option<StageId>) + Send,
    ) -> Result<()> {
        let connection = self.connection;
        let mut batch = Vec::new();
        let mut after = None;
        loop {
            let rows = store.scan(
                &scope.workspace,
                connection,
                Opportunity::TABLE,
                after.as_ref(),
                SCAN_ROWS,
            );
            let rows = Opportunity::from_batch(rows.await?).ok_or_else(other_table)?;
            after = rows.last().map(Record::record_id);
            batch.extend(rows.into_iter().filter(|found| self.passes(found)));
            if after.is_none() || batch.len() >= STAGE_BATCH {
                for (found, stage) in with_stages(store, scope, connection, batch).await? {
                    if self.is_at(stage.as_ref()) {
                        visit(found, stage);
                    }
                }
                batch = Vec::new();
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Everything but the stage, which another table knows.
    fn passes(&self, found: &Opportunity) -> bool {
        let OpportunityFilter {
            name: _,
            account,
            owners,
            stages: _,
            status,
            currency,
            min_value,
            max_value,
            close_from,
            close_before,
            closed_from,
            closed_before,
        } = self.filter;
        let is_owned = || {
            let Some(OwnerRef::User(user)) = &found.owner else { return false };
            owners.iter().any(|(at, id)| *at == self.connection && id == user)
        };
        let closes = |test: &dyn Fn(Date) -> bool| found.close_date.is_some_and(test);
        let closed = |test: &dyn Fn(Date) -> bool| found.closed_on.is_some_and(test);
        account.as_ref().is_none_or(|account| found.account() == Some(account))
            && (owners.is_empty() || is_owned())
            && status.is_none_or(|status| found.status == status)
            && currency.as_ref().is_none_or(|code| self.currencies.code_of(found) == Some(code))
            && min_value.is_none_or(|min| found.value.is_some_and(|value| value >= min))
            && max_value.is_none_or(|max| found.value.is_some_and(|value| value <= max))
            && close_from.is_none_or(|from| closes(&|date| date >= from))
            && close_before.is_none_or(|before| closes(&|date| date < before))
            && closed_from.is_none_or(|from| closed(&|date| date >= from))
            && closed_before.is_none_or(|before| closed(&|date| date < before))
            && holds(&self.words, found.name.as_deref())
    }
}

/// The opportunities of a batch with the stage that each is at: by its best assignment, else by the
/// record itself.
async fn with_stages<Q: Query + ?Sized>(
    store: &Q,
    scope: &Scope,
    connection: ConnectionId,
    batch: Vec<Opportunity>,
) -> Result<Vec<(Opportunity, Option<StageId>)>> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let ids = batch.iter().map(|found| (found.id.clone(), None));
    let mut newest: BTreeMap<OpportunityId, Option<StageAssignment>> = ids.collect();
    scan(store, scope, connection, |assignment: StageAssignment| {
        if let Some(known) = newest.get_mut(&assignment.opportunity)
            && rank(&assignment) > known.as_ref().and_then(rank)
        {
            *known = Some(assignment);
        }
    })
    .await?;
    let staged = batch.into_iter().map(|found| {
        let assigned = newest.remove(&found.id).flatten().map(|newest| newest.stage);
        let stage = assigned.or_else(|| found.record_stage.stage.clone());
        (found, stage)
    });
    Ok(staged.collect())
}

//! Which opportunities pass a filter, and at which stage they are.

use std::collections::{BTreeMap, HashMap};

use time::Date;

use crate::error::Result;
use crate::model::query::{OpportunityFilter, Scope};
use crate::model::{
    AccountId, Amount, ConnectionId, Currency, CurrencyCode, CurrencyId, CurrencyRole, Opportunity,
    OpportunityId, OpportunityStatus, OwnerRef, Record, StageAssignment, StageId, UserId,
};
use crate::rules::NameWords;
use crate::storage::Query;
use crate::storage::fallback::{SCAN_ROWS, holds, other_table, rank, scan};

/// Opportunities whose stages are looked up together, in one scan of the assignments.
const STAGE_BATCH: usize = 5_000;

/// The currencies of one connection: a few dozen at most.
#[derive(Default)]
pub(crate) struct Currencies {
    codes: HashMap<Box<str>, CurrencyCode>,
    pub(crate) base: Option<CurrencyCode>,
}

impl Currencies {
    pub(crate) async fn read<Q: Query + ?Sized>(
        store: &Q,
        scope: &Scope,
        connection: ConnectionId,
    ) -> Result<Self> {
        let mut found = Self::default();
        scan(store, scope, connection, |currency| found.add(currency)).await?;
        Ok(found)
    }

    pub(crate) fn add(&mut self, currency: Currency) {
        if currency.role == CurrencyRole::Base {
            self.base.get_or_insert_with(|| currency.code.clone());
        }
        self.codes.insert(currency.id.as_str().into(), currency.code);
    }

    /// The code of a currency of the CRM.
    pub(crate) fn code_of(&self, id: Option<&str>) -> Option<&CurrencyCode> {
        id.and_then(|id| self.codes.get(id))
    }
}

/// What filters and totals look at of an opportunity, names aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) status: OpportunityStatus,
    pub(crate) account: Option<&'a str>,
    /// The CRM user who owns it.
    pub(crate) owner: Option<&'a str>,
    /// Where it stands by the best source known, once that was looked up.
    pub(crate) stage: Option<&'a str>,
    pub(crate) currency: Option<&'a CurrencyCode>,
    /// Its amounts, [scaled](crate::model::Amount::to_scaled).
    pub(crate) value: Option<i128>,
    pub(crate) base_value: Option<i128>,
    pub(crate) close_date: Option<Date>,
    pub(crate) closed_on: Option<Date>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(
        found: &'a Opportunity,
        stage: Option<&'a StageId>,
        currencies: &'a Currencies,
    ) -> Self {
        let currency = found.currency.as_ref().map(CurrencyId::as_str);
        Self {
            status: found.status,
            account: found.account().map(AccountId::as_str),
            owner: match &found.owner {
                Some(OwnerRef::User(owner)) => Some(owner.as_str()),
                Some(OwnerRef::Team(_)) | None => None,
            },
            stage: stage.map(StageId::as_str),
            currency: currencies.code_of(currency),
            value: found.value.map(Amount::to_scaled),
            base_value: found.base_value.map(Amount::to_scaled),
            close_date: found.close_date,
            closed_on: found.closed_on,
        }
    }
}

/// Which opportunities of one connection a question is about.
pub(crate) struct Filter<'a> {
    filter: &'a OpportunityFilter,
    words: NameWords,
    /// The bounds of the amount, scaled.
    values: [Option<i128>; 2],
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
        let values = [filter.min_value, filter.max_value].map(|it| it.map(Amount::to_scaled));
        Self { filter, words, values, connection, currencies }
    }

    /// Whether owners and stages are asked for that the connection may have.
    pub(crate) fn is_of_connection(&self) -> bool {
        let OpportunityFilter { owners, stages, .. } = self.filter;
        (owners.is_empty() || owners.iter().any(|(at, _)| *at == self.connection))
            && (stages.is_empty() || stages.iter().any(|(at, _)| *at == self.connection))
    }

    /// Whether a stage is one of those asked for.
    pub(crate) fn is_at(&self, stage: Option<&str>) -> bool {
        let OpportunityFilter { stages, .. } = self.filter;
        let is_it = |stage: &str| {
            stages.iter().any(|(at, id)| *at == self.connection && id.as_str() == stage)
        };
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
                    if self.is_at(stage.as_ref().map(StageId::as_str)) {
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
        self.admits(&Facts::of(found, None, self.currencies))
            && holds(&self.words, found.name.as_deref())
    }

    /// Whether what is asked for holds, but for the stage and the name.
    pub(crate) fn admits(&self, found: &Facts<'_>) -> bool {
        let OpportunityFilter {
            name: _,
            account,
            owners,
            stages: _,
            status,
            currency,
            min_value: _,
            max_value: _,
            close_from,
            close_before,
            closed_from,
            closed_before,
        } = self.filter;
        let [min_value, max_value] = self.values;
        let is_owned = || {
            let is_it =
                |(at, id): &(_, UserId)| *at == self.connection && Some(id.as_str()) == found.owner;
            owners.iter().any(is_it)
        };
        let closes = |test: &dyn Fn(Date) -> bool| found.close_date.is_some_and(test);
        let closed = |test: &dyn Fn(Date) -> bool| found.closed_on.is_some_and(test);
        status.is_none_or(|status| found.status == status)
            && close_from.is_none_or(|from| closes(&|date| date >= from))
            && close_before.is_none_or(|before| closes(&|date| date < before))
            && closed_from.is_none_or(|from| closed(&|date| date >= from))
            && closed_before.is_none_or(|before| closed(&|date| date < before))
            && account.as_ref().is_none_or(|account| found.account == Some(account.as_str()))
            && (owners.is_empty() || is_owned())
            && currency.as_ref().is_none_or(|code| found.currency == Some(code))
            && min_value.is_none_or(|min| found.value.is_some_and(|value| value >= min))
            && max_value.is_none_or(|max| found.value.is_some_and(|value| value <= max))
    }

    /// Whether a folded name holds the words asked for.
    #[cfg(feature = "sqlite")]
    pub(crate) fn is_named(&self, folded: &str) -> bool {
        self.words.are_in_folded(folded)
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

//! Answers the questions by scanning, for stores that have no better way.
//!
//! Each answer keeps at most one page of rows, and one batch of opportunities while their stages
//! are looked up, however large the tables are.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::query::{
    AccountQuery, Accounts, Answer, ContactQuery, Contacts, CurrencyTotal, Found, MAX_LIMIT,
    Opportunities, OpportunityFilter, OpportunityQuery, OpportunitySort, Scope, Totals,
    TotalsQuery,
};
use crate::model::{
    Amount, AssignmentState, ConnectionId, Currency, CurrencyCode, CurrencyId, CurrencyRole, Money,
    Opportunity, OpportunityId, OwnerRef, Record, Rows, StageAssignment, StageId,
};
use crate::rules::{NameKey, NameWords, Nearest};
use crate::storage::Query;

mod page;

pub(crate) use page::{SortKey, SortedPage};

/// Rows asked for at once: few calls, yet a small part of a page of a sync.
const SCAN_ROWS: u32 = 500;

/// Opportunities whose stages are looked up together, in one scan of the assignments.
const STAGE_BATCH: usize = 5_000;

pub(crate) async fn accounts<Q: Query + ?Sized>(
    store: &Q,
    query: &AccountQuery,
) -> Result<Accounts> {
    let words = words_of(query.name.as_deref());
    let mut page = SortedPage::open(&query.page, &("accounts", &query.scope, &query.name))?;
    let connections = store.as_of(&query.scope).await?;
    for &(connection, _) in &connections {
        scan(store, &query.scope, connection, account_rows, |account| {
            if holds(&words, account.name.as_deref()) {
                page.offer(SortKey::name(account.name.as_deref()), connection, account);
            }
        })
        .await?;
    }
    page.answer(oldest(&connections))
}

/// The accounts whose names are nearest to one, by comparing with all.
pub(crate) async fn nearest_accounts<Q: Query + ?Sized>(
    store: &Q,
    scope: &Scope,
    name: &str,
    limit: u32,
) -> Result<Accounts> {
    let limit = usize::try_from(limit.min(MAX_LIMIT)).unwrap_or(usize::MAX);
    let mut nearest = Nearest::new(name, limit);
    let connections = store.as_of(scope).await?;
    let asked = if nearest.is_empty() { &[][..] } else { &connections[..] };
    for &(connection, _) in asked {
        scan(store, scope, connection, account_rows, |account| {
            let Some(key) = account.name.as_deref().map(NameKey::new) else { return };
            if let Some(likeness) = nearest.weigh(key.folded()) {
                let place = (connection, account.record_id());
                nearest.keep(likeness, key.folded(), place, account);
            }
        })
        .await?;
    }
    let found = nearest.finish().into_iter();
    let rows = found.map(|((connection, _), row)| Found { connection, row }).collect();
    Ok(Answer { rows, next: None, as_of: oldest(&connections) })
}

pub(crate) async fn contacts<Q: Query + ?Sized>(
    store: &Q,
    query: &ContactQuery,
) -> Result<Contacts> {
    let words = words_of(query.name.as_deref());
    let question = ("contacts", &query.scope, &query.name, &query.account);
    let mut page = SortedPage::open(&query.page, &question)?;
    let connections = store.as_of(&query.scope).await?;
    for &(connection, _) in &connections {
        scan(store, &query.scope, connection, contact_rows, |contact| {
            let belongs =
                query.account.as_ref().is_none_or(|account| contact.account() == Some(account));
            if belongs && holds(&words, contact.name.as_deref()) {
                page.offer(SortKey::name(contact.name.as_deref()), connection, contact);
            }
        })
        .await?;
    }
    page.answer(oldest(&connections))
}

pub(crate) async fn opportunities<Q: Query + ?Sized>(
    store: &Q,
    query: &OpportunityQuery,
) -> Result<Opportunities> {
    let question = ("opportunities", &query.scope, &query.filter, query.sort);
    let mut page = SortedPage::open(&query.page, &question)?;
    let connections = store.as_of(&query.scope).await?;
    for &(connection, _) in &connections {
        let currencies = Currencies::read(store, &query.scope, connection).await?;
        let filter = Filter::new(&query.filter, &currencies);
        filter
            .each(store, &query.scope, connection, |found| {
                page.offer(sort_key(query.sort, &found), connection, found);
            })
            .await?;
    }
    page.answer(oldest(&connections))
}

pub(crate) async fn totals<Q: Query + ?Sized>(store: &Q, query: &TotalsQuery) -> Result<Totals> {
    let connections = store.as_of(&query.scope).await?;
    let mut totals = Totals { as_of: oldest(&connections), ..Totals::default() };
    let (mut own, mut base) = (Sums::default(), Sums::default());
    for &(connection, _) in &connections {
        let currencies = Currencies::read(store, &query.scope, connection).await?;
        let filter = Filter::new(&query.filter, &currencies);
        filter
            .each(store, &query.scope, connection, |found| {
                totals.count += 1;
                match (found.value, currencies.code_of(&found)) {
                    (Some(value), Some(code)) => own.add(code, value),
                    _ => totals.without_value += 1,
                }
                if let (Some(value), Some(code)) = (found.base_value, &currencies.base) {
                    base.add(code, value);
                }
            })
            .await?;
    }
    totals.by_currency = own.finish()?;
    totals.by_base_currency = base.finish()?;
    Ok(totals)
}

/// The oldest last sync; `None` when one of the connections never finished any.
pub(crate) fn oldest(
    connections: &[(ConnectionId, Option<OffsetDateTime>)],
) -> Option<OffsetDateTime> {
    // `None` sorts before every time.
    connections.iter().map(|(_, at)| *at).min().flatten()
}

/// Of two active assignments of one opportunity, whether the first says where it stands.
pub(crate) fn is_newer(one: &StageAssignment, other: &StageAssignment) -> bool {
    let key = |assignment: &StageAssignment| (assignment.modified_at, assignment.since);
    (key(one), &one.id) > (key(other), &other.id)
}

/// The words of a question; nothing asked for means every name.
fn words_of(text: Option<&str>) -> NameWords {
    NameWords::new(text.unwrap_or_default())
}

/// Whether a name holds all of the words.
fn holds(words: &NameWords, name: Option<&str>) -> bool {
    words.is_empty() || name.is_some_and(|name| words.are_in(&NameKey::new(name)))
}

/// The currencies of one connection: a few dozen at most.
#[derive(Default)]
struct Currencies {
    codes: BTreeMap<CurrencyId, CurrencyCode>,
    base: Option<CurrencyCode>,
}

impl Currencies {
    async fn read<Q: Query + ?Sized>(
        store: &Q,
        scope: &Scope,
        connection: ConnectionId,
    ) -> Result<Self> {
        let mut found = Self::default();
        scan(store, scope, connection, currency_rows, |currency: Currency| {
            if currency.role == CurrencyRole::Base {
                found.base.get_or_insert_with(|| currency.code.clone());
            }
            found.codes.insert(currency.id, currency.code);
        })
        .await?;
        Ok(found)
    }

    fn code_of(&self, opportunity: &Opportunity) -> Option<&CurrencyCode> {
        opportunity.currency.as_ref().and_then(|id| self.codes.get(id))
    }
}

/// Which opportunities of one connection a question is about.
struct Filter<'a> {
    filter: &'a OpportunityFilter,
    words: NameWords,
    currencies: &'a Currencies,
}

impl<'a> Filter<'a> {
    fn new(filter: &'a OpportunityFilter, currencies: &'a Currencies) -> Self {
        Self { filter, words: words_of(filter.name.as_deref()), currencies }
    }

    /// Shows every opportunity that passes.
    async fn each<Q: Query + ?Sized>(
        &self,
        store: &Q,
        scope: &Scope,
        connection: ConnectionId,
        mut visit: impl FnMut(Opportunity) + Send,
    ) -> Result<()> {
        let Some(stage) = &self.filter.stage else {
            return scan(store, scope, connection, opportunity_rows, |found| {
                if self.passes(&found) {
                    visit(found);
                }
            })
            .await;
        };
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
            let rows = opportunity_rows(rows.await?).ok_or_else(other_table)?;
            after = rows.last().map(Record::record_id);
            batch.extend(rows.into_iter().filter(|found| self.passes(found)));
            if after.is_none() || batch.len() >= STAGE_BATCH {
                let at_stage = at_stage(store, scope, connection, batch, stage).await?;
                at_stage.into_iter().for_each(&mut visit);
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
            owner,
            stage: _,
            status,
            currency,
            min_value,
            max_value,
            close_from,
            close_before,
        } = self.filter;
        let owned_by = |user| matches!(&found.owner, Some(OwnerRef::User(owner)) if owner == user);
        let closes = |test: &dyn Fn(time::Date) -> bool| found.close_date.is_some_and(test);
        account.as_ref().is_none_or(|account| found.account() == Some(account))
            && owner.as_ref().is_none_or(owned_by)
            && status.is_none_or(|status| found.status == status)
            && currency.as_ref().is_none_or(|code| self.currencies.code_of(found) == Some(code))
            && min_value.is_none_or(|min| found.value.is_some_and(|value| value >= min))
            && max_value.is_none_or(|max| found.value.is_some_and(|value| value <= max))
            && close_from.is_none_or(|from| closes(&|date| date >= from))
            && close_before.is_none_or(|before| closes(&|date| date < before))
            && holds(&self.words, found.name.as_deref())
    }
}

/// The opportunities of a batch that are at a stage: by the newest active assignment, else by the
/// record itself.
async fn at_stage<Q: Query + ?Sized>(
    store: &Q,
    scope: &Scope,
    connection: ConnectionId,
    batch: Vec<Opportunity>,
    stage: &StageId,
) -> Result<Vec<Opportunity>> {
    if batch.is_empty() {
        return Ok(batch);
    }
    let ids = batch.iter().map(|found| (found.id.clone(), None));
    let mut newest: BTreeMap<OpportunityId, Option<StageAssignment>> = ids.collect();
    scan(store, scope, connection, assignment_rows, |assignment| {
        if assignment.state != AssignmentState::Active {
            return;
        }
        if let Some(known) = newest.get_mut(&assignment.opportunity)
            && known.as_ref().is_none_or(|known| is_newer(&assignment, known))
        {
            *known = Some(assignment);
        }
    })
    .await?;
    let is_at = |found: &Opportunity| {
        let assigned = newest.get(&found.id).and_then(Option::as_ref).map(|newest| &newest.stage);
        assigned.or(found.record_stage.stage.as_ref()) == Some(stage)
    };
    Ok(batch.into_iter().filter(is_at).collect())
}

/// Exact sums per currency, in units that always fit.
#[derive(Default)]
struct Sums(BTreeMap<CurrencyCode, (i128, u64)>);

impl Sums {
    fn add(&mut self, code: &CurrencyCode, value: Amount) {
        let (sum, count) = self.0.entry(code.clone()).or_default();
        *sum += value.to_scaled();
        *count += 1;
    }

    fn finish(self) -> Result<Vec<CurrencyTotal>> {
        let total = |(code, (sum, count))| {
            let total = Money::new(Amount::from_scaled(sum)?, code);
            Ok(CurrencyTotal { total, count })
        };
        self.0.into_iter().map(total).collect()
    }
}

fn sort_key(sort: OpportunitySort, found: &Opportunity) -> SortKey {
    match sort {
        OpportunitySort::CloseDate => SortKey::date(found.close_date),
        OpportunitySort::Name => SortKey::name(found.name.as_deref()),
        OpportunitySort::ValueDescending => SortKey::value_descending(found.value),
    }
}

/// Shows every row of one table of one connection, a batch at a time.
async fn scan<Q: Query + ?Sized, R: Record>(
    store: &Q,
    scope: &Scope,
    connection: ConnectionId,
    typed: fn(Rows) -> Option<Vec<R>>,
    mut visit: impl FnMut(R) + Send,
) -> Result<()> {
    let mut after = None;
    loop {
        let rows = store.scan(&scope.workspace, connection, R::TABLE, after.as_ref(), SCAN_ROWS);
        let rows = typed(rows.await?).ok_or_else(other_table)?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = Some(last.record_id());
        rows.into_iter().for_each(&mut visit);
    }
}

fn other_table() -> Error {
    Error::store("scan a table", "the rows are of another table")
}

fn account_rows(rows: Rows) -> Option<Vec<crate::model::Account>> {
    if let Rows::Accounts(rows) = rows { Some(rows) } else { None }
}

fn contact_rows(rows: Rows) -> Option<Vec<crate::model::Contact>> {
    if let Rows::Contacts(rows) = rows { Some(rows) } else { None }
}

fn opportunity_rows(rows: Rows) -> Option<Vec<Opportunity>> {
    if let Rows::Opportunities(rows) = rows { Some(rows) } else { None }
}

fn assignment_rows(rows: Rows) -> Option<Vec<StageAssignment>> {
    if let Rows::StageAssignments(rows) = rows { Some(rows) } else { None }
}

fn currency_rows(rows: Rows) -> Option<Vec<Currency>> {
    if let Rows::Currencies(rows) = rows { Some(rows) } else { None }
}

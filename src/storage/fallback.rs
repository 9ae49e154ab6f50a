//! Answers the questions by scanning, for stores that have no better way.
//!
//! Each answer keeps at most one page of rows, and one batch of opportunities while their stages
//! are looked up, however large the tables are.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::query::{
    AccountQuery, Accounts, Answer, ContactQuery, Contacts, Found, MAX_LIMIT, Opportunities,
    OpportunityQuery, OpportunitySort, Scope,
};
use crate::model::{
    Account, ConnectionId, Currency, Opportunity, Record, RecordId, Rows, StageAssignment, Table,
    WorkspaceId,
};
use crate::rules::{NameKey, NameWords, Nearest, account_domain};
use crate::storage::Query;

mod filter;
mod page;
mod totals;

pub(crate) use page::{SortKey, SortedPage};
pub(crate) use totals::{groups, totals};

use filter::{Currencies, Filter};

/// Rows asked for at once: few calls, yet a small part of a page of a sync.
const SCAN_ROWS: u32 = 500;

/// The rows with these ids, by looking at all.
pub(crate) async fn rows<Q: Query + ?Sized>(
    store: &Q,
    workspace: &WorkspaceId,
    connection: ConnectionId,
    table: Table,
    ids: &[RecordId],
) -> Result<Rows> {
    let wanted: BTreeSet<&RecordId> = ids.iter().collect();
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let mut rows = store.scan(workspace, connection, table, after.as_ref(), SCAN_ROWS).await?;
        let Some(last) = rows.ids().pop() else { break };
        after = Some(last);
        rows.retain(|id| wanted.contains(id));
        found.push(rows);
    }
    Ok(Rows::concat(table, found))
}

pub(crate) async fn accounts<Q: Query + ?Sized>(
    store: &Q,
    query: &AccountQuery,
) -> Result<Accounts> {
    let words = words_of(query.name.as_deref());
    let mut page = SortedPage::open(&query.page, &account_question(query))?;
    let connections = store.as_of(&query.scope).await?;
    for &(connection, _) in &connections {
        scan(store, &query.scope, connection, account_rows, |account| {
            let is_wanted = query.id.as_ref().is_none_or(|id| account.id == *id)
                && query.domain.as_ref().is_none_or(|domain| has_domain(&account, domain))
                && holds(&words, account.name.as_deref());
            if is_wanted {
                page.offer(SortKey::name(account.name.as_deref()), connection, account);
            }
        })
        .await?;
    }
    page.answer(oldest(&connections))
}

/// What a cursor of accounts belongs to.
pub(crate) const fn account_question(query: &AccountQuery) -> impl std::fmt::Debug + '_ {
    ("accounts", &query.scope, &query.name, &query.id, &query.domain)
}

fn has_domain(account: &Account, domain: &str) -> bool {
    account_domain(account).is_some_and(|found| found == domain)
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

fn account_rows(rows: Rows) -> Option<Vec<Account>> {
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

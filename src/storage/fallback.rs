//! Answers the questions by scanning, for stores that have no better way.
//!
//! Each answer keeps at most one page of rows, and one batch of opportunities while their stages
//! are looked up, however large the tables are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::model::query::{
    AccountQuery, Accounts, Answer, ContactQuery, Contacts, Found, MAX_LIMIT, Opportunities,
    OpportunityQuery, OpportunitySort, Scope, StageQuery, Stages, UserQuery, Users,
};
use crate::model::{
    Account, AssignmentState, ConnectionId, Contact, Opportunity, Record, RecordId, Rows, Stage,
    StageAssignment, Table, User, WorkspaceId,
};
use crate::rules::{NameKey, NameWords, Nearest, Sketch, account_domain};
use crate::storage::Query;

mod deals;
mod filter;
mod page;
mod totals;

pub(crate) use deals::deals;
#[cfg(feature = "sqlite")]
pub(crate) use deals::{amount, answer, deal_record, sort_key as deal_key};
#[cfg(feature = "sqlite")]
pub(crate) use filter::Facts;
pub(crate) use filter::{Currencies, Filter};
pub(crate) use page::{SortKey, SortKind, SortedPage};
#[cfg(feature = "sqlite")]
pub(crate) use totals::Tallies;
pub(crate) use totals::{groups, totals};

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
    let AccountQuery { scope, name, id, domain, .. } = query;
    let page = SortedPage::of(query)?;
    by_name(store, scope, page, name.as_deref(), |account: &Account| {
        id.as_ref().is_none_or(|id| account.id == *id)
            && domain.as_ref().is_none_or(|domain| has_domain(account, domain))
    })
    .await
}

fn has_domain(account: &Account, domain: &str) -> bool {
    account_domain(account).is_some_and(|found| found == domain)
}

/// The rows whose names are nearest to one: by comparing with all, and then looking for theirs.
pub(crate) async fn nearest<Q: Query + ?Sized, R: Called>(
    store: &Q,
    scope: &Scope,
    name: &str,
    limit: u32,
) -> Result<Answer<R>> {
    let limit = usize::try_from(limit.min(MAX_LIMIT)).unwrap_or(usize::MAX);
    let mut nearest = Nearest::new(name, limit);
    let connections = store.as_of(scope).await?;
    let asked = if nearest.is_empty() { &[][..] } else { &connections[..] };
    for &(connection, _) in asked {
        scan(store, scope, connection, |row: R| {
            if let Some(key) = row.name().map(NameKey::new) {
                nearest.offer(key.folded(), Sketch::of(key.folded()));
            }
        })
        .await?;
    }
    let names = nearest.finish();
    let ranks: HashMap<_, _> =
        names.iter().enumerate().map(|(rank, name)| (&**name, rank)).collect();
    let mut kept = BTreeMap::new();
    for &(connection, _) in asked.iter().filter(|_| !ranks.is_empty()) {
        scan(store, scope, connection, |row: R| {
            let key = row.name().map(NameKey::new);
            if let Some(rank) = key.and_then(|key| ranks.get(key.folded())) {
                kept.insert((*rank, connection, row.record_id()), row);
                if kept.len() > limit {
                    kept.pop_last();
                }
            }
        })
        .await?;
    }
    let found = kept.into_iter().map(|((_, connection, _), row)| Found { connection, row });
    Ok(Answer { rows: found.collect(), next: None, as_of: oldest(&connections) })
}

/// A page of the rows of a table that are wanted, by name and then id.
async fn by_name<Q: Query + ?Sized, R: Called>(
    store: &Q,
    scope: &Scope,
    mut page: SortedPage<R>,
    name: Option<&str>,
    is_wanted: impl Fn(&R) -> bool + Send + Sync,
) -> Result<Answer<R>> {
    let words = NameWords::new(name.unwrap_or_default());
    let connections = store.as_of(scope).await?;
    for &(connection, _) in &connections {
        scan(store, scope, connection, |row: R| {
            if is_wanted(&row) && holds(&words, row.name()) {
                page.offer(SortKey::name(row.name()), connection, row);
            }
        })
        .await?;
    }
    page.answer(oldest(&connections))
}

pub(crate) async fn contacts<Q: Query + ?Sized>(
    store: &Q,
    query: &ContactQuery,
) -> Result<Contacts> {
    let ContactQuery { scope, name, account, .. } = query;
    let page = SortedPage::of(query)?;
    by_name(store, scope, page, name.as_deref(), |contact: &Contact| {
        account.as_ref().is_none_or(|account| contact.account() == Some(account))
    })
    .await
}

pub(crate) async fn stages<Q: Query + ?Sized>(store: &Q, query: &StageQuery) -> Result<Stages> {
    let StageQuery { scope, name, id, process, .. } = query;
    let page = SortedPage::of(query)?;
    by_name(store, scope, page, name.as_deref(), |stage: &Stage| {
        let of = stage.process.as_ref().map(|process| &process.id);
        id.as_ref().is_none_or(|id| stage.id == *id)
            && process.as_ref().is_none_or(|process| of == Some(process))
    })
    .await
}

pub(crate) async fn users<Q: Query + ?Sized>(store: &Q, query: &UserQuery) -> Result<Users> {
    let UserQuery { scope, name, id, email, .. } = query;
    let page = SortedPage::of(query)?;
    by_name(store, scope, page, name.as_deref(), |user: &User| {
        id.as_ref().is_none_or(|id| user.id == *id)
            && email.as_ref().is_none_or(|email| user.email.as_ref() == Some(email))
    })
    .await
}

pub(crate) async fn opportunities<Q: Query + ?Sized>(
    store: &Q,
    query: &OpportunityQuery,
) -> Result<Opportunities> {
    let mut page = SortedPage::of(query)?;
    let connections = store.as_of(&query.scope).await?;
    for &(connection, _) in &connections {
        let currencies = Currencies::read(store, &query.scope, connection).await?;
        let filter = Filter::new(&query.filter, connection, &currencies);
        filter
            .each(store, &query.scope, |found| {
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

/// Where an assignment stands among those of one opportunity, the last one saying where that is: a
/// process that runs before one that has finished, then the newest. `None` for an abandoned one.
///
/// As [`current_stage`](crate::rules::current_stage) has it, but that what the last pull did not see
/// counts like the rest until its absence is proved.
pub(crate) fn rank(assignment: &StageAssignment) -> Option<impl Ord + '_> {
    let is_active = match assignment.state {
        AssignmentState::Aborted => return None,
        AssignmentState::Active => true,
        AssignmentState::Finished => false,
    };
    Some((is_active, assignment.modified_at, assignment.since, &assignment.id))
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
    mut visit: impl FnMut(R) + Send,
) -> Result<()> {
    let mut after = None;
    loop {
        let rows = store.scan(&scope.workspace, connection, R::TABLE, after.as_ref(), SCAN_ROWS);
        let rows = R::from_batch(rows.await?).ok_or_else(other_table)?;
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

/// A row with a name that people know it by.
pub(crate) trait Called: Record {
    fn name(&self) -> Option<&str>;
}

macro_rules! called {
    ($($type:ident),+) => {
        $(impl Called for $type {
            fn name(&self) -> Option<&str> {
                self.name.as_deref()
            }
        })+
    };
}

called!(Account, Contact, Opportunity, Stage, User);

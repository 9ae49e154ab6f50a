//! The accounts that are one company with an account, out of all that are synced.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::query::{AccountQuery, Found, MAX_LIMIT, Scope};
use crate::model::{Account, AccountId, AccountStatus, ConnectionId, UnifiedAccount};
use crate::rules::{NameKey, account_domain, unify_accounts};
use crate::storage::Query;

/// How often accounts are looked for that have to do with those found: an account leads to its web
/// domain, that to the names that it carries, and these to accounts without a domain.
const ROUNDS: usize = 8;

/// How many names and domains are looked for, the account's own first. A search for a name compares
/// with every account.
const MAX_SEARCHES: usize = 12;

/// The accounts that may have to do with one, read as far as needed to tell which ones do.
struct Kin<'a> {
    query: &'a dyn Query,
    scope: &'a Scope,
    known: BTreeMap<(ConnectionId, AccountId), Account>,
    asked: BTreeSet<Search>,
    /// How many names and domains may still be looked for.
    left: usize,
    /// Whether something was not looked for, or not to its end.
    is_cut: bool,
}

/// A company and the accounts that it is.
pub(super) struct Kinship {
    pub(super) company: UnifiedAccount,
    /// The account asked for first, then the others by connection and id. Those that were merged
    /// into one of them are left out: the CRM moved all that they had.
    pub(super) accounts: Vec<Found<Account>>,
    /// Whether there may be more accounts.
    pub(super) is_cut: bool,
}

/// What accounts are looked for by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Search {
    Domain(String),
    /// A folded name without its legal form, and the name as typed.
    Name(String, String),
    /// The account that another was merged into.
    Survivor(ConnectionId, AccountId),
}

/// The company that an account belongs to, as [`unify_accounts`] tells it from all accounts in
/// scope, and its accounts.
///
/// Only accounts that can have to do with it are read: those of a dozen names and web domains.
pub(super) async fn company_of(
    query: &dyn Query,
    scope: &Scope,
    account: Found<Account>,
) -> Result<Kinship> {
    let place = (account.connection, account.row.id.clone());
    let known = BTreeMap::from([(place.clone(), account.row)]);
    let (asked, left, is_cut) = (BTreeSet::new(), MAX_SEARCHES, false);
    let mut kin = Kin { query, scope, known, asked, left, is_cut };
    for _ in 0..ROUNDS {
        if !kin.look_further().await? {
            break;
        }
    }
    let Kin { known, is_cut, .. } = kin;
    let all = known.iter().map(|((connection, _), account)| (*connection, account));
    let own = unify_accounts(all).into_iter().find(|company| company.members.contains(&place));
    let company = own.unwrap_or_else(|| {
        UnifiedAccount::new(crate::model::UnifiedKey::Account(place.0, place.1.clone()))
    });
    let members = company.members.iter().filter_map(|member| {
        known.get(member).map(|row| Found { connection: member.0, row: row.clone() })
    });
    let is_it = |found: &Found<Account>| (found.connection, &found.row.id) == (place.0, &place.1);
    let is_merged = |of: ConnectionId, row: &Account| match &row.status {
        AccountStatus::MergedInto(id) => known.contains_key(&(of, id.clone())),
        AccountStatus::Active | AccountStatus::Inactive => false,
    };
    let mut accounts: Vec<_> =
        members.filter(|found| is_it(found) || !is_merged(found.connection, &found.row)).collect();
    accounts.sort_by_key(|found| !is_it(found));
    Ok(Kinship { company, accounts, is_cut })
}

/// The most pages of accounts of one web domain that are read.
const MAX_PAGES: usize = 5;

impl Kin<'_> {
    /// Looks for what the known accounts lead to; `false` when that is nothing new.
    async fn look_further(&mut self) -> Result<bool> {
        let leads: Vec<Search> = self
            .known
            .iter()
            .flat_map(|((connection, _), account)| leads(*connection, account))
            .collect();
        let before = self.known.len();
        for search in leads {
            let is_costly = !matches!(search, Search::Survivor(..));
            if !self.asked.insert(search.clone()) {
                continue;
            }
            if is_costly && self.left == 0 {
                self.is_cut = true;
                continue;
            }
            self.left -= usize::from(is_costly);
            let found = self.search(&search).await?.into_iter();
            let rows = found.filter(|found| match &search {
                Search::Name(core, _) => core_of(&found.row).as_ref() == Some(core),
                Search::Domain(_) | Search::Survivor(..) => true,
            });
            self.known.extend(rows.map(|one| ((one.connection, one.row.id.clone()), one.row)));
        }
        Ok(self.known.len() > before)
    }

    async fn search(&mut self, search: &Search) -> Result<Vec<Found<Account>>> {
        let mut question = AccountQuery::new(self.scope.clone());
        question.page.limit = MAX_LIMIT;
        match search {
            Search::Name(core, typed) => {
                let found = self.query.nearest_accounts(self.scope, typed, MAX_LIMIT).await?.rows;
                let is_last = found.last().is_some_and(|last| {
                    found.len() >= MAX_LIMIT as usize && core_of(&last.row).as_ref() == Some(core)
                });
                self.is_cut |= is_last;
                return Ok(found);
            }
            Search::Domain(domain) => question.domain = Some(domain.clone()),
            Search::Survivor(connection, id) => {
                question.scope = Scope::connection(self.scope.workspace.clone(), *connection);
                question.id = Some(id.clone());
            }
        }
        let mut rows = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.query.accounts(&question).await?;
            rows.extend(page.rows);
            question.page.cursor = page.next;
            if question.page.cursor.is_none() {
                return Ok(rows);
            }
        }
        self.is_cut = true;
        Ok(rows)
    }
}

/// What an account leads to. A merged one is judged by its own domain and name, too, should its
/// survivor not be there.
fn leads(connection: ConnectionId, account: &Account) -> Vec<Search> {
    let survivor = match &account.status {
        AccountStatus::MergedInto(id) => Some(Search::Survivor(connection, id.clone())),
        AccountStatus::Active | AccountStatus::Inactive => None,
    };
    let domain = account_domain(account).map(Search::Domain);
    let name = account.name.clone().zip(core_of(account));
    let name = name.map(|(typed, core)| Search::Name(core, typed));
    survivor.into_iter().chain(domain).chain(name).collect()
}

fn core_of(account: &Account) -> Option<String> {
    let core = NameKey::new(account.name.as_deref()?).core().to_owned();
    (!core.is_empty()).then_some(core)
}

#[cfg(test)]
mod tests;

//! The accounts that are one company with an account, out of all that are synced.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::query::{AccountQuery, Accounts, Found, MAX_LIMIT, Scope};
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
/// Only accounts that can have to do with it are read. Accounts that were merged into one of them
/// are left out: the CRM moved all that they had. A company whose accounts go by more than a dozen
/// names may lack some of those without a web domain.
pub(super) async fn company_of(
    query: &dyn Query,
    scope: &Scope,
    account: Found<Account>,
) -> Result<(UnifiedAccount, Vec<Found<Account>>)> {
    let place = (account.connection, account.row.id.clone());
    let known = BTreeMap::from([(place.clone(), account.row)]);
    let mut kin = Kin { query, scope, known, asked: BTreeSet::new(), left: MAX_SEARCHES };
    for _ in 0..ROUNDS {
        if !kin.look_further().await? {
            break;
        }
    }
    let known = kin.known;
    let all = known.iter().map(|((connection, _), account)| (*connection, account));
    let own = unify_accounts(all).into_iter().find(|company| company.members.contains(&place));
    let company = own.unwrap_or_else(|| {
        UnifiedAccount::new(crate::model::UnifiedKey::Account(place.0, place.1.clone()))
    });
    let members = company.members.iter().filter_map(|place| {
        known.get(place).map(|row| Found { connection: place.0, row: row.clone() })
    });
    let members = members.collect();
    Ok((company, members))
}

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
            if (is_costly && self.left == 0) || !self.asked.insert(search.clone()) {
                continue;
            }
            self.left -= usize::from(is_costly);
            let found = self.search(&search).await?;
            let rows = found.rows.into_iter().filter(|found| match &search {
                Search::Name(core, _) => core_of(&found.row).as_ref() == Some(core),
                Search::Domain(_) | Search::Survivor(..) => true,
            });
            self.known.extend(rows.map(|one| ((one.connection, one.row.id.clone()), one.row)));
        }
        Ok(self.known.len() > before)
    }

    async fn search(&self, search: &Search) -> Result<Accounts> {
        let mut question = AccountQuery::new(self.scope.clone());
        question.page.limit = MAX_LIMIT;
        match search {
            Search::Name(_, typed) => {
                return self.query.nearest_accounts(self.scope, typed, MAX_LIMIT).await;
            }
            Search::Domain(domain) => question.domain = Some(domain.clone()),
            Search::Survivor(connection, id) => {
                question.scope = Scope::connection(self.scope.workspace.clone(), *connection);
                question.id = Some(id.clone());
            }
        }
        self.query.accounts(&question).await
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

//! Finds the account that a person means by a name, and never guesses between two.

use serde::Serialize;

use crate::error::Result;
use crate::model::query::{Found, Scope};
use crate::model::{Account, AccountId, AccountStatus, ConnectionId};
use crate::rules::{Resolved, resolve};
use crate::storage::Query;

/// Accounts whose names come near that are looked at; more of exactly one name are not told apart.
const LOOKED_AT: u32 = 50;

/// How many accounts are offered when a name is not clear.
const MAX_CANDIDATES: usize = 10;

/// What a name means.
pub(crate) enum Meaning {
    /// Several accounts, or none of exactly that name: the asker has to choose.
    Unclear(Vec<Candidate>),
    /// One account.
    Clear(Candidate),
    /// No account is called anything like it.
    Unknown,
}

/// An account that a name may mean.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Candidate {
    pub(crate) connection: ConnectionId,
    pub(crate) id: AccountId,
    pub(crate) name: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) website: Option<String>,
}

/// Finds what a name means: the account of that name, else those with a close one. An account in
/// use goes before one of the same name that was closed or merged into another.
pub(crate) async fn meaning(query: &dyn Query, scope: &Scope, name: &str) -> Result<Meaning> {
    let near = query.nearest_accounts(scope, name, LOOKED_AT).await?.rows;
    let (active, other): (Vec<_>, Vec<_>) =
        near.into_iter().partition(|found| found.row.status == AccountStatus::Active);
    Ok(match weigh(name, &active) {
        Meaning::Clear(account) => Meaning::Clear(account),
        unclear => match (weigh(name, &other), unclear) {
            (Meaning::Clear(closed), Meaning::Unknown) => Meaning::Clear(closed),
            (closed, Meaning::Unknown) => closed,
            (_, unclear) => unclear,
        },
    })
}

fn weigh(name: &str, near: &[Found<Account>]) -> Meaning {
    let names = near.iter().enumerate();
    let names = names.filter_map(|(at, found)| Some((at, found.row.name.as_deref()?)));
    let offered = |at: &[crate::rules::NameMatch<'_, usize>]| {
        let chosen = at.iter().filter_map(|one| near.get(one.id)).take(MAX_CANDIDATES);
        Meaning::Unclear(chosen.map(Candidate::of).collect())
    };
    match resolve(name, names) {
        Resolved::Exact(one) => {
            near.get(one.id).map_or(Meaning::Unknown, |found| Meaning::Clear(Candidate::of(found)))
        }
        Resolved::SameName(several) | Resolved::Close(several) => offered(&several),
        Resolved::Nothing => Meaning::Unknown,
    }
}

impl Candidate {
    pub(crate) fn of(found: &Found<Account>) -> Self {
        let Account { id, name, city, website, .. } = found.row.clone();
        Self { connection: found.connection, id, name, city, website }
    }
}

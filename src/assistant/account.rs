//! Finds the account that a person means by a name, and never guesses between two.

use serde::Serialize;

use crate::assistant::meaning::{LOOKED_AT, MAX_OFFERED, Meant, meant};
use crate::error::Result;
use crate::model::query::{Found, Scope};
use crate::model::{Account, AccountId, AccountStatus, ConnectionId};
use crate::storage::Query;

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
    match meant(name, near) {
        Meant::One(account) => Meaning::Clear(Candidate::of(account)),
        Meant::SameName(several) | Meant::Close(several) => {
            Meaning::Unclear(several.into_iter().take(MAX_OFFERED).map(Candidate::of).collect())
        }
        Meant::Nothing => Meaning::Unknown,
    }
}

impl Candidate {
    pub(crate) fn of(found: &Found<Account>) -> Self {
        let Account { id, name, city, website, .. } = found.row.clone();
        Self { connection: found.connection, id, name, city, website }
    }
}

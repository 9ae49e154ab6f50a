//! Finds the account that a person means by a name, and never guesses between two.

use serde::Serialize;

use crate::assistant::meaning::{LOOKED_AT, MAX_OFFERED, Meant, is_cut, meant};
use crate::assistant::words::{maybe_clipped, quoted};
use crate::error::Result;
use crate::model::query::{Found, Scope};
use crate::model::{Account, AccountId, AccountStatus, ConnectionId};
use crate::storage::Query;

/// What a name means.
pub(crate) enum Meaning {
    /// Several accounts, or none of exactly that name: the asker has to choose.
    Unclear(Vec<Candidate>),
    /// One account.
    Clear(Box<Found<Account>>),
    /// No account is called anything like it.
    Unknown,
}

/// An account that a name may mean.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Candidate {
    pub(crate) connection: ConnectionId,
    pub(crate) id: AccountId,
    pub(crate) name: Option<String>,
    pub(crate) status: AccountStatus,
    pub(crate) city: Option<String>,
    pub(crate) website: Option<String>,
}

/// Finds what a name means: the account of that name, else those with a close one. An account in
/// use goes before one of the same name that was closed or merged into another, and one of the name,
/// closed or not, before all with a close one.
pub(crate) async fn meaning(query: &dyn Query, scope: &Scope, name: &str) -> Result<Meaning> {
    let near = query.nearest_accounts(scope, name, LOOKED_AT).await?.rows;
    let last_carries_it = is_cut(name, &near, LOOKED_AT);
    let (active, other): (Vec<_>, Vec<_>) =
        near.into_iter().partition(|found| found.row.status == AccountStatus::Active);
    let offered = |several: Vec<&Found<Account>>| {
        Meaning::Unclear(several.into_iter().take(MAX_OFFERED).map(Candidate::of).collect())
    };
    Ok(match (meant(name, &active, u32::MAX), meant(name, &other, u32::MAX)) {
        (Meant::One(one), _) | (Meant::Close(_) | Meant::Nothing, Meant::One(one)) => {
            if last_carries_it {
                // More may carry it than were looked at.
                offered(vec![one])
            } else {
                Meaning::Clear(Box::new(one.clone()))
            }
        }
        (Meant::SameName(several), _)
        | (Meant::Close(_) | Meant::Nothing, Meant::SameName(several))
        | (Meant::Close(several), Meant::Close(_) | Meant::Nothing)
        | (Meant::Nothing, Meant::Close(several)) => offered(several),
        (Meant::Nothing, Meant::Nothing) => Meaning::Unknown,
    })
}

impl Candidate {
    /// The name as a sentence offers it, with the city that tells it from others of the name.
    pub(crate) fn words(&self) -> String {
        let name = quoted(self.name.as_deref().unwrap_or("one without a name"));
        let city = self.city.as_deref().map(|city| format!(" in {}", quoted(city)));
        let status = match self.status {
            AccountStatus::Active => "",
            AccountStatus::Inactive => " (inactive)",
            AccountStatus::MergedInto(_) => " (merged into another)",
        };
        format!("{name}{}{status}", city.unwrap_or_default())
    }

    pub(crate) fn of(found: &Found<Account>) -> Self {
        let Account { id, name, status, city, website, .. } = &found.row;
        Self {
            connection: found.connection,
            id: id.clone(),
            name: maybe_clipped(name.as_deref()),
            status: status.clone(),
            city: maybe_clipped(city.as_deref()),
            website: maybe_clipped(website.as_deref()),
        }
    }
}

//! Who is connected, and what the security roles of that user allow.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

use crate::dynamics::call::Call;
use crate::dynamics::processes::json;
use crate::dynamics::web_api::WebApi;
use crate::error::Result;
use crate::model::{Identity, OrganisationId, Reach, RecordId, Rights, Table};

pub(crate) const READ_ORGANISATION: &str = "prvReadOrganization";
pub(crate) const READ_PROCESSES: &str = "prvReadWorkflow";
pub(crate) const WRITE_NOTES: &str = "prvWriteNote";
pub(crate) const APPEND_TO_OPPORTUNITIES: &str = "prvAppendToOpportunity";

/// What a note with an attachment takes, on top of reading its opportunity.
pub(crate) const NOTES: [&str; 5] =
    ["prvCreateNote", "prvReadNote", WRITE_NOTES, "prvAppendNote", APPEND_TO_OPPORTUNITIES];

/// The privileges that the rows of a table are read by. Instance tables have one each, which goes
/// by the customer's own name; their rows are never swept.
pub(crate) const READS: [(Table, &str); 6] = [
    (Table::Users, "prvReadUser"),
    (Table::Accounts, "prvReadAccount"),
    (Table::Contacts, "prvReadContact"),
    (Table::Opportunities, "prvReadOpportunity"),
    (Table::Currencies, "prvReadTransactionCurrency"),
    (Table::Stages, READ_PROCESSES),
];

/// The user that a connection acts as.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) identity: Identity,
    /// `None` when the service does not tell.
    pub(crate) privileges: Option<Privileges>,
}

/// Asks who we are, and what we may do: two requests.
///
/// # Errors
/// The service does not say who we are. What we may do need not be told.
pub(crate) async fn connected(api: &WebApi, tenant: Option<String>) -> Result<Connected> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WhoAmI {
        business_unit_id: Uuid,
        user_id: Uuid,
        organization_id: Uuid,
    }
    let operation = "ask who is connected";
    let response = api.read(operation, "WhoAmI").await?;
    let who: WhoAmI = json(&response, operation)?;
    let organisation = OrganisationId::new(who.organization_id.hyphenated().to_string())?;
    let user = RecordId::new(who.user_id.hyphenated().to_string())?;
    let mut identity = Identity::new(organisation, user);
    identity.unit = Some(RecordId::new(who.business_unit_id.hyphenated().to_string())?);
    identity.tenant = tenant;
    let privileges = match privileges(api, who.user_id).await {
        Ok(privileges) => Some(privileges),
        Err(error) => {
            tracing::debug!(%error, "the privileges of the connected user are not told");
            None
        }
    };
    identity.rights = privileges.as_ref().map(Privileges::rights);
    Ok(Connected { identity, privileges })
}

/// Those of the privileges looked at that a user has, with how far they reach.
#[derive(Debug)]
pub(crate) struct Privileges(BTreeMap<&'static str, Option<Reach>>);

impl Privileges {
    /// Whether the user has a privilege; `Some(None)` when it reaches in a way that is not known.
    pub(crate) fn held(&self, name: &str) -> Option<Option<Reach>> {
        self.0.get(name).copied()
    }

    /// What a sync may compare with the one before.
    fn rights(&self) -> Rights {
        let reach = |(table, name)| Some((table, self.held(name)??));
        Rights::new(READS.into_iter().filter_map(reach))
    }
}

/// Asks for the privileges that this connector needs, by their names.
///
/// `RetrieveUserPrivileges`, which lists all of them, gives those that come by way of a team as
/// `Basic` whatever their depth is, and is hundreds of times as long:
/// <https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveuserprivileges>.
async fn privileges(api: &WebApi, user: Uuid) -> Result<Privileges> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        role_privileges: Vec<Held>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Held {
        depth: String,
        /// Old versions leave it out; then nothing is told.
        privilege_name: String,
    }
    let operation = "read the privileges of the connected user";
    let call = Call::read(operation, api.endpoints().web_api(&path(user))?);
    let sent = api.send(&call).await;
    let response = sent.map_err(|failure| failure.into_error(operation, api.now()))?;
    let answer: Answer = json(&response, operation)?;
    let mut privileges: BTreeMap<_, Option<Reach>> = BTreeMap::new();
    for held in answer.role_privileges {
        let named = |name: &&str| name.eq_ignore_ascii_case(&held.privilege_name);
        if let Some(name) = asked_for().find(named) {
            // Of several roles, the one that reaches furthest counts.
            let reach = privileges.entry(name).or_default();
            *reach = (*reach).max(reach_of(&held.depth));
        }
    }
    Ok(Privileges(privileges))
}

fn path(user: Uuid) -> String {
    let names: Vec<_> = asked_for().map(|name| format!("%22{name}%22")).collect();
    format!(
        "systemusers({user})/Microsoft.Dynamics.CRM.RetrieveUserSetOfPrivilegesByNames\
         (PrivilegeNames=@p1)?@p1=%5B{}%5D",
        names.join(",")
    )
}

fn asked_for() -> impl Iterator<Item = &'static str> {
    READS.into_iter().map(|(_, name)| name).chain(NOTES)
}

fn reach_of(depth: &str) -> Option<Reach> {
    match depth {
        "Basic" => Some(Reach::Own),
        "Local" => Some(Reach::Unit),
        "Deep" => Some(Reach::UnitAndBelow),
        "Global" => Some(Reach::Everything),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! Whether a connection works: a state, an event, the next state (CON-7).

use url::Url;

use crate::model::Health;

/// Something that was learned about a connection's sign-in.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HealthEvent {
    /// A member confirmed the org's new address, and the same organisation answered there.
    AddressConfirmed,
    /// An administrator came back from the approval page.
    AdminApproved,
    /// The identity provider says that an administrator has to approve the app.
    AdminApprovalMissing {
        /// Where the administrator can approve.
        link: Option<Url>,
    },
    /// A member connected it (again) and the CRM knew them, in the same organisation. Connecting
    /// to another organisation makes another connection.
    Connected,
    /// A member disconnected it.
    Disconnected,
    /// The address answers for another organisation than the one that was connected (R-19).
    OrganisationChanged,
    /// The identity provider rejected the sign-in; asking again is useless.
    SignInRejected {
        /// Why, as a sentence for the settings page.
        why: String,
        /// What the identity provider wants to see proved at the next sign-in.
        claims: Option<String>,
    },
    /// The CRM answered with a token that was issued after health last changed.
    Worked,
}

/// The health of a connection after an event.
///
/// Trouble only ever moves right, towards the state that asks for more; only a member's connecting
/// leads back from everywhere, and a member's word about a new address from all but the last. So an answer that arrives late, from work begun before the trouble,
/// can neither hide it nor bring a disconnected connection back to life.
///
/// ```text
/// Connected --- AdminApprovalMissing ---> NeedsAdminApproval --- SignInRejected, ---> NeedsReconnect
///   |   <------ AdminApproved, Worked --------'              OrganisationChanged        ^    |
///   '------------- SignInRejected, OrganisationChanged ---------------------------------'    |
///       <--------- AddressConfirmed ---------------------------------------------------------'
///
/// any state --- Disconnected ---> Disconnected        any state --- Connected ---> Connected
/// ```
///
/// | event                  | Connected          | NeedsAdminApproval | NeedsReconnect | Disconnected |
/// |------------------------|--------------------|--------------------|----------------|--------------|
/// | `AddressConfirmed`     | Connected          | Connected          | Connected      | Disconnected |
/// | `AdminApproved`        | Connected          | Connected          | NeedsReconnect | Disconnected |
/// | `AdminApprovalMissing` | NeedsAdminApproval | NeedsAdminApproval | NeedsReconnect | Disconnected |
/// | `Connected`            | Connected          | Connected          | Connected      | Connected    |
/// | `Disconnected`         | Disconnected       | Disconnected       | Disconnected   | Disconnected |
/// | `OrganisationChanged`  | NeedsReconnect     | NeedsReconnect     | NeedsReconnect | Disconnected |
/// | `SignInRejected`       | NeedsReconnect     | NeedsReconnect     | NeedsReconnect | Disconnected |
/// | `Worked`               | Connected          | Connected          | NeedsReconnect | Disconnected |
///
/// What each state does: `Connected` syncs and publishes. In `NeedsAdminApproval` publications are
/// held, and instead of syncs the CRM is asked once an hour whether it works now. In
/// `NeedsReconnect` nothing is sent at all; publications are held. In `Disconnected` the tokens are
/// gone, too. Nothing queued is lost in any of them, and connecting again resumes everything.
///
/// `NeedsReconnect` keeps its first reason, which is the cause; `NeedsAdminApproval` takes a newer
/// link and keeps the old one when there is none.
#[must_use]
pub fn next_health(now: &Health, event: &HealthEvent) -> Health {
    match (now, event) {
        (_, HealthEvent::Connected) => Health::Connected,
        (_, HealthEvent::Disconnected) | (Health::Disconnected, _) => Health::Disconnected,
        (_, HealthEvent::AddressConfirmed) => Health::Connected,
        (Health::NeedsReconnect { .. }, _) => now.clone(),
        (_, HealthEvent::SignInRejected { why, claims }) => {
            Health::NeedsReconnect { why: why.clone(), claims: claims.clone() }
        }
        (_, HealthEvent::OrganisationChanged) => {
            Health::NeedsReconnect { why: OTHER_ORGANISATION.to_owned(), claims: None }
        }
        (
            Health::NeedsAdminApproval { link: before },
            HealthEvent::AdminApprovalMissing { link },
        ) => Health::NeedsAdminApproval { link: link.as_ref().or(before.as_ref()).cloned() },
        (Health::Connected, HealthEvent::AdminApprovalMissing { link }) => {
            Health::NeedsAdminApproval { link: link.clone() }
        }
        (_, HealthEvent::AdminApproved | HealthEvent::Worked) => Health::Connected,
    }
}

const OTHER_ORGANISATION: &str = "The address now leads to a different organisation of your CRM. \
     Connect again to use that one.";

#[cfg(test)]
mod tests {
    use super::*;

    fn link(text: &str) -> Option<Url> {
        Some(Url::parse(text).unwrap())
    }

    fn rejected(why: &str) -> HealthEvent {
        HealthEvent::SignInRejected { why: why.to_owned(), claims: None }
    }

    fn reconnect(why: &str) -> Health {
        Health::NeedsReconnect { why: why.to_owned(), claims: None }
    }

    /// CON-7: the table of the documentation, cell by cell, as literals.
    #[test]
    fn con_7_every_state_and_every_event_gives_what_the_table_says() {
        let approval = Health::NeedsAdminApproval { link: link("https://a.example/") };
        let states = [Health::Connected, approval.clone(), reconnect("old"), Health::Disconnected];
        let missing = HealthEvent::AdminApprovalMissing { link: link("https://a.example/") };
        let (up, down) = (Health::Connected, Health::Disconnected);
        let table = [
            (HealthEvent::AddressConfirmed, [&up, &up, &up, &down]),
            (HealthEvent::AdminApproved, [&up, &up, &reconnect("old"), &down]),
            (missing, [&approval, &approval, &reconnect("old"), &down]),
            (HealthEvent::Connected, [&up, &up, &up, &up]),
            (HealthEvent::Disconnected, [&down, &down, &down, &down]),
            (
                HealthEvent::OrganisationChanged,
                [
                    &reconnect(OTHER_ORGANISATION),
                    &reconnect(OTHER_ORGANISATION),
                    &reconnect("old"),
                    &down,
                ],
            ),
            (rejected("new"), [&reconnect("new"), &reconnect("new"), &reconnect("old"), &down]),
            (HealthEvent::Worked, [&up, &up, &reconnect("old"), &down]),
        ];
        for (event, expected) in &table {
            for (state, expected) in states.iter().zip(expected) {
                assert_eq!(&next_health(state, event), *expected, "{state:?} on {event:?}");
            }
        }
    }

    #[test]
    fn con_7_the_approval_link_is_renewed_but_never_lost() {
        let before = Health::NeedsAdminApproval { link: link("https://old.example/") };
        let missing = |link| next_health(&before, &HealthEvent::AdminApprovalMissing { link });
        assert_eq!(missing(None), before);
        let renewed = Health::NeedsAdminApproval { link: link("https://new.example/") };
        assert_eq!(missing(link("https://new.example/")), renewed);
    }

    /// CON-7: whatever arrives late, an event heard twice changes nothing more.
    #[test]
    fn con_7_hearing_an_event_twice_is_hearing_it_once() {
        let missing = HealthEvent::AdminApprovalMissing { link: None };
        for event in [missing, rejected("x"), HealthEvent::Worked, HealthEvent::Disconnected] {
            for state in [Health::Connected, reconnect("old"), Health::Disconnected] {
                let once = next_health(&state, &event);
                assert_eq!(next_health(&once, &event), once, "{state:?} on {event:?}");
            }
        }
    }
}

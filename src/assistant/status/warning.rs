//! The one sentence that a person needs before relying on a connection's data.

use super::{Standing, Withheld};
use crate::assistant::words::{clipped, moment};
use crate::model::Health;

/// The worst that there is to say about a connection; `None` when all is well.
///
/// What only a person can mend comes first, then what is missing for now, then what is old, then
/// what is kept in doubt.
pub(super) fn of(standing: &Standing, health: &Health) -> Option<String> {
    unhealthy(standing, health)
        .or_else(|| unfinished(standing))
        .or_else(|| late(standing))
        .or_else(|| kept(standing))
}

fn unhealthy(standing: &Standing, health: &Health) -> Option<String> {
    let address = &standing.address;
    let why = match health {
        Health::Connected => return None,
        Health::Disconnected => "is disconnected".to_owned(),
        Health::NeedsAdminApproval { .. } => {
            "waits for an administrator to approve the connection".to_owned()
        }
        Health::NeedsReconnect { why, .. } => {
            let why = clipped(why);
            format!("has to be connected again ({})", why.trim_end_matches('.'))
        }
    };
    let since = standing.last_sync_at.map_or_else(
        || "no sync of it has ever finished".to_owned(),
        |at| format!("its data is as of {} and not updated", moment(at)),
    );
    Some(format!("{address} {why}: {since}."))
}

fn unfinished(standing: &Standing) -> Option<String> {
    let Standing { address, first_sync: true, failures, running, .. } = standing else {
        return None;
    };
    Some(match (failures, running) {
        (1.., _) => format!(
            "The first sync of {address} has failed {} and is tried again by itself: answers are \
             incomplete.",
            times(*failures)
        ),
        (0, Some(running)) => {
            let of = running.expected.filter(|expected| *expected >= running.rows);
            let of = of.map_or_else(String::new, |expected| format!(" of about {expected}"));
            format!(
                "The first sync of {address} is under way ({}{of} rows read): answers are \
                 incomplete until it has finished.",
                running.rows
            )
        }
        (0, None) => {
            format!("The first sync of {address} has not begun: nothing of it is known yet.")
        }
    })
}

fn late(standing: &Standing) -> Option<String> {
    let Standing { address, failures, overdue, .. } = standing;
    let last = moment(standing.last_sync_at?);
    if *failures > 0 {
        return Some(format!(
            "Syncing {address} has failed {} in a row and is tried again by itself: its data is \
             as of {last}.",
            times(*failures)
        ));
    }
    let minutes = standing.interval_minutes.filter(|_| *overdue)?;
    Some(format!(
        "{address} is overdue: its last sync ended on {last}, more than twice its interval of \
         {minutes} minutes ago."
    ))
}

fn kept(standing: &Standing) -> Option<String> {
    let most = standing.withheld.iter().max_by_key(|one| one.missing)?;
    let Withheld { table, missing, why, reason } = most;
    let remedy = if reason.is_approvable() { "; a member can approve it" } else { "" };
    Some(format!(
        "{missing} {} of {} were not seen by the last sync and are kept, because {why}{remedy}.",
        table.as_str().replace('_', " "),
        standing.address
    ))
}

fn times(failures: u32) -> String {
    if failures == 1 { "once".to_owned() } else { format!("{failures} times") }
}

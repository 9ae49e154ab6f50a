//! What the connected user may do, as a checklist: mostly told by the privileges, else tried.
//!
//! *Cost.* Seven requests for a user who may do everything, and one for the instance table of each
//! further process (a customer's own takes another, to learn its name): who, privileges, counts,
//! attachment policy, processes, stages, one table of instances. A privilege to read that is not told
//! is tried by reading one row of its table: one request more.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::future::{try_join_all, try_join4};
use serde::Deserialize;

use crate::dynamics::call::Call;
use crate::dynamics::error::{Failure, Refusal};
use crate::dynamics::note_body::MAX_BASE64;
use crate::dynamics::plan::Words;
use crate::dynamics::processes::whole_list;
use crate::dynamics::rights::{
    APPEND_TO_OPPORTUNITIES, Connected, NOTES, Privileges, READ_ORGANISATION, READ_PROCESSES,
    READS, WRITE_NOTES,
};
use crate::dynamics::stages::instance_tables;
use crate::dynamics::web_api::WebApi;
use crate::error::Result;
use crate::model::{Preflight, PreflightCheck, PreflightSubject, Reach, Table, Verdict};

mod sentences;

/// The tables that are looked at by themselves: in URLs, and their keys. Stages have a check of
/// their own.
const TABLES: [(Table, &str, &str); 5] = [
    (Table::Users, "systemusers", "systemuserid"),
    (Table::Accounts, "accounts", "accountid"),
    (Table::Contacts, "contacts", "contactid"),
    (Table::Opportunities, "opportunities", "opportunityid"),
    (Table::Currencies, "transactioncurrencies", "transactioncurrencyid"),
];

/// Looks at everything that a connection is for, side by side.
pub(crate) async fn preflight(
    api: &WebApi,
    connected: Connected,
    rows: impl Future<Output = Result<BTreeMap<Table, u64>>>,
) -> Result<Preflight> {
    let Connected { identity, privileges } = connected;
    let privileges = privileges.as_ref();
    let tables = TABLES.map(|(table, set, key)| readable(api, privileges, table, set, key));
    let (rows, tables, stages, attachments) =
        try_join4(rows, try_join_all(tables), stages(api), attachments(api)).await?;
    let of_tables = TABLES.into_iter().zip(tables).map(|((table, ..), readable)| {
        let rows = rows.get(&table).copied();
        of_table(table, rows, readable)
    });
    let mut checks: Vec<_> = of_tables.collect();
    checks.extend([stages, notes(privileges), attachments]);
    Ok(Preflight::new(identity, checks))
}

/// Whether a table can be read, and whose rows of it.
enum Readable {
    Refused(Refusal),
    Yes(Option<Reach>),
}

/// A privilege that is not told may be there all the same, under a name of another version; what
/// the table itself says counts.
async fn readable(
    api: &WebApi,
    privileges: Option<&Privileges>,
    table: Table,
    set: &str,
    key: &str,
) -> Result<Readable> {
    if let Some(reach) = privileges.and_then(|privileges| privileges.held(read_privilege(table))) {
        return Ok(Readable::Yes(reach));
    }
    Ok(probe(api, set, key).await?.map_or(Readable::Yes(None), Readable::Refused))
}

/// Reads one row; gives the refusal that concerns this table alone.
async fn probe(api: &WebApi, set: &str, key: &str) -> Result<Option<Refusal>> {
    let operation = format!("read {set}");
    let url = api.endpoints().web_api(&format!("{set}?$select={key}"))?;
    match api.send(&Call::probe(operation.clone(), url)).await {
        Ok(_) => Ok(None),
        Err(Failure::Refused(refusal)) if refusal.concerns_one_table() => Ok(Some(refusal)),
        Err(failure) => Err(failure.into_error(operation, api.now())),
    }
}

fn read_privilege(table: Table) -> &'static str {
    let found = READS.into_iter().find(|(known, _)| *known == table);
    found.map_or("", |(_, privilege)| privilege)
}

fn of_table(table: Table, rows: Option<u64>, readable: Readable) -> PreflightCheck {
    let privilege = read_privilege(table);
    let subject = |reach| PreflightSubject::Table { table, rows, reach };
    match readable {
        Readable::Yes(Some(Reach::Everything)) => {
            let subject = subject(Some(Reach::Everything));
            PreflightCheck::new(subject, Verdict::Passed, sentences::all_of(table))
        }
        Readable::Yes(Some(reach)) => {
            let message = sentences::some_of(table, reach, privilege);
            PreflightCheck::new(subject(Some(reach)), Verdict::Limited, message)
        }
        Readable::Yes(None) => {
            let message = sentences::perhaps_all_of(table, privilege);
            PreflightCheck::new(subject(None), Verdict::Unknown, message)
        }
        Readable::Refused(refusal) => {
            let missing = refused_privilege(&refusal, Some(privilege));
            let message = sentences::none_of(table, missing.as_deref());
            PreflightCheck::new(subject(None), Verdict::Failed, message).missing(missing)
        }
    }
}

/// The privilege that a refusal calls missing, or that is known to be meant. A table that is not
/// there is missing by itself.
fn refused_privilege(refusal: &Refusal, meant: Option<&str>) -> Option<String> {
    let meant = || meant.filter(|_| !refusal.is_missing_table()).map(ToOwned::to_owned);
    refusal.privilege().or_else(meant)
}

/// Tells whether notes can be written; that cannot be tried without writing one.
fn notes(privileges: Option<&Privileges>) -> PreflightCheck {
    let check = |reach, verdict, message: String| {
        PreflightCheck::new(PreflightSubject::Notes { reach }, verdict, message)
    };
    let Some(privileges) = privileges else {
        return check(None, Verdict::Unknown, sentences::NOTES_NOT_TOLD.to_owned());
    };
    let reach = privileges.held(APPEND_TO_OPPORTUNITIES).flatten();
    let lacks = |name: &&str| privileges.held(name).is_none();
    let missing: Vec<&str> = NOTES.into_iter().filter(lacks).collect();
    match (missing.as_slice(), reach) {
        ([], Some(Reach::Everything)) => {
            check(reach, Verdict::Passed, sentences::NOTES_WRITTEN.to_owned())
        }
        ([], Some(narrow)) => check(reach, Verdict::Limited, sentences::notes_on_some(narrow)),
        ([], None) => check(reach, Verdict::Unknown, sentences::NOTES_NOT_TOLD.to_owned()),
        ([WRITE_NOTES], _) => {
            check(reach, Verdict::Limited, sentences::notes_stay_as_written()).missing(missing)
        }
        _ => check(None, Verdict::Failed, sentences::no_notes(&missing)).missing(missing),
    }
}

/// What the environment lets in as attachments.
#[derive(Deserialize)]
struct Policy {
    maxuploadfilesize: Option<u64>,
    blockedattachments: Option<String>,
    blockedmimetypes: Option<String>,
    allowedmimetypes: Option<String>,
}

impl Policy {
    /// Whether documents are let in, which are HTML files. A list of allowed types stands in for
    /// the one of blocked types.
    fn takes_html(&self) -> bool {
        let lists = |list: &Option<String>, wanted: &str| {
            let items = list.as_deref().unwrap_or_default().split(';').map(str::trim);
            items.into_iter().any(|item| item.eq_ignore_ascii_case(wanted))
        };
        let (extension, media_type) = ("html", "text/html");
        let allows = self.allowedmimetypes.as_deref().is_some_and(|list| !list.trim().is_empty());
        let type_is_allowed = if allows {
            lists(&self.allowedmimetypes, media_type)
        } else {
            !lists(&self.blockedmimetypes, media_type)
        };
        type_is_allowed && !lists(&self.blockedattachments, extension)
    }
}

async fn attachments(api: &WebApi) -> Result<PreflightCheck> {
    let operation = "read the attachment policy";
    let query = "$select=maxuploadfilesize,blockedattachments,blockedmimetypes,allowedmimetypes";
    let found = match whole_list::<Policy>(api, operation, "organizations", query).await {
        Ok(found) => found.into_iter().next(),
        Err(Failure::Refused(refusal)) if refusal.concerns_one_table() => None,
        Err(failure) => return Err(failure.into_error(operation, api.now())),
    };
    let check = |largest_file, html, verdict, message: String| {
        let subject = PreflightSubject::Attachments { largest_file, html };
        PreflightCheck::new(subject, verdict, message)
    };
    let Some(policy) = found else {
        let message = sentences::POLICY_NOT_TOLD.to_owned();
        return Ok(check(None, None, Verdict::Unknown, message).missing([READ_ORGANISATION]));
    };
    // The limit counts base64, four characters for three bytes.
    let ours = MAX_BASE64 as u64;
    let taken = policy.maxuploadfilesize.map_or(ours, |theirs| theirs.min(ours));
    let largest_file = taken / 4 * 3;
    let (verdict, message) = if !policy.takes_html() {
        (Verdict::Failed, sentences::HTML_BLOCKED.to_owned())
    } else if taken < ours {
        (Verdict::Limited, sentences::small_files_only(largest_file))
    } else {
        (Verdict::Passed, sentences::files_up_to(largest_file))
    };
    Ok(check(Some(largest_file), Some(policy.takes_html()), verdict, message))
}

/// The processes, their stages, and the tables that say which stage an opportunity is at.
async fn stages(api: &WebApi) -> Result<PreflightCheck> {
    let (of_processes, tables) = futures_util::future::try_join(
        probe(api, "processstages", "processstageid"),
        instances(api),
    )
    .await?;
    let check =
        |verdict, message: String| PreflightCheck::new(PreflightSubject::Stages, verdict, message);
    let refused = of_processes.map(|refusal| refused_privilege(&refusal, None));
    let hidden = tables.processes_are_hidden.then(|| Some(READ_PROCESSES.to_owned()));
    let missing: Vec<_> = refused.into_iter().chain(hidden).collect();
    if !missing.is_empty() {
        let missing: Vec<String> = missing.into_iter().flatten().collect();
        return Ok(check(Verdict::Failed, sentences::no_stages(&missing)).missing(missing));
    }
    let Instances { readable, refused, .. } = tables;
    Ok(if refused.is_empty() {
        match readable {
            0 => check(Verdict::Unknown, sentences::no_process()),
            _ => check(Verdict::Passed, sentences::STAGES_READ.to_owned()),
        }
    } else {
        let verdict = if readable == 0 { Verdict::Failed } else { Verdict::Limited };
        let (tables, missing): (Vec<_>, Vec<_>) = refused.into_iter().unzip();
        let missing: Vec<String> = missing.into_iter().flatten().collect();
        check(verdict, sentences::some_stages(&tables, &missing)).missing(missing)
    })
}

/// How the instance tables of the active processes answer.
#[derive(Default)]
struct Instances {
    processes_are_hidden: bool,
    readable: usize,
    /// The tables that cannot be read, each with the privilege that is missing, when it is told.
    refused: Vec<(String, Option<String>)>,
}

async fn instances(api: &WebApi) -> Result<Instances> {
    let tables = instance_tables(api).await?;
    let asked = tables.iter().map(async |words| match words {
        Words::Instances { set, .. } => probe(api, set, "businessprocessflowinstanceid").await,
        _ => Ok(None),
    });
    let answers = try_join_all(asked).await?;
    let mut found = Instances::default();
    for (words, answer) in tables.into_iter().zip(answers) {
        match (words, answer) {
            (Words::Unreadable(table), _) if table.origin == "workflow" => {
                found.processes_are_hidden = true;
            }
            (Words::Unreadable(table), _) => found.refused.push((table.origin, None)),
            (Words::Instances { process, .. }, Some(refusal)) => {
                found.refused.push((process.table, refused_privilege(&refusal, None)));
            }
            _ => found.readable += 1,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;

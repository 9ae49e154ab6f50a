//! The checklist's sentences: what is so, and whom to ask for what.

use crate::model::{Reach, Table};

pub(super) const NOTES_WRITTEN: &str = "Documents can be published to every opportunity.";

pub(super) const NOTES_NOT_TOLD: &str = "Dynamics does not tell whether the connected user may \
    write notes; the first published document shows it.";

pub(super) const POLICY_NOT_TOLD: &str = "The connected user may not see which attachments your \
    environment allows; the first published document shows it.";

pub(super) const HTML_BLOCKED: &str = "Documents cannot be published: they are HTML files, which \
    your environment does not let in as attachments. Ask your Dynamics administrator to take html \
    off the blocked extensions and to allow the type text/html.";

pub(super) const STAGES_READ: &str = "Sales processes and their stages can be read.";

pub(super) fn all_of(table: Table) -> String {
    format!("All {table} can be read.")
}

pub(super) fn some_of(table: Table, reach: Reach, privilege: &str) -> String {
    format!(
        "Of the {table}, only {reach} can be read. To sync the others, too, ask your Dynamics \
         administrator to give the privilege {privilege} for the whole organization."
    )
}

pub(super) fn perhaps_all_of(table: Table, privilege: &str) -> String {
    format!(
        "The {table} can be read, but Dynamics does not tell whether these are all. If some are \
         missing, ask your Dynamics administrator to give the privilege {privilege} for the whole \
         organization."
    )
}

pub(super) fn none_of(table: Table, privilege: Option<&str>) -> String {
    let Some(privilege) = privilege else {
        return format!(
            "The {table} cannot be read: their table is missing in your environment. Ask your \
             Dynamics administrator whether the Dynamics 365 Sales app is installed there."
        );
    };
    format!("The {table} cannot be read. {}", ask_for(&[privilege]))
}

pub(super) fn notes_on_some(reach: Reach) -> String {
    format!(
        "Of the opportunities, documents can be published only to {reach}. To publish to the \
         others, too, ask your Dynamics administrator to give the privilege \
         prvAppendToOpportunity for the whole organization."
    )
}

pub(super) fn notes_stay_as_written() -> String {
    format!("Documents can be published, but not updated later. {}", ask_for(&["prvWriteNote"]))
}

pub(super) fn no_notes(missing: &[&str]) -> String {
    format!("Documents cannot be published. {}", ask_for(missing))
}

/// The environment does not tell its limit.
pub(super) const FILES_OF_ANY_SIZE: &str =
    "HTML files can be attached; how large they may be is not known.";

pub(super) fn files_up_to(bytes: u64) -> String {
    format!("HTML files of up to {} can be attached.", size(bytes))
}

pub(super) fn small_files_only(bytes: u64) -> String {
    format!(
        "Documents larger than {} cannot be published. To publish them, too, ask your Dynamics \
         administrator to raise the maximum size of attachments.",
        size(bytes)
    )
}

pub(super) fn no_stages(missing: &[String]) -> String {
    format!(
        "The stages of your sales processes cannot be read; what an opportunity says of its stage \
         is used instead. {}",
        ask_for(missing)
    )
}

pub(super) fn some_stages(tables: &[String], missing: &[String]) -> String {
    format!(
        "At which stage opportunities are cannot be read for the sales processes {}; what the \
         opportunity says of it is used instead. {}",
        tables.join(", "),
        ask_for(missing)
    )
}

pub(super) fn no_process() -> String {
    "No active sales process can be seen. If your organization uses one, ask your Dynamics \
     administrator to give the privilege prvReadWorkflow for the whole organization."
        .to_owned()
}

/// The request to an administrator; without a name, for whatever it takes.
fn ask_for(privileges: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = privileges.iter().map(AsRef::as_ref).collect();
    let (last, first) = match names.split_last() {
        None => {
            return "Ask your Dynamics administrator for a security role that allows it."
                .to_owned();
        }
        Some((last, [])) => return one(last),
        Some((last, first)) => (last, first.join(", ")),
    };
    format!(
        "Ask your Dynamics administrator to add the privileges {first} and {last} to a security \
         role of the connected user."
    )
}

fn one(privilege: &str) -> String {
    format!(
        "Ask your Dynamics administrator to add the privilege {privilege} to a security role of \
         the connected user."
    )
}

fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    if bytes < KIB * KIB {
        format!("{} KB", bytes / KIB)
    } else {
        // Rounded down, so that nobody is promised too much.
        let hundredths = bytes * 100 / KIB / KIB;
        let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        format!("{} MB", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

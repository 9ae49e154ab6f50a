//! What a connected user may do in the CRM, as a checklist for a settings page.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Identity, Reach, Table};

/// What a look at a fresh connection found: who is connected, and what that user may do (CON-3).
///
/// # Example
/// ```
/// use fluint_crm::model::{
///     Identity, OrganisationId, Preflight, PreflightCheck, PreflightSubject, Reach, Readiness,
///     RecordId, Table, Verdict,
/// };
/// # fn main() -> fluint_crm::Result<()> {
/// let identity = Identity::new(OrganisationId::new("contoso")?, RecordId::new("ada")?);
/// let reach = Some(Reach::Own);
/// let accounts = PreflightSubject::Table { table: Table::Accounts, rows: Some(1200), reach };
/// let sentence = "Only the user's own accounts can be read.";
/// let check = PreflightCheck::new(accounts, Verdict::Limited, sentence);
/// let preflight = Preflight::new(identity, vec![check]);
/// assert_eq!(preflight.readiness(), Readiness::Partly);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Preflight {
    /// Who the CRM says we are.
    pub identity: Identity,
    /// What was looked at, in the order in which a page lists it.
    pub checks: Vec<PreflightCheck>,
}

impl Preflight {
    /// These checks of this user.
    #[must_use]
    pub const fn new(identity: Identity, checks: Vec<PreflightCheck>) -> Self {
        Self { identity, checks }
    }

    /// All checks in one word: [`NotReady`](Readiness::NotReady) when no deal can come of a sync.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let stops = |check: &PreflightCheck| check.verdict == Verdict::Failed && check.is_vital();
        if self.checks.iter().any(stops) {
            return Readiness::NotReady;
        }
        if self.limits().next().is_some() { Readiness::Partly } else { Readiness::Ready }
    }

    /// The checks that did not pass.
    pub fn limits(&self) -> impl Iterator<Item = &PreflightCheck> {
        self.checks.iter().filter(|check| check.verdict != Verdict::Passed)
    }
}

/// One line of the checklist.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PreflightCheck {
    /// What was looked at.
    pub subject: PreflightSubject,
    /// How it stands.
    pub verdict: Verdict,
    /// A sentence for the settings page: what is so, and what to do about it.
    pub message: String,
    /// The privileges that are missing, by the CRM's own names, where it has any.
    #[serde(default)]
    pub missing: BTreeSet<String>,
}

impl PreflightCheck {
    /// A check that misses no privilege.
    pub fn new(subject: PreflightSubject, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { subject, verdict, message: message.into(), missing: BTreeSet::new() }
    }

    /// The same check, missing these privileges.
    #[must_use]
    pub fn missing(mut self, privileges: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.missing.extend(privileges.into_iter().map(Into::into));
        self
    }

    /// Whether nothing becomes a deal without it: opportunities, and the users who own them.
    const fn is_vital(&self) -> bool {
        matches!(
            self.subject,
            PreflightSubject::Table { table: Table::Opportunities | Table::Users, .. }
        )
    }
}

/// What a check is about. `None` is what the CRM does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "subject")]
#[non_exhaustive]
pub enum PreflightSubject {
    /// What may be attached to a note.
    Attachments {
        /// The largest file in bytes.
        largest_file: Option<u64>,
        /// Whether it may be an HTML file, which is what documents are published as.
        html: Option<bool>,
    },
    /// Writing notes on opportunities.
    Notes {
        /// On whose opportunities.
        reach: Option<Reach>,
    },
    /// Reading the stages of sales processes, and which one an opportunity is at.
    Stages,
    /// Reading a table.
    Table {
        /// The table.
        table: Table,
        /// About how many rows it has, whoever may read them.
        rows: Option<u64>,
        /// Whose rows can be read.
        reach: Option<Reach>,
    },
}

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "all of it, some, none, or nobody can tell")]
pub enum Verdict {
    /// It does not work.
    Failed,
    /// It works in part.
    Limited,
    /// It works.
    Passed,
    /// The CRM does not tell.
    Unknown,
}

/// A whole checklist in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a traffic light")]
pub enum Readiness {
    /// No deal can come of a sync.
    NotReady,
    /// It works, but something is limited or not known.
    Partly,
    /// Everything works.
    Ready,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OrganisationId, RecordId};

    fn preflight(checks: Vec<(Table, Verdict)>) -> Preflight {
        let identity =
            Identity::new(OrganisationId::new("contoso").unwrap(), RecordId::new("ada").unwrap());
        let check = |(table, verdict)| {
            let subject = PreflightSubject::Table { table, rows: None, reach: None };
            PreflightCheck::new(subject, verdict, "A sentence.")
        };
        Preflight::new(identity, checks.into_iter().map(check).collect())
    }

    #[test]
    fn con_3_readiness_follows_from_the_worst_that_matters() {
        let ready = |checks| preflight(checks).readiness();
        assert_eq!(ready(vec![]), Readiness::Ready);
        assert_eq!(ready(vec![(Table::Users, Verdict::Passed)]), Readiness::Ready);
        for table in Table::ALL {
            let passed = (Table::Currencies, Verdict::Passed);
            assert_eq!(ready(vec![passed, (table, Verdict::Limited)]), Readiness::Partly);
            assert_eq!(ready(vec![passed, (table, Verdict::Unknown)]), Readiness::Partly);
            let vital = matches!(table, Table::Users | Table::Opportunities);
            let expected = if vital { Readiness::NotReady } else { Readiness::Partly };
            assert_eq!(ready(vec![passed, (table, Verdict::Failed)]), expected, "{table}");
        }
    }

    #[test]
    fn con_3_a_page_gets_the_checklist_as_json() {
        let mut preflight = preflight(vec![(Table::Accounts, Verdict::Failed)]);
        let last = preflight.checks.remove(0).missing(["prvReadAccount"]);
        preflight.checks.push(last);
        let json = serde_json::to_value(&preflight).unwrap();
        assert_eq!(
            json["checks"][0],
            serde_json::json!({
                "subject": {"subject": "table", "table": "accounts", "rows": null, "reach": null},
                "verdict": "failed", "message": "A sentence.", "missing": ["prvReadAccount"],
            })
        );
        assert_eq!(serde_json::from_value::<Preflight>(json).unwrap(), preflight);
    }
}

//! Plans, pages and cursors of a read, and the walk that proves a read complete.
//!
//! A table is read as one or more chains of pages, fixed by a [`TablePlan`] before the first page
//! and kept with the run. A connector only says where a chain goes on or ends. [`Walk`] checks what
//! it says, and is the only one that can make a [`CompletenessProof`], without which no row is ever
//! called missing.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::intake::BytesHeld;
use crate::model::{RecordId, RunId, Table};

mod plan;

pub use plan::{ChainCursor, ChainPlan, Reached, ResumeToken, TablePlan, TimeRange};

/// Consumes the pages of one table of one run, and proves that they were all.
///
/// # Example
/// ```
/// use fluint_crm::walk::{Page, TablePlan, Walk};
/// use fluint_crm::model::{RunId, Table, User, UserId};
/// # fn main() -> fluint_crm::Result<()> {
/// let run = RunId::new(uuid::Uuid::from_u128(1));
/// let mut walk = Walk::new(run, Table::Users, &TablePlan::whole("users"));
/// walk.take(0, &Page::last(vec![User::new(UserId::new("u1")?)]))?;
/// let proof = walk.finish().expect("the table's end was seen");
/// assert_eq!((proof.table(), proof.rows()), (Table::Users, 1));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Walk {
    run: RunId,
    table: Table,
    /// Whether the plan covers the table without a gap.
    covers: bool,
    /// Per chain, whether its end was seen.
    ended: Vec<bool>,
    rows: u64,
    doubt: Option<Incomplete>,
}

impl Walk {
    /// Starts a walk over the chains of a plan.
    #[must_use]
    pub fn new(run: RunId, table: Table, plan: &TablePlan) -> Self {
        let ended = vec![false; plan.chains.len()];
        Self { run, table, covers: plan.covers(), ended, rows: 0, doubt: None }
    }

    /// Goes on with a walk of the same run from what a store kept of it: how far each chain of the
    /// plan was read, and the doubt that an earlier page raised.
    #[must_use]
    pub fn resume(
        run: RunId,
        table: Table,
        plan: &TablePlan,
        chains: &[ChainCursor],
        doubt: Option<Incomplete>,
    ) -> Self {
        let mut walk = Self { doubt, ..Self::new(run, table, plan) };
        for (ended, cursor) in walk.ended.iter_mut().zip(chains) {
            *ended = cursor.reached == Reached::End;
            walk.rows += cursor.rows;
        }
        walk
    }

    /// Takes the next page of a chain.
    ///
    /// # Errors
    /// [`Error::UnexpectedResponse`] when the page contradicts an earlier one: the connector broke
    /// its contract, and nothing of the page should be stored.
    pub fn take<R>(&mut self, chain: usize, page: &Page<R>) -> Result<()> {
        let broken = |detail: &str| Err(Error::unexpected(format!("read {}", self.table), detail));
        let Some(ended) = self.ended.get_mut(chain) else {
            return broken("a page came of a chain that is not in the plan");
        };
        if *ended {
            return broken("a page came after the end of its chain");
        }
        *ended = page.resume.is_none();
        self.rows += page.rows.len() as u64;
        if page.unreadable > 0 {
            self.doubt = Some(Incomplete::UnreadableRow);
        }
        for notice in &page.notices {
            if let Notice::SourceUnreadable { origin, .. } = notice {
                self.doubt = Some(Incomplete::SourceUnreadable { origin: origin.clone() });
            }
        }
        Ok(())
    }

    /// What a page so far has raised against a proof. Stores keep it with the page.
    #[must_use]
    pub const fn doubt(&self) -> Option<&Incomplete> {
        self.doubt.as_ref()
    }

    /// Whether every chain was read to its end, so that nothing is left to read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended.iter().all(|ended| *ended)
    }

    /// Ends the walk: with a proof when the plan covered the table, every chain was read to its
    /// end, and every row's id could be read.
    ///
    /// # Errors
    /// What is missing for a proof.
    pub fn finish(self) -> Result<CompletenessProof, Incomplete> {
        if let Some(doubt) = self.doubt {
            return Err(doubt);
        }
        if !self.covers {
            return Err(Incomplete::Gap);
        }
        if !self.is_over() {
            return Err(Incomplete::EndNotSeen);
        }
        Ok(CompletenessProof { run: self.run, table: self.table, rows: self.rows })
    }
}

/// Proof that every row of a table, as far as this user may see it, was read in one run.
///
/// Only [`Walk`] makes one. A store calls rows missing only against it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompletenessProof {
    run: RunId,
    table: Table,
    rows: u64,
}

impl CompletenessProof {
    /// The run that read it.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The table that was read.
    #[must_use]
    pub const fn table(&self) -> Table {
        self.table
    }

    /// How many rows the pages held, those before an interruption included.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

/// Why a walk proves nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "doubt")]
#[non_exhaustive]
pub enum Incomplete {
    /// The end of a chain was not seen.
    #[error("the end of the table was not seen")]
    EndNotSeen,
    /// The chains of the plan leave a gap or overlap.
    #[error("the parts that the table was read in do not make a whole")]
    Gap,
    /// One of the CRM's own tables behind this one could not be read.
    #[error("{origin} could not be read")]
    SourceUnreadable {
        /// The CRM's own name of it.
        origin: String,
    },
    /// A row's id could not be read.
    #[error("the id of a row could not be read")]
    UnreadableRow,
}

/// One page of a chain.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates build it")]
pub struct Page<R> {
    /// The rows whose id could be read.
    pub rows: Vec<R>,
    /// Rows whose id could not be read; more than none makes the table's proof impossible.
    pub unreadable: u32,
    /// Where the chain goes on after it; `None` at the chain's end.
    pub resume: Option<ResumeToken>,
    /// Fields of the rows, by the model's names, that the CRM did not send at all: what the mirror
    /// holds of them stays.
    pub absent: Vec<Cow<'static, str>>,
    /// What went wrong without stopping the read.
    pub notices: Vec<Notice>,
    /// What the page takes of the bytes that may be in flight, until it is dropped.
    pub bytes: BytesHeld,
}

impl<R> Page<R> {
    /// The last page of its chain.
    #[must_use]
    pub const fn last(rows: Vec<R>) -> Self {
        Self {
            rows,
            unreadable: 0,
            resume: None,
            absent: Vec::new(),
            notices: Vec::new(),
            bytes: BytesHeld::NONE,
        }
    }

    /// A page after which its chain goes on.
    #[must_use]
    pub fn more(rows: Vec<R>, resume: ResumeToken) -> Self {
        Self { resume: Some(resume), ..Self::last(rows) }
    }
}

/// Something that went wrong without stopping a read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A column that was asked for stood in no row of the page: the CRM's schema drifted, and the
    /// rows' missing values say nothing.
    ColumnMissing {
        /// The CRM's own name of the column.
        column: String,
    },
    /// A row was kept with what could be read of it.
    RowIncomplete {
        /// The row.
        id: RecordId,
        /// What could not be read, as a sentence.
        detail: String,
    },
    /// One of the CRM's own tables behind this one could not be read. What was read before stays,
    /// and the table's proof is impossible.
    SourceUnreadable {
        /// The CRM's own name of it.
        origin: String,
        /// Why, as a sentence.
        detail: String,
    },
}

#[cfg(test)]
mod tests;

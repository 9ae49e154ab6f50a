//! Pages, chains and cursors of a read, and the walk that proves a read complete.
//!
//! A table is read as one or more chains of pages, each with its own cursor. A connector only says
//! where a chain and a table end. [`Walk`] checks what it says, and is the only one that can make a
//! [`CompletenessProof`], without which no row is ever called missing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{RecordId, RunId, Table};

/// Consumes the pages of one table of one run, and proves that they were all.
///
/// # Example
/// ```
/// use fluint_crm::walk::{Page, Walk};
/// use fluint_crm::model::{RunId, Table, User, UserId};
/// # fn main() -> fluint_crm::Result<()> {
/// let run = RunId::new(uuid::Uuid::from_u128(1));
/// let mut walk = Walk::new(run, Table::Users);
/// walk.take(&Page::whole_table(vec![User::new(UserId::new("u1")?)]))?;
/// let proof = walk.finish().expect("the table's end was seen");
/// assert_eq!((proof.table(), proof.rows()), (Table::Users, 1));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Walk {
    run: RunId,
    table: Table,
    /// Per chain, whether its end was seen.
    chains: BTreeMap<u32, ChainState>,
    of: Option<u32>,
    rows: u64,
    doubt: Option<Incomplete>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ChainState {
    Ended,
    Open,
}

impl Walk {
    /// Starts a walk.
    #[must_use]
    pub const fn new(run: RunId, table: Table) -> Self {
        Self { run, table, chains: BTreeMap::new(), of: None, rows: 0, doubt: None }
    }

    /// Goes on with a walk of the same run from what a store kept of it: the cursors, and the doubt
    /// that an earlier page raised.
    #[must_use]
    pub fn resume(
        run: RunId,
        table: Table,
        from: &[ChainCursor],
        doubt: Option<Incomplete>,
    ) -> Self {
        let chains = from
            .iter()
            .map(|cursor| {
                let state =
                    if cursor.resume.is_some() { ChainState::Open } else { ChainState::Ended };
                (cursor.chain.index, state)
            })
            .collect();
        let of = from.first().map(|cursor| cursor.chain.of);
        Self { run, table, chains, of, rows: 0, doubt }
    }

    /// Takes the next page.
    ///
    /// # Errors
    /// [`Error::UnexpectedResponse`] when the page contradicts an earlier one: the connector broke
    /// its contract, and nothing of the page should be stored.
    pub fn take<R>(&mut self, page: &Page<R>) -> Result<()> {
        let broken = |detail: &str| Err(Error::unexpected(format!("read {}", self.table), detail));
        let Chain { index, of } = page.chain;
        if index >= of || self.of.is_some_and(|known| known != of) {
            return broken("the number of chains changed during the read");
        }
        if self.chains.get(&index) == Some(&ChainState::Ended) {
            return broken("a page came after the end of its chain");
        }
        if (page.position == Position::More) != page.resume.is_some() {
            return broken("a page goes on without saying where, or ends and goes on");
        }
        self.of = Some(of);
        let state =
            if page.position == Position::More { ChainState::Open } else { ChainState::Ended };
        self.chains.insert(index, state);
        self.rows += page.rows.len() as u64;
        if page.unreadable > 0 {
            self.doubt = Some(Incomplete::UnreadableRow);
        }
        for notice in &page.notices {
            if let Notice::SourceUnreadable { origin, .. } = notice {
                self.doubt = Some(Incomplete::SourceUnreadable { origin: origin.clone() });
            }
        }
        if page.position == Position::TableEnd && !self.is_over() {
            return broken("the table ended while a chain was still open");
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
        self.of.is_some_and(|of| {
            (0..of).all(|index| self.chains.get(&index) == Some(&ChainState::Ended))
        })
    }

    /// Ends the walk: with a proof when every chain was read to its end, and every row's id could be
    /// read.
    ///
    /// # Errors
    /// What is missing for a proof.
    pub fn finish(self) -> Result<CompletenessProof, Incomplete> {
        if let Some(doubt) = self.doubt {
            return Err(doubt);
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

    /// How many rows this walk itself took; a resumed walk counts from where it went on.
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
    /// The end of a chain or of the table was not seen.
    #[error("the end of the table was not seen")]
    EndNotSeen,
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

/// One page of a table.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates build it")]
pub struct Page<R> {
    /// The rows whose id could be read.
    pub rows: Vec<R>,
    /// Rows whose id could not be read; more than none makes the table's proof impossible.
    pub unreadable: u32,
    /// Which chain it belongs to.
    pub chain: Chain,
    /// Where to go on after it; `None` at the chain's end.
    pub resume: Option<ResumeToken>,
    /// Where it stands in the chain and the table.
    pub position: Position,
    /// How many rows the table may have in all: an estimate for progress, never a proof.
    pub estimate: Option<u64>,
    /// What went wrong without stopping the read.
    pub notices: Vec<Notice>,
}

impl<R> Page<R> {
    /// The only page of a table that is read in one go.
    #[must_use]
    pub const fn whole_table(rows: Vec<R>) -> Self {
        Self {
            rows,
            unreadable: 0,
            chain: Chain::ONLY,
            resume: None,
            position: Position::TableEnd,
            estimate: None,
            notices: Vec::new(),
        }
    }
}

/// Which of a table's chains a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "connectors of other crates build it")]
pub struct Chain {
    /// Its place among the table's chains, from 0.
    pub index: u32,
    /// How many chains the table is read in.
    pub of: u32,
}

impl Chain {
    /// The one chain of a table that is not split.
    pub const ONLY: Self = Self { index: 0, of: 1 };
}

/// Where a page stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a page is inside, or ends a chain or the table")]
pub enum Position {
    /// The last page of its chain; other chains of the table go on.
    ChainEnd,
    /// More pages of this chain follow.
    More,
    /// The last page of its chain and of the table.
    TableEnd,
}

/// Where a chain goes on, in the connector's own words. Not a secret, not to be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResumeToken(String);

impl ResumeToken {
    /// Wraps the connector's own words.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The connector's own words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How far one chain was read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct ChainCursor {
    /// The chain.
    pub chain: Chain,
    /// Where it goes on; `None` when it was read to its end.
    pub resume: Option<ResumeToken>,
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

//! What there is to read of a table, in words that are kept with the run and read back.

use serde::{Deserialize, Serialize};

use crate::dynamics::paging::stale_cursor;
use crate::dynamics::processes::Process;
use crate::error::Result;
use crate::model::CurrencyId;
use crate::walk::{ChainPlan, Notice, TablePlan};

/// Where the rows of a chain come from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub(crate) enum Words {
    /// The currencies, with what is known of the base currency.
    Currencies { base: Option<CurrencyId>, hidden: Option<Unreadable> },
    /// The instances of one process.
    Instances { process: Process, set: String },
    /// The stages of these processes.
    Stages { processes: Vec<Process> },
    /// The table itself.
    Table,
    /// Nowhere.
    Unreadable(Unreadable),
}

/// A table of the service that may not be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Unreadable {
    pub(crate) origin: String,
    pub(crate) detail: String,
}

impl From<Unreadable> for Notice {
    fn from(Unreadable { origin, detail }: Unreadable) -> Self {
        Self::SourceUnreadable { origin, detail }
    }
}

impl Words {
    /// Reads the words of a chain back.
    ///
    /// # Errors
    /// The plan was made by another release: the table has to be planned anew.
    pub(crate) fn of(chain: &ChainPlan) -> Result<Self> {
        serde_json::from_str(&chain.source).map_err(|_| stale_cursor())
    }

    /// The words as text. They are plain data, so writing them cannot fail; what nobody could read
    /// back would be planned anew.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// One chain for each source.
pub(crate) fn whole(sources: &[Words]) -> TablePlan {
    TablePlan::sources(sources.iter().map(Words::text))
}

//! A progress bar per table.

use std::collections::BTreeMap;
use std::sync::Mutex;

use fluint_crm::host::{Observer, SyncProgress, TableStep};
use fluint_crm::model::Table;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws bars on the terminal; draws nothing where there is none.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    screen: MultiProgress,
    tables: Mutex<BTreeMap<Table, ProgressBar>>,
}

impl Bars {
    pub(crate) fn new(hidden: bool) -> Self {
        let bars = Self::default();
        if hidden {
            bars.screen.set_draw_target(ProgressDrawTarget::hidden());
        }
        bars
    }

    /// Leaves finished bars standing and starts with fresh ones.
    pub(crate) fn next_sync(&self) {
        for (_, bar) in std::mem::take(&mut *self.tables.lock().unwrap()) {
            bar.finish_and_clear();
        }
    }

    fn bar(&self, table: Table) -> ProgressBar {
        let bar = ProgressBar::no_length().with_style(style()).with_prefix(table.to_string());
        self.screen.add(bar)
    }
}

impl Observer for Bars {
    fn progress(&self, progress: &SyncProgress) {
        let mut tables = self.tables.lock().unwrap();
        let bar = tables.entry(progress.table).or_insert_with(|| self.bar(progress.table));
        if let Some(expected) = progress.expected {
            bar.set_length(expected.max(progress.rows));
        }
        bar.set_position(progress.rows);
        if progress.step == TableStep::Done {
            bar.set_length(progress.rows);
            bar.finish();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("  {prefix:18} {bar:30.cyan} {human_pos:>9} rows")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

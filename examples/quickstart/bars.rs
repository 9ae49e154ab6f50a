//! A progress bar per table, and a line for all of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

use fluint_crm::host::{Observer, SyncProgress, TableStep};
use fluint_crm::model::Table;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Draws bars on the terminal; draws nothing where there is none.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tables: BTreeMap<Table, (ProgressBar, SyncProgress)>,
    /// Below the tables' bars.
    total: Option<ProgressBar>,
}

/// How often the total is drawn between two pages.
const TICK: Duration = Duration::from_millis(250);

impl Bars {
    pub(crate) fn new(hidden: bool) -> Self {
        let bars = Self::default();
        if hidden {
            bars.screen.set_draw_target(ProgressDrawTarget::hidden());
        }
        bars
    }

    /// Removes the finished bars, so that the next sync starts with fresh ones.
    pub(crate) fn next_sync(&self) {
        let State { tables, total } = std::mem::take(&mut *self.state.lock().unwrap());
        let bars = tables.into_values().map(|(bar, _)| bar);
        bars.chain(total).for_each(|bar| bar.finish_and_clear());
    }

    fn table(&self, state: &State, table: Table) -> ProgressBar {
        let bar = ProgressBar::no_length().with_prefix(table.to_string().replace('_', " "));
        match &state.total {
            Some(total) => self.screen.insert_before(total, bar),
            None => self.screen.add(bar),
        }
    }
}

impl Observer for Bars {
    fn progress(&self, progress: &SyncProgress) {
        let mut state = self.state.lock().unwrap();
        if state.total.is_none() {
            let total = self.screen.add(ProgressBar::no_length().with_prefix("all tables"));
            total.enable_steady_tick(TICK);
            state.total = Some(total);
        }
        if !state.tables.contains_key(&progress.table) {
            let bar = self.table(&state, progress.table);
            state.tables.insert(progress.table, (bar, progress.clone()));
        }
        if let Some((bar, last)) = state.tables.get_mut(&progress.table) {
            *last = progress.clone();
            show(bar, progress.rows, expected(progress));
            if progress.step == TableStep::Done {
                bar.finish();
            }
        }
        state.show_total();
    }
}

impl State {
    fn show_total(&self) {
        let Some(total) = &self.total else { return };
        let begun = || self.tables.values().map(|(_, progress)| progress);
        let rows = begun().map(|progress| progress.rows).sum();
        // Only when every table says how much there is can anybody say how much is left.
        let expected = begun().map(expected).sum::<Option<u64>>();
        show(total, rows, expected.filter(|_| self.tables.len() == Table::ALL.len()));
        let done = begun().filter(|progress| progress.step == TableStep::Done).count();
        if done == Table::ALL.len() {
            total.set_style(style("{spinner} read; now deciding about opportunities"));
        }
    }
}

/// The rows that a table will have, as far as anybody knows; never fewer than were read.
fn expected(progress: &SyncProgress) -> Option<u64> {
    match progress.step {
        TableStep::Done => Some(progress.rows),
        TableStep::Reading => progress.expected.map(|expected| expected.max(progress.rows)),
    }
}

/// Moves a bar. Without an expectation it promises nothing: rows and their rate alone.
fn show(bar: &ProgressBar, rows: u64, expected: Option<u64>) {
    match expected {
        Some(expected) => {
            bar.set_length(expected);
            bar.set_style(style(
                "{bar:20.cyan} {human_pos:>9} of about {human_len} rows, {rate}, about {eta} left",
            ));
        }
        None => bar.set_style(style("{spinner} {human_pos:>9} rows, {rate}")),
    }
    bar.set_position(rows);
}

fn style(rest: &str) -> ProgressStyle {
    ProgressStyle::with_template(&format!("  {{prefix:18}} {rest}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, to: &mut dyn Write| {
            // A bar has nobody to tell when it cannot be drawn.
            let _ = write!(to, "{:.0} rows/s", state.per_sec());
        })
}

//! A progress bar per table, and a line for all of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

use fluint_crm::host::{Observer, SyncProgress, TableStep};
use fluint_crm::model::Table;
use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

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
    /// The rows of the sync before.
    previous: BTreeMap<Table, u64>,
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
        let mut state = self.state.lock().unwrap();
        for (table, (bar, progress)) in std::mem::take(&mut state.tables) {
            bar.finish_and_clear();
            if progress.step == TableStep::Done {
                state.previous.insert(table, progress.rows);
            }
        }
        if let Some(total) = state.total.take() {
            total.finish_and_clear();
        }
    }

    fn table(&self, state: &State, table: Table) -> ProgressBar {
        let bar = unknown(&table.to_string().replace('_', " "));
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
            let total = self.screen.add(unknown("all tables"));
            total.enable_steady_tick(TICK);
            state.total = Some(total);
        }
        if !state.tables.contains_key(&progress.table) {
            let bar = self.table(&state, progress.table);
            state.tables.insert(progress.table, (bar, progress.clone()));
        }
        let expected = state.expected(progress);
        if let Some((bar, last)) = state.tables.get_mut(&progress.table) {
            *last = progress.clone();
            match (progress.step, expected) {
                (TableStep::Done, _) => {
                    bar.set_style(style("{bar:20.cyan} {human_pos:>9} rows"));
                    bar.set_length(progress.rows);
                }
                (TableStep::Reading, Some(expected)) => {
                    let text = "{bar:20.cyan} {human_pos:>9} of about {human_len} rows";
                    bar.set_style(style(text));
                    bar.set_length(expected);
                }
                (TableStep::Reading, None) => {}
            }
            bar.set_position(progress.rows);
            if progress.step == TableStep::Done {
                bar.finish();
            }
        }
        state.show_total();
    }
}

impl State {
    /// The rows that a table will have, as far as anybody knows; never fewer than were read.
    fn expected(&self, progress: &SyncProgress) -> Option<u64> {
        let known = progress.expected.or_else(|| self.previous.get(&progress.table).copied());
        match progress.step {
            TableStep::Done => Some(progress.rows),
            TableStep::Reading => known.map(|expected| expected.max(progress.rows)),
        }
    }

    fn show_total(&self) {
        let Some(total) = &self.total else { return };
        let begun = || self.tables.values().map(|(_, progress)| progress);
        total.set_position(begun().map(|progress| progress.rows).sum());
        if begun().filter(|progress| progress.step == TableStep::Done).count() == Table::ALL.len() {
            total.set_style(style("{human_pos} rows read; now deciding about opportunities"));
            return;
        }
        // Only when it is known of every table can anybody say how much is left.
        let of_table = |table: &Table| match self.tables.get(table) {
            Some((_, progress)) => self.expected(progress),
            None => self.previous.get(table).copied(),
        };
        if let Some(expected) = Table::ALL.iter().map(of_table).sum::<Option<u64>>() {
            total.set_style(style(
                "{bar:20.green} {human_pos:>9} of about {human_len} rows, {rate}, {left}",
            ));
            total.set_length(expected);
        }
    }
}

/// A bar that promises nothing: rows and their rate alone.
fn unknown(name: &str) -> ProgressBar {
    let style = style("{spinner:20} {human_pos:>9} rows, {rate}");
    ProgressBar::no_length().with_style(style).with_prefix(name.to_owned())
}

fn style(rest: &str) -> ProgressStyle {
    // A bar has nobody to tell when it cannot be drawn.
    ProgressStyle::with_template(&format!("  {{prefix:18}} {rest}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, to: &mut dyn Write| {
            let _ = write!(to, "{:.0} rows/s", rate(state));
        })
        .with_key("left", |state: &ProgressState, to: &mut dyn Write| {
            let _ = match left(state) {
                Some(left) => write!(to, "about {} left", HumanDuration(left)),
                None => Ok(()),
            };
        })
}

/// Rows a second since the sync began: pages come in bursts, so anything shorter would jump.
#[expect(clippy::cast_precision_loss, reason = "for display")]
fn rate(state: &ProgressState) -> f64 {
    state.pos() as f64 / state.elapsed().as_secs_f64().max(0.001)
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn left(state: &ProgressState) -> Option<Duration> {
    let rows = state.len()?.saturating_sub(state.pos()) as f64;
    Duration::try_from_secs_f64(rows / rate(state)).ok()
}

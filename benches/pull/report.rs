//! The table that a run prints.

use std::fmt;

use crate::client::Told;

/// What a scenario is measured by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Ours is at most so many times the baseline.
    AtMost(f64),
    /// The baseline is at least so many times ours.
    Faster(f64),
    /// A figure to look at.
    None,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) ours: f64,
    pub(crate) against: &'static str,
    pub(crate) baseline: f64,
    /// Ours against the baseline in processor time: steadier than seconds on a busy machine.
    pub(crate) cpu: Option<f64>,
    pub(crate) goal: Goal,
    pub(crate) notes: Vec<String>,
}

impl Line {
    pub(crate) fn new(name: &str, ours: f64, against: &'static str, baseline: f64) -> Self {
        let name = name.to_owned();
        Self { name, ours, against, baseline, cpu: None, goal: Goal::None, notes: Vec::new() }
    }

    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }

    pub(crate) fn cpu(self, ours: &[Told], baseline: &[Told]) -> Self {
        let figure = |told: &Told| told.cpu_seconds;
        Self { cpu: Some(median(ours, figure) / median(baseline, figure)), ..self }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.ours / self.baseline;
        let cpu = self.cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.2}"));
        let (goal, met) = match self.goal {
            Goal::AtMost(most) => (format!("<= {most:.2}"), verdict(ratio <= most)),
            Goal::Faster(times) => {
                (format!("<= 1/{times:.0}"), verdict(self.baseline / self.ours >= times))
            }
            Goal::None => ("-".to_owned(), ""),
        };
        write!(
            f,
            "{:28} {:>10.2} {:>10.2} {:14} {ratio:>7.2} {cpu:>7}  {goal:8} {met}",
            self.name, self.ours, self.baseline, self.against
        )?;
        for note in &self.notes {
            write!(f, "\n    {note}")?;
        }
        Ok(())
    }
}

const fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// Prints the table's head.
pub(crate) fn head() {
    println!(
        "{:28} {:>10} {:>10} {:14} {:>7} {:>7}  {:8}",
        "scenario", "ours", "baseline", "", "ratio", "cpu", "goal"
    );
}

/// The middle of some figures of the same client.
pub(crate) fn median(runs: &[Told], figure: impl Fn(&Told) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        count if count % 2 == 0 => f64::midpoint(figures[count / 2 - 1], figures[count / 2]),
        count => figures[count / 2],
    }
}

/// What else there is to say of a client's runs.
pub(crate) fn summary(who: &str, runs: &[Told]) -> String {
    let last = runs.last().cloned().unwrap_or_default();
    format!(
        "{who}: {:.2} s (reading {:.2} s), cpu {:.2} s, peak {:.0} MiB, {} rows, {} written, {} \
         pages, {} calls",
        median(runs, |told| told.seconds),
        median(runs, |told| told.reading_seconds),
        median(runs, |told| told.cpu_seconds),
        median(runs, |told| told.peak_mib),
        last.rows,
        last.written,
        last.pages,
        last.calls,
    )
}

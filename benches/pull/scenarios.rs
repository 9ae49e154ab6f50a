//! What is measured, and against what.

use anyhow::Result;
use clap::ValueEnum;

use crate::bench::{Bench, Warm, forget, org};
use crate::child::{Server, measure};
use crate::client::{Tasks, Told};
use crate::options::Options;
use crate::report::{Goal, Line, head, median, summary};
use crate::server::{Counters, Serve, Settings, WAIT};

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// A first pull into memory, against loops that store nothing.
    ColdMemory,
    /// A first pull into SQLite, against a loop that fills the same schema.
    ColdSqlite,
    /// A first pull into SQLite when every answer takes 100 ms.
    #[value(name = "latency-100")]
    Latency100,
    /// One big table in eight ranges when every answer takes 150 ms.
    Ranges,
    /// A second pull into SQLite after 1% of the rows changed.
    Repeat,
    /// The largest part in memory, small org against big one.
    Memory,
    /// Every seventh request is refused for a second.
    Throttled,
    /// How many requests a pull takes.
    Requests,
}

/// Runs the scenarios and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let all = Name::value_variants();
    let chosen = if options.scenarios.is_empty() { all } else { &options.scenarios };
    let mut lines = Vec::new();
    for name in chosen {
        let bench = Bench::new(options)?;
        let done = match name {
            Name::ColdMemory => bench.cold_memory(),
            Name::ColdSqlite => bench.cold_sqlite(),
            Name::Latency100 => bench.latency(),
            Name::Ranges => bench.ranges(),
            Name::Repeat => bench.repeat(),
            Name::Memory => bench.memory(),
            Name::Throttled => bench.throttled(),
            Name::Requests => bench.requests(),
        }?;
        if lines.is_empty() {
            head();
        }
        done.iter().for_each(|line| println!("{line}"));
        lines.extend(done);
    }
    if chosen.len() > 1 {
        println!("\n== all");
        head();
        for mut line in lines {
            line.notes.clear();
            println!("{line}");
        }
    }
    Ok(())
}

/// Rows of a usual scenario: about 600 MB of JSON.
const ROWS: u64 = 500_000;

impl Bench<'_> {
    fn cold_memory(&self) -> Result<Vec<Line>> {
        let warm = self.warm(&org(self.rows(ROWS)))?;
        let (mut ours, mut one, mut each) = (Vec::new(), Vec::new(), Vec::new());
        for _ in self.runs() {
            ours.push(self.one("ours", &warm.server.ours(None, None))?);
            one.push(self.one("G", &warm.plain(Tasks::One))?);
            each.push(self.one("G2", &warm.plain(Tasks::Each))?);
        }
        Ok(vec![
            against("cold-memory", &ours, "G", &one).goal(Goal::AtMost(1.1)),
            against("cold-memory", &ours, "G2", &each),
            reading("cold-memory, reading", &ours, "G", &one),
        ])
    }

    fn cold_sqlite(&self) -> Result<Vec<Line>> {
        let warm = self.warm(&org(self.rows(ROWS)))?;
        let (mut ours, mut fill, mut one) = (Vec::new(), Vec::new(), Vec::new());
        for run in self.runs() {
            ours.push(self.cold(&warm, run)?);
            let file = self.file("fill", run);
            fill.push(self.one("P", &warm.fill(file.clone()))?);
            forget(&file);
            one.push(self.one("G", &warm.plain(Tasks::One))?);
        }
        Ok(vec![
            against("cold-sqlite", &ours, "P", &fill).goal(Goal::AtMost(1.3)),
            against("cold-sqlite", &ours, "G", &one),
            reading("cold-sqlite, reading", &ours, "P", &fill),
        ])
    }

    /// A first pull into a fresh file.
    fn cold(&self, warm: &Warm, run: usize) -> Result<Told> {
        let file = self.file("ours", run);
        let told = self.one("ours", &warm.server.ours(Some(file.clone()), None))?;
        forget(&file);
        Ok(told)
    }

    fn latency(&self) -> Result<Vec<Line>> {
        let warm = self.warm(&org(self.rows(ROWS)))?;
        warm.server.set(Settings { latency_ms: 100, ..Settings::default() })?;
        let (mut ours, mut one) = (Vec::new(), Vec::new());
        let mut counters = Counters::default();
        for run in self.runs() {
            warm.server.counters()?;
            ours.push(self.cold(&warm, run)?);
            counters = warm.server.counters()?;
            one.push(self.one("G", &warm.plain(Tasks::One))?);
        }
        let line = against("latency-100", &ours, "G", &one).goal(Goal::AtMost(1.5));
        let line = line.note(format!("at most {} requests at once", counters.at_once));
        Ok(vec![line, reading("latency-100, reading", &ours, "G", &one)])
    }

    fn ranges(&self) -> Result<Vec<Line>> {
        let contacts = self.rows(300_000);
        let few = 1_000;
        let serve = Serve { accounts: few, contacts, opportunities: few, instances: few, hint: 8 };
        let warm = self.warm(&serve)?;
        // Once more, so that the pages of the ranges are prepared, too.
        measure(&warm.server.ours(None, Some(8)))?;
        warm.server.set(Settings { latency_ms: 150, ..Settings::default() })?;
        let (mut ours, mut one) = (Vec::new(), Vec::new());
        let mut counters = Counters::default();
        for _ in self.runs() {
            warm.server.counters()?;
            ours.push(self.one("ours", &warm.server.ours(None, Some(8)))?);
            counters = warm.server.counters()?;
            one.push(self.one("G", &warm.plain(Tasks::One))?);
        }
        let line = against("ranges", &ours, "G", &one).goal(Goal::Faster(4.0));
        let line = line.note(format!("at most {} requests at once", counters.at_once));
        Ok(vec![line, reading("ranges, reading", &ours, "G", &one)])
    }

    fn repeat(&self) -> Result<Vec<Line>> {
        let warm = self.warm(&org(self.rows(ROWS)))?;
        let file = self.file("repeat", 0);
        let client = warm.server.ours(Some(file), None);
        self.one("first pull", &client)?;
        let (mut ours, mut one) = (Vec::new(), Vec::new());
        let mut changed = 0;
        for _ in self.runs() {
            changed = warm.server.change()?;
            ours.push(self.one("ours", &client)?);
            one.push(self.one("G", &warm.plain(Tasks::One))?);
        }
        let line = against("repeat", &ours, "G", &one).goal(Goal::AtMost(1.25));
        let written = ours.last().map_or(0, |told| told.written);
        let line = line.note(format!("{changed} rows changed, {written} written"));
        Ok(vec![line, reading("repeat, reading", &ours, "G", &one)])
    }

    fn memory(&self) -> Result<Vec<Line>> {
        let big = self.rows(2_000_000);
        let mut peaks = Vec::new();
        for (run, rows) in [big / 20, big].into_iter().enumerate() {
            let server = Server::start(&org(rows))?;
            let file = self.file("memory", run);
            let told = self.one("ours", &server.ours(Some(file.clone()), Some(1)))?;
            forget(&file);
            peaks.push(told);
        }
        let line =
            Line::new("memory (MiB), big/small", peaks[1].peak_mib, "small", peaks[0].peak_mib);
        let line = line.note(summary("small", &peaks[..1])).note(summary("big", &peaks[1..]));
        Ok(vec![line, self.memory_of_ranges()?])
    }

    /// The largest part in memory when one big table is read in eight ranges into SQLite.
    fn memory_of_ranges(&self) -> Result<Line> {
        let contacts = self.rows(300_000);
        let few = 1_000;
        let serve = Serve { accounts: few, contacts, opportunities: few, instances: few, hint: 8 };
        let server = Server::start(&serve)?;
        let mut peaks = Vec::new();
        for (run, ranges) in [None, Some(8)].into_iter().enumerate() {
            let file = self.file("memory-of-ranges", run);
            peaks.push(self.one("ours", &server.ours(Some(file.clone()), ranges))?);
            forget(&file);
        }
        let (one, eight) = (peaks[0].peak_mib, peaks[1].peak_mib);
        let line = Line::new("memory (MiB), eight ranges/one", eight, "one", one);
        Ok(line.note(summary("one", &peaks[..1])).note(summary("eight", &peaks[1..])))
    }

    fn throttled(&self) -> Result<Vec<Line>> {
        let warm = self.warm(&org(self.rows(200_000)))?;
        let (mut free, mut ours, mut ideal) = (Vec::new(), Vec::new(), Vec::new());
        let mut counters = Counters::default();
        for run in self.runs() {
            warm.server.set(Settings::default())?;
            free.push(self.cold(&warm, run)?);
            warm.server.set(Settings { refuse_every: 7, ..Settings::default() })?;
            warm.server.counters()?;
            ours.push(self.cold(&warm, run)?);
            counters = warm.server.counters()?;
            let waits = counters.refused as f64 * WAIT.as_secs_f64();
            let seconds = free.last().map_or(0.0, |told| told.seconds) + waits;
            ideal.push(Told { seconds, reading_seconds: seconds, ..Told::default() });
        }
        let line = Line::new(
            "throttled",
            median(&ours, |told| told.seconds),
            "waits + free",
            median(&ideal, |told| told.seconds),
        )
        .goal(Goal::AtMost(1.1));
        let line = line.note(summary("free", &free)).note(summary("ours", &ours)).note(format!(
            "{} refusals, {} early requests, by set {:?}",
            counters.refused, counters.early, counters.requests
        ));
        Ok(vec![line])
    }

    fn requests(&self) -> Result<Vec<Line>> {
        let warm = self.warm(&org(self.rows(ROWS)))?;
        warm.server.counters()?;
        self.one("ours", &warm.server.ours(None, Some(1)))?;
        let ours = warm.server.counters()?;
        self.one("G", &warm.plain(Tasks::One))?;
        let plain = warm.server.counters()?;
        let total = |counters: &Counters| counters.requests.values().sum::<u64>() as f64;
        Ok(vec![
            Line::new("requests", total(&ours), "pages (G)", total(&plain))
                .note(format!("ours: {:?}, {} at once", ours.requests, ours.at_once))
                .note(format!("G: {:?}, {} at once", plain.requests, plain.at_once)),
        ])
    }
}

/// The whole sync against a baseline.
fn against(name: &str, ours: &[Told], who: &'static str, baseline: &[Told]) -> Line {
    let (a, b) = (median(ours, |told| told.seconds), median(baseline, |told| told.seconds));
    let line = Line::new(name, a, who, b).cpu(ours, baseline);
    line.note(summary("ours", ours)).note(summary(who, baseline))
}

/// Reading and storing alone, without what a sync does afterwards.
fn reading(name: &str, ours: &[Told], who: &'static str, baseline: &[Told]) -> Line {
    let (a, b) = (median(ours, |told| told.reading_seconds), median(baseline, |told| told.seconds));
    Line::new(name, a, who, b)
}

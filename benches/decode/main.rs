//! How fast a page of 5,000 rows becomes rows of the model, beside what `serde_json` takes to fill
//! plain structs of the same columns: `cargo bench --bench decode`.

mod pages;
mod plain;

use std::hint::black_box;
use std::time::{Duration, Instant};

use fluint_crm::model::Table;
use fluint_crm::testkit::decode_page;

/// Rounds of a measurement; the fastest and the middle one are told.
const ROUNDS: usize = 41;

fn main() {
    let pages = [
        (Table::Opportunities, pages::opportunities(), plain::opportunities as fn(&[u8]) -> usize),
        (Table::Contacts, pages::contacts(), plain::contacts as fn(&[u8]) -> usize),
    ];
    for (table, body, plain) in pages {
        let ours = |body: &[u8]| decode_page(table, body).unwrap_or_default();
        assert_eq!((ours(&body), plain(&body)), (pages::ROWS, pages::ROWS));
        let (mut our_times, mut plain_times) = (Vec::new(), Vec::new());
        // In turns, so that a busy machine slows both.
        for _ in 0..ROUNDS {
            our_times.push(time(|| ours(&body)));
            plain_times.push(time(|| plain(&body)));
        }
        report(table, body.len(), &mut our_times, &mut plain_times);
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
fn time(work: impl Fn() -> usize) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#[expect(clippy::cast_precision_loss, reason = "a page has some megabytes")]
fn report(table: Table, bytes: usize, ours: &mut [Duration], plain: &mut [Duration]) {
    ours.sort_unstable();
    plain.sort_unstable();
    let speed = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e6;
    let middle = ROUNDS / 2;
    println!(
        "{table}: {bytes} bytes in {} rows; MB/s best (middle): ours {:.0} ({:.0}), \
         plain structs {:.0} ({:.0}); ours takes {:.2} ({:.2}) of their time",
        pages::ROWS,
        speed(ours[0]),
        speed(ours[middle]),
        speed(plain[0]),
        speed(plain[middle]),
        ours[0].as_secs_f64() / plain[0].as_secs_f64(),
        ours[middle].as_secs_f64() / plain[middle].as_secs_f64(),
    );
}

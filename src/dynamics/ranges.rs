//! Big tables in parts: ranges of `createdon`, which never changes and every table of rows has.

use futures_util::future::try_join;
use serde::Deserialize;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::connector::{PlanRequest, Split};
use crate::dynamics::call::Call;
use crate::dynamics::decode::Source;
use crate::dynamics::error::Failure;
use crate::dynamics::paging::operation;
use crate::dynamics::plan::Words;
use crate::dynamics::processes::json;
use crate::dynamics::web_api::WebApi;
use crate::error::{Error, Result};
use crate::walk::{TablePlan, TimeRange};

/// The column that ranges are made of.
const CREATED: &str = "createdon";

/// Rows from which a table warrants ranges by itself: ten pages.
const WARRANTED: u64 = 50_000;

/// Rows that make a range worth its chain.
const PER_RANGE: u64 = 25_000;

/// Ranges that are made without being asked for: four busy requests use up the service's
/// execution time.
const AUTOMATIC: u64 = 4;

/// Rows on one page: a smaller table is read in one request anyway.
const PAGE: u64 = 5_000;

/// In how many ranges a table is to be read, when the service takes `width` requests at once.
pub(crate) fn how_many(split: Split, expected: Option<u64>, width: usize) -> u64 {
    let width = u64::try_from(width).unwrap_or(1);
    match (split, expected) {
        (Split::Automatic, Some(rows)) if rows >= WARRANTED => {
            AUTOMATIC.min(rows / PER_RANGE).min(width)
        }
        (Split::Fixed(ranges), Some(rows)) if rows > PAGE => u64::from(ranges.get()).min(width),
        (Split::Automatic | Split::Fixed(_) | Split::Off, _) => 1,
    }
}

/// Plans a table in ranges, or whole where that is not worth it or not possible.
pub(crate) async fn in_ranges<S: Source>(
    api: &WebApi,
    source: &S,
    words: &Words,
    request: &PlanRequest,
    ranges: u64,
) -> Result<TablePlan> {
    let words = words.text();
    if ranges <= 1 || request.attempt > 0 {
        return Ok(TablePlan::whole(words));
    }
    let bounds = match sampled(&request.created, ranges) {
        bounds if !bounds.is_empty() => bounds,
        _ => match ends(api, source).await? {
            Some((oldest, newest)) => evenly(oldest, newest, ranges),
            None => Vec::new(),
        },
    };
    Ok(TablePlan::ranges(&words, &bounds))
}

/// Bounds that leave as many rows of a sample in each range as in any other.
fn sampled(created: &[OffsetDateTime], ranges: u64) -> Vec<OffsetDateTime> {
    let mut times: Vec<OffsetDateTime> = created.iter().copied().map(whole_second).collect();
    times.sort_unstable();
    let ranges = usize::try_from(ranges).unwrap_or(1);
    if times.len() < ranges * 8 {
        return Vec::new();
    }
    let mut bounds: Vec<_> = (1..ranges).map(|part| times[part * times.len() / ranges]).collect();
    // Rows that came in one moment cannot be told apart by it.
    bounds.dedup();
    bounds.retain(|bound| Some(bound) != times.first());
    bounds
}

/// Bounds at equal distances between the oldest and the newest row.
fn evenly(oldest: OffsetDateTime, newest: OffsetDateTime, ranges: u64) -> Vec<OffsetDateTime> {
    let ranges = i32::try_from(ranges).unwrap_or(1);
    let step = (newest - oldest) / ranges;
    let mut bounds: Vec<_> = (1..ranges).map(|part| whole_second(oldest + step * part)).collect();
    bounds.dedup();
    bounds.retain(|bound| *bound > oldest);
    bounds
}

/// The service counts creation in whole seconds.
fn whole_second(at: OffsetDateTime) -> OffsetDateTime {
    let at = at.to_offset(UtcOffset::UTC);
    at.replace_nanosecond(0).unwrap_or(at)
}

/// When the oldest and the newest row were created; `None` when the service does not say.
async fn ends<S: Source>(
    api: &WebApi,
    source: &S,
) -> Result<Option<(OffsetDateTime, OffsetDateTime)>> {
    let both = try_join(end(api, source, "asc"), end(api, source, "desc")).await;
    match both {
        Ok((oldest, newest)) => Ok(oldest.zip(newest)),
        // A table without the column, or a filter that is not taken: read it whole.
        Err(Failure::Refused(_)) => Ok(None),
        Err(failure) => Err(failure.into_error(operation::<S>(), api.now())),
    }
}

async fn end<S: Source>(
    api: &WebApi,
    source: &S,
    direction: &str,
) -> Result<Option<OffsetDateTime>, Failure> {
    #[derive(Deserialize)]
    struct List {
        value: Vec<Created>,
    }
    #[derive(Deserialize)]
    struct Created {
        #[serde(with = "time::serde::rfc3339::option", rename = "createdon")]
        at: Option<OffsetDateTime>,
    }
    let filter = filter(source, &format!("{CREATED} ne null"));
    let (set, key) = (source.set(), source.key());
    let path =
        format!("{set}?$select={CREATED}&$filter={filter}&$orderby={CREATED} {direction},{key}");
    let url = api.endpoints().web_api(&path).map_err(Failure::Stopped)?;
    let response = api.send(&Call::probe(operation::<S>(), url)).await?;
    let list: List = json(&response, "look at the age of a table").map_err(Failure::Stopped)?;
    Ok(list.value.into_iter().next().and_then(|row| row.at))
}

/// The path and query of a chain's first page, in an order that does not move, so that pages
/// neither overlap nor leave a gap.
pub(crate) fn first_page<S: Source>(source: &S, range: TimeRange) -> Result<String> {
    let (set, key, select) = (source.set(), source.key(), source.select().join(","));
    let condition = match (range.from, range.until) {
        (None, None) => {
            return Ok(match source.filter() {
                Some(filter) => format!("{set}?$select={select}&$filter={filter}&$orderby={key}"),
                None => format!("{set}?$select={select}&$orderby={key}"),
            });
        }
        (None, Some(until)) => {
            format!("({CREATED} lt {} or {CREATED} eq null)", moment(until)?)
        }
        (Some(from), None) => format!("{CREATED} ge {}", moment(from)?),
        (Some(from), Some(until)) => {
            format!("{CREATED} ge {} and {CREATED} lt {}", moment(from)?, moment(until)?)
        }
    };
    let filter = filter(source, &condition);
    Ok(format!("{set}?$select={select}&$filter={filter}&$orderby={CREATED},{key}"))
}

fn filter<S: Source>(source: &S, condition: &str) -> String {
    match source.filter() {
        Some(own) => format!("{own} and {condition}"),
        None => condition.to_owned(),
    }
}

fn moment(at: OffsetDateTime) -> Result<String> {
    const FORM: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let text = at.to_offset(UtcOffset::UTC).format(FORM);
    text.map_err(|cause| Error::unexpected("plan a table", cause))
}

#[cfg(test)]
mod tests;

//! Reading a page of rows, and one row.

use std::collections::BinaryHeap;

use uuid::Uuid;

use crate::http::transport::Response;
use crate::testkit::dataverse::call::Call;
use crate::testkit::dataverse::cell::{Cell, SqlId, write_json_string};
use crate::testkit::dataverse::cookie::Cookie;
use crate::testkit::dataverse::org::{Org, Sight};
use crate::testkit::dataverse::query::{Order, Query, check_options, id_of, select};
use crate::testkit::dataverse::refusal::{Answer, Refusal, empty, json, set_header};
use crate::testkit::dataverse::row_json::{Annotations, write_row};
use crate::testkit::dataverse::table::{RowRef, Table};

/// What a list read found.
struct Found<'a> {
    rows: Vec<RowRef<'a>>,
    more: bool,
}

/// Answers a list read, with no more rows than `most`.
pub(crate) fn list(org: &Org, table: &Table, call: &Call<'_>, sight: Sight, most: usize) -> Answer {
    let definition = &table.definition;
    let query = Query::parse(call, definition)?;
    let shown = |row: &RowRef<'_>| {
        query.filter.as_ref().is_none_or(|filter| filter.matches(*row)) && org.shows(sight, *row)
    };
    let found = find(table, &query, most, shown);
    let annotations = Annotations::of(call);
    let mut body = String::with_capacity(found.rows.len() * 1_400 + 200);
    write_context(call, &definition.set_name, &mut body);
    if query.count {
        let count = table.after(None).filter(shown).take(5000).count();
        body += &format!("\"@odata.count\":{count},");
    }
    body.push_str("\"value\":[");
    for (at, row) in found.rows.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        write_row(org, *row, &query.select, &annotations, &mut body);
    }
    body.push(']');
    if found.more && query.top.is_none() {
        let last = found.rows.last().map(|row| query.order.key(*row));
        write_link(call, table, &query, last, &mut body);
    }
    body.push('}');
    Ok(answered(call, json(200, body)))
}

/// Answers an empty page whose link leads to the rows it left out.
pub(crate) fn empty_page(table: &Table, call: &Call<'_>) -> Answer {
    let query = Query::parse(call, &table.definition)?;
    let mut body = String::new();
    write_context(call, &table.definition.set_name, &mut body);
    body.push_str("\"value\":[]");
    let last = query.cookie.as_ref().and_then(|cookie| cookie.last.clone());
    write_link(call, table, &query, last, &mut body);
    body.push('}');
    Ok(answered(call, json(200, body)))
}

/// Answers a read by id.
pub(crate) fn single(org: &Org, table: &Table, id: Uuid, call: &Call<'_>) -> Answer {
    check_options(call)?;
    let columns = select(call.option("$select"), &table.definition)?;
    let gone = || Refusal::no_row(&table.definition.logical_name, id);
    let row = table.row(id).ok_or_else(gone)?;
    if call.header("if-none-match") == Some(&row.etag()) {
        return Ok(empty(304));
    }
    let mut body = row_body(org, call, row, &columns);
    body.shrink_to_fit();
    let mut response = json(200, body);
    set_header(&mut response.headers, "etag", &row.etag());
    Ok(answered(call, response))
}

/// A row as a whole answer, with its context.
pub(crate) fn row_body(org: &Org, call: &Call<'_>, row: RowRef<'_>, columns: &[usize]) -> String {
    let mut fields = String::new();
    write_row(org, row, columns, &Annotations::of(call), &mut fields);
    let mut body = String::with_capacity(fields.len() + 120);
    write_context(call, &format!("{}/$entity", row.definition().set_name), &mut body);
    body.push_str(fields.strip_prefix('{').unwrap_or(&fields));
    body
}

/// Opens the object and writes `@odata.context`.
fn write_context(call: &Call<'_>, of: &str, body: &mut String) {
    body.push_str("{\"@odata.context\":");
    write_json_string(&format!("{}/api/data/v9.2/$metadata#{of}", call.origin()), body);
    body.push(',');
}

fn write_link(
    call: &Call<'_>,
    table: &Table,
    query: &Query,
    last: Option<Vec<Cell>>,
    body: &mut String,
) {
    let page = query.cookie.as_ref().map_or(1, |cookie| cookie.page) + 1;
    let cookie = Cookie { page, last };
    let link = cookie.link(call, &table.definition, &query.order, query.page_size);
    body.push_str(",\"@odata.nextLink\":");
    write_json_string(&link, body);
}

/// Says which preferences were applied.
fn answered(call: &Call<'_>, mut response: Response) -> Response {
    let applied: Vec<String> = call.preferences();
    if !applied.is_empty() {
        set_header(&mut response.headers, "preference-applied", &applied.join(","));
    }
    response
}

fn find<'a>(
    table: &'a Table,
    query: &Query,
    most: usize,
    shown: impl Fn(&RowRef<'a>) -> bool,
) -> Found<'a> {
    let last = query.cookie.as_ref().and_then(|cookie| cookie.last.as_deref());
    let limit = query.top.unwrap_or_else(|| query.page_size.min(most));
    let rows: Vec<RowRef<'a>> = if query.order.is_by_key() {
        let after = last.and_then(|key| id_of(&query.order, key)).map(SqlId::from);
        table.after(after).filter(&shown).take(limit + 1).collect()
    } else if query.order.is_by_creation(&table.definition) && table.synthetic().is_some() {
        by_creation(table, query, last, limit + 1, shown)
    } else {
        sorted(table.after(None).filter(&shown), &query.order, last, limit + 1)
    };
    let more = rows.len() > limit;
    Found { rows: rows.into_iter().take(limit).collect(), more }
}

/// Walks computed rows in their own order of creation from where the page begins.
fn by_creation<'a>(
    table: &'a Table,
    query: &Query,
    last: Option<&[Cell]>,
    limit: usize,
    shown: impl Fn(&RowRef<'a>) -> bool,
) -> Vec<RowRef<'a>> {
    let Some(computed) = table.synthetic() else {
        return Vec::new();
    };
    let column = query.order.0[0].0;
    let from = match last {
        Some([Cell::Moment(moment), ..]) => Some(*moment),
        _ => query.filter.as_ref().and_then(|filter| filter.lower_bound(column)),
    };
    let until = query.filter.as_ref().and_then(|filter| filter.upper_bound(column));
    let first = from.map_or(0, |from| computed.first_created(from));
    let end = until
        .map_or(computed.len(), |until| computed.first_created(until + time::Duration::SECOND));
    let behind = |row: &RowRef<'a>| is_behind(&query.order, *row, last);
    let of_computed = (first..end).filter_map(|index| table.computed(index));
    let of_computed = of_computed.filter(behind).filter(&shown).take(limit);
    let all = of_computed.chain(table.held().filter(&shown));
    sorted(all, &query.order, last, limit)
}

fn is_behind(order: &Order, row: RowRef<'_>, last: Option<&[Cell]>) -> bool {
    last.is_none_or(|last| order.compare(&order.key(row), last).is_gt())
}

/// The first `limit` rows behind a sort key; it holds no more than that many.
fn sorted<'a>(
    rows: impl Iterator<Item = RowRef<'a>>,
    order: &Order,
    last: Option<&[Cell]>,
    limit: usize,
) -> Vec<RowRef<'a>> {
    let mut best = BinaryHeap::new();
    for row in rows {
        let key = order.key(row);
        if last.is_some_and(|last| order.compare(&key, last).is_le()) {
            continue;
        }
        best.push(Ranked { key, row, order });
        if best.len() > limit {
            best.pop();
        }
    }
    best.into_sorted_vec().into_iter().map(|ranked| ranked.row).collect()
}

struct Ranked<'a, 'o> {
    key: Vec<Cell>,
    row: RowRef<'a>,
    order: &'o Order,
}

impl PartialEq for Ranked<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked<'_, '_> {}

impl PartialOrd for Ranked<'_, '_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked<'_, '_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.compare(&self.key, &other.key)
    }
}

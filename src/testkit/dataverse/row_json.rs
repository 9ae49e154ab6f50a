//! A row as Dataverse writes it, with the annotations that were asked for.

use std::borrow::Cow;
use std::fmt::Write;

use crate::testkit::dataverse::call::Call;
use crate::testkit::dataverse::cell::{Cell, write_json_string};
use crate::testkit::dataverse::org::Org;
use crate::testkit::dataverse::schema::{Column, Kind};
use crate::testkit::dataverse::table::RowRef;

const FORMATTED: &str = "OData.Community.Display.V1.FormattedValue";
const TABLE: &str = "Microsoft.Dynamics.CRM.lookuplogicalname";
const NAVIGATION: &str = "Microsoft.Dynamics.CRM.associatednavigationproperty";

/// The annotations that `Prefer` asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Annotations {
    formatted: bool,
    table: bool,
    navigation: bool,
}

impl Annotations {
    pub(crate) fn of(call: &Call<'_>) -> Self {
        let preferences = call.preferences();
        let wanted: Vec<&str> = preferences
            .iter()
            .filter_map(|p| p.strip_prefix("odata.include-annotations="))
            .flat_map(|list| list.trim_matches('"').split(','))
            .map(str::trim)
            .collect();
        let asks = |name: &str| {
            wanted.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => *wanted == name,
            })
        };
        Self { formatted: asks(FORMATTED), table: asks(TABLE), navigation: asks(NAVIGATION) }
    }
}

/// Appends a row as a JSON object.
pub(crate) fn write_row(
    org: &Org,
    row: RowRef<'_>,
    columns: &[usize],
    annotations: &Annotations,
    out: &mut String,
) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{{\"@odata.etag\":\"W/\\\"{}\\\"\"", row.version());
    for at in columns {
        let column = &row.definition().columns[*at];
        let cell = row.cell(*at);
        out.push_str(",\"");
        out.push_str(&column.read_name);
        out.push_str("\":");
        cell.write_json(out);
        write_annotations(org, column, &cell, *annotations, out);
    }
    out.push('}');
}

fn write_annotations(
    org: &Org,
    column: &Column,
    cell: &Cell,
    asked: Annotations,
    out: &mut String,
) {
    let mut write = |name: &str, text: &str| {
        out.push_str(",\"");
        out.push_str(&column.read_name);
        out.push('@');
        out.push_str(name);
        out.push_str("\":");
        write_json_string(text, out);
    };
    if asked.formatted
        && let Some(text) = formatted(org, column, cell)
    {
        write(FORMATTED, &text);
    }
    if let (Cell::Lookup { table, .. }, Kind::Lookup(targets)) = (cell, &column.kind) {
        if asked.table {
            write(TABLE, table);
        }
        if asked.navigation {
            write(NAVIGATION, &navigation(column, table, targets));
        }
    }
}

/// A lookup with several targets has a navigation property for each, but owners have one.
fn navigation(column: &Column, table: &str, targets: &[Cow<'static, str>]) -> String {
    if targets.len() > 1 && column.name != "ownerid" {
        format!("{}_{table}", column.name)
    } else {
        column.name.clone()
    }
}

/// The text for people; it depends on the user's language, so nobody may read it back.
fn formatted(org: &Org, column: &Column, cell: &Cell) -> Option<String> {
    match (cell, &column.kind) {
        (Cell::Lookup { table, id }, _) => {
            let row = org.table_named(table)?.row(*id)?;
            row.cell(row.definition().primary_name).to_text()
        }
        (Cell::Decimal(amount), Kind::Money) => Some(format!("€{}", amount.round_dp(2))),
        (Cell::Int(value), Kind::Choice) => Some(choice(&column.name, *value)),
        (Cell::Bool(value), _) => Some(if *value { "Yes" } else { "No" }.to_owned()),
        (Cell::Int(_) | Cell::Decimal(_) | Cell::Moment(_) | Cell::Day(_), _) => cell.to_text(),
        _ => None,
    }
}

fn choice(column: &str, value: i64) -> String {
    const STAGE_CATEGORIES: [&str; 8] =
        ["Qualify", "Develop", "Propose", "Close", "Identify", "Research", "Resolve", "Approval"];
    let labels: &[&str] = match column {
        "stagecategory" => &STAGE_CATEGORIES,
        "salesstage" => &STAGE_CATEGORIES[..4],
        "statecode" => &["Open", "Won", "Lost"],
        "opportunityratingcode" => &["", "Hot", "Warm", "Cold"],
        _ => &[],
    };
    let label = usize::try_from(value).ok().and_then(|at| labels.get(at));
    label.map_or_else(|| format!("Choice {value}"), |label| (*label).to_owned())
}

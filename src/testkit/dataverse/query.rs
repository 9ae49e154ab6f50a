//! Query options of a list read, checked as strictly as Dataverse does.

use std::cmp::Ordering;

use uuid::Uuid;

use crate::testkit::dataverse::call::Call;
use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::cookie::Cookie;
use crate::testkit::dataverse::filter::Filter;
use crate::testkit::dataverse::refusal::{Answer, Refusal};
use crate::testkit::dataverse::schema::{Definition, Kind};
use crate::testkit::dataverse::table::RowRef;

/// A checked query over one table.
#[derive(Debug)]
pub(crate) struct Query {
    /// The columns to answer, the key among them.
    pub(crate) select: Vec<usize>,
    pub(crate) filter: Option<Filter>,
    pub(crate) order: Order,
    pub(crate) page_size: usize,
    pub(crate) top: Option<usize>,
    pub(crate) count: bool,
    pub(crate) cookie: Option<Cookie>,
}

/// The columns to sort by; the key is always the last.
#[derive(Debug)]
pub(crate) struct Order(pub(crate) Vec<(usize, Direction)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// The longest URL of a GET.
const MAX_URL: usize = 32_768;

impl Query {
    /// Checks the options of a list read.
    pub(crate) fn parse(call: &Call<'_>, definition: &Definition) -> Answer<Self> {
        check_options(call)?;
        let page_size = call.page_size()?;
        let top = match call.option("$top") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| Refusal::bad_query("$top is no number"))?),
        };
        if top.is_some() && page_size.is_some() {
            // Dataverse ignores one of the two in silence; a caller who sends both is mistaken.
            return Err(Refusal::bad_query("$top together with odata.maxpagesize"));
        }
        let page_size = page_size.unwrap_or(5000);
        let filter = match call.option("$filter") {
            Some(text) => Some(Filter::parse(text, definition, &call.aliases())?),
            None => None,
        };
        let order = Order::parse(call.option("$orderby"), definition)?;
        let cookie = Cookie::of(call, definition, &order, page_size)?;
        Ok(Self {
            select: select(call.option("$select"), definition)?,
            filter,
            order,
            page_size,
            top,
            count: call.option("$count") == Some("true"),
            cookie,
        })
    }
}

/// Refuses what Dataverse does not know, and what the fake does not.
pub(crate) fn check_options(call: &Call<'_>) -> Answer<()> {
    if call.request.url.as_str().len() > MAX_URL {
        return Err(Refusal::bad_query("the URL is longer than 32768 characters"));
    }
    for (at, (name, _)) in call.options.iter().enumerate() {
        let twice = call.options.iter().skip(at + 1).any(|(other, _)| other == name);
        match name.as_str() {
            _ if twice => {
                return Err(Refusal::bad_query(format!(
                    "Query option '{name}' was specified more than once"
                )));
            }
            "$select" | "$filter" | "$orderby" | "$top" | "$count" | "$skiptoken" => {}
            "$expand" | "$apply" => return Err(Refusal::unmocked(name)),
            "$skip" | "$search" | "$format" => {
                return Err(Refusal::bad_query(format!("Query option '{name}' is not supported")));
            }
            _ if name.starts_with('@') => {}
            _ => {
                return Err(Refusal::bad_query(format!(
                    "The query parameter {name} is not supported"
                )));
            }
        }
    }
    Ok(())
}

/// The columns of `$select`; the key always, and the currency with money.
pub(crate) fn select(names: Option<&str>, definition: &Definition) -> Answer<Vec<usize>> {
    let Some(names) = names else {
        return Ok((0..definition.columns.len()).collect());
    };
    let mut columns = Vec::new();
    for name in names.split(',').map(str::trim) {
        let unknown = || Refusal::unknown_column(&definition.logical_name, name);
        columns.push(definition.readable(name).ok_or_else(unknown)?);
    }
    let has_money = columns.iter().any(|c| definition.columns[*c].kind == Kind::Money);
    let currency = definition.column("transactioncurrencyid").filter(|_| has_money);
    columns.extend(currency);
    columns.push(0);
    columns.sort_unstable();
    columns.dedup();
    Ok(columns)
}

impl Order {
    fn parse(text: Option<&str>, definition: &Definition) -> Answer<Self> {
        let mut columns = Vec::new();
        for part in text.into_iter().flat_map(|text| text.split(',')) {
            let mut words = part.split_whitespace();
            let name = words.next().unwrap_or_default();
            let unknown = || Refusal::unknown_column(&definition.logical_name, name);
            let column = definition.readable(name).ok_or_else(unknown)?;
            let direction = match (words.next(), words.next()) {
                (None | Some("asc"), None) => Direction::Ascending,
                (Some("desc"), None) => Direction::Descending,
                _ => return Err(Refusal::bad_query("Syntax error in $orderby")),
            };
            columns.push((column, direction));
        }
        if !columns.iter().any(|(column, _)| *column == 0) {
            columns.push((0, Direction::Ascending));
        }
        Ok(Self(columns))
    }

    /// What a row is sorted by.
    pub(crate) fn key(&self, row: RowRef<'_>) -> Vec<Cell> {
        self.0.iter().map(|(column, _)| row.cell(*column).into_owned()).collect()
    }

    pub(crate) fn compare(&self, a: &[Cell], b: &[Cell]) -> Ordering {
        for ((_, direction), (a, b)) in self.0.iter().zip(a.iter().zip(b)) {
            let order = match direction {
                Direction::Ascending => a.compare(b),
                Direction::Descending => b.compare(a),
            };
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }

    /// Whether this is the order of the key alone.
    pub(crate) fn is_by_key(&self) -> bool {
        matches!(self.0.as_slice(), [(0, Direction::Ascending)])
    }

    /// Whether this is the order of `createdon`, then the key.
    pub(crate) fn is_by_creation(&self, definition: &Definition) -> bool {
        let created = definition.column("createdon");
        matches!(self.0.as_slice(),
            [(first, Direction::Ascending), (0, Direction::Ascending)] if Some(*first) == created)
    }
}

/// The key within a sort key.
pub(crate) fn id_of(order: &Order, key: &[Cell]) -> Option<Uuid> {
    let at = order.0.iter().position(|(column, _)| *column == 0)?;
    key.get(at)?.id()
}

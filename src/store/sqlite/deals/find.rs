//! Deals that pass a filter, sorted.

use rusqlite::Transaction;
use uuid::Uuid;

use crate::model::query::{DealPage, DealQuery, OpportunitySort};
use crate::model::{Deal, RecordId};
use crate::storage::fallback::{SortedPage, answer, deal_key, deal_record};
use crate::store::sqlite::codec::{Put, amount, blob, date, text, uuid};
use crate::store::sqlite::deals::{DEAL, read_deal};
use crate::store::sqlite::query::{Conditions, Leads, Order, Reading, fill};
use crate::store::sqlite::trouble::Trouble;
use crate::store::sqlite::words::Word;

pub(crate) fn deals(
    tx: &Transaction<'_>,
    page: SortedPage<Deal>,
    query: &DealQuery,
) -> Result<DealPage, Trouble> {
    let order = order(query.sort);
    let reading = reading();
    let key = |deal: &Deal| deal_key(query.sort, deal);
    Ok(answer(fill(tx, page, &reading, &[conditions(query)], order, key)?)?)
}

pub(crate) const fn order(sort: OpportunitySort) -> Order {
    match sort {
        OpportunitySort::CloseDate => Order::Ascending("r.close_date"),
        OpportunitySort::Name => Order::Ascending("r.name_key"),
        OpportunitySort::ValueDescending => Order::Descending("r.value"),
    }
}

pub(crate) fn reading() -> Reading<Deal> {
    Reading {
        table: "deals",
        columns: DEAL
            .split(", ")
            .map(|column| format!("r.{column}"))
            .collect::<Vec<_>>()
            .join(", "),
        id: place,
        read: |row| {
            let deal = read_deal(row)?;
            Ok(((deal.connection, deal_record(&deal)?), deal))
        },
    }
}

/// An id that stands in a cursor. What is none stands before all.
fn place(id: &RecordId) -> Put<'_> {
    Uuid::parse_str(id.as_str()).map_or_else(|_| blob(&[]), uuid)
}

pub(crate) fn conditions(query: &DealQuery) -> Conditions<'_> {
    let filter = &query.filter;
    let mut deals = Conditions::of(&query.scope);
    deals.named(filter.name.as_deref());
    if let Some(standing) = filter.standing {
        deals.and("r.standing = ?", [text(standing.as_word())]);
    }
    if let Some(owner) = &filter.owner {
        deals.and("r.owner = ?", [text(owner.as_str())]);
        deals.lead(Leads::ToFew("INDEXED BY deals_by_owner"));
    }
    if let Some(account) = &filter.account {
        deals.and("r.account = ?", [text(account.as_str())]);
        deals.lead(Leads::ToFew("INDEXED BY deals_by_account"));
    }
    if let Some(stage) = &filter.stage {
        deals.and("r.stage = ?", [text(stage.as_str())]);
    }
    if let Some(code) = &filter.currency {
        deals.and("r.currency = ?", [text(code.as_str())]);
    }
    for (condition, bound) in
        [("r.value >= ?", filter.min_value), ("r.value <= ?", filter.max_value)]
    {
        if let Some(bound) = bound {
            deals.and(condition, [amount(bound)]);
        }
    }
    for (condition, day) in
        [("r.close_date >= ?", filter.close_from), ("r.close_date < ?", filter.close_before)]
    {
        if let Some(day) = day {
            deals.and(condition, [date(day)]);
        }
    }
    // Left to itself, SQLite would look for what lacks the value in the whole table.
    deals.lead(Leads::Along(match query.sort {
        OpportunitySort::CloseDate => "INDEXED BY deals_by_close",
        OpportunitySort::Name => "INDEXED BY deals_by_name",
        OpportunitySort::ValueDescending => "INDEXED BY deals_by_value",
    }));
    deals
}

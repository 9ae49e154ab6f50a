//! Deals, found by reading all.

use crate::error::Result;
use crate::model::query::{DealFilter, DealPage, DealQuery, DealStanding, OpportunitySort};
use crate::model::{Amount, Deal, RecordId};
use crate::rules::NameWords;
use crate::storage::Deals;
use crate::storage::fallback::{SCAN_ROWS, SortKey, SortedPage, holds};

pub(crate) async fn deals<D: Deals + ?Sized>(store: &D, query: &DealQuery) -> Result<DealPage> {
    let mut page = SortedPage::of(query)?;
    let words = NameWords::new(query.filter.name.as_deref().unwrap_or_default());
    let mut after = None;
    loop {
        let deals = store.list(&query.scope, after, SCAN_ROWS).await?;
        let Some(last) = deals.last() else { break };
        after = Some(last.id);
        for deal in deals {
            if passes(&query.filter, &deal) && holds(&words, Some(&deal.details.name)) {
                let key = sort_key(query.sort, &deal);
                page.offer_at((key, deal.connection, deal_record(&deal)?), deal);
            }
        }
    }
    answer(page)
}

/// The page that was filled.
pub(crate) fn answer(page: SortedPage<Deal>) -> Result<DealPage> {
    let answer = page.answer(None)?;
    let deals = answer.rows.into_iter().map(|found| found.row).collect();
    Ok(DealPage { deals, next: answer.next })
}

/// The id that a deal is placed by.
pub(crate) fn deal_record(deal: &Deal) -> Result<RecordId> {
    RecordId::new(deal.id.as_uuid().hyphenated().to_string())
}

/// What deals are sorted by.
pub(crate) fn sort_key(sort: OpportunitySort, deal: &Deal) -> SortKey {
    match sort {
        OpportunitySort::CloseDate => SortKey::date(deal.details.close_date),
        OpportunitySort::Name => SortKey::name(Some(&deal.details.name)),
        OpportunitySort::ValueDescending => SortKey::value_descending(amount(deal)),
    }
}

/// What a deal is worth in its own currency, be that known or not.
pub(crate) fn amount(deal: &Deal) -> Option<Amount> {
    let valued = deal.details.value.as_ref().map(|value| value.amount);
    valued.or(deal.details.amount_without_currency)
}

/// Everything but the name.
fn passes(filter: &DealFilter, deal: &Deal) -> bool {
    let DealFilter {
        name: _,
        owner,
        account,
        stage,
        standing,
        currency,
        min_value,
        max_value,
        close_from,
        close_before,
    } = filter;
    let details = &deal.details;
    let of_account = details.account.as_ref().map(|account| &account.id);
    let at_stage = details.stage.as_ref().and_then(|at| at.stage.as_ref());
    let code = details.value.as_ref().map(|value| &value.currency);
    owner.as_ref().is_none_or(|owner| details.owner.member == *owner)
        && account.as_ref().is_none_or(|account| of_account == Some(account))
        && stage.as_ref().is_none_or(|stage| at_stage == Some(stage))
        && standing.is_none_or(|standing| DealStanding::of(&deal.state) == standing)
        && currency.as_ref().is_none_or(|currency| code == Some(currency))
        && min_value.is_none_or(|min| amount(deal).is_some_and(|value| value >= min))
        && max_value.is_none_or(|max| amount(deal).is_some_and(|value| value <= max))
        && close_from.is_none_or(|from| details.close_date.is_some_and(|date| date >= from))
        && close_before.is_none_or(|before| details.close_date.is_some_and(|date| date < before))
}

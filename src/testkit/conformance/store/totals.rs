//! Behaviours of [`Query`](crate::storage::Query): exact totals.

use crate::model::query::{OpportunityFilter, Scope, TotalsQuery};
use crate::model::{Currency, CurrencyRole, Opportunity, Record};
use crate::testkit::conformance::store::StoreUnderTest;
use crate::testkit::conformance::store::fixtures::{amount, currency, opportunity, workspace};
use crate::testkit::conformance::store::query::{currencies, total, valued};

/// OLL-2: sums are exact where floating point would round.
pub async fn oll_2_totals_are_exact_beyond_floating_point(store: &StoreUnderTest) {
    let rows = vec![
        valued("o1", "922337203685477.5807", "EUR"),
        valued("o2", "0.0001", "EUR"),
        valued("o3", "0.0001", "EUR"),
        valued("o4", "9007199254740993", "USD"),
        valued("o5", "0.1", "USD"),
        valued("o6", "0.2", "USD"),
    ];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    let expected = [total("922337203685477.5809", "EUR", 3), total("9007199254740993.3", "USD", 3)];
    assert_eq!((totals.count, totals.by_currency.as_slice()), (6, expected.as_slice()));
    assert_eq!((totals.without_value, totals.as_of), (0, Some(store.now())));
}

/// OLL-2: what cancels out is zero, and counted.
pub async fn oll_2_totals_may_be_negative_or_zero(store: &StoreUnderTest) {
    let rows = vec![
        valued("o1", "10.5", "EUR"),
        valued("o2", "-10.5000", "EUR"),
        valued("o3", "-922337203685477.5808", "USD"),
    ];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    let expected = [total("0", "EUR", 2), total("-922337203685477.5808", "USD", 1)];
    assert_eq!(totals.by_currency, expected);
}

/// OLL-2: what carries no amount, or no currency that is known, is counted apart.
pub async fn oll_2_totals_count_what_has_no_value(store: &StoreUnderTest) {
    let mut amount_alone = opportunity("o2");
    amount_alone.value = Some(amount("7"));
    let mut currency_alone = opportunity("o3");
    currency_alone.currency = Some(currency("EUR", "EUR").id);
    let rows = vec![
        valued("o1", "5", "EUR"),
        amount_alone,
        currency_alone,
        opportunity("o4"),
        valued("o5", "5", "GBP"),
    ];
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    assert_eq!((totals.count, totals.without_value), (5, 4));
    assert_eq!(totals.by_currency, [total("5", "EUR", 1)]);
}

/// OLL-2: base values are summed in the base currency, as the CRM reported them.
pub async fn oll_2_totals_in_base_currency(store: &StoreUnderTest) {
    let mut rows = vec![valued("o1", "5", "EUR"), valued("o2", "5", "USD"), opportunity("o3")];
    rows[0].base_value = Some(amount("5.4321"));
    rows[1].base_value = Some(amount("922337203685477.5807"));
    let site = store.holding([Opportunity::batch(rows), currencies()]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    assert_eq!(totals.by_base_currency, [total("922337203685483.0128", "USD", 2)]);
}

/// OLL-2: where the base currency is not known, base values are left out.
pub async fn oll_2_base_values_need_a_known_base_currency(store: &StoreUnderTest) {
    let mut found = valued("o1", "5", "EUR");
    found.base_value = Some(amount("6"));
    let euro = Currency::batch(vec![currency("EUR", "EUR")]);
    let site = store.holding([Opportunity::batch(vec![found]), euro]).await;
    let totals = site.totals(OpportunityFilter::default()).await;
    assert_eq!((totals.by_base_currency, totals.by_currency.len()), (Vec::new(), 1));
}

/// OLL-2: connections with currencies and base currencies of their own are summed by code.
pub async fn oll_2_totals_span_connections(store: &StoreUnderTest) {
    for (number, base) in [(1, "USD"), (2, "EUR")] {
        let site = store.connect("acme", number).await;
        let claim = site.claim().await;
        let mut found = valued("o1", "1.0001", "cur");
        found.base_value = Some(amount("2"));
        let mut own = currency("cur", "GBP");
        own.role = CurrencyRole::Other;
        let mut org = currency("base", base);
        org.role = CurrencyRole::Base;
        let tables = [Opportunity::batch(vec![found]), Currency::batch(vec![own, org])];
        site.pull(&claim, 1, tables).await;
    }
    let query = TotalsQuery::new(Scope::workspace(workspace("acme")));
    let totals = store.stores.query.totals(&query).await.unwrap();
    assert_eq!(totals.by_currency, [total("2.0002", "GBP", 2)]);
    assert_eq!(totals.by_base_currency, [total("2", "EUR", 1), total("2", "USD", 1)]);
}

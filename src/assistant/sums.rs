//! Totals added up exactly.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::model::query::{CurrencyTotal, Totals};
use crate::model::{Amount, CurrencyCode, Money};

/// Totals of parts, as they are added.
#[derive(Default)]
pub(crate) struct Sums {
    count: u64,
    without_value: u64,
    by_currency: PerCurrency,
    by_base_currency: PerCurrency,
}

type PerCurrency = BTreeMap<CurrencyCode, (Amount, u64)>;

impl Sums {
    /// Adds a part.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a sum that is too large to tell.
    pub(crate) fn add(&mut self, part: &Totals) -> Result<()> {
        self.count += part.count;
        self.without_value += part.without_value;
        add_up(&mut self.by_currency, &part.by_currency)?;
        add_up(&mut self.by_base_currency, &part.by_base_currency)
    }

    /// The whole.
    pub(crate) fn totals(self) -> Totals {
        let mut totals = Totals::default();
        (totals.count, totals.without_value) = (self.count, self.without_value);
        totals.by_currency = told(self.by_currency);
        totals.by_base_currency = told(self.by_base_currency);
        totals
    }
}

fn add_up(sums: &mut PerCurrency, part: &[CurrencyTotal]) -> Result<()> {
    for CurrencyTotal { total: Money { amount, currency }, count } in part {
        let sum = sums.entry(currency.clone()).or_insert((Amount::ZERO, 0));
        let beyond = || Error::invalid_input("the sum of a currency", "it is 10^18 or larger");
        *sum = (sum.0.checked_add(*amount).ok_or_else(beyond)?, sum.1 + count);
    }
    Ok(())
}

fn told(sums: PerCurrency) -> Vec<CurrencyTotal> {
    let told =
        |(currency, (amount, count))| CurrencyTotal { total: Money::new(amount, currency), count };
    sums.into_iter().map(told).collect()
}

//! `transactioncurrencies`, and which of them is the environment's base currency.

use std::borrow::Cow;

use crate::dynamics::decode::{Converted, Source};
use crate::dynamics::lookup::ById;
use crate::dynamics::wire::{Guid, wire_row};
use crate::model::{Currency, CurrencyCode, CurrencyId, CurrencyRole, RowVersion};

/// The currencies.
#[derive(Clone, Debug)]
pub(crate) struct Currencies {
    /// The base currency, when the environment told.
    pub(crate) base: Option<CurrencyId>,
}

wire_row! {
    /// A row of `transactioncurrencies`.
    CurrencyRow<'a> {
        id: Guid<'a> = "transactioncurrencyid" => Feeds["id"],
        code: Cow<'a, str> = "isocurrencycode" => Feeds["code"],
        name: Cow<'a, str> = "currencyname" => Feeds["name"],
        symbol: Cow<'a, str> = "currencysymbol" => Feeds["symbol"],
        precision: i64 = "currencyprecision" => Feeds["precision"],
    }
}

impl Source for Currencies {
    type Wire<'a> = CurrencyRow<'a>;
    type Row = Currency;

    fn set(&self) -> &'static str {
        "transactioncurrencies"
    }

    fn key(&self) -> &'static str {
        "transactioncurrencyid"
    }

    fn convert(&self, wire: &CurrencyRow<'_>) -> Converted<Currency> {
        self.currency(wire).into()
    }
}

impl ById for Currencies {
    /// Without the base currency no row tells its role.
    fn unknown(&self, _row: &Currency) -> Vec<&'static str> {
        if self.base.is_none() { vec!["role"] } else { Vec::new() }
    }
}

impl Currencies {
    fn currency(&self, wire: &CurrencyRow<'_>) -> Option<Currency> {
        let code = CurrencyCode::new(wire.code.known()?).ok()?;
        let mut currency = Currency::new(wire.id.id()?, code);
        currency.name = wire.name.text();
        currency.symbol = wire.symbol.text();
        currency.precision = wire
            .precision
            .value()
            .and_then(|places| u8::try_from(places).ok())
            .filter(|p| *p <= 10);
        if self.base.as_ref() == Some(&currency.id) {
            currency.role = CurrencyRole::Base;
        }
        // The service's own version does not count the base currency's change.
        currency.version = RowVersion::from_content(&currency);
        Some(currency)
    }
}

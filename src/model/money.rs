//! Exact money: a decimal amount with its currency. No floating point anywhere.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Decimal places kept. Dataverse stores money with 4 and decimals with at most 10.
const MAX_PLACES: u32 = 10;

/// Digits that surely fit 64 bits.
const SHORT: usize = 18;

/// The largest whole part, exclusive: with ten places it fits every store's exact type.
const MAX_WHOLE: i128 = 1_000_000_000_000_000_000;

/// An exact amount without a currency: at most 10 decimal places, below 10^18 in size. In JSON it
/// is text, so that no reader takes it for a floating point number.
///
/// # Example
/// ```
/// use fluint_crm::model::Amount;
/// # fn main() -> fluint_crm::Result<()> {
/// let amount: Amount = "20000.0000".parse()?;
/// assert_eq!(amount.to_string(), "20000");
/// assert_eq!("0.1".parse::<Amount>()?.checked_add("0.2".parse()?), Some("0.3".parse()?));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
// Not by way of `Decimal`: its format follows features that a host may switch on.
#[serde(try_from = "String", into = "String")]
pub struct Amount(Decimal);

impl Amount {
    /// Zero.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Accepts a decimal, dropping zeros at the end.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with more than ten decimal places or 10^18 and beyond.
    pub fn new(value: Decimal) -> Result<Self> {
        let value = value.normalize();
        if value.scale() > MAX_PLACES {
            return Err(Error::invalid_input("amount", "it has more than ten decimal places"));
        }
        if value.trunc().abs().mantissa() >= MAX_WHOLE {
            return Err(Error::invalid_input("amount", "it is 10^18 or larger"));
        }
        Ok(Self(value))
    }

    /// The decimal inside, without zeros at the end.
    #[must_use]
    pub const fn as_decimal(self) -> Decimal {
        self.0
    }

    /// The amount in units of 10^-10, which always fits: what a store sorts and sums by.
    #[must_use]
    pub fn to_scaled(self) -> i128 {
        self.0.mantissa() * 10_i128.pow(MAX_PLACES - self.0.scale())
    }

    /// The amount from units of 10^-10.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when it is 10^18 or larger.
    pub fn from_scaled(units: i128) -> Result<Self> {
        Decimal::try_from_i128_with_scale(units, MAX_PLACES)
            .map_err(|_| Error::invalid_input("amount", "it is 10^18 or larger"))
            .and_then(Self::new)
    }

    /// Reads an amount as CRMs write nearly all of them: plain notation, at most 18 digits. Gives
    /// what the long way gives, in a fraction of its time.
    fn from_short(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
        if whole.is_empty() || places.is_empty() || whole.len() + places.len() > SHORT {
            return None;
        }
        let places = places.trim_end_matches('0');
        let scale = u32::try_from(places.len()).ok().filter(|scale| *scale <= MAX_PLACES)?;
        let digits = whole.bytes().chain(places.bytes());
        let units = digits.into_iter().try_fold(0_i64, |units, byte| {
            byte.is_ascii_digit().then(|| units * 10 + i64::from(byte - b'0'))
        })?;
        Some(Self(Decimal::new(if negative { -units } else { units }, scale)))
    }

    /// The exact sum, or `None` when it would reach 10^18.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(|sum| Self::new(sum).ok())
    }
}

impl FromStr for Amount {
    type Err = Error;

    /// Reads plain and exponent notation, as JSON numbers are written.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(amount) = Self::from_short(text) {
            return Ok(amount);
        }
        let parsed = if text.contains(['e', 'E']) {
            Decimal::from_scientific(text)
        } else {
            Decimal::from_str_exact(text)
        };
        parsed
            .map_err(|_| Error::invalid_input("amount", "it is not an exact decimal number"))
            .and_then(Self::new)
    }
}

impl TryFrom<String> for Amount {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl TryFrom<Decimal> for Amount {
    type Error = Error;

    fn try_from(value: Decimal) -> Result<Self> {
        Self::new(value)
    }
}

impl From<Amount> for Decimal {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({})", self.0)
    }
}

/// An ISO 4217 style currency code: two to five letters or digits, in upper case.
///
/// Dataverse allows custom codes of up to five characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CurrencyCode(Box<str>);

impl CurrencyCode {
    /// Accepts a code in any ASCII case, surrounding space dropped.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when it does not have two to five ASCII letters or digits.
    pub fn new(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref().trim();
        let fits = (2..=5).contains(&text.len());
        if !fits || !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::invalid_input("currency code", "it must be like EUR or USD"));
        }
        Ok(Self(text.to_ascii_uppercase().into_boxed_str()))
    }

    /// The code in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CurrencyCode({})", self.0)
    }
}

impl TryFrom<String> for CurrencyCode {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<CurrencyCode> for String {
    fn from(code: CurrencyCode) -> Self {
        code.0.into()
    }
}

/// An amount in a currency.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "an amount and its currency is all that money is")]
pub struct Money {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: CurrencyCode,
}

impl Money {
    /// Puts an amount and a currency together.
    #[must_use]
    pub const fn new(amount: Amount, currency: CurrencyCode) -> Self {
        Self { amount, currency }
    }
}

impl fmt::Display for Money {
    /// Prints `12500.50 EUR`: at least two decimals, more when the amount has more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.amount.0;
        if amount.scale() < 2 {
            amount.rescale(2);
        }
        write!(f, "{amount} {}", self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dea_5_money_is_exact_beyond_floating_point() {
        for text in ["9007199254740993", "922337203685477.5807", "-922337203685477.5807", "0.0001"]
        {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
        }
        assert_eq!("1e3".parse::<Amount>().unwrap().to_string(), "1000");
    }

    #[test]
    fn dea_5_what_does_not_fit_is_refused_not_rounded() {
        for text in ["1e400", "NaN", "", "0.00000000001", "1000000000000000000", "1,5", "0x10"] {
            assert!(text.parse::<Amount>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn money_prints_for_people() {
        let eur = CurrencyCode::new("eur").unwrap();
        let money = Money::new("12500.5".parse().unwrap(), eur);
        assert_eq!(money.to_string(), "12500.50 EUR");
    }

    proptest! {
        #[test]
        fn r_12_the_short_way_to_an_amount_says_what_the_long_way_says(
            text in "-?0(\\.0{1,3})?|-?[0-9]{0,19}(\\.[0-9]{0,12}0{0,4})?|[-+._0-9eE ]{0,12}"
        ) {
            let long = Decimal::from_str_exact(&text).ok().and_then(|long| Amount::new(long).ok());
            if let Some(short) = Amount::from_short(&text) {
                prop_assert_eq!(Some(short), long);
                prop_assert_eq!(Some(short.to_string()), long.map(|long| long.to_string()));
                prop_assert_eq!(Some(short.0.scale()), long.map(|long| long.0.scale()));
            } else if let Some(long) = long {
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                prop_assert!(digits >= SHORT || long == Amount::ZERO || text.contains(['_', '+'])
                    || text.starts_with('.') || text.ends_with('.') || text.starts_with("-."));
            }
        }

        #[test]
        fn dea_5_scaling_is_exact_and_keeps_the_order(a in any::<i64>(), b in any::<i64>()) {
            let left = Amount::new(Decimal::new(a, 4)).unwrap();
            let right = Amount::new(Decimal::new(b, 4)).unwrap();
            prop_assert_eq!(Amount::from_scaled(left.to_scaled()).unwrap(), left);
            prop_assert_eq!(left.cmp(&right), left.to_scaled().cmp(&right.to_scaled()));
        }
    }
}

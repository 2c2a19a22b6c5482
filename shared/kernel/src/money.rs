//! Amounts in minor units with an ISO 4217 code; sums are checked, never rounded.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
pub struct Currency([u8; 3]);

/// Why an amount is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three capital letters.
    #[error("must be an ISO 4217 code of three capital letters such as EUR")]
    Currency,
    /// The amounts are in different currencies.
    #[error("amounts in {0} and {1} can't be added")]
    Mixed(Currency, Currency),
    /// More than fits in 64 bits.
    #[error("the amount is too large")]
    Overflow,
}

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match *text.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z', c @ b'A'..=b'Z'] => Ok(Self([a, b, c])),
            _ => Err(MoneyError::Currency),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// In the currency's minor unit, such as cents.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: Currency,
}

impl Money {
    /// An amount in minor units.
    pub fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// This amount `quantity` times.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        let amount_minor = self.amount_minor.checked_mul(i64::from(quantity));
        Ok(Self { amount_minor: amount_minor.ok_or(MoneyError::Overflow)?, ..self })
    }

    /// Both amounts together.
    ///
    /// # Errors
    /// [`MoneyError::Mixed`] or [`MoneyError::Overflow`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        let amount_minor = self.amount_minor.checked_add(other.amount_minor);
        Ok(Self { amount_minor: amount_minor.ok_or(MoneyError::Overflow)?, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_checked() {
        let (eur, usd) = ("EUR".parse().unwrap(), "USD".parse().unwrap());
        assert_eq!(Money::new(5, eur).times(3), Ok(Money::new(15, eur)));
        assert_eq!(Money::new(i64::MAX, eur).times(2), Err(MoneyError::Overflow));
        assert_eq!(Money::new(i64::MAX, eur).plus(Money::new(1, eur)), Err(MoneyError::Overflow));
        assert_eq!(Money::new(1, eur).plus(Money::new(1, usd)), Err(MoneyError::Mixed(eur, usd)));
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        for wrong in ["", "eur", "EURO", "E1R", "€"] {
            assert_eq!(wrong.parse::<Currency>(), Err(MoneyError::Currency), "{wrong}");
        }
    }
}

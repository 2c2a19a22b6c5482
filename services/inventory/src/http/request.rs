//! What clients send, as it stands in the contract.

use kernel::Money;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::domain::Details;

/// A product as it is to be listed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutProduct {
    #[schema(min_length = 1, max_length = 200, example = "Espresso cup")]
    name: String,
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// Of one piece.
    price: Money,
    /// The shelf it stands on.
    #[schema(min_length = 1, max_length = 100, example = "kitchen")]
    category: Option<String>,
    /// An http or https address.
    #[schema(max_length = 2000)]
    image_url: Option<String>,
    /// Whether it can be ordered; it can if this is left out.
    #[schema(default = true)]
    active: Option<bool>,
}

impl From<PutProduct> for Details {
    fn from(request: PutProduct) -> Self {
        Self {
            name: request.name,
            description: request.description,
            price: request.price,
            category: request.category,
            image_url: request.image_url,
            active: request.active.unwrap_or(true),
        }
    }
}

/// Pieces that came or went.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustStock {
    /// Pieces that came, or (negative) went; not 0.
    #[schema(example = 100)]
    pub delta: i64,
    /// Why, for the ledger.
    #[schema(min_length = 1, max_length = 500, example = "delivery of 12 May")]
    pub reason: String,
}

/// Which products.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProductFilter {
    /// Only those of this category.
    pub category: Option<String>,
    /// Only those with this text, in whatever case, in name, description or SKU.
    #[param(value_type = Option<String>, max_length = 200)]
    pub q: Option<SearchText>,
}

/// The longest text to search for, in characters.
const MAX_SEARCH: usize = 200;

/// A text to search for.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct SearchText(String);

impl TryFrom<String> for SearchText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.chars().count() > MAX_SEARCH {
            return Err(format!("must have at most {MAX_SEARCH} characters"));
        }
        Ok(Self(text))
    }
}

impl From<SearchText> for String {
    fn from(text: SearchText) -> Self {
        text.0
    }
}

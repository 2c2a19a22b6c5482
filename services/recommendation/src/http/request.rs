//! What clients send, as it stands in the contract.

use kernel::{CustomerId, SessionId, Sku, Timestamp};
use serde::{Deserialize, de::Error as _};
use utoipa::{IntoParams, ToSchema};

use crate::{
    activity::Activity,
    model::{ClickKind, Window},
};

/// How many items are answered unless the request says it.
const DEFAULT_LIMIT: usize = 20;
/// How many items are answered at most, and how many can be named as recent.
const MAX_ITEMS: usize = 50;

/// One thing that a visitor has done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Activity)]
pub struct ActivityEntry {
    /// Names this within its session; a repeat has no effect. A UUID is best.
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    event_id: EventId,
    session_id: SessionId,
    customer_id: Option<CustomerId>,
    #[serde(rename = "type")]
    kind: ActivityType,
    sku: Sku,
    /// From 2000-01-01 until five minutes from now.
    occurred_at: Timestamp,
}

/// What was done with the product.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
// By way of a text: serde_json takes a number in the place of an enum for broken syntax.
#[serde(try_from = "String", rename_all = "snake_case")]
enum ActivityType {
    Viewed,
    AddedToCart,
}

impl TryFrom<String> for ActivityType {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "viewed" => Ok(Self::Viewed),
            "added_to_cart" => Ok(Self::AddedToCart),
            _ => Err("must be viewed or added_to_cart"),
        }
    }
}

/// The storefront's name for an event, with the limits that all ids have.
#[derive(Debug)]
struct EventId(String);

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<SessionId>().map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

impl From<ActivityEntry> for Activity {
    fn from(entry: ActivityEntry) -> Self {
        let ActivityEntry { event_id, session_id, customer_id, kind, sku, occurred_at } = entry;
        let kind = match kind {
            ActivityType::Viewed => ClickKind::Viewed,
            ActivityType::AddedToCart => ClickKind::AddedToCart,
        };
        Self { event_id: event_id.0, session_id, customer_id, kind, sku, occurred_at }
    }
}

/// How many items are wanted.
#[derive(Clone, Copy, Debug)]
struct Limit(usize);

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = usize::try_from(u64::deserialize(deserializer)?).unwrap_or(usize::MAX);
        if (1..=MAX_ITEMS).contains(&limit) {
            Ok(Self(limit))
        } else {
            Err(D::Error::custom(format!("must be from 1 to {MAX_ITEMS}")))
        }
    }
}

/// For whom.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RecommendationParams {
    /// The visitor's session.
    #[param(value_type = Option<String>, min_length = 1, max_length = 100)]
    pub session_id: Option<SessionId>,
    /// The product on the page: counts as the newest of the session, and is not recommended.
    #[param(value_type = Option<String>, min_length = 1, max_length = 100)]
    pub sku: Option<Sku>,
    /// The customer, if they are known. Answers do not depend on it yet.
    #[param(value_type = Option<String>, min_length = 1, max_length = 100)]
    #[expect(dead_code, reason = "checked, and not used: the model knows sessions, not customers")]
    customer_id: Option<CustomerId>,
    /// Instead of a session: the products that the visitor has looked at, separated by commas, the newest last.
    #[param(value_type = Option<Vec<String>>, style = Form, explode = false, max_items = 50)]
    recent: Option<Recent>,
    /// How many products are wanted at most.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 50, default = 20)]
    limit: Limit,
}

impl RecommendationParams {
    /// The products that the visitor has looked at, the newest last.
    pub fn recent(&self) -> &[Sku] {
        self.recent.as_ref().map_or(&[], |recent| &recent.0)
    }

    /// How many items are wanted.
    pub const fn limit(&self) -> usize {
        self.limit.0
    }
}

/// What a visitor without a session has looked at.
#[derive(Debug)]
struct Recent(Vec<Sku>);

impl<'de> Deserialize<'de> for Recent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let skus = Vec::<Sku>::deserialize(deserializer)?;
        if skus.len() > MAX_ITEMS {
            return Err(D::Error::custom(format!("must have at most {MAX_ITEMS} products")));
        }
        Ok(Self(skus))
    }
}

/// How many related products.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RelatedParams {
    /// How many products are wanted at most.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 50, default = 20)]
    limit: Limit,
}

impl RelatedParams {
    /// How many items are wanted.
    pub const fn limit(&self) -> usize {
        self.limit.0
    }
}

/// What is popular, since when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TrendingParams {
    /// The last hour or the last day, by the time of the events.
    #[serde(default)]
    #[param(inline)]
    window: WindowParam,
    /// How many products are wanted at most.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 50, default = 20)]
    limit: Limit,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
enum WindowParam {
    #[default]
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
}

impl TrendingParams {
    /// The window.
    pub const fn window(&self) -> Window {
        match self.window {
            WindowParam::Hour => Window::Hour,
            WindowParam::Day => Window::Day,
        }
    }

    /// How many items are wanted.
    pub const fn limit(&self) -> usize {
        self.limit.0
    }
}

//! What clients get, as it stands in the contract.

use kernel::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    activity::Receipt,
    pool::{Answer, Suggestion},
};

/// What became of a report.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityReceipt)]
pub struct ReceiptView {
    /// Entries that are new.
    accepted: usize,
    /// Entries that were reported before.
    duplicates: usize,
}

impl From<Receipt> for ReceiptView {
    fn from(Receipt { accepted, duplicates }: Receipt) -> Self {
        Self { accepted, duplicates }
    }
}

/// Products, the best first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recommendations)]
pub struct RecommendationsView {
    items: Vec<RecommendationView>,
    /// When the newest event happened that is taken into account.
    as_of: Timestamp,
}

/// A product and why it is recommended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recommendation)]
struct RecommendationView {
    #[schema(example = "TEA-GREEN")]
    sku: String,
    /// Comparable within one answer.
    score: f64,
    /// "sessions like this one", "bought together" or "popular now".
    #[schema(example = "sessions like this one")]
    reason: &'static str,
}

impl RecommendationsView {
    /// What clients see of an answer; before the first event it is as of `now`.
    pub fn new(answer: Answer, now: Timestamp) -> Self {
        let item = |Suggestion { sku, score, reason }| RecommendationView { sku, score, reason };
        let items = answer.items.into_iter().map(item).collect();
        Self { items, as_of: answer.as_of.unwrap_or(now) }
    }
}

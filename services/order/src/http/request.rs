//! What clients send, as it stands in the contract.

use kernel::{CustomerId, SessionId, Sku};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::domain::{Address, NewOrder, Status};

/// An order as it is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrder {
    customer_id: CustomerId,
    email: Option<String>,
    /// 1 to 100, each SKU once.
    lines: Vec<LineRequest>,
    shipping_address: AddressRequest,
    /// The visitor's session, for recommendations.
    session_id: Option<SessionId>,
}

/// One product of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineRequest {
    sku: Sku,
    /// 1 to 10,000.
    #[schema(minimum = 1, maximum = 10_000)]
    quantity: u32,
}

impl From<PlaceOrder> for NewOrder {
    fn from(request: PlaceOrder) -> Self {
        Self {
            customer_id: request.customer_id,
            email: request.email,
            session_id: request.session_id,
            lines: request.lines.into_iter().map(|line| (line.sku, line.quantity)).collect(),
            address: request.shipping_address.into(),
        }
    }
}

/// Where to ship to; strict here, while what is stored may have fields of a later version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressRequest {
    name: String,
    line1: String,
    line2: Option<String>,
    city: String,
    postal_code: String,
    /// ISO 3166-1 alpha-2.
    #[schema(example = "DE")]
    country: String,
}

impl From<AddressRequest> for Address {
    fn from(request: AddressRequest) -> Self {
        let AddressRequest { name, line1, line2, city, postal_code, country } = request;
        Self { name, line1, line2, city, postal_code, country }
    }
}

/// A wish to cancel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelOrder {
    reason: Option<String>,
}

impl CancelOrder {
    /// What the customer gave as the reason, unless it is blank.
    pub fn into_reason(self) -> Option<String> {
        self.reason.filter(|reason| !reason.trim().is_empty())
    }
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrderFilter {
    /// Only those of this customer.
    pub customer_id: Option<CustomerId>,
    /// Only those with this status.
    pub status: Option<Status>,
}

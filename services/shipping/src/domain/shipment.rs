//! What a shipment is in each of its states. Each begets the next, so none can be skipped.

use std::fmt;

use kernel::{OrderId, ShipmentId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State;

/// Where to ship to. Personal data: kept only until the parcel has arrived or never will, and
/// hidden from logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The recipient.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// Second line, if any.
    pub line2: Option<String>,
    /// City.
    pub city: String,
    /// Postal code as the country writes it.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("country", &self.country).finish_non_exhaustive()
    }
}

/// What was agreed with the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The order.
    pub order_id: OrderId,
    /// The shipment.
    pub shipment_id: ShipmentId,
    /// Who carries it.
    pub carrier: String,
    /// The carrier's number.
    pub tracking_number: String,
    /// When it should arrive.
    pub eta: Timestamp,
    /// When it was booked.
    pub scheduled_at: Timestamp,
}

/// Booked; waits for the order's confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// With whom.
    pub booking: Booking,
    /// Where to.
    pub address: Address,
}

/// The order is confirmed; waits to be dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// With whom.
    pub booking: Booking,
    /// Where to.
    pub address: Address,
    /// Since when.
    pub released_at: Timestamp,
}

/// On its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatched {
    /// With whom.
    pub booking: Booking,
    /// Where to.
    pub address: Address,
    /// When it was released.
    pub released_at: Timestamp,
    /// When it left.
    pub dispatched_at: Timestamp,
}

/// It has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// With whom.
    pub booking: Booking,
    /// When it was released.
    pub released_at: Timestamp,
    /// When it left.
    pub dispatched_at: Timestamp,
    /// When it arrived.
    pub delivered_at: Timestamp,
}

/// It will not be dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// With whom.
    pub booking: Booking,
    /// When it was released, if it was.
    pub released_at: Option<Timestamp>,
    /// When it was cancelled.
    pub cancelled_at: Timestamp,
    /// Why, for a person to read.
    pub reason: String,
}

/// We do not ship there; nothing was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The order.
    pub order_id: OrderId,
    /// The shipment.
    pub shipment_id: ShipmentId,
    /// Where to.
    pub country: String,
    /// Why, for a person to read.
    pub reason: String,
    /// When it was refused.
    pub refused_at: Timestamp,
}

impl Scheduled {
    pub(super) fn release(self, released_at: Timestamp) -> Released {
        let Self { booking, address } = self;
        Released { booking, address, released_at }
    }

    pub(super) fn cancel(self, cancelled_at: Timestamp, reason: String) -> Cancelled {
        Cancelled { booking: self.booking, released_at: None, cancelled_at, reason }
    }
}

impl Released {
    pub(super) fn dispatch(self, dispatched_at: Timestamp) -> Dispatched {
        let Self { booking, address, released_at } = self;
        Dispatched { booking, address, released_at, dispatched_at }
    }

    pub(super) fn cancel(self, cancelled_at: Timestamp, reason: String) -> Cancelled {
        let Self { booking, released_at, .. } = self;
        Cancelled { booking, released_at: Some(released_at), cancelled_at, reason }
    }
}

impl Dispatched {
    pub(super) fn deliver(self, delivered_at: Timestamp) -> Delivered {
        let Self { booking, released_at, dispatched_at, .. } = self;
        Delivered { booking, released_at, dispatched_at, delivered_at }
    }
}

/// Where a shipment stands, as the REST contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = ShipmentStatus)]
pub enum Status {
    /// Booked; waits for the order's confirmation.
    Scheduled,
    /// May be dispatched.
    Released,
    /// On its way.
    Dispatched,
    /// Has arrived.
    Delivered,
    /// Will not be dispatched.
    Cancelled,
    /// We do not ship there.
    Refused,
}

impl State {
    /// The shipment's id, once there is one.
    pub fn shipment_id(&self) -> Option<ShipmentId> {
        match self {
            Self::Unknown | Self::AddressKnown(_) | Self::StockKnown | Self::Tombstone => None,
            Self::Scheduled(shipment) => Some(shipment.booking.shipment_id),
            Self::Released(shipment) => Some(shipment.booking.shipment_id),
            Self::Dispatched(shipment) => Some(shipment.booking.shipment_id),
            Self::Delivered(shipment) => Some(shipment.booking.shipment_id),
            Self::Cancelled(shipment) => Some(shipment.booking.shipment_id),
            Self::Refused(shipment) => Some(shipment.shipment_id),
        }
    }
}

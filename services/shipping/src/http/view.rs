//! A shipment as clients see it: without the address, which is the order's.

use kernel::{OrderId, ShipmentId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Booking, Cancelled, Delivered, Dispatched, Refused, Released, State, Status};

/// A shipment. What it does not have yet, or never will, is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShipmentView {
    /// Its id.
    pub id: ShipmentId,
    /// The order that it belongs to.
    pub order_id: OrderId,
    /// Where it stands.
    pub status: Status,
    /// Why it was cancelled or refused.
    pub reason: Option<String>,
    /// Who carries it; null when it was refused.
    pub carrier: Option<String>,
    /// The carrier's number; null when it was refused.
    pub tracking_number: Option<String>,
    /// When it should arrive; null when it was refused.
    pub eta: Option<Timestamp>,
    /// When it was booked.
    pub scheduled_at: Option<Timestamp>,
    /// When its order was confirmed.
    pub released_at: Option<Timestamp>,
    /// When the parcel left.
    pub dispatched_at: Option<Timestamp>,
    /// When the parcel arrived.
    pub delivered_at: Option<Timestamp>,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// When its destination was refused.
    pub refused_at: Option<Timestamp>,
}

impl ShipmentView {
    /// What clients see of a state; `None` while there is no shipment.
    pub fn of(state: &State) -> Option<Self> {
        match state {
            State::Unknown | State::AddressKnown(_) | State::StockKnown | State::Tombstone => None,
            State::Scheduled(shipment) => Some(booked(Status::Scheduled, &shipment.booking)),
            State::Released(shipment) => Some(released(shipment)),
            State::Dispatched(shipment) => Some(dispatched(shipment)),
            State::Delivered(shipment) => Some(delivered(shipment)),
            State::Cancelled(shipment) => Some(cancelled(shipment)),
            State::Refused(shipment) => Some(refused(shipment)),
        }
    }
}

fn blank(id: ShipmentId, order_id: OrderId, status: Status) -> ShipmentView {
    ShipmentView {
        id,
        order_id,
        status,
        reason: None,
        carrier: None,
        tracking_number: None,
        eta: None,
        scheduled_at: None,
        released_at: None,
        dispatched_at: None,
        delivered_at: None,
        cancelled_at: None,
        refused_at: None,
    }
}

fn booked(status: Status, booking: &Booking) -> ShipmentView {
    ShipmentView {
        carrier: Some(booking.carrier.clone()),
        tracking_number: Some(booking.tracking_number.clone()),
        eta: Some(booking.eta),
        scheduled_at: Some(booking.scheduled_at),
        ..blank(booking.shipment_id, booking.order_id, status)
    }
}

fn released(shipment: &Released) -> ShipmentView {
    let released_at = Some(shipment.released_at);
    ShipmentView { released_at, ..booked(Status::Released, &shipment.booking) }
}

fn dispatched(shipment: &Dispatched) -> ShipmentView {
    ShipmentView {
        released_at: Some(shipment.released_at),
        dispatched_at: Some(shipment.dispatched_at),
        ..booked(Status::Dispatched, &shipment.booking)
    }
}

fn delivered(shipment: &Delivered) -> ShipmentView {
    ShipmentView {
        released_at: Some(shipment.released_at),
        dispatched_at: Some(shipment.dispatched_at),
        delivered_at: Some(shipment.delivered_at),
        ..booked(Status::Delivered, &shipment.booking)
    }
}

fn cancelled(shipment: &Cancelled) -> ShipmentView {
    ShipmentView {
        reason: Some(shipment.reason.clone()),
        released_at: shipment.released_at,
        cancelled_at: Some(shipment.cancelled_at),
        ..booked(Status::Cancelled, &shipment.booking)
    }
}

fn refused(shipment: &Refused) -> ShipmentView {
    ShipmentView {
        reason: Some(shipment.reason.clone()),
        refused_at: Some(shipment.refused_at),
        ..blank(shipment.shipment_id, shipment.order_id, Status::Refused)
    }
}

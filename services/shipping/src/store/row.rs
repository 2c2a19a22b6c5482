//! A row from an aggregate, and an aggregate from a row.

use std::str::FromStr;

use events::trace::TraceContext;
use kernel::Timestamp;
use messaging::{
    database::StoreError,
    service::{Aggregate, LastEvent},
};
use uuid::Uuid;

use super::entity::{Model, Stage};
use crate::domain::{
    Address, Booking, Cancelled, Delivered, Dispatched, Refused, Released, Scheduled, State,
};

/// The row of an aggregate.
pub(super) fn of(aggregate: &Aggregate<State>) -> Result<Model, StoreError> {
    let last = aggregate.last.as_ref();
    Ok(Model {
        order_id: aggregate.id.clone(),
        version: aggregate.version,
        base_version: aggregate.loaded_version,
        last_event_id: last.map(|last| last.id.to_string()),
        traceparent: last.map(|last| last.trace.traceparent()),
        tracestate: last.and_then(|last| last.trace.tracestate().map(str::to_owned)),
        ..state_columns(&aggregate.state)?
    })
}

fn state_columns(state: &State) -> Result<Model, StoreError> {
    Ok(match state {
        State::Unknown => blank(Stage::Unknown),
        State::AddressKnown(to) => {
            Model { address: Some(address_json(to)?), ..blank(Stage::AddressKnown) }
        }
        State::StockKnown => blank(Stage::StockKnown),
        State::Tombstone => blank(Stage::Tombstone),
        State::Scheduled(shipment) => {
            booked(Stage::Scheduled, &shipment.booking, Some(&shipment.address))?
        }
        State::Released(shipment) => Model {
            released_at: Some(shipment.released_at.0),
            ..booked(Stage::Released, &shipment.booking, Some(&shipment.address))?
        },
        State::Dispatched(shipment) => Model {
            released_at: Some(shipment.released_at.0),
            dispatched_at: Some(shipment.dispatched_at.0),
            ..booked(Stage::Dispatched, &shipment.booking, Some(&shipment.address))?
        },
        State::Delivered(shipment) => Model {
            released_at: Some(shipment.released_at.0),
            dispatched_at: Some(shipment.dispatched_at.0),
            delivered_at: Some(shipment.delivered_at.0),
            ..booked(Stage::Delivered, &shipment.booking, None)?
        },
        State::Cancelled(shipment) => Model {
            released_at: shipment.released_at.map(|at| at.0),
            cancelled_at: Some(shipment.cancelled_at.0),
            reason: Some(shipment.reason.clone()),
            ..booked(Stage::Cancelled, &shipment.booking, None)?
        },
        State::Refused(shipment) => Model {
            shipment_id: Some(shipment.shipment_id.to_string()),
            country: Some(shipment.country.clone()),
            reason: Some(shipment.reason.clone()),
            refused_at: Some(shipment.refused_at.0),
            ..blank(Stage::Refused)
        },
    })
}

fn booked(stage: Stage, booking: &Booking, to: Option<&Address>) -> Result<Model, StoreError> {
    Ok(Model {
        shipment_id: Some(booking.shipment_id.to_string()),
        carrier: Some(booking.carrier.clone()),
        tracking_number: Some(booking.tracking_number.clone()),
        eta: Some(booking.eta.0),
        scheduled_at: Some(booking.scheduled_at.0),
        address: to.map(address_json).transpose()?,
        ..blank(stage)
    })
}

fn blank(stage: Stage) -> Model {
    Model {
        order_id: String::new(),
        shipment_id: None,
        stage,
        address: None,
        carrier: None,
        tracking_number: None,
        country: None,
        reason: None,
        eta: None,
        scheduled_at: None,
        released_at: None,
        dispatched_at: None,
        delivered_at: None,
        cancelled_at: None,
        refused_at: None,
        version: 0,
        base_version: 0,
        last_event_id: None,
        traceparent: None,
        tracestate: None,
    }
}

/// The aggregate in a row.
pub(super) fn aggregate(row: Model) -> Result<Aggregate<State>, StoreError> {
    let (state, last) = (state(&row)?, last_event(&row)?);
    let (version, loaded_version) = (row.version, row.version);
    Ok(Aggregate { id: row.order_id, state, version, loaded_version, last })
}

/// The state in a row.
pub(super) fn state(row: &Model) -> Result<State, StoreError> {
    Ok(match row.stage {
        Stage::Unknown => State::Unknown,
        Stage::AddressKnown => State::AddressKnown(address(row)?),
        Stage::StockKnown => State::StockKnown,
        Stage::Tombstone => State::Tombstone,
        Stage::Scheduled => {
            State::Scheduled(Scheduled { booking: booking(row)?, address: address(row)? })
        }
        Stage::Released => State::Released(Released {
            booking: booking(row)?,
            address: address(row)?,
            released_at: time(row, "released_at", row.released_at)?,
        }),
        Stage::Dispatched => State::Dispatched(Dispatched {
            booking: booking(row)?,
            address: address(row)?,
            released_at: time(row, "released_at", row.released_at)?,
            dispatched_at: time(row, "dispatched_at", row.dispatched_at)?,
        }),
        Stage::Delivered => State::Delivered(Delivered {
            booking: booking(row)?,
            released_at: time(row, "released_at", row.released_at)?,
            dispatched_at: time(row, "dispatched_at", row.dispatched_at)?,
            delivered_at: time(row, "delivered_at", row.delivered_at)?,
        }),
        Stage::Cancelled => State::Cancelled(Cancelled {
            booking: booking(row)?,
            released_at: row.released_at.map(Timestamp),
            cancelled_at: time(row, "cancelled_at", row.cancelled_at)?,
            reason: text(row, "reason", row.reason.as_ref())?,
        }),
        Stage::Refused => State::Refused(Refused {
            order_id: text(row, "order_id", Some(&row.order_id))?,
            shipment_id: text(row, "shipment_id", row.shipment_id.as_ref())?,
            country: text(row, "country", row.country.as_ref())?,
            reason: text(row, "reason", row.reason.as_ref())?,
            refused_at: time(row, "refused_at", row.refused_at)?,
        }),
    })
}

fn booking(row: &Model) -> Result<Booking, StoreError> {
    Ok(Booking {
        order_id: text(row, "order_id", Some(&row.order_id))?,
        shipment_id: text(row, "shipment_id", row.shipment_id.as_ref())?,
        carrier: text(row, "carrier", row.carrier.as_ref())?,
        tracking_number: text(row, "tracking_number", row.tracking_number.as_ref())?,
        eta: time(row, "eta", row.eta)?,
        scheduled_at: time(row, "scheduled_at", row.scheduled_at)?,
    })
}

fn last_event(row: &Model) -> Result<Option<LastEvent>, StoreError> {
    let (Some(id), Some(parent)) = (&row.last_event_id, &row.traceparent) else { return Ok(None) };
    let id = text::<Uuid>(row, "last_event_id", Some(id))?;
    let trace = TraceContext::parse(parent, row.tracestate.as_deref());
    let trace = trace.ok_or_else(|| corrupt(row, "traceparent"))?;
    Ok(Some(LastEvent { id, trace }))
}

fn address_json(address: &Address) -> Result<String, StoreError> {
    let corrupt = |_| StoreError::Corrupt { table: "shipments", reason: "no address".into() };
    serde_json::to_string(address).map_err(corrupt)
}

fn address(row: &Model) -> Result<Address, StoreError> {
    // serde's own words may quote the address.
    let read = row.address.as_deref().and_then(|json| serde_json::from_str(json).ok());
    read.ok_or_else(|| corrupt(row, "address"))
}

fn time(row: &Model, column: &str, micros: Option<i64>) -> Result<Timestamp, StoreError> {
    micros.map(Timestamp).ok_or_else(|| corrupt(row, column))
}

fn text<T: FromStr>(row: &Model, column: &str, value: Option<&String>) -> Result<T, StoreError> {
    value.and_then(|text| text.parse().ok()).ok_or_else(|| corrupt(row, column))
}

fn corrupt(row: &Model, column: &str) -> StoreError {
    let reason = format!("order {}: {column} of {:?}", row.order_id, row.stage);
    StoreError::Corrupt { table: "shipments", reason }
}

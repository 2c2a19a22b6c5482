//! The `shipments` table.

use sea_orm::entity::prelude::*;

use crate::domain::Status;

/// What is known of one order's shipment. Times are in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shipments")]
pub struct Model {
    /// The order.
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: String,
    /// The shipment, a UUIDv7; null while there is none.
    pub shipment_id: Option<String>,
    /// Which state the other columns are of.
    pub stage: Stage,
    /// [`crate::domain::Address`] as JSON. Personal data; null once it is not needed any more.
    pub address: Option<String>,
    /// Who carries it.
    pub carrier: Option<String>,
    /// The carrier's number.
    pub tracking_number: Option<String>,
    /// Where it was refused to go.
    pub country: Option<String>,
    /// Why it was cancelled or refused.
    pub reason: Option<String>,
    /// When it should arrive.
    pub eta: Option<i64>,
    /// When it was booked.
    pub scheduled_at: Option<i64>,
    /// When it was released.
    pub released_at: Option<i64>,
    /// When it left.
    pub dispatched_at: Option<i64>,
    /// When it arrived.
    pub delivered_at: Option<i64>,
    /// When it was cancelled.
    pub cancelled_at: Option<i64>,
    /// When it was refused.
    pub refused_at: Option<i64>,
    /// How many events made it what it is.
    pub version: i64,
    /// The version it was changed from: what the row must still have when it is saved.
    pub base_version: i64,
    /// The latest event it said.
    pub last_event_id: Option<String>,
    /// The trace that later requests continue.
    pub traceparent: Option<String>,
    /// Vendors' additions to it.
    pub tracestate: Option<String>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The names of [`crate::domain::State`]'s variants; those of shipments are the REST contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each is documented in State")]
pub enum Stage {
    Unknown,
    AddressKnown,
    StockKnown,
    Tombstone,
    Scheduled,
    Released,
    Dispatched,
    Delivered,
    Cancelled,
    Refused,
}

impl From<Status> for Stage {
    fn from(status: Status) -> Self {
        match status {
            Status::Scheduled => Self::Scheduled,
            Status::Released => Self::Released,
            Status::Dispatched => Self::Dispatched,
            Status::Delivered => Self::Delivered,
            Status::Cancelled => Self::Cancelled,
            Status::Refused => Self::Refused,
        }
    }
}

//! The `orders` table.

use sea_orm::entity::prelude::*;

/// One order: what is searched by stands in columns, the rest in the body.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// A UUIDv7: later orders sort behind earlier ones.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Who ordered.
    pub customer_id: String,
    /// As in the REST contract.
    pub status: String,
    /// How many events made it what it is.
    pub version: i64,
    /// The version it was changed from: what the row must still have when it is saved.
    pub base_version: i64,
    /// [`crate::domain::Order`] as JSON.
    pub body: String,
    /// The latest event it said.
    pub last_event_id: Option<String>,
    /// The trace that later requests and deadlines continue.
    pub traceparent: Option<String>,
    /// Vendors' additions to it.
    pub tracestate: Option<String>,
}

/// None.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

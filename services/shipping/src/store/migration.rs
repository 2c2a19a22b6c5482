//! The table of the shipping service.

use messaging::migration::Messaging;
use sea_orm_migration::{prelude::*, schema::*};

use super::entity::{Column, Entity};

/// All migrations, in order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Messaging), Box::new(CreateShipments)]
    }
}

/// Shipments, one row per order.
struct CreateShipments;

/// Not derived: that would be the file's name, `migration`, which every crate has.
impl MigrationName for CreateShipments {
    fn name(&self) -> &str {
        "shipping_v1"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateShipments {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(shipments_table()).await?;
        let by_stage = Index::create()
            .name("shipments_stage")
            .table(Entity)
            .col(Column::Stage)
            .col(Column::ShipmentId)
            .take();
        manager.create_index(by_stage).await
    }
}

fn shipments_table() -> TableCreateStatement {
    use Column::*;
    Table::create()
        .table(Entity)
        .col(string(OrderId).primary_key())
        .col(string_null(ShipmentId).unique_key())
        .col(text(Stage))
        .col(text_null(Address))
        .col(text_null(Carrier))
        .col(text_null(TrackingNumber))
        .col(text_null(Country))
        .col(text_null(Reason))
        .col(big_integer_null(Eta))
        .col(big_integer_null(ScheduledAt))
        .col(big_integer_null(ReleasedAt))
        .col(big_integer_null(DispatchedAt))
        .col(big_integer_null(DeliveredAt))
        .col(big_integer_null(CancelledAt))
        .col(big_integer_null(RefusedAt))
        .col(big_integer(Version))
        .col(big_integer(BaseVersion))
        .col(text_null(LastEventId))
        .col(text_null(Traceparent))
        .col(text_null(Tracestate))
        .take()
}

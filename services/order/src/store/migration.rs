//! The tables of the order service.

use messaging::migration::{Messaging, create_keyed};
use sea_orm_migration::{prelude::*, schema::*};

use super::{entity, products, timeline};

/// All migrations, in order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Messaging), Box::new(Orders)]
    }
}

/// Orders, their timelines and the replica of the products.
struct Orders;

impl MigrationName for Orders {
    fn name(&self) -> &str {
        "order_v1"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Orders {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(orders_table()).await?;
        create_keyed(manager, timeline_table()).await?;
        create_keyed(manager, products_table()).await?;
        for (name, column) in [
            ("orders_customer", entity::Column::CustomerId),
            ("orders_status", entity::Column::Status),
        ] {
            let index = Index::create()
                .name(name)
                .table(entity::Entity)
                .col(column)
                .col(entity::Column::Id)
                .take();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn orders_table() -> TableCreateStatement {
    use entity::Column::*;
    Table::create()
        .table(entity::Entity)
        .col(string(Id).primary_key())
        .col(string(CustomerId))
        .col(string(Status))
        .col(big_integer(Version))
        .col(big_integer(BaseVersion))
        .col(text(Body))
        .col(string_null(LastEventId))
        .col(string_null(Traceparent))
        .col(string_len_null(Tracestate, 512))
        .take()
}

fn timeline_table() -> TableCreateStatement {
    use timeline::Column::*;
    Table::create()
        .table(timeline::Entity)
        .col(string(OrderId))
        .col(string(EventId))
        .col(string(Type))
        .col(string(Service))
        .col(big_integer(OccurredAt))
        .col(string_null(CausationId))
        .col(string_null(TraceId))
        .col(text(Summary))
        .primary_key(Index::create().col(OrderId).col(EventId))
        .take()
}

fn products_table() -> TableCreateStatement {
    use products::Column::*;
    Table::create()
        .table(products::Entity)
        .col(string(Sku).primary_key())
        .col(big_integer(Version))
        .col(text(Name))
        .col(big_integer(PriceMinor))
        .col(string(Currency))
        .col(boolean(Active))
        .take()
}

//! The tables of the notification service.

use messaging::migration::Messaging;
use sea_orm_migration::{prelude::*, schema::*};

use super::{file, row};

/// All migrations, in order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Messaging), Box::new(CreateTables)]
    }
}

/// Notifications, a row each, and files.
struct CreateTables;

/// Not derived: that would be the file's name, `migration`, which every crate has.
impl MigrationName for CreateTables {
    fn name(&self) -> &str {
        "notification_v1"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(files_table()).await?;
        manager.create_table(notifications_table()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn files_table() -> TableCreateStatement {
    use file::Column::*;
    Table::create()
        .table(file::Entity)
        .col(string(Kind))
        .col(string(Id))
        .col(text(Body))
        .col(big_integer(Version))
        .col(big_integer(BaseVersion))
        .col(text_null(LastEventId))
        .col(text_null(Traceparent))
        .col(text_null(Tracestate))
        .primary_key(Index::create().col(Kind).col(Id))
        .take()
}

fn notifications_table() -> TableCreateStatement {
    use row::Column::*;
    Table::create()
        .table(row::Entity)
        .col(string(Id).primary_key())
        .col(text(Subject))
        .col(text(CustomerId))
        .col(text_null(OrderId))
        .col(text(Audience))
        .col(text(Channel))
        .col(text(Address))
        .col(text(Language))
        .col(text(Content))
        .col(text(Status))
        .col(text_null(Receiver))
        .col(big_integer_null(DueAt))
        .col(text_null(Lease))
        .col(big_integer_null(EndedAt))
        .col(text_null(DigestId))
        .col(integer(Attempts))
        .col(text_null(LastError))
        .col(big_integer(CreatedAt))
        .col(big_integer(Version))
        .col(big_integer(BaseVersion))
        .col(text_null(LastEventId))
        .col(text_null(Traceparent))
        .col(text_null(Tracestate))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    use row::Column::*;
    let index = |name: &str, columns: &[row::Column]| {
        let mut index = Index::create().name(name).table(row::Entity).take();
        for column in columns {
            index.col(*column);
        }
        index
    };
    // Nobody looks for what is null, and what goes to the log has nothing else in these columns.
    let partial = |name: &str, column: row::Column, columns: &[row::Column]| {
        index(name, columns).and_where(Expr::col(column).is_not_null()).take()
    };
    vec![
        partial("notifications_due_at", DueAt, &[DueAt, Receiver]),
        partial("notifications_receiver_due_at", DueAt, &[Receiver, DueAt]),
        index("notifications_customer_id", &[CustomerId, CreatedAt]),
        index("notifications_order_id", &[OrderId, CreatedAt]),
        index("notifications_status", &[Status, CreatedAt]),
        partial("notifications_receiver", Receiver, &[Receiver, CreatedAt]),
        partial("notifications_digest_id", DigestId, &[DigestId]),
    ]
}

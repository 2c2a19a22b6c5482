//! The tables that every service has: inbox, outbox, deadlines, idempotency keys.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

use crate::{deadlines, idempotency, inbox, outbox};

/// Creates the tables of messaging; a service's migrator lists it first.
pub struct Messaging;

impl MigrationName for Messaging {
    fn name(&self) -> &str {
        "messaging_v1"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Messaging {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_keyed(manager, inbox_table()).await?;
        manager.create_table(outbox_table()).await?;
        create_keyed(manager, deadlines_table()).await?;
        manager.create_table(idempotency_table()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// Creates a table of short rows. SQLite keeps them in the B-tree of their key, instead of in one of
/// their own beside it: a page less to write for each. What is long would not fit there.
///
/// # Errors
/// When the database refuses.
pub async fn create_keyed(
    manager: &SchemaManager<'_>,
    mut table: TableCreateStatement,
) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Sqlite {
        table.extra("WITHOUT ROWID");
    }
    manager.create_table(table).await
}

fn inbox_table() -> TableCreateStatement {
    use inbox::Column::*;
    Table::create()
        .table(inbox::Entity)
        .col(string(Consumer))
        .col(string(EventId))
        .col(big_integer(ReceivedAt))
        .primary_key(Index::create().col(Consumer).col(EventId))
        .take()
}

fn outbox_table() -> TableCreateStatement {
    use outbox::Column::*;
    Table::create()
        .table(outbox::Entity)
        .col(pk_auto(Position).big_integer())
        .col(string(Id))
        .col(string(Aggregatetype))
        .col(string(Aggregateid))
        .col(string(Type))
        .col(binary_null(Payload))
        .col(text(Headers))
        .col(big_integer(CreatedAt))
        .take()
}

fn deadlines_table() -> TableCreateStatement {
    use deadlines::Column::*;
    Table::create()
        .table(deadlines::Entity)
        .col(string(AggregateId).primary_key())
        .col(big_integer(DueAt))
        .take()
}

fn idempotency_table() -> TableCreateStatement {
    use idempotency::Column::*;
    Table::create()
        .table(idempotency::Entity)
        .col(string(Key).primary_key())
        .col(string(RequestHash))
        .col(text(Reply))
        .col(big_integer(CreatedAt))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &str| Index::create().name(name).take();
    vec![
        index("inbox_received_at").table(inbox::Entity).col(inbox::Column::ReceivedAt).take(),
        index("deadlines_due_at").table(deadlines::Entity).col(deadlines::Column::DueAt).take(),
        index("idempotency_created_at")
            .table(idempotency::Entity)
            .col(idempotency::Column::CreatedAt)
            .take(),
    ]
}

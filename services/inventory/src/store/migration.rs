//! Creates the tables of the inventory service.

use messaging::migration::{Messaging, create_keyed};
use sea_orm_migration::{prelude::*, schema::*};

use super::entity::{movement, product, reservation, stock};

/// All migrations, in order.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Messaging), Box::new(Inventory)]
    }
}

/// Products, stock, its ledger, and reservations.
struct Inventory;

/// Named by hand: a derived name is that of the file, which messaging's migration has too.
impl MigrationName for Inventory {
    fn name(&self) -> &str {
        "inventory_v1"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Inventory {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(products_table()).await?;
        create_keyed(manager, stock_table()).await?;
        manager.create_table(reservations_table()).await?;
        manager.create_table(movements_table()).await?;
        let by_category = Index::create().name("products_category").table(product::Entity).take();
        let by_sku = Index::create().name("stock_movements_sku").table(movement::Entity).take();
        let (category, sku) = (product::Column::Category, product::Column::Sku);
        manager.create_index({ by_category }.col(category).col(sku).take()).await?;
        manager.create_index({ by_sku }.col(movement::Column::Sku).take()).await
    }
}

fn products_table() -> TableCreateStatement {
    use product::Column::*;
    Table::create()
        .table(product::Entity)
        .col(string(Sku).primary_key())
        .col(text(Name))
        .col(text_null(Description))
        .col(big_integer(PriceMinor))
        .col(string(Currency))
        .col(text_null(Category))
        .col(text_null(ImageUrl))
        .col(boolean(Active))
        .col(text(Search))
        .col(big_integer(Version))
        .col(big_integer(BaseVersion))
        .take()
}

/// The database, too, refuses to oversell (I5): a bug fails loudly and stores nothing.
fn stock_table() -> TableCreateStatement {
    use stock::Column::*;
    let is_conserved = Expr::col(Reserved).gte(0).and(Expr::col(Reserved).lte(Expr::col(OnHand)));
    Table::create()
        .table(stock::Entity)
        .col(string(Sku).primary_key())
        .col(big_integer(OnHand))
        .col(big_integer(Reserved))
        .col(big_integer(Version))
        .check(is_conserved)
        .take()
}

fn reservations_table() -> TableCreateStatement {
    use reservation::Column::*;
    Table::create()
        .table(reservation::Entity)
        .col(string(OrderId).primary_key())
        .col(text(Status))
        .col(text_null(Lines))
        .col(big_integer_null(ReservedAt))
        .col(boolean(Confirmed))
        .col(boolean(Reported))
        .col(big_integer(Version))
        .col(big_integer(BaseVersion))
        .take()
}

fn movements_table() -> TableCreateStatement {
    use movement::Column::*;
    Table::create()
        .table(movement::Entity)
        .col(big_pk_auto(Id))
        .col(string(Sku))
        .col(big_integer(Delta))
        .col(text(Reason))
        .col(big_integer(At))
        .take()
}

//! The tables of the inventory service.

/// The products, as they are listed.
pub mod product {
    use sea_orm::entity::prelude::*;

    /// One product.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "products")]
    pub struct Model {
        /// Its SKU.
        #[sea_orm(primary_key, auto_increment = false)]
        pub sku: String,
        /// What it is called.
        pub name: String,
        /// What it is.
        pub description: Option<String>,
        /// Of one piece, in minor units.
        pub price_minor: i64,
        /// ISO 4217.
        pub currency: String,
        /// The shelf it stands on.
        pub category: Option<String>,
        /// A picture.
        pub image_url: Option<String>,
        /// Whether it can be ordered.
        pub active: bool,
        /// Name, description and SKU in lower case: what is searched in.
        pub search: String,
        /// How often it has changed.
        pub version: i64,
        /// The version it was changed from: what the row must still have when it is saved.
        pub base_version: i64,
    }

    /// A product has its stock.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        /// The stock.
        #[sea_orm(
            belongs_to = "super::stock::Entity",
            from = "Column::Sku",
            to = "super::stock::Column::Sku"
        )]
        Stock,
    }

    impl Related<super::stock::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Stock.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// How many pieces of each product there are. A row is locked before it is changed.
pub mod stock {
    use sea_orm::entity::prelude::*;

    /// The stock of one product.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "stock")]
    pub struct Model {
        /// The product's.
        #[sea_orm(primary_key, auto_increment = false)]
        pub sku: String,
        /// In the warehouse.
        pub on_hand: i64,
        /// Held by live reservations.
        pub reserved: i64,
        /// How often it has changed.
        pub version: i64,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What became of each order that was ever heard of.
pub mod reservation {
    use sea_orm::entity::prelude::*;

    /// The reservation of one order.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "reservations")]
    pub struct Model {
        /// The order's.
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_id: String,
        /// What became of it.
        pub status: Status,
        /// What it holds, while it is live: an object of pieces by SKU, as JSON.
        pub lines: Option<String>,
        /// Since when, in microseconds since 1970.
        pub reserved_at: Option<i64>,
        /// Whether the order is confirmed.
        pub confirmed: bool,
        /// Whether it was reported for its age.
        pub reported: bool,
        /// How many events made it what it is.
        pub version: i64,
        /// The version it was changed from: what the row must still have when it is saved.
        pub base_version: i64,
    }

    /// What became of a reservation.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
    pub enum Status {
        /// Its pieces are held.
        Live,
        /// There was too little.
        Rejected,
        /// Its pieces are available again.
        Released,
        /// Its pieces have left.
        Committed,
        /// The order was over before it was heard of.
        Tombstone,
        /// A parcel left for which nothing was held.
        DispatchedUnreserved,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The ledger: the sum of a product's deltas is what is on hand.
pub mod movement {
    use sea_orm::entity::prelude::*;

    /// Pieces that came or went.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "stock_movements")]
    pub struct Model {
        /// In the order of the transactions.
        #[sea_orm(primary_key)]
        pub id: i64,
        /// The product.
        pub sku: String,
        /// Pieces that came, or (negative) went.
        pub delta: i64,
        /// Why.
        pub reason: String,
        /// In microseconds since 1970.
        pub at: i64,
    }

    /// None.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

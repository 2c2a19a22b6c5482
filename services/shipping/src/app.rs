//! The shipping service put together: its rules, its store and its part of the saga.

use std::{sync::Arc, time::Duration};

use events::{
    Event as Contract,
    topics::{self, Topic},
};
use kernel::Timestamp;
use messaging::{
    app::{App, Platform},
    service::{Aggregate, Heard, Hearing, Service, Stamp, Unusable},
};
use sea_orm::DbErr;

use crate::{
    choreography,
    domain::{Command, Event, Rules, State},
    http::view::ShipmentView,
    store::{Shipments, migration::Migrator},
};

/// What can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// ISO 3166-1 alpha-2 codes of where we do not ship to.
    pub refused_countries: Arc<[String]>,
    /// How long after its booking a parcel should arrive.
    pub delivery_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            refused_countries: Arc::new(["AQ".to_owned()]),
            delivery_time: Duration::from_secs(3 * 24 * 3600),
        }
    }
}

/// The shipping service.
pub struct Shipping {
    /// What was set.
    pub config: Config,
}

/// Opens the service's database and puts it together; nothing runs yet.
///
/// # Errors
/// When the database cannot be opened.
pub async fn build(config: Config, platform: &Platform) -> Result<App<Shipping>, DbErr> {
    App::build::<Migrator>(Shipping { config }, platform).await
}

impl Service for Shipping {
    const NAME: &'static str = "shipping";
    type Rules = Rules;
    type Store = Shipments;
    /// `None` when there is no shipment; no request that succeeds leaves it so.
    type Reply = Option<ShipmentView>;

    fn topics(&self) -> Vec<&'static Topic> {
        vec![&topics::ORDERS, &topics::INVENTORY]
    }

    fn hear(&self, heard: &Heard, stamp: Stamp) -> Result<Hearing<Command>, Unusable> {
        choreography::hear(&heard.event, stamp, &self.config)
    }

    fn say(&self, _state: &State, happened: &Event, _now: Timestamp) -> Option<Contract> {
        choreography::say(happened)
    }

    fn reply(&self, aggregate: &Aggregate<State>) -> Option<ShipmentView> {
        ShipmentView::of(&aggregate.state)
    }
}

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
use platform::environment::{ConfigError, Environment, Variable};
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

/// What can be set by environment.
pub const VARIABLES: &[Variable] = &[
    Variable::with_default(
        "SHOP_REFUSED_COUNTRIES",
        "AQ",
        "countries that are not shipped to: ISO alpha-2 codes, separated by commas",
    ),
    Variable::with_default(
        "SHOP_DELIVERY_TIME_S",
        "259200",
        "how long after its booking a parcel should arrive, in seconds",
    ),
];

impl Config {
    /// What the environment says.
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let name = "SHOP_REFUSED_COUNTRIES";
        let codes: String = environment.required(name)?;
        let codes: Vec<_> = codes.split(',').map(|code| code.trim().to_owned()).collect();
        let is_code =
            |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
        if !codes.iter().all(is_code) {
            return Err(environment.invalid(name, "ISO alpha-2 codes, such as AQ,KP".to_owned()));
        }
        let delivery_time = environment.seconds("SHOP_DELIVERY_TIME_S")?;
        Ok(Self { refused_countries: codes.into(), delivery_time })
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

    fn can_wait(event: &Contract) -> bool {
        choreography::can_wait(event)
    }

    fn say(&self, _state: &State, happened: &Event, _now: Timestamp) -> Option<Contract> {
        choreography::say(happened)
    }

    fn reply(&self, aggregate: &Aggregate<State>) -> Option<ShipmentView> {
        ShipmentView::of(&aggregate.state)
    }
}

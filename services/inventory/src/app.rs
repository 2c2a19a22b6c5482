//! The inventory service put together: its rules, its store and its part of the saga.

use std::time::Duration;

use async_trait::async_trait;
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
use serde::{Deserialize, Serialize};

use crate::{
    choreography,
    domain::{Command, Event, Held, Reservation, Rules, State},
    http::view::StockView,
    store::{Inventories, migration::Migrator},
};

/// What can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// How old a reservation of an unconfirmed order gets before it is reported.
    pub report_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { report_after: Duration::from_secs(3600) }
    }
}

/// What can be set by environment.
pub const VARIABLES: &[Variable] = &[Variable::with_default(
    "SHOP_RESERVATION_REPORT_S",
    "3600",
    "how old a reservation of an unconfirmed order gets before it is reported, in seconds",
)];

impl Config {
    /// What the environment says.
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { report_after: environment.seconds("SHOP_RESERVATION_REPORT_S")? })
    }
}

/// The inventory service.
pub struct Inventory {
    /// What was set.
    pub config: Config,
}

/// Opens the service's database and puts it together; nothing runs yet.
///
/// # Errors
/// When the database cannot be opened.
pub async fn build(config: Config, platform: &Platform) -> Result<App<Inventory>, DbErr> {
    App::build::<Migrator>(Inventory { config }, platform).await
}

/// What became of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was listed by this request.
    pub is_new: bool,
    /// The product's version.
    pub version: i64,
    /// Its stock.
    pub stock: StockView,
}

#[async_trait]
impl Service for Inventory {
    const NAME: &'static str = "inventory";
    type Rules = Rules;
    type Store = Inventories;
    type Reply = Reply;

    fn topics(&self) -> Vec<&'static Topic> {
        vec![&topics::ORDERS, &topics::SHIPPING]
    }

    fn hear(&self, heard: &Heard, stamp: Stamp) -> Result<Hearing<Command>, Unusable> {
        choreography::hear(&heard.event, stamp.now)
    }

    fn say(&self, state: &State, happened: &Event, now: Timestamp) -> Option<Contract> {
        tell_operators(happened);
        choreography::say(state, happened, now)
    }

    fn deadline(&self, state: &State) -> Option<Timestamp> {
        match &state.reservation {
            Reservation::Live(held) if held.awaits_confirmation() => Some(self.report_at(held)),
            Reservation::Live(_)
            | Reservation::Unknown
            | Reservation::Rejected
            | Reservation::Released
            | Reservation::Committed
            | Reservation::Tombstone
            | Reservation::DispatchedUnreserved => None,
        }
    }

    fn expire(&self, aggregate_id: &str, _now: Timestamp) -> Option<Command> {
        Some(Command::Report { order_id: aggregate_id.parse().ok()? })
    }

    fn reply(&self, aggregate: &Aggregate<State>) -> Reply {
        let State { product, stock, .. } = &aggregate.state;
        let version = product.as_ref().map_or(0, |product| product.version);
        Reply {
            is_new: aggregate.loaded_version == 0 && version == 1,
            version,
            stock: stock.values().next().copied().unwrap_or_default().into(),
        }
    }
}

impl Inventory {
    fn report_at(&self, held: &Held) -> Timestamp {
        held.reserved_at.plus(self.config.report_after)
    }
}

/// What no other service is told, but a person should know.
fn tell_operators(happened: &Event) {
    match happened {
        Event::OldReservationReported { order_id, since } => {
            tracing::warn!(%order_id, %since, "holds stock for an order that is not confirmed");
        }
        Event::DispatchedUnreserved { order_id } => {
            tracing::error!(%order_id, "a parcel left for which no stock was held; count the stock");
        }
        Event::ProductAdded { .. }
        | Event::ProductChanged { .. }
        | Event::StockAdjusted { .. }
        | Event::StockReserved { .. }
        | Event::StockRejected { .. }
        | Event::ReservationConfirmed
        | Event::StockReleased { .. }
        | Event::StockCommitted { .. }
        | Event::OrderBuried => {}
    }
}

#[cfg(test)]
mod tests;

//! The order service put together: its rules, its store and its part of the saga.

use std::time::Duration;

use async_trait::async_trait;
use events::{
    Event as Contract,
    topics::{self, Topic},
};
use kernel::Timestamp;
use messaging::{
    app::{App, Platform},
    database::StoreError,
    metrics::InFlight,
    service::{Aggregate, Ended, Heard, Hearing, Said, Service, Stamp, Unusable},
    writes::Writes,
};
use platform::environment::{ConfigError, Environment, Variable};
use sea_orm::{DatabaseConnection, DatabaseExecutor, DbErr};

use crate::{
    choreography,
    domain::{Change, Command, Event, Rules, State, Status},
    http::view::OrderView,
    store::{
        self, Orders, lookup::Lookup, migration::Migrator, products, retention::Sweep, timeline,
    },
};

/// What can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a PENDING order waits for stock and shipping.
    pub patience: Duration,
    /// How long the timeline of an order is kept after its end.
    pub timeline_retention: Duration,
}

const DAY: Duration = Duration::from_hours(24);

impl Default for Config {
    fn default() -> Self {
        Self { patience: Duration::from_mins(15), timeline_retention: 90 * DAY }
    }
}

/// What can be set by environment.
pub const VARIABLES: &[Variable] = &[
    Variable::with_default(
        "SHOP_ORDER_DEADLINE_S",
        "900",
        "how long a PENDING order waits for stock and shipping, in seconds",
    ),
    Variable::with_default(
        "SHOP_TIMELINE_RETENTION_S",
        "7776000",
        "how long the timeline of an order is kept after its end, in seconds",
    ),
];

impl Config {
    /// What the environment says.
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            patience: environment.seconds("SHOP_ORDER_DEADLINE_S")?,
            timeline_retention: environment.seconds("SHOP_TIMELINE_RETENTION_S")?,
        })
    }
}

/// The order service.
pub struct OrderService {
    /// What was set.
    pub config: Config,
    /// Finds single orders.
    pub lookup: Lookup,
    /// Forgets old timelines.
    sweep: Sweep,
}

impl OrderService {
    /// Set like this.
    pub fn new(config: Config) -> Self {
        Self { config, lookup: Lookup::default(), sweep: Sweep::default() }
    }
}

/// Opens the service's database and puts it together; nothing runs yet.
///
/// # Errors
/// When the database cannot be opened.
pub async fn build(config: Config, platform: &Platform) -> Result<App<OrderService>, DbErr> {
    App::build::<Migrator>(OrderService::new(config), platform).await
}

#[async_trait]
impl Service for OrderService {
    const NAME: &'static str = "order";
    type Rules = Rules;
    type Store = Orders;
    type Reply = OrderView;

    /// Its own events are in the timeline with their transaction; it need not hear them.
    fn topics(&self) -> Vec<&'static Topic> {
        let others = topics::SAGA.iter().copied().filter(|topic| **topic != topics::ORDERS);
        others.chain([&topics::PRODUCTS]).collect()
    }

    fn hear(&self, heard: &Heard, stamp: Stamp) -> Result<Hearing<Command>, Unusable> {
        choreography::hear(&heard.event, stamp.now)
    }

    fn can_wait(event: &Contract) -> bool {
        choreography::can_wait(event)
    }

    fn say(&self, state: &State, happened: &Event, _now: Timestamp) -> Option<Contract> {
        choreography::say(state.order.as_ref()?, happened)
    }

    fn deadline(&self, state: &State) -> Option<Timestamp> {
        let order = state.order.as_ref()?;
        (order.status == Status::Pending).then_some(order.deadline_at)
    }

    fn expire(&self, aggregate_id: &str, now: Timestamp) -> Option<Command> {
        Some(Command::Change(aggregate_id.parse().ok()?, Change::Expire, now))
    }

    fn reply(&self, aggregate: &Aggregate<State>) -> OrderView {
        OrderView::from(
            aggregate.state.order.as_ref().expect("a request is refused or has an order"),
        )
    }

    fn ended(&self, state: &State, happened: &Event) -> Option<Ended> {
        let outcome = match happened {
            Event::Confirmed(..) => "confirmed",
            Event::Rejected(..) => "rejected",
            Event::Cancelled(..) => "cancelled",
            Event::Completed(_) => "delivered",
            Event::Placed(_) | Event::CancellationRequested(_) | Event::Shipped(_) => return None,
        };
        Some(Ended { outcome, began: state.order.as_ref()?.placed_at })
    }

    async fn in_flight(&self, db: &DatabaseConnection) -> Result<Option<InFlight>, DbErr> {
        store::pending(db).await.map(Some)
    }

    fn project(&self, heard: &[&Heard], said: &[Said], writes: &mut Writes) {
        products::replicate(heard, writes);
        timeline::append(heard, said, writes);
    }
    async fn forget(
        &self,
        tx: &DatabaseExecutor<'_>,
        now: Timestamp,
        limit: u64,
    ) -> Result<bool, StoreError> {
        self.sweep.forget(tx, now.minus(self.config.timeline_retention), limit).await
    }
}

//! A new world, and an old one made new: migrations and prepared statements cost more than a life.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use anyhow::Result;
use events::Codec;
use messaging::{
    app::{Databases, Platform},
    telemetry::Telemetry,
};
use sea_orm::ConnectionTrait;
use testkit::VirtualClock;

use super::{PATIENCE, Seat, World};
use crate::{
    checker::{self, Camera, Checker, Expected},
    faults,
    log::SimLog,
    node::{Member, Node},
    trace::Trace,
};

impl World {
    /// A world in which nothing has happened. All of `seed`'s ids are the same each time.
    ///
    /// # Errors
    /// When a database cannot be made.
    pub async fn new(seed: u64) -> Result<Self> {
        Self::observed(seed, Telemetry::default()).await
    }

    /// As [`World::new`], with its spans and numbers in `telemetry`.
    ///
    /// # Errors
    /// When a database cannot be made.
    pub async fn observed(seed: u64, telemetry: Telemetry) -> Result<Self> {
        let clock = Arc::new(VirtualClock::new(seed));
        let log = SimLog::new(clock.clone());
        let platform = Platform {
            log: Arc::new(log.clone()),
            codec: Arc::new(Codec::fixed()),
            clock: clock.clone(),
            databases: Databases::InMemory,
            telemetry,
        };
        let order = order_service::Config { patience: PATIENCE, ..Default::default() };
        let order = Rc::new(Member::new(order_service::build(order, &platform).await?));
        let inventory = inventory_service::build(Default::default(), &platform).await?;
        let inventory = Rc::new(Member::new(inventory));
        let shipping = shipping_service::build(Default::default(), &platform).await?;
        let shipping = Rc::new(Member::new(shipping));
        let nodes: [Rc<dyn Node>; 3] = [order.clone(), inventory.clone(), shipping.clone()];
        let database = |node: &dyn Node| node.database().reader().clone();
        let checker = Checker {
            order: database(&*order),
            inventory: database(&*inventory),
            shipping: database(&*shipping),
        };
        let mut seats = Vec::new();
        for node in nodes {
            seats.push(Seat::new(node).await?);
        }
        Ok(Self {
            clock,
            log,
            order,
            inventory,
            shipping,
            seats,
            checker,
            expected: Expected::default(),
            faults: faults::none(),
            trace: Trace::default(),
            tally: BTreeMap::new(),
            asked: BTreeMap::new(),
            wishes: Vec::new(),
        })
    }

    /// As [`World::new`], but for what was counted.
    ///
    /// # Errors
    /// When a database cannot be emptied.
    pub async fn reset(&mut self, seed: u64) -> Result<()> {
        self.clock.restart(seed);
        self.log.clear();
        self.order.clear();
        self.inventory.clear();
        self.shipping.clear();
        for seat in &mut self.seats {
            seat.empty().await?;
        }
        self.expected = Expected::default();
        self.faults = faults::none();
        self.trace = Trace::default();
        self.asked.clear();
        self.wishes.clear();
        Ok(())
    }
}

impl Seat {
    async fn new(node: Rc<dyn Node>) -> Result<Self> {
        let camera = Camera::new(node.database().reader()).await?;
        let (positions, sent, gate) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Self { node, up: true, positions, sent, gate, camera })
    }

    async fn empty(&mut self) -> Result<()> {
        let database = self.node.database().reader();
        let mut tables = checker::tables(database).await?;
        tables.retain(|table| table != "seaql_migrations");
        let deletes = tables.iter().map(|table| format!("DELETE FROM \"{table}\";"));
        database.execute_unprepared(&deletes.collect::<String>()).await?;
        self.up = true;
        self.positions.clear();
        self.sent.clear();
        self.gate.clear();
        Ok(())
    }
}

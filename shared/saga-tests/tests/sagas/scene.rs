//! A shop with a few mugs, and short words for what a schedule does to it.

use std::ops::{Deref, DerefMut};

use kernel::OrderId;
use messaging::telemetry::Telemetry;
use order_service::domain::Status;
use saga_tests::{World, node::Reply, wishes::Wish};
use shipping_service::store::entity::Stage;

/// Runs a schedule.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A world in which something can be ordered.
pub struct Scene(World);

impl Deref for Scene {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.0
    }
}

impl Scene {
    /// There are so many mugs.
    pub async fn with_mugs(pieces: i64) -> Self {
        let mut scene = Self(World::new(1).await.unwrap());
        scene.fill(pieces).await;
        scene
    }

    /// The same, whose spans and numbers go into `telemetry`.
    pub async fn observed(pieces: i64, telemetry: Telemetry) -> Self {
        let mut scene = Self(World::observed(1, telemetry).await.unwrap());
        scene.fill(pieces).await;
        scene
    }

    /// A new scene in the same databases.
    pub async fn again(&mut self, pieces: i64) {
        self.reset(1).await.unwrap();
        self.fill(pieces).await;
    }

    async fn fill(&mut self, pieces: i64) {
        self.wish(Wish::Put("mug", 999));
        self.wish(Wish::Restock("first".into(), "mug", pieces));
        self.settle(usize::MAX).await.unwrap();
    }

    /// A customer orders a mug: it is PENDING, and nobody has heard of it yet.
    pub async fn order_mug(&mut self, key: &str) -> OrderId {
        self.order_mug_to(key, "DE").await
    }

    /// As [`Scene::order_mug`], to another country.
    pub async fn order_mug_to(&mut self, key: &str, country: &'static str) -> OrderId {
        let order = Wish::Place(key.into(), vec![("mug", 1)], country);
        self.ask("order", order).await.unwrap();
        self.order_of(key).unwrap()
    }

    /// Asks a service for something and returns its answer; nobody else hears of it yet.
    pub async fn ask(&mut self, service: &str, wish: Wish) -> Reply {
        let wish = self.wish(wish);
        self.serve(service).await.unwrap();
        self.poll().await.unwrap();
        self.reply(wish).unwrap().clone()
    }

    /// How an order stands.
    pub async fn status(&self, order: OrderId) -> Status {
        self.show(order).await.unwrap().status
    }

    /// How its shipment stands.
    pub async fn stage(&self, order: OrderId) -> Option<Stage> {
        self.shipment(order).await.unwrap().map(|shipment| shipment.stage)
    }

    /// Everything goes on to its end; then every invariant holds, and goes on holding when
    /// everything is heard once more.
    pub async fn ends_well(&mut self) {
        self.settle(1).await.unwrap();
        self.check().await.unwrap();
        self.replay_everything().await.unwrap();
        self.settle(1).await.unwrap();
        self.check().await.unwrap();
    }
}

//! The products of a run: new ones each time, so that earlier orders do not blur what adds up.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use crate::{
    ledger::Outcome,
    recorder::Recorder,
    shop::{Call, Service, Shop},
    visitors::Visitors,
};

/// Requests at the same time.
const CONCURRENCY: usize = 32;
/// The most lines of an order.
const LINES: usize = 100;
/// How long new products may take to be orderable.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// What is sold.
#[derive(Debug)]
pub struct Goods {
    /// Also the category of all of them.
    pub run: String,
    /// Their SKUs.
    pub skus: Vec<String>,
    /// Pieces of each, at first.
    pub stock: u32,
}

impl Goods {
    /// So many products, with as many pieces each.
    pub fn numbered(run: &str, products: u32, stock: u32) -> Self {
        let skus = (0..products).map(|number| format!("{run}-{number:05}")).collect();
        Self { run: run.to_owned(), skus, stock }
    }

    /// These products.
    pub fn named(run: &str, names: &[String], stock: u32) -> Self {
        let skus = names.iter().map(|name| format!("{run}-{name}")).collect();
        Self { run: run.to_owned(), skus, stock }
    }

    /// Lists and stocks all of them.
    ///
    /// # Errors
    /// When the shop refuses.
    pub async fn stock(&self, shop: &Shop) -> Result<()> {
        let calls = stream::iter(&self.skus).map(|sku| self.stock_one(shop, sku));
        calls.buffer_unordered(CONCURRENCY).try_collect().await
    }

    async fn stock_one(&self, shop: &Shop, sku: &str) -> Result<()> {
        let path = format!("/api/v1/products/{sku}");
        let product = json!({"name": sku, "category": self.run, "price": {"amount_minor": 500, "currency": "EUR"}});
        let mut put = Call::post("put", Service::Inventory, &path, product);
        put.method = reqwest::Method::PUT;
        let delivery = json!({"delta": self.stock, "reason": "load test"});
        let delivery = Call::post("stock", Service::Inventory, &format!("{path}/stock"), delivery);
        for call in [put, delivery.key(sku.to_owned())] {
            let answer = shop.ask(&call, &Recorder::default(), Instant::now()).await;
            if let Err(status) = answer {
                bail!("the shop answers {status} to {} {}", call.method, call.path);
            }
        }
        Ok(())
    }
}

/// Orders one piece of everything, until all of it can be ordered; products are on their way to the
/// order service until then. These orders are in the ledger like all others.
///
/// # Errors
/// When that takes too long.
pub async fn wait_until_orderable(visitors: &Visitors) -> Result<()> {
    let began_at = Instant::now();
    let products: Vec<_> = (0..visitors.goods.skus.len()).map(|product| (product, 1)).collect();
    for lines in products.chunks(LINES) {
        let number = visitors.ledger.begin(lines.to_vec(), Instant::now(), false);
        let id = loop {
            if let Some(id) = visitors.send(number, false, Instant::now()).await {
                break id;
            }
            if began_at.elapsed() > PATIENCE {
                bail!("the products cannot be ordered: {:?}", visitors.recorder.counts().errors);
            }
            tokio::time::sleep(PAUSE).await;
        };
        let outcome = end_of(visitors, &id, began_at).await;
        visitors.ended(
            number,
            outcome.with_context(|| format!("the first orders: {id}"))?,
            Instant::now(),
        );
    }
    Ok(())
}

async fn end_of(visitors: &Visitors, id: &str, began_at: Instant) -> Result<Outcome> {
    let call = Call::get("first", Service::Order, format!("/api/v1/orders/{id}"));
    while began_at.elapsed() < PATIENCE {
        let order =
            visitors.shop.ask(&call, &visitors.recorder, Instant::now()).await.unwrap_or_default();
        if let Some(outcome) = order["status"].as_str().and_then(Outcome::of_status) {
            return Ok(outcome);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("not ended after {PATIENCE:?}; do all services run?")
}

//! Reads by REST what the checker compares.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::{Kind, Listed, Stock, Told, Violation, check};
use crate::{
    ledger::{Entry, ORDERS_PER_CUSTOMER},
    recorder::Recorder,
    shop::{Call, Service},
    visitors::Visitors,
};

/// Requests at the same time.
const CONCURRENCY: usize = 4;
/// How long a cancelled order's stock may be on its way back.
const SETTLING: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Checks a run, once the stock has settled. A shop that does not answer is a violation too.
pub async fn inspect(visitors: &Visitors) -> Vec<Violation> {
    let unchecked = |error| vec![Violation { kind: Kind::Unchecked, detail: format!("{error:#}") }];
    settled(visitors).await.unwrap_or_else(unchecked)
}

async fn settled(visitors: &Visitors) -> Result<Vec<Violation>> {
    let began_at = Instant::now();
    let entries = visitors.ledger.entries();
    loop {
        let told =
            Told { orders: orders(visitors, &entries).await?, stock: products(visitors).await? };
        let stocked = i64::from(visitors.goods.stock);
        let violations = check(&entries, &visitors.goods.skus, stocked, &told);
        let may_settle = |v: &Violation| v.kind == Kind::Stock || v.kind == Kind::Unended;
        let is_final = violations.is_empty() || !violations.iter().any(may_settle);
        if is_final || began_at.elapsed() > SETTLING {
            return Ok(violations);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn orders(visitors: &Visitors, entries: &[Entry]) -> Result<Vec<Vec<Listed>>> {
    let pages =
        stream::iter(0..entries.len().div_ceil(ORDERS_PER_CUSTOMER)).map(|page| async move {
            let customer = visitors.ledger.customer_of_page(page);
            let items =
                all(visitors, Service::Order, &format!("/api/v1/orders?customer_id={customer}"))
                    .await?;
            readable_orders(&items)
        });
    pages.buffered(CONCURRENCY).try_collect().await
}

/// The stock of all products of the run, by SKU.
async fn products(visitors: &Visitors) -> Result<BTreeMap<String, Stock>> {
    let path = format!("/api/v1/products?category={}", visitors.goods.run);
    let items = all(visitors, Service::Inventory, &path).await?;
    let stock = |item: &Value| {
        let count = |name: &str| item["stock"][name].as_i64();
        let stock = Stock { on_hand: count("on_hand")?, reserved: count("reserved")? };
        Some((item["sku"].as_str()?.to_owned(), stock))
    };
    Ok(items.iter().filter_map(stock).collect())
}

/// Orders as the shop lists them.
pub(super) fn readable_orders(items: &[Value]) -> Result<Vec<Listed>> {
    let line = |line: &Value| Some((line["sku"].as_str()?.to_owned(), line["quantity"].as_i64()?));
    let order = |item: &Value| {
        let lines: Option<Vec<_>> = item["lines"].as_array()?.iter().map(line).collect();
        let text = |name: &str| Some(item[name].as_str()?.to_owned());
        Some(Listed { id: text("id")?, status: text("status")?, lines: lines? })
    };
    let read = |item| order(item).ok_or_else(|| anyhow::anyhow!("an order cannot be read: {item}"));
    items.iter().map(read).collect()
}

/// A whole list, page by page.
async fn all(visitors: &Visitors, service: Service, path: &str) -> Result<Vec<Value>> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let call = Call::get("check", service, format!("{path}&limit=200{after}"));
        let answer = visitors.shop.ask(&call, &Recorder::default(), Instant::now()).await;
        let Ok(mut page) = answer else { bail!("the checker gets no answer to {}", call.path) };
        if let Some(listed) = page["items"].as_array_mut() {
            items.append(listed);
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(items),
        }
    }
}

//! A small catalogue for the first start, put in through the same calls that everybody uses.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// SKU, name, shelf, description, price in cents, pieces.
const PRODUCTS: [(&str, &str, &str, &str, i64, i64); 8] = [
    ("TEA-GREEN", "Green tea, 100 g", "tea", "Sencha from Uji, steamed", 890, 500),
    ("TEA-BLACK", "Black tea, 100 g", "tea", "Assam, second flush", 750, 500),
    ("COFFEE-ESPRESSO", "Espresso, 1 kg", "coffee", "Dark roast, whole beans", 2290, 300),
    ("COFFEE-FILTER", "Filter coffee, 1 kg", "coffee", "Light roast, whole beans", 2490, 300),
    ("MUG-WHITE", "Mug, white", "ware", "Stoneware, 300 ml", 1290, 200),
    ("POT-IRON", "Teapot, cast iron", "ware", "800 ml, with a sieve", 5490, 40),
    ("SCALE-POCKET", "Pocket scale", "ware", "To 500 g, in steps of 0.1 g", 1990, 60),
    ("KETTLE-LAST", "Kettle, the last ones", "ware", "Discontinued: three are left", 6990, 3),
];

/// Fills an empty catalogue; a shop that has one is left alone.
pub async fn fill(address: SocketAddr, token: Option<String>) {
    match try_fill(&format!("http://{address}/api/v1/products"), token).await {
        Ok(0) => {}
        Ok(count) => {
            tracing::info!(count, "put a demo catalogue in; --no-demo-data starts without")
        }
        Err(error) => tracing::warn!("the demo catalogue is not complete: {error:#}"),
    }
}

async fn try_fill(url: &str, token: Option<String>) -> Result<usize> {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let page: Value =
        client.get(format!("{url}?limit=1")).send().await?.error_for_status()?.json().await?;
    if page["items"].as_array().is_some_and(|items| !items.is_empty()) {
        return Ok(0);
    }
    for (sku, name, category, description, amount_minor, pieces) in PRODUCTS {
        let price = json!({"amount_minor": amount_minor, "currency": "EUR"});
        let product =
            json!({"name": name, "category": category, "description": description, "price": price});
        let put = client.put(format!("{url}/{sku}")).json(&product);
        send(put, token.as_deref()).await.with_context(|| sku.to_owned())?;
        let stock = client.post(format!("{url}/{sku}/stock"));
        let stock = stock.header("Idempotency-Key", format!("demo-{sku}"));
        let stock = stock.json(&json!({"delta": pieces, "reason": "demo catalogue"}));
        send(stock, token.as_deref()).await.with_context(|| sku.to_owned())?;
    }
    Ok(PRODUCTS.len())
}

/// Sends until the service is ready for it: the schemas may not be registered yet.
async fn send(request: reqwest::RequestBuilder, token: Option<&str>) -> Result<()> {
    const TRIES: u32 = 50;
    let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
    for _ in 0..TRIES {
        let again = request.try_clone().context("a request that can be repeated")?;
        let response = again.send().await?;
        if response.status() != StatusCode::SERVICE_UNAVAILABLE {
            response.error_for_status()?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the shop is not ready after {TRIES} tries")
}

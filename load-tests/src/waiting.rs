//! How an order's end is awaited.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::{sync::watch, time::timeout_at};

use crate::{
    cli::Wait,
    ledger::Outcome,
    shop::{Call, Service},
    sse::Parser,
    visitors::Visitors,
};

/// Between two lists, when nothing new was on the last.
const BETWEEN_LISTS: Duration = Duration::from_millis(100);
/// Before a stream that broke off is opened again.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until an order has ended, or patience has; with `Wait::List` somebody else does.
pub async fn follow(visitors: &Visitors, number: usize, id: &str, intended: Instant) {
    // What waits for an order is no request of the figures; only its failures count.
    let deadline = (intended + visitors.patience).max(Instant::now() + PAUSE);
    let outcome = match visitors.wait {
        Wait::List => return,
        Wait::Stream => timeout_at(deadline.into(), stream(visitors, id)).await,
        Wait::Poll => timeout_at(deadline.into(), poll(visitors, id)).await,
    };
    match outcome {
        Ok(outcome) => visitors.ended(number, outcome, Instant::now()),
        Err(_) => visitors.recorder.failed("saga: not ended in time"),
    }
}

async fn stream(visitors: &Visitors, id: &str) -> Outcome {
    let call = Call::get("stream", Service::Order, format!("/api/v1/orders/{id}/stream"));
    let mut parser = Parser::default();
    loop {
        let last_id = Some(parser.last_id()).filter(|id| !id.is_empty()).unwrap_or("0");
        let pause = match visitors.shop.open(&call, last_id, &visitors.recorder).await {
            Ok(mut response) => {
                while let Ok(Some(piece)) = response.chunk().await {
                    let mut statuses = parser.push(&piece).into_iter();
                    if let Some(outcome) = statuses.find_map(|event| outcome(&event.data)) {
                        return outcome;
                    }
                }
                // The shop died, or stops: again, behind what was received.
                visitors.recorder.failed("stream: broken off");
                PAUSE
            }
            Err(failure) => failure.pause.unwrap_or(PAUSE),
        };
        tokio::time::sleep(pause).await;
    }
}

fn outcome(data: &str) -> Option<Outcome> {
    let change: Value = serde_json::from_str(data).ok()?;
    Outcome::of_status(change["status"].as_str()?)
}

async fn poll(visitors: &Visitors, id: &str) -> Outcome {
    let call = Call::get("poll", Service::Order, format!("/api/v1/orders/{id}"));
    loop {
        if let Ok(order) = visitors.shop.ask(&call, &visitors.recorder, Instant::now()).await
            && let Some(outcome) = order["status"].as_str().and_then(Outcome::of_status)
        {
            return outcome;
        }
        tokio::time::sleep(visitors.poll).await;
    }
}

/// Lists the orders that have not ended, the oldest first, until `stop` and all have ended.
pub async fn list(visitors: &Visitors, stop: watch::Receiver<bool>) {
    // Orders end about in their order: after two pages on which none has, the rest can wait. When
    // nothing ends at all, each round looks further, past those that are stuck.
    let mut reach = 2;
    let mut last_end = Instant::now();
    while !*stop.borrow() || visitors.ledger.progress().0 > 0 {
        if look_round(visitors, reach).await > 0 {
            (reach, last_end) = (2, Instant::now());
            continue;
        }
        reach = (reach * 2).min(1 << 20);
        if *stop.borrow() && last_end.elapsed() > visitors.patience {
            visitors.recorder.failed("saga: not ended in time");
            return;
        }
        tokio::time::sleep(BETWEEN_LISTS).await;
    }
}

/// Reads the pages with open orders, until so many had none that has ended; returns how many have.
async fn look_round(visitors: &Visitors, reach: usize) -> usize {
    let (mut page, mut idle, mut ended) = (0, 0, 0);
    while let Some((found, open)) = visitors.ledger.open_page(page) {
        let count = look(visitors, found, &open).await;
        (page, ended) = (found + 1, ended + count);
        if count == 0 {
            idle += 1;
            if idle >= reach {
                break;
            }
        }
    }
    ended
}

/// Reads one page; returns how many of its open orders have ended.
async fn look(visitors: &Visitors, page: usize, open: &[(usize, String)]) -> usize {
    let path =
        format!("/api/v1/orders?customer_id={}&limit=200", visitors.ledger.customer_of_page(page));
    let call = Call::get("list", Service::Order, path);
    let Ok(list) = visitors.shop.ask(&call, &visitors.recorder, Instant::now()).await else {
        return 0;
    };
    let empty = Vec::new();
    let listed = list["items"].as_array().unwrap_or(&empty);
    let mut count = 0;
    for order in listed {
        let known = order["id"].as_str().and_then(|id| open.iter().find(|(_, open)| open == id));
        let outcome = order["status"].as_str().and_then(Outcome::of_status);
        let at = order["updated_at"].as_str().and_then(|text| visitors.clock.instant(text));
        if let (Some((number, _)), Some(outcome), Some(at)) = (known, outcome, at) {
            visitors.ended(*number, outcome, at.min(Instant::now()));
            count += 1;
        }
    }
    count
}

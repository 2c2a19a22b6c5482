//! An order followed live: Server-Sent Events (WHATWG HTML, section 9.2), one per status change.
//! A change wakes the streams; what they send is read again by version, so nothing is missed.

use std::{collections::VecDeque, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, get,
    web::{Bytes, Data},
};
use kernel::OrderId;
use messaging::{app::App, signal::Watcher};
use platform::{Problem, Segment, openapi::Problems};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    app::OrderService,
    domain::{Order, StatusChange},
};

/// A comment that keeps proxies from closing a silent stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Streams at the same time, per process and worker thread (I8).
const MAX_STREAMS: usize = 10_000;

/// How many streams there may be.
pub struct Fanout(std::sync::Arc<Semaphore>);

impl Default for Fanout {
    fn default() -> Self {
        Self(std::sync::Arc::new(Semaphore::new(MAX_STREAMS)))
    }
}

/// Follow an order: an event per status change
///
/// The id of each is the order's version; `Last-Event-ID` resumes behind it. Ends after the last
/// status; who comes back after that gets 204, which keeps an `EventSource` from trying again.
#[utoipa::path(
    tag = "order",
    params(("Last-Event-ID" = Option<i64>, Header, description = "The last version that was received")),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 204, description = "The last status was received already"),
        Problems,
    )
)]
#[get("/api/v1/orders/{id}/stream")]
pub async fn follow(
    orders: Data<App<OrderService>>,
    fanout: Data<Fanout>,
    Segment(id): Segment<OrderId>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let permit = fanout.0.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("too many streams are open", 5))?;
    let last = last_event_id(&request)?;
    // Watch before reading: a change in between is seen twice rather than never.
    let changes = orders.ctx.database.signals.watch(id.to_string());
    let order = super::find(&orders, id).await?;
    let mut follower = Follower {
        app: orders,
        id,
        last,
        changes,
        queue: VecDeque::new(),
        over: false,
        _permit: permit,
    };
    follower.read(&order);
    if follower.has_ended() {
        return Ok(HttpResponse::NoContent().finish());
    }
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(futures::stream::unfold(follower, Follower::next)))
}

fn last_event_id(request: &HttpRequest) -> Result<i64, Problem> {
    let Some(value) = request.headers().get("Last-Event-ID") else { return Ok(0) };
    let version = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    version
        .filter(|version| *version >= 0)
        .ok_or_else(|| Problem::header("Last-Event-ID", "must be a version of the order"))
}

/// One stream.
struct Follower {
    app: Data<App<OrderService>>,
    id: OrderId,
    /// The version that was sent last.
    last: i64,
    changes: Watcher,
    queue: VecDeque<Bytes>,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some((Ok(event), self));
            }
            if self.has_ended() {
                return None;
            }
            match tokio::time::timeout(HEARTBEAT, self.changes.changed()).await {
                Ok(()) => self.read_again().await,
                Err(_) => {
                    // On another replica's change nobody here may have called: look as well.
                    self.read_again().await;
                    self.queue.push_back(Bytes::from_static(b": still here\n\n"));
                }
            }
        }
    }

    async fn read_again(&mut self) {
        // A database that is away for a moment is read at the next change or heartbeat.
        let ctx = &self.app.ctx;
        if let Ok(Some(order)) = ctx.service.lookup.find(&ctx.database.reads(), self.id).await {
            self.read(&order);
        }
    }

    /// Whether all is sent and nothing follows.
    fn has_ended(&self) -> bool {
        self.over && self.queue.is_empty()
    }

    fn read(&mut self, order: &Order) {
        for change in order.history.iter().filter(|change| change.version > self.last) {
            self.queue.push_back(event(order, change));
        }
        self.last = self.last.max(order.history.last().map_or(0, |change| change.version));
        self.over = order.status.is_final();
    }
}

fn event(order: &Order, change: &StatusChange) -> Bytes {
    let data = json!({
        "order_id": order.id,
        "status": change.status,
        "status_reason": change.reason,
        "at": change.at,
        "version": change.version,
    });
    Bytes::from(format!("id: {}\nevent: status\ndata: {data}\n\n", change.version))
}

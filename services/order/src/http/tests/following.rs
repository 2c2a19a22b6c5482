//! An order followed live. A heartbeat would fail the client: the changes themselves must wake it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{HttpResponse, web};
use futures::{StreamExt as _, stream};
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    domain::Status,
    testing::{events::*, live::Sent, shop::*},
};

fn seen(sent: &[Sent]) -> Vec<(i64, &str)> {
    sent.iter().map(|sent| (sent.id, sent.data["status"].as_str().unwrap())).collect()
}

#[actix_web::test]
async fn every_status_is_sent_as_it_comes_and_the_last_ends_the_stream() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    let mut live = shop.follow(&id, None).await;
    assert_eq!((live.status(), live.header("content-type")), (200, "text/event-stream"));
    assert_eq!(live.header("cache-control"), "no-store");
    assert_eq!(live.status_change().await, (1, "PENDING".into()));
    shop.hear(shipment_scheduled(&id), None).await;
    assert_eq!(live.status_change().await, (2, "CONFIRMED".into()));
    // A version without a status of its own.
    shop.cancel(&id).await.with(202);
    shop.hear(shipment_dispatched(&id), None).await;
    assert_eq!(live.status_change().await, (4, "SHIPPED".into()));
    shop.hear(shipment_delivered(&id), None).await;
    assert_eq!(seen(&live.rest().await), [(5, "DELIVERED")]);
}

#[actix_web::test]
async fn an_event_says_what_changed_when_and_why() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.cancel(&id).await.with(202);
    let sent = shop.follow(&id, None).await.rest().await;
    let data = json!({
        "order_id": id,
        "status": "CANCELLED",
        "status_reason": "customer: no reason given",
        "at": "2026-11-21T08:00:00Z",
        "version": 2,
    });
    assert_eq!(sent[1], Sent { id: 2, event: "status".into(), data });
    assert_eq!(sent[0].data["status_reason"], json!(null));
}

#[actix_web::test]
async fn a_stream_resumes_behind_the_last_event_that_was_received() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.bring(&id, Status::Delivered).await;
    let all = [(1, "PENDING"), (2, "CONFIRMED"), (3, "SHIPPED"), (4, "DELIVERED")];
    for last in 0..=3 {
        let live = shop.follow(&id, Some(&last.to_string())).await;
        let behind = all.iter().filter(|(version, _)| *version > last).copied();
        assert_eq!(seen(&live.rest().await), behind.collect::<Vec<_>>());
    }
}

#[actix_web::test]
async fn a_client_that_has_seen_the_end_is_told_not_to_come_back() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    shop.bring(&id, Status::Rejected).await;
    assert_eq!(shop.follow(&id, Some("2")).await.status(), 204);
}

#[actix_web::test]
async fn a_stream_that_resumes_waits_for_what_is_new() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    let live = shop.follow(&id, Some("1")).await;
    shop.bring(&id, Status::Cancelled).await;
    assert_eq!(seen(&live.rest().await), [(2, "CANCELLED")]);
}

#[actix_web::test]
async fn many_streams_each_follow_their_own_order() {
    let shop = Shop::open().await;
    let mut followed = vec![];
    for _ in 0..8 {
        let id = shop.placed().await;
        let live = shop.follow(&id, Some("1")).await;
        followed.push((id, live));
    }
    for (id, _) in &followed[1..] {
        shop.hear(shipment_refused(id), None).await;
    }
    shop.hear(stock_rejected(&followed[0].0), None).await;
    let (_, first) = followed.remove(0);
    assert_eq!(seen(&first.rest().await), [(2, "REJECTED")]);
    for (_, live) in followed {
        assert_eq!(seen(&live.rest().await), [(2, "CANCELLED")]);
    }
}

#[actix_web::test]
async fn a_last_event_id_that_is_no_version_is_refused() {
    let shop = Shop::open().await;
    let id = shop.placed().await;
    for wrong in ["", "one", "1.5", "-1", "99999999999999999999", "1 2"] {
        let request = shop.request(&format!("/api/v1/orders/{id}/stream"));
        let answer = shop.send(request.header("Last-Event-ID", wrong)).await;
        answer.is_problem(400, "bad-request", "Last-Event-ID");
    }
}

/// An endless answer that holds the sender until its client leaves.
async fn endless(held: web::Data<Mutex<Option<oneshot::Sender<()>>>>) -> HttpResponse {
    let held = held.lock().unwrap().take();
    let first = stream::iter([Ok::<_, Infallible>(web::Bytes::from_static(b": begun\n\n"))]);
    let silence = stream::once(async move {
        let _held = held;
        std::future::pending().await
    });
    HttpResponse::Ok().streaming(first.chain(silence))
}

#[actix_web::test]
async fn a_silent_stream_ends_when_its_client_leaves() {
    let (held, mut gone) = oneshot::channel::<()>();
    let held = web::Data::new(Mutex::new(Some(held)));
    let shop = Shop::serving(Arc::new(move |config: &mut web::ServiceConfig| {
        config.app_data(held.clone()).route("/endless", web::get().to(endless));
    }))
    .await;
    let mut live = shop.request("/endless").send().await.unwrap();
    assert!(live.chunk().await.unwrap().is_some());
    assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    drop(live);
    let ended = tokio::time::timeout(Duration::from_secs(5), gone).await;
    ended.expect("the stream goes on without its client").unwrap_err();
}

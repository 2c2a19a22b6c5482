//! What the service does and says when events come, in whatever order and number.

use std::sync::Arc;

use events::{Envelope, Event, trace::TraceContext};
use messaging::{
    execute::{Batch, Request, transact},
    inbox, pipeline,
};
use sea_orm::EntityTrait as _;

use super::rig::{Rig, cancellation_requested, cancelled, confirmed, placed, reserved, start};
use crate::domain::{Action, Command};

#[actix_web::test]
async fn a_shipment_is_booked_from_the_log_and_said_to_it() {
    let mut rig = start().await;
    let order = rig.new_order();
    let producer = rig.log.producer(None).await.unwrap();
    let records = vec![rig.new_record(placed(order, "GB")), rig.new_record(reserved(order))];
    producer.append(records).await.unwrap();
    let (envelope, event) = rig.said().await;
    assert_eq!(event.name(), "ShipmentScheduled");
    assert_eq!(event.key(), order.to_string());
    assert_eq!((envelope.service.as_str(), envelope.subject), ("shipping", order.to_string()));
    rig.stop().await;
}

#[actix_web::test]
async fn stock_and_order_book_in_either_order_and_as_one_batch() {
    let mut rig = start().await;
    let [first, second, third] = [rig.new_order(), rig.new_order(), rig.new_order()];
    assert_eq!(rig.hear(placed(first, "GB")).await, 0);
    assert_eq!(rig.hear(reserved(first)).await, 1);
    assert_eq!(rig.hear(reserved(second)).await, 0);
    assert_eq!(rig.hear(placed(second, "GB")).await, 1);
    let both = [rig.record(reserved(third)), rig.record(placed(third, "GB"))];
    assert_eq!(rig.hear_all(&both).await.said, 1);
    // Of different partitions, whose records come in any order.
    let mut booked = Vec::new();
    for _ in 0..3 {
        booked.push(rig.said().await.1.key().to_owned());
    }
    booked.sort();
    assert_eq!(booked, [first, second, third].map(|order| order.to_string()));
    rig.stop().await;
}

#[actix_web::test]
async fn a_repeated_event_is_known_by_the_inbox() {
    let rig = start().await;
    let order = rig.new_order();
    let (placed, reserved) = (rig.record(placed(order, "GB")), rig.record(reserved(order)));
    let twice = [placed.clone(), placed.clone(), reserved.clone(), reserved.clone()];
    let outcome = rig.hear_all(&twice).await;
    assert_eq!((outcome.said, outcome.duplicates), (1, 2));
    let outcome = rig.hear_all(&[placed, reserved]).await;
    assert_eq!((outcome.said, outcome.duplicates), (0, 2));
    rig.stop().await;
}

#[actix_web::test]
async fn a_replay_after_the_inbox_was_purged_changes_nothing() {
    let mut rig = start().await;
    let order = rig.new_order();
    let story = [
        rig.record(placed(order, "GB")),
        rig.record(reserved(order)),
        rig.record(confirmed(order)),
        rig.record(cancellation_requested(order)),
        rig.record(cancelled(order)),
    ];
    assert_eq!(rig.hear_all(&story).await.said, 2);
    let path = format!("/api/v1/shipments?order_id={order}");
    let before = rig.get(&path).await.body;
    purge_inbox(&rig).await;
    let outcome = rig.hear_all(&story).await;
    assert_eq!((outcome.said, outcome.duplicates, outcome.changed), (0, 0, vec![]));
    assert_eq!(rig.get(&path).await.body, before);
    let names = [rig.said().await.1.name(), rig.said().await.1.name()];
    assert_eq!(names, ["ShipmentScheduled", "ShipmentCancelled"]);
    rig.stop().await;
}

async fn purge_inbox(rig: &Rig) {
    let purge = inbox::Entity::delete_many();
    purge.exec(rig.app.ctx.database.reader()).await.unwrap();
}

#[actix_web::test]
async fn an_order_that_ended_before_it_was_known_is_never_shipped() {
    let rig = start().await;
    let order = rig.new_order();
    for said in [
        rig.hear(cancelled(order)).await,
        rig.hear(reserved(order)).await,
        rig.hear(placed(order, "GB")).await,
        rig.hear(confirmed(order)).await,
    ] {
        assert_eq!(said, 0);
    }
    let listed = rig.get(&format!("/api/v1/shipments?order_id={order}")).await;
    assert_eq!(listed.body, serde_json::json!({ "items": [], "next": null }));
    rig.stop().await;
}

#[actix_web::test]
async fn the_shipment_of_an_order_that_timed_out_is_cancelled() {
    let mut rig = start().await;
    let order = rig.new_order();
    let shipment = rig.schedule(order).await;
    assert_eq!(rig.hear(cancelled(order)).await, 1);
    let (_, Event::ShipmentCancelled(said)) = rig.said().await else { panic!("not cancelled") };
    assert_eq!((said.shipment_id, said.order_id), (shipment, order.to_string()));
    assert_eq!(said.reason, "the order was cancelled: time-out");
    rig.stop().await;
}

#[actix_web::test]
async fn an_event_with_a_bad_id_goes_to_the_dead_letters_and_the_rest_goes_on() {
    let rig = start().await;
    let order = rig.new_order();
    let mut bad = placed(order, "GB");
    bad.order_id = "42".into();
    let batch = [rig.record(bad), rig.record(placed(order, "GB")), rig.record(reserved(order))];
    let outcome = rig.hear_all(&batch).await;
    assert_eq!((outcome.dead_letters, outcome.said), (1, 2));
    rig.stop().await;
}

#[actix_web::test]
async fn five_hundred_orders_share_a_transaction() {
    let mut rig = start().await;
    let orders: Vec<_> = (0..500).map(|_| rig.new_order()).collect();
    let records: Vec<Arc<_>> =
        orders.iter().map(|order| rig.record(placed(*order, "GB"))).collect();
    assert_eq!(rig.hear_all(&records).await.said, 0);
    let records: Vec<Arc<_>> = orders.iter().map(|order| rig.record(reserved(*order))).collect();
    assert_eq!(rig.hear_all(&records).await.said, 500);
    for _ in &orders {
        assert_eq!(rig.said().await.1.name(), "ShipmentScheduled");
    }
    rig.stop().await;
}

#[actix_web::test]
async fn what_an_operator_does_continues_the_orders_trace() {
    let mut rig = start().await;
    let order = rig.new_order();
    rig.hear(placed(order, "GB")).await;
    let reserved = rig.record(reserved(order));
    rig.hear_all(std::slice::from_ref(&reserved)).await;
    rig.hear(confirmed(order)).await;
    let (scheduled, event) = rig.said().await;
    let Event::ShipmentScheduled(event) = event else { panic!("not scheduled") };
    assert_eq!(scheduled.causation_id.unwrap().to_string(), reserved.header("ce_id").unwrap());

    rig.post(&format!("/api/v1/shipments/{}/dispatch", event.shipment_id)).await;
    let (dispatched, _) = rig.said().await;
    assert_eq!(dispatched.kind, "ShipmentDispatched");
    assert_eq!(dispatched.causation_id, Some(scheduled.id));
    let trace = |envelope: &Envelope| envelope.trace.as_ref().unwrap().trace_id();
    assert_eq!(trace(&dispatched), trace(&scheduled));
    rig.stop().await;
}

#[actix_web::test]
async fn a_cancellation_against_a_dispatch_at_the_same_moment_has_one_winner() {
    let mut rig = start().await;
    for _ in 0..20 {
        let order = rig.new_order();
        let shipment = rig.schedule(order).await;
        rig.hear(confirmed(order)).await;
        let asked = rig.record(cancellation_requested(order));
        let items = pipeline::prepare(&rig.app.ctx, &[asked]).await;
        let path = format!("/api/v1/shipments/{shipment}/dispatch");
        let (cancel, dispatch) = (rig.app.executor.records(items), rig.post(&path));
        let (heard, dispatched) = futures::future::join(cancel, dispatch).await;
        assert!(heard);
        let (kind, name) = (dispatched.kind(), rig.said().await.1.name());
        let outcome = (dispatched.status.as_u16(), kind, name);
        let (dispatch_wins, cancellation_wins) = (
            (200, "", "ShipmentDispatched"),
            (409, "/problems/shipment-cancelled", "ShipmentCancelled"),
        );
        assert!([dispatch_wins, cancellation_wins].contains(&outcome), "{outcome:?}");
    }
    rig.stop().await;
}

#[actix_web::test]
async fn in_one_transaction_the_cancellation_that_came_with_a_dispatch_goes_first() {
    let mut rig = start().await;
    let order = rig.new_order();
    let shipment = rig.schedule(order).await.parse().unwrap();
    rig.hear(confirmed(order)).await;
    let ctx = &rig.app.ctx;
    let asked = rig.record(cancellation_requested(order));
    let trace = TraceContext::root(ctx.stamp().new_id);
    let now = ctx.stamp().now;
    let command = Command { order_id: order, now, action: Action::Dispatch(shipment) };
    let batch = Batch {
        items: pipeline::prepare(ctx, &[asked]).await,
        requests: vec![Request { command, idempotency: None, trace }],
        ..Default::default()
    };
    let outcome = transact(ctx, &batch).await.unwrap();
    assert_eq!(outcome.said, 1);
    assert!(outcome.answers[0].is_err());
    rig.stop().await;
}

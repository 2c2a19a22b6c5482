//! Probes: what they answer, that they are bounded in time, and that asking often costs nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix_web::{App, http::Method, test, web::Data};
use platform::{
    Check, Health,
    health::{self, Status},
};
use serde_json::{Value, json};
use utoipa_actix_web::AppExt;

/// What a process with these checks answers at `path`.
async fn get(path: &str, checks: Vec<Check>) -> (u16, Value) {
    let app = App::new().into_utoipa_app().configure(health::routes).into_app();
    let app = test::init_service(app.app_data(Data::new(Health::new(checks)))).await;
    let answer = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
    assert_eq!(answer.headers().get("cache-control").unwrap(), "no-store");
    (answer.status().as_u16(), test::read_body_json(answer).await)
}

fn up() -> Check {
    Check::new("order.database", || ready(Ok::<_, String>(())))
}

fn down() -> Check {
    Check::new("log", || ready(Err("connection refused")))
}

#[actix_web::test]
async fn a_process_that_answers_lives_whatever_is_out_of_reach() {
    assert_eq!(get("/health/live", vec![down()]).await, (200, json!({ "status": "live" })));
}

#[actix_web::test]
async fn a_probe_may_ask_for_the_head_only() {
    let app = test::init_service(App::new().into_utoipa_app().configure(health::routes).into_app());
    let request = test::TestRequest::with_uri("/health/live").method(Method::HEAD).to_request();
    assert_eq!(test::call_service(&app.await, request).await.status(), 200);
}

#[actix_web::test]
async fn a_process_is_ready_when_all_is_within_reach() {
    let checks = json!([{ "name": "order.database", "status": "ready" }]);
    let report = json!({ "status": "ready", "checks": checks });
    assert_eq!(get("/health/ready", vec![up()]).await, (200, report));
    let nothing = json!({ "status": "ready", "checks": [] });
    assert_eq!(get("/health/ready", vec![]).await, (200, nothing));
}

#[actix_web::test]
async fn what_is_out_of_reach_is_named() {
    let report = json!({ "status": "not-ready", "checks": [
        { "name": "order.database", "status": "ready" },
        { "name": "log", "status": "not-ready", "detail": "connection refused" },
    ] });
    assert_eq!(get("/health/ready", vec![up(), down()]).await, (503, report));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_in_time_is_out_of_reach() {
    let silent = || Check::new("registry", pending::<Result<(), String>>);
    let health = Health::new(vec![silent(), up(), silent()]);
    let start = tokio::time::Instant::now();
    let report = health.report().await;
    assert!(start.elapsed() < Duration::from_millis(2_100), "one after another");
    assert_eq!(report.status, Status::NotReady);
    assert_eq!(report.checks[0].detail.as_deref(), Some("no answer within 2s"));
    assert_eq!(report.checks[1].status, Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn many_probes_within_a_second_are_one_check() {
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    let health = Health::new(vec![Check::new("log", move || {
        counted.fetch_add(1, Ordering::Relaxed);
        ready(Ok::<_, String>(()))
    })]);
    futures::future::join_all((0..100).map(|_| health.report())).await;
    assert_eq!(count.load(Ordering::Relaxed), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    health.report().await;
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

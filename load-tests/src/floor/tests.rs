use std::{collections::BTreeMap, io::Write as _};

use clap::Parser as _;
use sea_orm::{ConnectionTrait as _, Statement};

use super::{
    table::{Each, Event, Rows, SERVICES, Service, Step},
    *,
};
use crate::cli::{Cli, ServerOptions, Task};

const COUNT: u64 = 200;

/// In the table: rows by the first words of their statements, over all steps of a service.
fn rows(service: &str) -> BTreeMap<String, u64> {
    let service = SERVICES.iter().find(|known| known.name == service).unwrap();
    let mut rows = BTreeMap::new();
    for write in service.steps.iter().flat_map(|step| step.writes) {
        let words: Vec<_> = write.sql.split_whitespace().filter(|word| *word != "INTO").collect();
        let table = if words[0] == "DELETE" { words[2] } else { words[1] };
        *rows.entry(format!("{} {table}", words[0])).or_default() += match write.rows {
            Rows::Keys(each) => each.per_saga(),
            Rows::Events(events) => per_saga(events),
        };
    }
    let sum = |of: fn(&Step) -> &'static [Event]| -> u64 {
        service.steps.iter().map(|step| per_saga(of(step))).sum()
    };
    rows.insert("inbox".to_owned(), sum(|step| step.hears));
    rows.insert("outbox".to_owned(), sum(|step| step.says));
    rows
}

fn per_saga(events: &[Event]) -> u64 {
    events.iter().map(|event| event.each.per_saga()).sum()
}

fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
}

#[test]
fn a_saga_writes_the_rows_that_the_services_write() {
    let order = [
        ("INSERT orders", 1),
        ("UPDATE orders", 1),
        ("INSERT idempotency_keys", 1),
        ("INSERT deadlines", 1),
        ("DELETE deadlines", 1),
        ("INSERT timeline", 4),
        ("inbox", 2),
        ("outbox", 2),
    ];
    let inventory = [
        ("INSERT reservations", 1),
        ("UPDATE reservations", 1),
        ("UPDATE stock", 2),
        ("INSERT deadlines", 1),
        ("DELETE deadlines", 1),
        ("inbox", 2),
        ("outbox", 3),
    ];
    let shipping = [("INSERT shipments", 1), ("UPDATE shipments", 2), ("inbox", 3), ("outbox", 1)];
    let notification = [
        ("INSERT files", 3),
        ("UPDATE files", 1),
        ("INSERT notifications", 2),
        ("INSERT deadlines", 1),
        ("DELETE deadlines", 1),
        ("inbox", 4),
        ("outbox", 2),
    ];
    assert_eq!(counts(&order), rows("order"));
    assert_eq!(counts(&inventory), rows("inventory"));
    assert_eq!(counts(&shipping), rows("shipping"));
    assert_eq!(counts(&notification), rows("notification"));
}

#[test]
fn a_saga_has_eight_records_that_are_read_seventeen_times() {
    let said = SERVICES.iter().flat_map(Service::says);
    assert_eq!(8, said.map(|event| event.each.per_saga()).sum::<u64>());
    let read: Vec<_> = SERVICES.iter().map(|s| (s.name, s.reads_per_saga())).collect();
    let expected = [
        ("order", 2),
        ("inventory", 3),
        ("shipping", 3),
        ("notification", 5),
        ("recommendation", 4),
    ];
    assert_eq!(expected, *read);
}

#[test]
fn what_is_heard_is_said_once_and_read() {
    let said: Vec<_> = SERVICES.iter().flat_map(Service::says).collect();
    for service in SERVICES {
        for heard in service.steps.iter().flat_map(|step| step.hears) {
            assert_eq!(1, said.iter().filter(|said| **said == heard).count(), "{}", heard.name);
            assert!(service.reads.contains(&heard.topic), "{}: {}", service.name, heard.name);
        }
    }
}

#[test]
fn no_two_ids_are_the_same_and_no_batch_has_a_sku_twice() {
    let sagas = Sagas { count: 2500, batch: 1000, began_ms: 1_795_284_063_243 };
    let said = SERVICES.iter().flat_map(Service::says);
    let ids = said.flat_map(|event| sagas.of_event(0..sagas.count, event)).map(|(id, _)| id);
    let orders = sagas.rows(0..sagas.count, Rows::Keys(Each::Order));
    let mut ids: Vec<_> = ids.chain(orders.into_iter().map(|(id, _)| id)).collect();
    assert!(ids.iter().all(|id| id.len() == 36));
    assert_eq!(9 * 2500, ids.len());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(9 * 2500, ids.len());
    let batches: Vec<_> = sagas.batches().collect();
    assert_eq!([0..1000, 1000..2000, 2000..2500], *batches);
    for batch in batches {
        let mut skus = sagas.rows(batch.clone(), Rows::Keys(Each::Line));
        skus.sort_unstable();
        skus.dedup();
        assert_eq!(2 * (batch.end - batch.start), skus.len() as u64);
    }
}

async fn count(place: &Place, service: &str, of: &str) -> u64 {
    let (_, database) = place.databases.iter().find(|(known, _)| known.name == service).unwrap();
    let reader = database.reader();
    let query = format!("SELECT count(*) FROM {of}");
    let row = reader.query_one_raw(Statement::from_string(reader.get_database_backend(), query));
    let count: i64 = row.await.unwrap().unwrap().try_get_by_index(0).unwrap();
    count.try_into().unwrap()
}

/// A floor of both, in batches that do not divide it.
async fn leaves_exactly_what_it_should(ground: &Ground, name: &str) {
    let sagas = Sagas { count: COUNT, batch: 64, began_ms: 1_795_284_063_243 };
    let mut place = Place::new(ground, name).unwrap();
    if let Err(error) = measure_in(&mut place, Part::Both, sagas).await {
        place.remove().await.unwrap();
        panic!("{error:#}");
    }
    for (service, of, per_saga) in [
        ("order", "orders WHERE version = 2 AND status = 'CONFIRMED' AND length(body) > 1000", 1),
        ("order", "orders", 1),
        ("order", "idempotency_keys", 1),
        ("order", "timeline JOIN orders ON orders.id = timeline.order_id", 4),
        ("order", "inbox WHERE consumer = 'order'", 2),
        ("inventory", "reservations WHERE version = 2", 1),
        ("inventory", "stock WHERE reserved = 1 AND version = 2", 2),
        ("inventory", "inbox", 2),
        ("shipping", "shipments WHERE version = 3 AND stage = 'RELEASED'", 1),
        ("shipping", "inbox", 3),
        ("notification", "notifications", 2),
        ("notification", "files WHERE kind = 'order' AND version = 2", 1),
        ("notification", "files WHERE kind = 'stock' AND version = 1", 2),
        ("notification", "inbox", 4),
    ] {
        assert_eq!(per_saga * COUNT, count(&place, service, of).await, "{service}: {of}");
    }
    assert_eq!(1000, count(&place, "inventory", "stock").await);
    for service in ["order", "inventory", "shipping", "notification"] {
        assert_eq!(0, count(&place, service, "outbox").await, "{service}");
        assert_eq!(0, count(&place, service, "deadlines").await, "{service}");
    }
    for (topic, per_saga) in [
        ("shop.orders", 2),
        ("shop.inventory", 1),
        ("shop.stock-levels", 2),
        ("shop.shipping", 1),
        ("shop.notifications", 2),
    ] {
        let ends = place.log.as_ref().unwrap().end_positions(&[topic]).await.unwrap();
        let records: u64 = ends.iter().map(|end| end.offset).sum();
        assert_eq!(per_saga * COUNT, records, "{topic}");
    }
    place.remove().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_floor_leaves_exactly_the_rows_and_records_of_its_sagas() {
    leaves_exactly_what_it_should(&Ground::Embedded, "floor-test").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floor_on_servers_does_the_same_and_drops_its_databases() {
    let Some(ground) = servers() else {
        eprintln!("skipped: TEST_KAFKA or TEST_POSTGRES is not set");
        return;
    };
    let name = format!("floor-test-{}", Clock::start().run_name());
    leaves_exactly_what_it_should(&ground, &name).await;
    let mut again = Place::new(&ground, &name).unwrap();
    let sagas = Sagas { count: 1, batch: 1, began_ms: 0 };
    again.add_databases(sagas).await.unwrap();
    assert_eq!(0, count(&again, "order", "orders").await, "it was not dropped");
    again.remove().await.unwrap();
}

fn servers() -> Option<Ground> {
    let named = |name| std::env::var_os(name)?.into_string().ok();
    Some(Ground::Local { kafka: named("TEST_KAFKA")?, postgres: named("TEST_POSTGRES")? })
}

fn options(line: &str) -> FloorOptions {
    let words = ["load-tests", "floor"].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().task {
        Task::Floor(options) => options,
        Task::Load(_) | Task::Scaling(_) => panic!("it is a floor"),
    }
}

#[test]
fn what_it_is_compared_with_is_said_or_read() {
    assert_eq!(None, measured(&options("")).unwrap());
    assert_eq!(Some(12.5), measured(&options("--measured 12.5")).unwrap());
    let mut report = tempfile::NamedTempFile::new().unwrap();
    write!(report, r#"{{"figures": {{"sagas_per_s": 1234.5}}}}"#).unwrap();
    let of = |file: &Path| measured(&options(&format!("--report {}", file.display())));
    assert_eq!(Some(1234.5), of(report.path()).unwrap());
    let error = format!("{:#}", of(Path::new("/no/such.json")).unwrap_err());
    assert!(error.contains("--report /no/such.json"), "{error}");
    write!(report, "x").unwrap();
    of(report.path()).unwrap_err();
}

#[test]
fn the_floor_is_that_of_both_at_once() {
    let seconds = Duration::from_secs;
    let times = [(Part::Database, seconds(4)), (Part::Log, seconds(2)), (Part::Both, seconds(5))];
    let sagas = Sagas { count: 1000, batch: 1, began_ms: 0 };
    let figures = figures(&times, sagas, Some(50.0));
    let floor = Floor { about: About::default(), figures };
    assert_eq!(Some(&200.0), floor.figures.get("sagas_per_s"));
    assert_eq!(Some(&0.25), floor.figures.get("measured.fraction"));
    let text = floor.to_string();
    assert!(text.contains("database alone") && text.contains("0.250 of the floor"), "{text}");
}

#[test]
fn servers_must_be_named() {
    let local = FloorOptions { servers: ServerOptions::default(), ..options("--on local") };
    let error = Ground::of(&local).unwrap_err().to_string();
    assert!(error.contains("--kafka") && error.contains("TEST_KAFKA"), "{error}");
}

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use events::{Event as Contract, topics};
use kernel::Clock;
use messaging::{
    app::Databases,
    deadline_loop::due_now,
    deadlines,
    execute::Batch,
    inbox,
    log::{AT_ONCE, EventLog, LogEvent},
};
use sea_orm::EntityTrait;
use testkit::{Random, TempDatabases};

use crate::{
    domain::{Reservation, Stock},
    store::entity::reservation::Status,
    testing::{
        Bench,
        heard::{cancelled, confirmed, dispatched, order, placed, rejected},
    },
};

async fn stocked(pairs: &[(&str, i64)]) -> Bench {
    let bench = Bench::temporary().await;
    bench.stock(pairs).await;
    bench.relay().await;
    bench
}

async fn counted(bench: &Bench, name: &str) -> (i64, i64) {
    let Stock { on_hand, reserved, .. } = bench.stock_of(name).await;
    (on_hand, reserved)
}

async fn statuses(bench: &Bench) -> Vec<Status> {
    bench.reservations().await.into_iter().map(|row| row.status).collect()
}

#[tokio::test]
async fn an_order_reserves_and_its_shipment_takes_off_hand() {
    let bench = stocked(&[("tea", 10)]).await;
    bench.hear([placed(1, &[("tea", 3)]).into()]).await;
    assert_eq!(counted(&bench, "tea").await, (10, 3));
    bench.hear([confirmed(1)]).await;
    bench.hear([dispatched(1)]).await;
    assert_eq!(counted(&bench, "tea").await, (7, 0));
    let said = ["StockReserved", "StockLevelChanged", "StockCommitted", "StockLevelChanged"];
    assert_eq!(bench.names_said().await, said);
    bench.assert_conserved().await;
}

#[tokio::test]
async fn an_answer_names_the_event_that_caused_it_and_stays_in_its_trace() {
    let bench = stocked(&[("tea", 10)]).await;
    let heard = Arc::new(bench.arrived(&placed(1, &[("tea", 3)]).into()));
    bench.hear_records(std::slice::from_ref(&heard)).await;
    let (cause, _) = bench.read(&heard).await;
    let trace_id = cause.trace.unwrap().trace_id();
    for (said, _) in bench.said().await {
        assert_eq!(said.causation_id, Some(cause.id), "{}", said.kind);
        assert_eq!(said.trace.unwrap().trace_id(), trace_id, "{}", said.kind);
    }
    assert_eq!(bench.said().await[0].0.subject, order(1).to_string());
}

#[tokio::test]
async fn a_cancelled_order_gives_back_what_it_held() {
    let bench = stocked(&[("tea", 10)]).await;
    bench.hear([placed(1, &[("tea", 3)]).into()]).await;
    bench.hear([cancelled(1)]).await;
    assert_eq!(counted(&bench, "tea").await, (10, 0));
    bench.assert_conserved().await;
}

#[tokio::test]
async fn an_order_that_ended_before_it_was_known_holds_nothing() {
    for ended in [cancelled(1), rejected(1)] {
        let bench = stocked(&[("tea", 10)]).await;
        bench.hear([ended]).await;
        bench.hear([placed(1, &[("tea", 3)]).into()]).await;
        assert_eq!(statuses(&bench).await, [Status::Tombstone]);
        assert_eq!(counted(&bench, "tea").await, (10, 0));
        assert!(bench.said().await.is_empty());
    }
}

#[tokio::test]
async fn every_event_a_second_time_changes_nothing_even_when_the_inbox_has_forgotten() {
    let bench = stocked(&[("tea", 10)]).await;
    let story: Vec<Contract> = vec![
        placed(1, &[("tea", 3)]).into(),
        placed(2, &[("tea", 30)]).into(),
        placed(3, &[("tea", 2)]).into(),
        rejected(2),
        confirmed(1),
        dispatched(1),
        cancelled(3),
        cancelled(4),
    ];
    let records: Vec<_> = story.iter().map(|event| Arc::new(bench.arrived(event))).collect();
    for record in &records {
        bench.hear_records(std::slice::from_ref(record)).await;
    }
    let (reservations, said) = (bench.reservations().await, bench.said().await.len());
    let again = bench.hear_records(&records).await;
    assert_eq!((again.duplicates, again.said), (records.len(), 0));
    inbox::Entity::delete_many().exec(bench.app.ctx.database.reader()).await.unwrap();
    for record in records.iter().rev() {
        let again = bench.hear_records(std::slice::from_ref(record)).await;
        assert_eq!((again.duplicates, again.said), (0, 0));
    }
    assert_eq!(bench.reservations().await, reservations);
    assert_eq!(bench.said().await.len(), said);
    assert_eq!(counted(&bench, "tea").await, (7, 0));
    bench.assert_conserved().await;
}

#[tokio::test]
async fn a_parcel_that_left_without_stock_leaves_the_count_alone() {
    let bench = stocked(&[("tea", 10)]).await;
    bench.hear([placed(1, &[("tea", 3)]).into(), cancelled(1)]).await;
    bench.hear([dispatched(1)]).await;
    assert_eq!(counted(&bench, "tea").await, (10, 0));
    assert_eq!(statuses(&bench).await, [Status::DispatchedUnreserved]);
    bench.assert_conserved().await;
}

#[tokio::test]
async fn an_event_that_cannot_be_goes_to_the_dead_letters_and_the_next_goes_on() {
    let bench = stocked(&[("tea", 10)]).await;
    let outcome =
        bench.hear([placed(1, &[("tea", -3)]).into(), placed(2, &[("tea", 3)]).into()]).await;
    assert_eq!(outcome.dead_letters, 1);
    assert_eq!(counted(&bench, "tea").await, (10, 3));
}

async fn fire(bench: &Bench) -> Vec<String> {
    let due = due_now(&bench.app.ctx).await.unwrap();
    bench.execute(&Batch { due: due.clone(), ..Batch::default() }).await;
    due
}

async fn next_deadline(bench: &Bench) -> Option<kernel::Timestamp> {
    deadlines::next(&bench.app.ctx.database.reads()).await.unwrap()
}

#[tokio::test]
async fn an_old_unconfirmed_reservation_is_reported_once_and_kept() {
    let bench = stocked(&[("tea", 10)]).await;
    bench.hear([placed(1, &[("tea", 3)]).into()]).await;
    let due = bench.clock.now().plus(Duration::from_secs(3600));
    assert_eq!(next_deadline(&bench).await, Some(due));
    bench.clock.advance(Duration::from_secs(3599));
    assert!(fire(&bench).await.is_empty());
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(fire(&bench).await, [order(1).to_string()]);
    assert_eq!(next_deadline(&bench).await, None);
    let [row] = &bench.reservations().await[..] else { panic!() };
    assert!(row.status == Status::Live && row.reported);
    assert_eq!(counted(&bench, "tea").await, (10, 3));
    bench.hear([dispatched(1)]).await;
    assert_eq!(counted(&bench, "tea").await, (7, 0));
}

#[tokio::test]
async fn nothing_is_reported_of_an_order_that_is_confirmed_or_over() {
    let bench = stocked(&[("tea", 10)]).await;
    for n in 1..=4 {
        bench.hear([placed(n, &[("tea", 1)]).into()]).await;
    }
    bench.hear([confirmed(1), cancelled(2), dispatched(3)]).await;
    bench.clock.advance(Duration::from_secs(7200));
    assert_eq!(fire(&bench).await, [order(4).to_string()]);
}

#[test]
fn a_reservation_that_holds_nothing_waits_for_nothing() {
    use messaging::service::Service as _;
    let inventory = super::Inventory { config: super::Config::default() };
    for reservation in [Reservation::Unknown, Reservation::Tombstone, Reservation::Committed] {
        let state = super::State { reservation, ..Default::default() };
        assert_eq!(inventory.deadline(&state), None);
    }
}

/// The next `count` records of `topic`, from its beginning.
async fn records_of(bench: &Bench, topic: &str, count: usize) -> Vec<Contract> {
    let from = bench.log.first_positions(&[topic]).await.unwrap();
    let mut consumer = bench.log.assign(&from, AT_ONCE).await.unwrap();
    let mut events = Vec::new();
    while events.len() < count {
        match consumer.next().await {
            LogEvent::Records(_, records) => {
                for record in &records {
                    events.push(bench.read(record).await.1);
                }
            }
            LogEvent::Assigned(_) => {}
            other => panic!("{other:?}"),
        }
    }
    events
}

async fn a_thousand_orders_for_a_hundred_pieces(databases: Databases) {
    let bench = Bench::new(databases).await;
    bench.stock(&[("last", 100)]).await;
    let producer = bench.log.producer(None).await.unwrap();
    let orders = (1..=1000).map(|n| bench.outgoing(&placed(n, &[("last", 1)]).into()));
    producer.append(orders.collect()).await.unwrap();

    let running = bench.app.start();
    let answers = records_of(&bench, topics::INVENTORY.name, 1000).await;
    running.stop().await;

    let reserved = answers.iter().filter(|event| matches!(event, Contract::StockReserved(_)));
    let reserved: BTreeSet<_> = reserved.map(Contract::key).collect();
    assert_eq!((answers.len(), reserved.len()), (1000, 100));
    assert_eq!(counted(&bench, "last").await, (100, 100));
    bench.assert_conserved().await;
}

#[actix_web::test]
async fn of_a_thousand_orders_at_once_for_the_last_hundred_pieces_a_hundred_get_one() {
    a_thousand_orders_for_a_hundred_pieces(Databases::InMemory).await;
}

#[actix_web::test]
async fn of_a_thousand_orders_for_the_last_hundred_pieces_a_hundred_get_one_on_disk() {
    let disk = TempDatabases::new();
    a_thousand_orders_for_a_hundred_pieces(disk.databases()).await;
}

#[actix_web::test]
async fn orders_for_the_same_products_in_every_order_end_with_nothing_held() {
    const NAMES: [&str; 6] = ["bowl", "cup", "jug", "lid", "pot", "tea"];
    const ORDERS: u128 = 600;
    let disk = TempDatabases::new();
    let bench = Bench::new(disk.databases()).await;
    bench.stock(&NAMES.map(|name| (name, 250))).await;
    let producer = bench.log.producer(None).await.unwrap();
    let random = &mut Random::new(7);
    let lines = |random: &mut Random| -> Vec<_> {
        let some: BTreeSet<_> = (0..4).filter_map(|_| random.pick(&NAMES)).collect();
        some.into_iter().rev().map(|name| (*name, 1)).collect()
    };
    let orders = (1..=ORDERS).map(|n| bench.outgoing(&placed(n, &lines(random)).into()));
    producer.append(orders.collect()).await.unwrap();

    let running = bench.app.start();
    let answers = records_of(&bench, topics::INVENTORY.name, 600).await;
    let reserved = answers.iter().filter(|event| matches!(event, Contract::StockReserved(_)));
    let reserved = reserved.count();
    let ends = (1..=ORDERS).map(|n| if n % 2 == 0 { cancelled(n) } else { dispatched(n) });
    producer.append(ends.map(|end| bench.outgoing(&end)).collect()).await.unwrap();
    let answers = records_of(&bench, topics::INVENTORY.name, 600 + reserved).await;
    running.stop().await;

    assert_eq!(answers.len(), 600 + reserved);
    assert!((250..600).contains(&reserved), "{reserved} of them got what they wanted");
    for name in NAMES {
        assert_eq!(counted(&bench, name).await.1, 0);
    }
    bench.assert_conserved().await;
}

#[tokio::test]
async fn a_restart_finds_everything_as_it_was() {
    let disk = TempDatabases::new();
    let before = Bench::new(disk.databases()).await;
    before.stock(&[("tea", 10)]).await;
    before.hear([placed(1, &[("tea", 3)]).into()]).await;
    before.app.ctx.database.close().await.unwrap();
    let after = Bench::new(disk.databases()).await;
    assert_eq!(counted(&after, "tea").await, (10, 3));
    after.hear([cancelled(1)]).await;
    assert_eq!(counted(&after, "tea").await, (10, 0));
    after.assert_conserved().await;
}

use events::{Event as Contract, trace::TraceContext};
use kernel::{Clock, Decider};
use messaging::{execute::Batch, pipeline, service::Cause};
use sea_orm::{EntityTrait, Set, entity::prelude::*};
use testkit::Random;

use super::*;
use crate::{
    domain::Rules,
    testing::{
        Bench, details,
        heard::{cancelled, confirmed, dispatched, order, placed, rejected},
        sku,
    },
};

/// The levels that were said, as SKU, version and what is available.
async fn levels(bench: &Bench) -> Vec<(String, i64, i64)> {
    let said = bench.said().await;
    let level = |(_, event): &(_, Contract)| match event {
        Contract::StockLevelChanged(level) => {
            Some((level.sku.clone(), level.version, level.available))
        }
        _ => None,
    };
    said.iter().filter_map(level).collect()
}

#[tokio::test]
async fn a_transaction_says_a_products_level_once() {
    let bench = Bench::temporary().await;
    bench.stock(&[("cup", 10), ("tea", 10), ("pot", 10)]).await;
    bench.relay().await;
    let orders = [placed(1, &[("cup", 1), ("tea", 2)]), placed(2, &[("tea", 3)])];
    bench.hear(orders.map(Contract::from)).await;
    assert_eq!(levels(&bench).await, [("cup".into(), 2, 9), ("tea".into(), 3, 5)]);
}

#[tokio::test]
async fn a_level_is_caused_by_what_touched_the_product_last() {
    let bench = Bench::temporary().await;
    bench.stock(&[("tea", 10)]).await;
    bench.relay().await;
    bench.hear([placed(1, &[("tea", 1)]).into(), placed(2, &[("tea", 1)]).into()]).await;
    let said = bench.said().await;
    let [(first, _), (second, _), (level, _)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(level.kind, "StockLevelChanged");
    assert_eq!((&*level.subject, &*level.correlation_id), ("tea", "tea"));
    assert!(level.causation_id == second.causation_id && level.causation_id != first.causation_id);
    let trace_id = |trace: &Option<TraceContext>| trace.as_ref().unwrap().trace_id();
    assert_eq!(trace_id(&level.trace), trace_id(&second.trace));
}

#[tokio::test]
async fn a_level_that_did_not_change_is_not_said() {
    let bench = Bench::temporary().await;
    bench.ask(Command::PutProduct { sku: sku("tea"), details: details("Tea") }).await.unwrap();
    bench.hear([placed(1, &[("tea", 1)]).into(), cancelled(2), confirmed(1)]).await;
    assert_eq!(bench.names_said().await, ["ProductChanged", "StockRejected"]);
}

#[tokio::test]
async fn stock_that_is_reserved_and_released_at_once_is_said_as_it_is_in_the_end() {
    let bench = Bench::temporary().await;
    bench.stock(&[("tea", 10)]).await;
    bench.relay().await;
    bench.hear([placed(1, &[("tea", 4)]).into(), cancelled(1)]).await;
    assert_eq!(bench.names_said().await, ["StockReserved", "StockReleased", "StockLevelChanged"]);
    assert_eq!(levels(&bench).await, [("tea".into(), 3, 10)]);
}

fn any_event(random: &mut Random) -> Contract {
    let n = random.between(1, 12) as u128;
    let quantity = |random: &mut Random| i32::try_from(random.between(1, 4)).unwrap();
    match random.below(6) {
        0 | 1 => {
            let lines = [("cup", quantity(random)), ("tea", quantity(random))];
            placed(n, &lines[..random.between(1, 2)]).into()
        }
        2 => cancelled(n),
        3 => rejected(n),
        4 => confirmed(n),
        _ => dispatched(n),
    }
}

#[tokio::test]
async fn a_batch_comes_to_the_same_as_its_events_one_by_one() {
    for seed in 0..30 {
        let random = &mut Random::new(seed);
        let (together, apart) = (Bench::temporary().await, Bench::temporary().await);
        together.stock(&[("cup", 9), ("tea", 12)]).await;
        apart.stock(&[("cup", 9), ("tea", 12)]).await;
        let heard: Vec<_> = (0..40).map(|_| any_event(random)).collect();
        let mut rest = &heard[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(random.between(1, rest.len()));
            together.hear(batch.to_vec()).await;
            together.assert_conserved().await;
            rest = later;
        }
        for event in &heard {
            apart.hear([event.clone()]).await;
        }
        for name in ["cup", "tea"] {
            assert_eq!(together.stock_of(name).await, apart.stock_of(name).await, "seed {seed}");
        }
        let kept = |rows: Vec<entity::reservation::Model>| -> Vec<_> {
            rows.into_iter().map(|row| (row.order_id, row.status, row.version)).collect()
        };
        let (left, right) = (together.reservations().await, apart.reservations().await);
        assert_eq!(kept(left), kept(right), "seed {seed}");
    }
}

/// What a transaction makes of `command` when `meddle` is what another one did meanwhile.
async fn saved_after<F>(bench: &Bench, command: Command, meddle: F) -> Result<(), StoreError>
where
    F: AsyncFnOnce(&DatabaseConnection),
{
    let ctx = &bench.app.ctx;
    let tx = ctx.database.begin().await.unwrap();
    let mut store = Inventories::load(&tx.reads(), &[&command]).await.unwrap();
    let mut aggregate = store.take(&command);
    for event in Rules::decide(&aggregate.state, command).unwrap() {
        aggregate.state = Rules::evolve(aggregate.state, &event);
        aggregate.version += 1;
    }
    let trace = TraceContext::root(bench.clock.new_id());
    store.put(aggregate, &Cause { event_id: None, trace });
    meddle(ctx.database.reader()).await;
    let mut writes = Writes::default();
    store.save(&mut writes, &mut Voice::new(&*ctx.clock, "inventory"))?;
    tx.commit(writes).await
}

#[tokio::test]
async fn a_product_that_another_transaction_changed_first_is_a_conflict() {
    let bench = Bench::temporary().await;
    bench.stock(&[("tea", 1)]).await;
    let put = || Command::PutProduct { sku: sku("tea"), details: details("Green tea") };
    let bump = async |db: &DatabaseConnection| {
        let row = entity::product::ActiveModel {
            sku: Set("tea".into()),
            version: Set(2),
            ..Default::default()
        };
        row.update(db).await.unwrap();
    };
    let saved = saved_after(&bench, put(), bump).await;
    assert!(matches!(saved, Err(StoreError::Conflict("products"))), "{saved:?}");
    saved_after(&bench, put(), async |_: &DatabaseConnection| ()).await.unwrap();
}

#[tokio::test]
async fn an_order_that_another_transaction_heard_of_first_is_a_conflict() {
    let bench = Bench::temporary().await;
    bench.stock(&[("tea", 1)]).await;
    let lines = [(sku("tea"), 1)].into();
    let reserve = Command::Reserve { order_id: order(1), lines, now: bench.clock.now() };
    let bury = async |db: &DatabaseConnection| {
        let row = entity::reservation::Model {
            order_id: order(1).to_string(),
            status: entity::reservation::Status::Tombstone,
            lines: None,
            reserved_at: None,
            confirmed: false,
            reported: false,
            version: 1,
            base_version: 0,
        };
        let row = entity::reservation::ActiveModel::from(row);
        entity::reservation::Entity::insert(row).exec_without_returning(db).await.unwrap();
    };
    let saved = saved_after(&bench, reserve, bury).await;
    assert!(matches!(saved, Err(StoreError::Conflict("reservations"))), "{saved:?}");
}

#[tokio::test]
async fn the_database_itself_refuses_to_oversell() {
    let bench = Bench::temporary().await;
    bench.stock(&[("tea", 3)]).await;
    for (on_hand, reserved) in [(3, 4), (3, -1), (-1, 0)] {
        let (on_hand, reserved) = (Set(on_hand), Set(reserved));
        let (sku, version) = (Set("tea".into()), Set(9));
        let oversold = entity::stock::ActiveModel { sku, on_hand, reserved, version };
        assert!(oversold.update(bench.app.ctx.database.reader()).await.is_err());
    }
}

#[tokio::test]
async fn a_batch_may_touch_more_products_than_a_statement_takes() {
    let bench = Bench::temporary().await;
    let names: Vec<_> = (0..10_000).map(|n| format!("sku-{n:05}")).collect();
    for names in names.chunks(1000) {
        let stock: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        bench.stock(&stock).await;
    }
    bench.relay().await;
    let orders = (1..).zip(names.chunks(100)).map(|(n, names)| {
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        Contract::from(placed(n, &lines))
    });
    let outcome = bench.hear(orders.collect::<Vec<_>>()).await;
    assert_eq!(outcome.said, 100 + 10_000);
    bench.assert_conserved().await;
}

#[tokio::test]
async fn a_request_for_a_product_that_was_listed_in_the_same_transaction_sees_it() {
    let bench = Bench::temporary().await;
    let put = |name: &str| Command::PutProduct { sku: sku("tea"), details: details(name) };
    let now = bench.clock.now();
    let adjust = Command::AdjustStock { sku: sku("tea"), delta: 3, reason: "delivery".into(), now };
    let answers = bench.ask_all(vec![put("Tea"), put("Tea"), adjust, put("Green tea")]).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()).collect();
    let seen: Vec<_> = answers.iter().map(|reply| (reply.is_new, reply.version)).collect();
    assert_eq!(seen, [(true, 1), (false, 1), (false, 1), (false, 2)]);
    assert_eq!(bench.stock_of("tea").await.on_hand, 3);
    bench.assert_conserved().await;
}

#[tokio::test]
async fn a_refused_batch_stores_nothing() {
    let bench = Bench::temporary().await;
    let now = bench.clock.now();
    let adjust = Command::AdjustStock { sku: sku("tea"), delta: 3, reason: "delivery".into(), now };
    assert!(bench.ask(adjust).await.is_err());
    let placed = std::sync::Arc::new(bench.arrived(&placed(1, &[("tea", 1)]).into()));
    let items = pipeline::prepare(&bench.app.ctx, &[placed]).await;
    bench.execute(&Batch { items, ..Batch::default() }).await;
    let db = bench.app.ctx.database.reader();
    assert_eq!(entity::stock::Entity::find().count(db).await.unwrap(), 0);
    assert_eq!(entity::movement::Entity::find().count(db).await.unwrap(), 0);
}

#[test]
fn a_command_locks_the_stock_of_its_lines_only() {
    let held = Held {
        lines: [(sku("tea"), 1)].into(),
        reserved_at: kernel::Timestamp(0),
        confirmed: false,
        reported: false,
    };
    let live = Reservation::Live(held);
    let (order_id, now) = (order(1), kernel::Timestamp(0));
    let lines = [(sku("cup"), 1), (sku("tea"), 1)].into();
    let reserve = Command::Reserve { order_id, lines, now };
    assert_eq!(stock_of(&reserve, &Reservation::Unknown), [&sku("cup"), &sku("tea")]);
    assert_eq!(stock_of(&Command::Release { order_id, now }, &live), [&sku("tea")]);
    assert!(stock_of(&Command::Confirm { order_id }, &live).is_empty());
    assert!(stock_of(&Command::Release { order_id, now }, &Reservation::Tombstone).is_empty());
}

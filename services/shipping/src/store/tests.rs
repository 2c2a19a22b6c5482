//! What is saved is what is loaded, and nobody's work is overwritten.

use std::sync::Arc;

use events::trace::TraceContext;
use kernel::{Decider, Timestamp};
use messaging::{
    database::Database,
    service::{LastEvent, Voice},
};
use testkit::VirtualClock;
use uuid::Uuid;

use super::{entity::Model, migration::Migrator, *};
use crate::domain::{Action, Address, Terms};

const NOW: Timestamp = Timestamp(5);

fn order(n: u128) -> OrderId {
    OrderId(Uuid::from_u128(n))
}

fn shipment(n: u128) -> ShipmentId {
    ShipmentId(Uuid::from_u128(1_000_000 + n))
}

fn place(n: u128, country: &str) -> Action {
    let [name, line1, city, postal_code] = ["Ada", "1 Mill Lane", "Cambridge", "CB2 1RX"];
    let [name, line1, city, postal_code] = [name, line1, city, postal_code].map(str::to_owned);
    let address =
        Address { name, line1, line2: None, city, postal_code, country: country.to_owned() };
    Action::NoteAddress(address, terms(n))
}

fn terms(n: u128) -> Terms {
    let refused_countries = Arc::new(["AQ".to_owned()]);
    Terms { shipment_id: shipment(n), eta: Timestamp(9), refused_countries }
}

fn command(n: u128, action: Action) -> Command {
    Command { order_id: order(n), now: NOW, action }
}

/// One history for every state.
fn histories() -> Vec<Vec<Action>> {
    let booked = |n| vec![place(n, "GB"), Action::NoteStock(terms(n))];
    let ended = || Action::EndOrder("time-out".into());
    let released = |n| [booked(n), vec![Action::Release]].concat();
    let dispatched = |n| [released(n), vec![Action::Dispatch(shipment(n))]].concat();
    vec![
        vec![place(0, "GB")],
        vec![Action::NoteStock(terms(1))],
        vec![ended()],
        booked(3),
        released(4),
        dispatched(5),
        [dispatched(6), vec![Action::Deliver(shipment(6))]].concat(),
        [booked(7), vec![ended()]].concat(),
        [released(8), vec![ended()]].concat(),
        vec![place(9, "AQ"), Action::NoteStock(terms(9))],
    ]
}

async fn load(db: &Database, commands: &[Command]) -> Shipments {
    let tx = db.begin().await.unwrap();
    let loaded = Shipments::load(&tx.reads(), &commands.iter().collect::<Vec<_>>()).await.unwrap();
    drop(tx);
    loaded
}

async fn save(db: &Database, shipments: Shipments) -> Result<(), StoreError> {
    let tx = db.begin().await.unwrap();
    let clock = VirtualClock::new(1);
    let mut writes = Writes::default();
    shipments.save(&mut writes, &mut Voice::new(&clock, "shipping"))?;
    tx.commit(writes).await
}

/// What `commands` make of `shipments`, said under `id`.
fn handle(shipments: &mut Shipments, commands: impl IntoIterator<Item = Command>, id: Uuid) {
    let trace = TraceContext::root(id);
    for command in commands {
        let mut aggregate = shipments.take(&command);
        for event in Rules::decide(&aggregate.state, command).unwrap() {
            aggregate.state = Rules::evolve(aggregate.state, &event);
            aggregate.version += 1;
            aggregate.last = Some(LastEvent { id, trace: trace.clone() });
        }
        shipments.put(aggregate, &Cause { event_id: None, trace: trace.clone() });
    }
}

#[actix_web::test]
async fn every_state_is_loaded_as_it_was_saved() {
    let db = Database::in_memory::<Migrator>().await.unwrap();
    let mut saved = Shipments::default();
    for (n, history) in (0..).zip(histories()) {
        let commands = history.into_iter().map(|action| command(n, action));
        handle(&mut saved, commands, Uuid::from_u128(0x42 << 64 | n | 1));
    }
    let mut expected = Shipments(saved.0.clone());
    save(&db, saved).await.unwrap();

    let all: Vec<_> = (0..10).map(|n| command(n, Action::Release)).collect();
    let mut found = load(&db, &all).await;
    for command in &all {
        let (found, expected) = (found.take(command), expected.take(command));
        assert_eq!(found.state, expected.state);
        assert_eq!((found.id, found.last), (expected.id, expected.last));
        assert_eq!((found.version, found.loaded_version), (expected.version, expected.version));
    }
}

#[actix_web::test]
async fn the_second_of_two_who_changed_the_same_order_is_told() {
    let db = Database::in_memory::<Migrator>().await.unwrap();
    let both = [command(1, Action::Release), command(2, Action::Release)];
    for place_or_reserve in [place(1, "GB"), Action::NoteStock(terms(1))] {
        let (mut first, mut second) = (load(&db, &both).await, load(&db, &both).await);
        handle(&mut first, [command(1, place_or_reserve.clone())], Uuid::from_u128(1));
        handle(&mut second, [command(1, place_or_reserve)], Uuid::from_u128(2));
        handle(&mut second, [command(2, Action::DropOrder)], Uuid::from_u128(2));
        save(&db, first).await.unwrap();
        let conflict = save(&db, second).await.unwrap_err();
        assert!(matches!(conflict, StoreError::Conflict("shipments")), "{conflict}");
    }
    let mut found = load(&db, &both).await;
    assert!(matches!(found.take(&both[0]).state, State::Scheduled(_)));
    assert_eq!(found.take(&both[1]).state, State::Unknown, "the second's work is undone whole");
}

#[actix_web::test]
async fn what_did_not_change_is_not_saved() {
    let db = Database::in_memory::<Migrator>().await.unwrap();
    let mut shipments = load(&db, &[command(1, Action::Release)]).await;
    handle(&mut shipments, [command(1, Action::Release)], Uuid::from_u128(1));
    save(&db, shipments).await.unwrap();
    assert_eq!(Entity::find().count(db.reader()).await.unwrap(), 0);
}

#[actix_web::test]
async fn thousands_of_orders_share_a_transaction() {
    let db = Database::in_memory::<Migrator>().await.unwrap();
    let commands: Vec<_> = (0..4_000).map(|n| command(n, place(n, "GB"))).collect();
    let mut shipments = load(&db, &commands).await;
    handle(&mut shipments, commands.clone(), Uuid::from_u128(1));
    save(&db, shipments).await.unwrap();

    let mut shipments = load(&db, &commands).await;
    let reserve = (0..4_000).map(|n| command(n, Action::NoteStock(terms(n))));
    handle(&mut shipments, reserve, Uuid::from_u128(2));
    save(&db, shipments).await.unwrap();
    let listed = list(db.reader(), Filter::default(), 5_000).await.unwrap();
    assert_eq!(listed.len(), 4_000);
    assert_eq!(listed.first().and_then(State::shipment_id), Some(shipment(3_999)));
}

#[actix_web::test]
async fn a_row_that_this_code_did_not_write_is_corrupt_and_keeps_its_address_to_itself() {
    let db = Database::in_memory::<Migrator>().await.unwrap();
    let row = Model { address: Some("Ada, Mill Lane".into()), ..row::of(&aggregate()).unwrap() };
    Entity::insert(row.into_active_model().reset_all()).exec(db.reader()).await.unwrap();
    let error = find(db.reader(), shipment(3)).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(!error.to_string().contains("Mill Lane"), "{error}");
}

fn aggregate() -> Aggregate<State> {
    let mut shipments = Shipments::default();
    let commands = [place(3, "GB"), Action::NoteStock(terms(3))].map(|action| command(3, action));
    handle(&mut shipments, commands, Uuid::from_u128(1));
    shipments.take(&command(3, Action::Release))
}

//! What holds for every stream of events: answers that do not depend on the number of shards, on repeats, on the order of
//! arrival, or on the order in which SKUs were first seen.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use proptest::sample::subsequence;
use recommendation_service::model::{
    Catalogue, Click, ClickKind, Fingerprint, ItemId, Learned, Order, Parameters, Query,
    Recommender, Scratch, SessionKey, Shard, Window,
};

const ITEMS: u32 = 14;
const MINUTE: i64 = 60_000_000;

#[derive(Clone, Debug)]
enum Event {
    Clicked { session: u32, item: u32, minute: i64, event: u32, cart: bool },
    Ordered { order: u32, items: Vec<u32>, minute: i64 },
}

/// What is asked, in SKU numbers.
#[derive(Clone, Debug)]
struct Question {
    session: Option<u32>,
    recent: Vec<u32>,
    page: Option<u32>,
    limit: usize,
}

/// Recommendations and trending items as SKUs, scores and reasons.
type Answer = Vec<(String, f64, &'static str)>;

struct World {
    catalogue: Catalogue,
    #[expect(clippy::vec_box, reason = "the shards are handed over as pointers")]
    shards: Vec<Box<Shard>>,
    recommender: Recommender,
}

impl World {
    fn new(parameters: &Parameters, shards: usize, skus: impl Iterator<Item = u32>) -> Self {
        let mut catalogue = Catalogue::new(1000);
        skus.for_each(|sku| assert!(catalogue.intern(&sku.to_string()).is_some()));
        let shards = (0..shards).map(|_| Box::new(Shard::new(parameters))).collect();
        Self { catalogue, shards, recommender: Recommender::new(parameters.clone()) }
    }

    /// Writes everything and reads it into so many shards.
    fn restart(&self, parameters: &Parameters, shards: usize) -> Self {
        let mut bytes = Vec::new();
        self.catalogue.encode(&mut bytes).unwrap();
        self.shards.iter().for_each(|shard| shard.encode(&mut bytes).unwrap());
        let mut world = Self::new(parameters, shards, 0..0);
        let mut input = &bytes[..];
        world.catalogue = Catalogue::decode(&mut input, 1000).unwrap();
        for _ in &self.shards {
            Shard::restore(&mut world.shards, &world.catalogue, &mut input).unwrap();
        }
        assert!(input.is_empty());
        world
    }

    fn item(&mut self, sku: u32) -> ItemId {
        self.catalogue.intern(&sku.to_string()).unwrap()
    }

    fn learn(&mut self, event: &Event) -> Learned {
        let shards = self.shards.len();
        let learned = match *event {
            Event::Clicked { session, item, minute, event, cart } => {
                let click = Click {
                    session: session_key(session),
                    item: self.item(item),
                    time_micros: minute * MINUTE,
                    fingerprint: Fingerprint::of(&format!("event {event}")),
                    kind: if cart { ClickKind::AddedToCart } else { ClickKind::Viewed },
                };
                self.shards[Shard::of(click.session, shards)].learn_click(&click)
            }
            Event::Ordered { order, ref items, minute } => {
                let items: Vec<_> = items.iter().map(|&item| self.item(item)).collect();
                let order = SessionKey::of(&format!("order {order}"));
                let order = Order { order, items: &items, time_micros: minute * MINUTE };
                self.shards[Shard::of(order.order, shards)].learn_order(&order)
            }
        };
        let watermark = self.shards.iter().filter_map(|shard| shard.watermark_micros()).max();
        if let Some(watermark) = watermark {
            self.shards.iter_mut().for_each(|shard| shard.advance_watermark(watermark));
        }
        learned
    }

    fn ask(&mut self, question: &Question) -> Answer {
        let recent: Vec<_> = question.recent.iter().map(|&item| self.item(item)).collect();
        let page = question.page.map(|page| self.item(page));
        let session = question.session.map(session_key);
        let query = Query { session, recent: &recent, page, limit: question.limit };
        let out_of_stock = [self.item(3), self.item(9)];
        let show = |item| !out_of_stock.contains(&item);
        let (shards, catalogue) = (&self.shards, &self.catalogue);
        let mut answer =
            self.recommender.recommend(shards, catalogue, &query, show, &mut Scratch::default());
        for window in [Window::Hour, Window::Day] {
            answer.extend(self.recommender.trending(
                shards,
                catalogue,
                (window, question.limit),
                show,
            ));
        }
        answer
            .iter()
            .map(|r| (catalogue.sku(r.item).to_owned(), r.score, r.reason.text()))
            .collect()
    }

    fn ask_all(&mut self, questions: &[Question]) -> Vec<Answer> {
        questions.iter().map(|question| self.ask(question)).collect()
    }
}

fn session_key(session: u32) -> SessionKey {
    SessionKey::of(&format!("session {session}"))
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let index = (prop_oneof![Just(1usize), Just(64), Just(1000)], 2usize..8);
    (index, 1usize..6, 1usize..6, 1usize..5).prop_map(|((retained, clicks), m, k, seeds)| {
        Parameters {
            sessions_retained: retained,
            orders_retained: retained,
            clicks_per_session: clicks,
            sessions_per_item: m,
            neighbours: k,
            orders_per_item: m,
            second_order_items: seeds,
            second_order_sessions: m,
            ..Parameters::default()
        }
    })
}

fn event() -> impl Strategy<Value = Event> {
    let clicked = (0u32..200, 0..ITEMS, 0i64..120, 0u32..100_000, any::<bool>()).prop_map(
        |(session, item, minute, event, cart)| Event::Clicked {
            session: session % 70,
            item,
            minute,
            event,
            cart,
        },
    );
    let ordered = (0u32..200, prop::collection::btree_set(0..ITEMS, 1..4), 0i64..120).prop_map(
        |(order, items, minute)| Event::Ordered {
            order,
            items: items.into_iter().collect(),
            minute,
        },
    );
    prop_oneof![8 => clicked, 1 => ordered]
}

fn question() -> impl Strategy<Value = Question> {
    let recent = prop::collection::vec(0..ITEMS, 0..5);
    (prop::option::of(0u32..70), recent, prop::option::of(0..ITEMS), 1usize..12)
        .prop_map(|(session, recent, page, limit)| Question { session, recent, page, limit })
}

fn questions() -> impl Strategy<Value = Vec<Question>> {
    prop::collection::vec(question(), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn n_shards_answer_as_one(
        parameters in parameters(), shards in 2usize..7,
        events in prop::collection::vec(event(), 0..250), questions in questions(),
    ) {
        let mut one = World::new(&parameters, 1, 0..ITEMS);
        let mut many = World::new(&parameters, shards, (0..ITEMS).rev());
        for event in &events {
            prop_assert_eq!(one.learn(event), many.learn(event));
        }
        prop_assert_eq!(one.ask_all(&questions), many.ask_all(&questions));
    }

    #[test]
    fn repeats_change_nothing(
        parameters in parameters(), events in prop::collection::vec(event(), 1..200).prop_map(each_id_once),
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 0..100), questions in questions(),
    ) {
        let mut world = World::new(&parameters, 2, 0..ITEMS);
        events.iter().for_each(|event| { let _learned = world.learn(event); });
        let before = world.ask_all(&questions);
        for index in chosen {
            prop_assert_ne!(world.learn(index.get(&events)), Learned::New);
        }
        prop_assert_eq!(world.ask_all(&questions), before);
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(
        events in prop::collection::vec(event(), 1..150).prop_map(each_id_once).prop_map(one_click_per_minute),
        seed in any::<prop::sample::Index>(), questions in questions(),
    ) {
        let mut in_order = World::new(&Parameters::default(), 1, 0..ITEMS);
        let mut shuffled = World::new(&Parameters::default(), 1, 0..ITEMS);
        events.iter().for_each(|event| { let _learned = in_order.learn(event); });
        let step = coprime(events.len(), seed.index(events.len()));
        for place in 0..events.len() {
            let _learned = shuffled.learn(&events[place * step % events.len()]);
        }
        prop_assert_eq!(in_order.ask_all(&questions), shuffled.ask_all(&questions));
    }

    #[test]
    fn an_answer_is_a_list_of_items_that_may_be_shown(
        events in prop::collection::vec(event(), 0..200), question in question(),
    ) {
        let mut world = World::new(&Parameters::default(), 1, 0..ITEMS);
        events.iter().for_each(|event| { let _learned = world.learn(event); });
        let recent: Vec<_> = question.recent.iter().map(|&item| world.item(item)).collect();
        let page = question.page.map(|page| world.item(page));
        let query = Query { session: question.session.map(session_key), recent: &recent, page, limit: question.limit };
        let show = |item: ItemId| !item.index().is_multiple_of(4);
        let mut scratch = Scratch::default();
        let answer = world.recommender.recommend(&world.shards, &world.catalogue, &query, show, &mut scratch);
        let again = world.recommender.recommend(&world.shards, &world.catalogue, &query, show, &mut scratch);
        prop_assert_eq!(&answer, &again);
        prop_assert!(answer.len() <= question.limit);
        prop_assert!(answer.iter().all(|r| show(r.item) && Some(r.item) != page));
        prop_assert!(answer.is_sorted_by(|a, b| a.score >= b.score));
        let distinct: std::collections::BTreeSet<_> = answer.iter().map(|r| r.item).collect();
        prop_assert_eq!(distinct.len(), answer.len());
    }

    #[test]
    fn a_restored_model_goes_on_as_if_never_stopped(
        parameters in parameters(), before in prop::collection::vec(event(), 0..200).prop_map(each_id_once), shards in 1usize..5,
        after in prop::collection::vec(event(), 0..50), questions in questions(),
    ) {
        let mut world = World::new(&parameters, 2, 0..ITEMS);
        before.iter().for_each(|event| { let _learned = world.learn(event); });
        let mut restored = world.restart(&parameters, shards);
        prop_assert_eq!(restored.ask_all(&questions), world.ask_all(&questions));
        for event in before.iter().rev().chain(&after) {
            prop_assert_eq!(restored.learn(event), world.learn(event));
        }
        prop_assert_eq!(restored.ask_all(&questions), world.ask_all(&questions));
    }

    #[test]
    fn rubbish_is_no_state(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>()) {
        let mut world = World::new(&Parameters::default(), 1, 0..ITEMS);
        let _learned = world.learn(&Event::Clicked { session: 1, item: 1, minute: 1, event: 1, cart: true });
        let mut state = Vec::new();
        world.shards[0].encode(&mut state).unwrap();
        state.truncate(cut.index(state.len()));
        prop_assert!(Shard::restore(&mut world.shards, &world.catalogue, &mut &state[..]).is_err());
        let _error_or_not = Shard::restore(&mut world.shards, &world.catalogue, &mut &bytes[..]);
        let _error_or_not = Catalogue::decode(&mut &bytes[..], 100);
    }

    #[test]
    fn what_is_left_out_was_too_old_or_repeated(events in subsequence((0u32..60).collect::<Vec<_>>(), 1..60)) {
        let mut world = World::new(&Parameters::default(), 1, 0..ITEMS);
        for &event in &events {
            let click = Event::Clicked { session: 1, item: event % ITEMS, minute: i64::from(event), event, cart: false };
            prop_assert_eq!(world.learn(&click), Learned::New);
            prop_assert_eq!(world.learn(&click), Learned::Repeat);
        }
        prop_assert_eq!(world.shards[0].visits().clicks(), events.len());
    }
}

/// An id stands for one event: leaves the first with each.
fn each_id_once(mut events: Vec<Event>) -> Vec<Event> {
    let mut ids = std::collections::BTreeSet::new();
    events.retain(|event| match *event {
        Event::Clicked { event, .. } => ids.insert((0, event)),
        Event::Ordered { order, .. } => ids.insert((1, order)),
    });
    events
}

/// Within a session, clicks of the same millisecond stand in the order of arrival: leaves one for each minute.
fn one_click_per_minute(mut events: Vec<Event>) -> Vec<Event> {
    let mut times = std::collections::BTreeSet::new();
    events.retain(|event| match *event {
        Event::Clicked { session, minute, .. } => times.insert((session, minute)),
        Event::Ordered { .. } => true,
    });
    events
}

/// The first number from `from` on that has no divisor in common with `n`: multiples of it visit every place.
fn coprime(n: usize, from: usize) -> usize {
    fn gcd(a: usize, b: usize) -> usize {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    (from.max(1)..).find(|&step| gcd(step, n) == 1).unwrap_or(1)
}

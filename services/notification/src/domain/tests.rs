//! The rules, as sentences.

use std::{sync::Arc, time::Duration};

use kernel::{Decider, OrderId, Timestamp};
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_795_248_000_000_000);

fn policy() -> Policy {
    Policy {
        sends_mail: true,
        staff_mail: Some("ops@example.org".into()),
        rate: Rate { mails: 2, window: Duration::from_secs(3600) },
        report_after: Duration::from_secs(300),
        disable_after: Duration::from_secs(3 * 24 * 3600),
    }
}

fn at(now: Timestamp, action: Action) -> Command {
    Command { now, policy: Arc::new(policy()), action }
}

fn order() -> OrderId {
    OrderId(Uuid::from_u128(1))
}

fn placed() -> Fact {
    Fact::Placed(Order {
        customer_id: "ada".into(),
        email: Some("ada@example.org".into()),
        name: "Ada".into(),
        lines: vec![],
        currency: "EUR".into(),
        total_minor: 0,
    })
}

fn hear(event: u128, fact: Fact) -> Action {
    Action::HearOrder(order(), Uuid::from_u128(event), fact)
}

/// A desk to which this has happened, one after the other, and what the last one led to.
fn after(
    state: State,
    actions: impl IntoIterator<Item = (Timestamp, Action)>,
) -> (State, Vec<Event>) {
    let mut last = Vec::new();
    let state = actions.into_iter().fold(state, |state, (now, action)| {
        last = Rules::decide(&state, at(now, action)).unwrap();
        last.iter().fold(state, Rules::evolve)
    });
    (state, last)
}

fn created(events: &[Event]) -> Vec<&Notification> {
    let all = events.iter().filter_map(|event| match event {
        Event::Created(notification) => Some(&**notification),
        _ => None,
    });
    all.collect()
}

fn kinds(events: &[Event]) -> Vec<Kind> {
    created(events).iter().map(|n| n.content.kind()).collect()
}

fn endpoint(id: u128) -> Endpoint {
    Endpoint {
        id: Uuid::from_u128(id),
        url: "https://example.org/hook?key=1".into(),
        description: String::new(),
        kinds: [].into(),
        secret: Secret("whsec_".into()),
        created_at: 0,
        failing_since: None,
        disabled: None,
    }
}

/// A webhook that a sender has under this lease.
fn sending(lease: u128) -> State {
    let endpoints = vec![endpoint(7)];
    let (state, events) = after(
        State { endpoints, ..State::default() },
        [(NOW, Action::TestEndpoint(Uuid::from_u128(7), Uuid::from_u128(9)))],
    );
    let progress = Progress::Sending {
        lease: Uuid::from_u128(lease),
        until: NOW.plus(Duration::from_secs(60)),
    };
    let notification = Notification { progress, attempts: 1, ..created(&events)[0].clone() };
    State { notification: Some(notification), created: vec![], ..state }
}

fn came_of(lease: u128, outcome: Outcome) -> Action {
    let (notification, endpoint) = (Uuid::nil(), Some(Uuid::from_u128(7)));
    Action::Record(Attempt { notification, endpoint, lease: Uuid::from_u128(lease), outcome })
}

#[test]
fn each_fact_of_an_order_is_told_once_however_often_it_is_heard() {
    let (state, events) = after(State::default(), [(NOW, hear(1, placed()))]);
    assert_eq!(kinds(&events), [Kind::OrderReceived]);
    // Redriven or replayed: also under another event id.
    let (_, events) = after(state, [(NOW, hear(1, placed())), (NOW, hear(2, placed()))]);
    assert_eq!(events, []);
}

#[test]
fn what_comes_before_its_order_waits_for_it() {
    let shipped = Fact::Shipped { carrier: "DHL".into(), tracking_number: "1".into() };
    let (state, events) = after(State::default(), [(NOW, hear(3, shipped.clone()))]);
    assert_eq!(kinds(&events), []);
    let (state, events) = after(state, [(NOW, hear(3, shipped.clone()))]);
    assert_eq!(events, [], "it is remembered once");
    let (_, events) = after(state, [(NOW, hear(1, placed()))]);
    assert_eq!(kinds(&events), [Kind::OrderReceived, Kind::OrderShipped]);
}

#[test]
fn a_notifications_id_comes_from_its_event_and_its_receiver() {
    let ids = |event, endpoints: Vec<Endpoint>| {
        let state = State { endpoints, ..State::default() };
        let (_, events) = after(state, [(NOW, hear(event, placed()))]);
        created(&events).iter().map(|n| n.id).collect::<Vec<_>>()
    };
    let first = ids(1, vec![endpoint(7), endpoint(8)]);
    assert_eq!(first, ids(1, vec![endpoint(7), endpoint(8)]));
    assert_eq!(first.len(), 3);
    let all: std::collections::BTreeSet<_> =
        first.into_iter().chain(ids(2, vec![endpoint(7)])).collect();
    assert_eq!(all.len(), 5);
}

#[test]
fn who_is_told_follows_the_table() {
    let cancelled = |cause: &str| Fact::Cancelled { cause: cause.into(), reason: "r".into() };
    let told = |fact: Fact| {
        let state = State { endpoints: vec![endpoint(7)], ..State::default() };
        let (state, _) = after(state, [(NOW, hear(1, placed()))]);
        let state = State { created: vec![], customer: Recipient::default(), ..state };
        let (_, events) = after(state, [(NOW, hear(2, fact))]);
        created(&events).iter().map(|n| (n.audience, n.content.kind())).collect::<Vec<_>>()
    };
    let both = |kind| vec![(Audience::Customer, kind), (Audience::Partner, kind)];
    assert_eq!(told(Fact::Confirmed), both(Kind::OrderConfirmed));
    assert_eq!(told(Fact::Rejected { shortages: vec![] }), both(Kind::OrderRejected));
    assert_eq!(told(Fact::Delivered), both(Kind::OrderDelivered));
    assert_eq!(told(cancelled("customer")), both(Kind::OrderCancelled));
    let mut late = both(Kind::OrderCancelled);
    late.push((Audience::Staff, Kind::OrderTimedOut));
    assert_eq!(told(cancelled("time-out")), late);
}

#[test]
fn a_customer_chooses_channels_and_what_not_to_be_told() {
    let told = |channels: &[Channel], muted: &[Kind]| {
        let preferences = Preferences {
            channels: channels.iter().copied().collect(),
            muted: muted.iter().copied().collect(),
            ..Preferences::default()
        };
        let customer = Recipient { preferences, ..Recipient::default() };
        let state = State { customer, ..State::default() };
        let (_, events) = after(state, [(NOW, hear(1, placed()))]);
        created(&events).iter().map(|n| (n.channel, n.progress.status())).collect::<Vec<_>>()
    };
    assert_eq!(told(&[Channel::Email], &[]), [(Channel::Email, Status::Pending)]);
    assert_eq!(told(&[Channel::Log], &[]), [(Channel::Log, Status::Sent)]);
    let both = [(Channel::Log, Status::Sent), (Channel::Email, Status::Pending)];
    assert_eq!(told(&[Channel::Email, Channel::Log], &[]), both);
    let muted = [(Channel::Email, Status::Muted)];
    assert_eq!(told(&[Channel::Email], &[Kind::OrderReceived]), muted);
}

#[test]
fn what_exceeds_the_rate_is_grouped_and_not_dropped() {
    let mut state = State::default();
    let mut all = Vec::new();
    for n in 0..5 {
        let order = OrderId(Uuid::from_u128(100 + n));
        let action = Action::HearOrder(order, Uuid::from_u128(n), placed());
        let (next, events) = after(state, [(NOW, action)]);
        all.extend(created(&events).into_iter().cloned());
        state = State { order: OrderFile::default(), ..next };
    }
    let digests: Vec<_> = all.iter().filter(|n| n.content == Content::Digest).collect();
    assert_eq!(digests.len(), 1);
    let window_ends = NOW.plus(Duration::from_secs(3600));
    assert_eq!(digests[0].progress, Progress::Pending(window_ends));
    let grouped = all.iter().filter(|n| n.progress == Progress::Grouped(digests[0].id)).count();
    assert_eq!((all.len(), grouped), (6, 3));
}

#[test]
fn a_window_that_is_about_to_end_takes_no_more_into_its_digest() {
    let rate = Rate { mails: 1, window: Duration::from_secs(60) };
    let mut budget = Budget::default();
    let mut take =
        |s| budget.take(rate, NOW.plus(Duration::from_secs(s)), Uuid::from_u128(s.into()));
    use recipient::Share;
    assert_eq!(take(0), Share::Now);
    let opens = Share::Opens(Uuid::from_u128(1), NOW.plus(Duration::from_secs(60)));
    assert_eq!(take(1), opens);
    assert_eq!(take(49), Share::Joins(Uuid::from_u128(1)));
    assert_eq!(take(51), Share::Now);
}

#[test]
fn the_staff_is_told_once_each_time_that_stock_becomes_low() {
    let level = |version, low| {
        let (sku, available, on_hand) = ("TEA".into(), 2, 3);
        let event = Uuid::from_u128(version);
        let version = i64::try_from(version).unwrap();
        (NOW, Action::HearStock(event, StockLevel { sku, version, available, on_hand, low }))
    };
    let (state, events) = after(State::default(), [level(1, false), level(2, true)]);
    assert_eq!(kinds(&events), [Kind::StockLow]);
    let (state, events) = after(state, [level(3, true)]);
    assert_eq!(kinds(&events), []);
    let (state, events) = after(state, [level(4, false), level(2, true)]);
    assert_eq!(events, [], "an old version is ignored");
    assert_eq!(kinds(&after(state, [level(5, true)]).1), [Kind::StockLow]);
}

#[test]
fn the_staff_is_told_of_an_order_that_still_waits() {
    let (state, _) = after(State::default(), [(NOW, hear(1, placed()))]);
    let due = state.order.report_at().unwrap();
    assert_eq!(due, NOW.plus(Duration::from_secs(300)));
    let (reported, events) = after(state.clone(), [(due, Action::ReportWaiting(order()))]);
    assert_eq!(kinds(&events), [Kind::OrderWaiting]);
    assert_eq!(reported.order.report_at(), None);
    let (confirmed, _) = after(state, [(NOW, hear(2, Fact::Confirmed))]);
    assert_eq!(confirmed.order.report_at(), None);
    assert_eq!(after(confirmed, [(due, Action::ReportWaiting(order()))]).1, []);
}

#[test]
fn a_dead_letter_is_told_once() {
    let letter = |id| {
        let (service, event, reason) = ("order".into(), "OrderPlaced".into(), "bad".into());
        (NOW, Action::HearLetter(DeadLetter { service, id, event, reason }))
    };
    let (state, events) = after(State::default(), [letter(0)]);
    assert_eq!(kinds(&events), [Kind::DeadLetter]);
    assert_eq!(after(state, [letter(0)]).1, []);
}

#[test]
fn a_failed_attempt_is_repeated_until_days_have_passed() {
    let mut state = sending(1);
    let mut now = NOW;
    for attempt in 1.. {
        let (next, events) = after(state, [(now, came_of(1, Outcome::Failed("away".into())))]);
        let notification = next.notification.clone().unwrap();
        match (&events[0], notification.progress) {
            (Event::Postponed(_), Progress::Pending(due)) => {
                assert!(due > now);
                now = due;
            }
            (Event::GivenUp(_), Progress::Failed(_)) => {
                assert_eq!(attempt, 13);
                return;
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(notification.last_error.as_deref(), Some("away"));
        let progress = Progress::Sending { lease: Uuid::from_u128(1), until: now };
        let attempts = attempt + 1;
        state = State {
            notification: Some(Notification { progress, attempts, ..notification }),
            ..next
        };
    }
}

#[test]
fn a_lease_that_is_over_can_report_only_success() {
    let late = |outcome| given_state(sending(2)).when(at(NOW, came_of(1, outcome))).decision();
    assert_eq!(late(Outcome::Failed("late".into())), Ok(vec![]));
    assert_eq!(late(Outcome::Refused("late".into())), Ok(vec![]));
    assert!(matches!(late(Outcome::Sent).unwrap()[..], [Event::Sent(_)]));
}

#[test]
fn what_was_sent_stays_sent() {
    let (sent, events) = after(sending(1), [(NOW, came_of(1, Outcome::Sent))]);
    assert!(matches!(events[..], [Event::Sent(_)]));
    for outcome in [Outcome::Sent, Outcome::Failed("x".into()), Outcome::Gone] {
        given_state(sent.clone()).when(at(NOW, came_of(1, outcome))).then_nothing();
    }
}

#[test]
fn an_endpoint_that_fails_for_days_is_disabled_and_the_staff_told() {
    let failed = || came_of(1, Outcome::Failed("answered 500".into()));
    let (state, events) = after(sending(1), [(NOW, failed())]);
    assert!(matches!(&events[1], Event::EndpointChanged(e) if e.failing_since == Some(NOW.0)));
    let retried = State { notification: sending(1).notification, ..state };
    let days = NOW.plus(Duration::from_secs(3 * 24 * 3600));
    let (state, events) = after(retried, [(days, failed())]);
    assert_eq!(kinds(&events), [Kind::WebhookDisabled]);
    assert_eq!(state.endpoints[0].disabled.as_deref(), Some("answered 500"));
    let told = format!("{:?}", created(&events)[0]);
    assert!(!told.contains("key=1"), "a URL's query may be a secret: {told}");
}

#[test]
fn an_endpoint_that_works_again_has_its_days_back() {
    let mut state = sending(1);
    state.endpoints[0].failing_since = Some(5);
    let (state, _) = after(state, [(NOW, came_of(1, Outcome::Sent))]);
    assert_eq!(state.endpoints[0].failing_since, None);
}

#[test]
fn an_endpoint_that_is_gone_is_disabled_at_once() {
    let (state, events) = after(sending(1), [(NOW, came_of(1, Outcome::Gone))]);
    assert!(matches!(events[0], Event::GivenUp(_)));
    assert!(state.endpoints[0].disabled.is_some());
    assert_eq!(kinds(&events), [Kind::WebhookDisabled]);
}

#[test]
fn a_disabled_endpoint_is_told_nothing_until_it_is_enabled() {
    let id = Uuid::from_u128(7);
    let state = State { endpoints: vec![endpoint(7)], ..State::default() };
    let disable = || (NOW, Action::DisableEndpoint(id, "asked".into()));
    let (state, _) = after(state, [disable()]);
    let (state, events) = after(state, [disable()]);
    assert_eq!(events, []);
    given_state(state.clone())
        .when(at(NOW, Action::TestEndpoint(id, id)))
        .then_refused(Refusal::Disabled);
    let (_, events) = after(state.clone(), [(NOW, hear(1, placed()))]);
    assert_eq!(created(&events).len(), 1);
    let (state, _) = after(state, [(NOW, Action::EnableEndpoint(id))]);
    let (_, events) = after(state, [(NOW, hear(1, placed()))]);
    assert_eq!(created(&events).len(), 2);
}

#[test]
fn only_what_left_or_could_leave_is_sent_again() {
    let resend = |progress, channel| {
        let one = sending(1).notification.unwrap();
        let notification = Some(Notification { progress, channel, ..one });
        let state = State { notification, ..State::default() };
        given_state(state).when(at(NOW, Action::Resend(Uuid::nil()))).decision()
    };
    let (mail, log) = (Channel::Email, Channel::Log);
    for progress in [Progress::Sent(NOW), Progress::Failed(NOW), Progress::Pending(NOW)] {
        assert!(matches!(resend(progress, mail).unwrap()[..], [Event::Requeued(_)]));
    }
    let sending = Progress::Sending { lease: Uuid::nil(), until: NOW };
    assert_eq!(resend(sending, mail), Err(Refusal::Busy));
    assert_eq!(resend(Progress::Muted, mail), Err(Refusal::NothingToSend));
    assert_eq!(resend(Progress::Sent(NOW), log), Err(Refusal::NothingToSend));
    given_state(State::default())
        .when(at(NOW, Action::Resend(Uuid::nil())))
        .then_refused(Refusal::NoNotification);
}

#[test]
fn there_are_at_most_a_hundred_webhooks() {
    let endpoints = (0..100).map(endpoint).collect();
    given_state(State { endpoints, ..State::default() })
        .when(at(NOW, Action::AddEndpoint(endpoint(100))))
        .then_refused(Refusal::TooMany);
}

fn given_state(state: State) -> testkit::Given<Rules> {
    testkit::Given::state(state)
}

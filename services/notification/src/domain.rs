//! The rules of notifications. Pure: who is told what, and how far each notification has come, is
//! decided here and nowhere else.
//!
//! ```text
//!            ┌─> Muted                      ┌── lease over, failed ──┐
//!  (news) ───┼─> Grouped (in a digest)      v                        │
//!            ├─> Sent (the log)          Pending ──── claimed ───> Sending ─┬─> Sent
//!            └─> Pending                    ^                               └─> Failed
//!                                           └── resent ── Sent, Failed
//! ```
//!
//! One event may tell many: so the aggregate is not one notification but a desk with what the
//! decision needs (what is known of the order, how the customer wants to be told, the endpoints),
//! and each notification is a row of its own that senders claim without asking here.

mod desk;
pub mod notification;
pub mod order;
pub mod recipient;
mod schedule;
mod telling;

use kernel::{Decider, OrderId, Timestamp};
use uuid::Uuid;

use self::telling::News;
pub use self::{
    desk::{
        About, Action, Attempt, Command, DeadLetter, Event, Letters, MAX_ENDPOINTS, Outcome,
        Policy, Refusal, State, Stock, StockLevel,
    },
    notification::{Audience, Bill, Channel, Content, Kind, MAIL, Notification, Progress, Status},
    order::{Fact, Line, Order, OrderFile, Shortage},
    recipient::{Budget, Endpoint, Preferences, Rate, Recipient, Secret},
};

/// The rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules;

impl Decider for Rules {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Error = Refusal;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
        let Command { now, policy, action } = command;
        match action {
            Action::HearOrder(order, event, fact) => {
                Ok(hear_order(state, &policy, now, (order, event, fact)))
            }
            Action::HearStock(event, level) => Ok(hear_stock(state, &policy, now, event, level)),
            Action::HearLetter(letter) => Ok(hear_letter(state, &policy, now, letter)),
            Action::ReportWaiting(order) => Ok(report_waiting(state, &policy, now, order)),
            Action::Record(attempt) => Ok(record(state, &policy, now, attempt)),
            Action::Resend(_) => resend(state, now),
            Action::Prefer(_, preferences) => Ok(prefer(state, preferences)),
            Action::AddEndpoint(endpoint) => add_endpoint(state, endpoint),
            Action::DisableEndpoint(id, reason) => disable_endpoint(state, id, reason),
            Action::EnableEndpoint(id) => enable_endpoint(state, id),
            Action::TestEndpoint(id, event) => test_endpoint(state, &policy, now, id, event),
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event.clone() {
            Event::OrderNoted(order) => state.order = order,
            Event::StockNoted(stock) => state.stock = stock,
            Event::LettersNoted(letters) => state.letters = letters,
            Event::CustomerChanged(customer) => state.customer = customer,
            Event::StaffMailed(budget) => state.staff = budget,
            Event::Created(notification) => state.created.push(*notification),
            Event::Sent(notification)
            | Event::Postponed(notification)
            | Event::GivenUp(notification)
            | Event::Requeued(notification) => state.notification = Some(*notification),
            Event::EndpointAdded(endpoint) => state.endpoints.push(endpoint),
            Event::EndpointChanged(changed) => {
                let same = state.endpoints.iter_mut().find(|endpoint| endpoint.id == changed.id);
                if let Some(endpoint) = same {
                    *endpoint = changed;
                }
            }
        }
        state
    }
}

/// What comes before OrderPlaced waits for it; each fact is told once.
fn hear_order(
    state: &State,
    policy: &Policy,
    now: Timestamp,
    (order_id, event_id, fact): (OrderId, Uuid, Fact),
) -> Vec<Event> {
    let mut file = state.order.clone();
    if file.knows(&fact) {
        return Vec::new();
    }
    let mut facts = match &fact {
        Fact::Placed(order) => {
            file.order = Some(order.clone());
            file.placed_at = now.0;
            file.report_at = Some(now.plus(policy.report_after).0);
            std::mem::take(&mut file.early)
        }
        _ => Vec::new(),
    };
    facts.insert(0, (event_id, fact));
    let Some(order) = file.order.clone() else {
        file.early.append(&mut facts);
        return vec![Event::OrderNoted(file)];
    };
    if facts.iter().any(|(_, fact)| fact.ends_waiting()) {
        file.report_at = None;
    }
    file.told.extend(facts.iter().map(|(_, fact)| fact.kind()));
    let mut state = state.clone();
    let mut events = vec![Event::OrderNoted(file)];
    for (event_id, fact) in facts {
        let (subject, customer_id) = (order_id.to_string(), order.customer_id.clone());
        let order_id = Some(order_id);
        let news = News { policy, now, event_id, subject, order_id, customer_id };
        for event in tell_of(&news, &state, &order, &fact) {
            // The next fact finds less left of the mail's budget.
            state = Rules::evolve(state, &event);
            events.push(event);
        }
    }
    events
}

fn tell_of(news: &News<'_>, state: &State, order: &Order, fact: &Fact) -> Vec<Event> {
    let mut events = news.tell_customer(state, order.email.as_deref(), &order.content(fact));
    if let Fact::Cancelled { cause, reason } = fact
        && cause == TIMED_OUT
    {
        let content = Content::OrderTimedOut { reason: reason.clone() };
        events.extend(news.tell_staff(state, content));
    }
    events
}

/// The cause of an OrderCancelled that its deadline said.
const TIMED_OUT: &str = "time-out";

/// Once each time it becomes low, not at every piece that is sold from then on.
fn hear_stock(
    state: &State,
    policy: &Policy,
    now: Timestamp,
    event_id: Uuid,
    level: StockLevel,
) -> Vec<Event> {
    let StockLevel { sku, version, available, on_hand, low } = level;
    if version <= state.stock.version {
        return Vec::new();
    }
    let mut events = vec![Event::StockNoted(Stock { version, low })];
    if low && !state.stock.low {
        let (subject, order_id, customer_id) = (sku.clone(), None, String::new());
        let news = News { policy, now, event_id, subject, order_id, customer_id };
        events.extend(news.tell_staff(state, Content::StockLow { sku, available, on_hand }));
    }
    events
}

fn hear_letter(state: &State, policy: &Policy, now: Timestamp, letter: DeadLetter) -> Vec<Event> {
    let DeadLetter { service, id, event, reason } = letter;
    if id < state.letters.next {
        return Vec::new();
    }
    let event_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{service} {id}").as_bytes());
    let (subject, order_id, customer_id) = (service.clone(), None, String::new());
    let news = News { policy, now, event_id, subject, order_id, customer_id };
    let mut events = vec![Event::LettersNoted(Letters { next: id + 1 })];
    let content = Content::DeadLetter { service, letter: id, event, reason };
    events.extend(news.tell_staff(state, content));
    events
}

fn report_waiting(state: &State, policy: &Policy, now: Timestamp, order_id: OrderId) -> Vec<Event> {
    let file = &state.order;
    let (Some(order), Some(_)) = (&file.order, file.report_at().filter(|at| *at <= now)) else {
        return Vec::new();
    };
    let news = News {
        policy,
        now,
        event_id: order_id.0,
        subject: order_id.to_string(),
        order_id: Some(order_id),
        customer_id: order.customer_id.clone(),
    };
    let noted = Event::OrderNoted(OrderFile { report_at: None, ..file.clone() });
    let mut events = vec![noted];
    let since = Timestamp(file.placed_at);
    events.extend(news.tell_staff(state, Content::OrderWaiting { since }));
    events
}

/// A failure of somebody whose lease is over means nothing; a success counts whoever had it.
fn record(state: &State, policy: &Policy, now: Timestamp, attempt: Attempt) -> Vec<Event> {
    let Some(notification) = &state.notification else { return Vec::new() };
    let is_over = match notification.progress {
        Progress::Sending { lease, .. } => lease != attempt.lease,
        Progress::Pending(_) => true,
        Progress::Sent(_) | Progress::Failed(_) | Progress::Grouped(_) | Progress::Muted => {
            return Vec::new();
        }
    };
    if is_over && attempt.outcome != Outcome::Sent {
        return Vec::new();
    }
    let mut events = vec![moved(notification, now, &attempt.outcome)];
    let endpoint = state.endpoints.iter().find(|endpoint| Some(endpoint.id) == attempt.endpoint);
    if let Some(endpoint) = endpoint {
        events.extend(judge(state, policy, now, endpoint, &attempt.outcome));
    }
    events
}

fn moved(notification: &Notification, now: Timestamp, outcome: &Outcome) -> Event {
    let next_try = schedule::next_try(notification.id, notification.attempts, now);
    let moved = |progress, error: Option<&str>| {
        let last_error = error.map(str::to_owned);
        Box::new(Notification { progress, last_error, ..notification.clone() })
    };
    match (outcome, next_try) {
        (Outcome::Sent, _) => Event::Sent(moved(Progress::Sent(now), None)),
        (Outcome::Failed(error), Some(next)) => {
            Event::Postponed(moved(Progress::Pending(next), Some(error)))
        }
        (Outcome::Failed(error) | Outcome::Refused(error), _) => {
            Event::GivenUp(moved(Progress::Failed(now), Some(error)))
        }
        (Outcome::Gone, _) => Event::GivenUp(moved(Progress::Failed(now), Some(GONE))),
    }
}

const GONE: &str = "the endpoint is gone (410)";

/// What an attempt means for its endpoint: after days without a success it is disabled.
fn judge(
    state: &State,
    policy: &Policy,
    now: Timestamp,
    endpoint: &Endpoint,
    outcome: &Outcome,
) -> Vec<Event> {
    let since = Timestamp(endpoint.failing_since.unwrap_or(now.0));
    let change = |failing_since, disabled| {
        Event::EndpointChanged(Endpoint { failing_since, disabled, ..endpoint.clone() })
    };
    let error = match outcome {
        _ if endpoint.disabled.is_some() => return Vec::new(),
        Outcome::Sent if endpoint.failing_since.is_none() => return Vec::new(),
        Outcome::Sent => return vec![change(None, None)],
        Outcome::Gone => GONE,
        Outcome::Failed(error) if now.since(since) >= policy.disable_after => error,
        Outcome::Failed(_) if endpoint.failing_since.is_none() => {
            return vec![change(Some(now.0), None)];
        }
        Outcome::Failed(_) | Outcome::Refused(_) => return Vec::new(),
    };
    let news = News {
        policy,
        now,
        // Each time that it fails for too long is told once.
        event_id: Uuid::new_v5(&endpoint.id, &since.0.to_be_bytes()),
        subject: endpoint.id.to_string(),
        order_id: None,
        customer_id: String::new(),
    };
    let (host, error) = (endpoint.host(), error.to_owned());
    let mut events = vec![change(Some(since.0), Some(error.clone()))];
    let content = Content::WebhookDisabled { endpoint: endpoint.id, host, since, error };
    events.extend(news.tell_staff(state, content));
    events
}

fn resend(state: &State, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let notification = state.notification.as_ref().ok_or(Refusal::NoNotification)?;
    match (notification.progress, notification.channel) {
        (_, Channel::Log) | (Progress::Grouped(_) | Progress::Muted, _) => {
            Err(Refusal::NothingToSend)
        }
        // More may join it.
        (Progress::Pending(due), _) if notification.content == Content::Digest && due > now => {
            Err(Refusal::NothingToSend)
        }
        (Progress::Sending { .. }, _) => Err(Refusal::Busy),
        (Progress::Pending(_) | Progress::Sent(_) | Progress::Failed(_), _) => {
            let progress = Progress::Pending(now);
            let again = Notification { progress, attempts: 0, ..notification.clone() };
            Ok(vec![Event::Requeued(Box::new(again))])
        }
    }
}

fn prefer(state: &State, preferences: Preferences) -> Vec<Event> {
    if state.customer.preferences == preferences {
        return Vec::new();
    }
    vec![Event::CustomerChanged(Recipient { preferences, ..state.customer.clone() })]
}

fn add_endpoint(state: &State, endpoint: Endpoint) -> Result<Vec<Event>, Refusal> {
    if state.endpoints.len() >= MAX_ENDPOINTS {
        return Err(Refusal::TooMany);
    }
    Ok(vec![Event::EndpointAdded(endpoint)])
}

fn endpoint(state: &State, id: Uuid) -> Result<&Endpoint, Refusal> {
    state.endpoints.iter().find(|endpoint| endpoint.id == id).ok_or(Refusal::NoEndpoint)
}

fn disable_endpoint(state: &State, id: Uuid, reason: String) -> Result<Vec<Event>, Refusal> {
    let endpoint = endpoint(state, id)?;
    if endpoint.disabled.is_some() {
        return Ok(Vec::new());
    }
    let disabled = Some(reason);
    Ok(vec![Event::EndpointChanged(Endpoint { disabled, ..endpoint.clone() })])
}

fn enable_endpoint(state: &State, id: Uuid) -> Result<Vec<Event>, Refusal> {
    let endpoint = endpoint(state, id)?;
    if endpoint.disabled.is_none() {
        return Ok(Vec::new());
    }
    let enabled = Endpoint { disabled: None, failing_since: None, ..endpoint.clone() };
    Ok(vec![Event::EndpointChanged(enabled)])
}

fn test_endpoint(
    state: &State,
    policy: &Policy,
    now: Timestamp,
    id: Uuid,
    event_id: Uuid,
) -> Result<Vec<Event>, Refusal> {
    let endpoint = endpoint(state, id)?;
    if endpoint.disabled.is_some() {
        return Err(Refusal::Disabled);
    }
    let subject = id.to_string();
    let news = News { policy, now, event_id, subject, order_id: None, customer_id: String::new() };
    Ok(vec![Event::Created(Box::new(news.webhook(endpoint, Content::Test)))])
}

#[cfg(test)]
mod tests;

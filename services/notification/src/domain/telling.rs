//! Who is told what: one piece of news becomes a notification for each who is to be told.
//!
//! | news | customer | partners | staff |
//! |---|---|---|---|
//! | order received, confirmed, rejected, cancelled, shipped, delivered | yes | yes | - |
//! | order cancelled because nobody answered in time | as cancelled | as cancelled | timed out |
//! | an order that still waits | - | - | yes |
//! | a SKU that is low, once each time it becomes so | - | - | yes |
//! | a dead letter; an endpoint that was disabled | - | - | yes |
//! | a test of an endpoint | - | that one | - |
//!
//! Customers choose language, channels and what not to be told. Mail is limited by a rate; what
//! exceeds it is grouped into one digest, never dropped.

use kernel::{OrderId, Timestamp};
use uuid::Uuid;

use super::{
    Event, Policy, State,
    notification::{Audience, Channel, Content, Notification, Progress},
    recipient::{Budget, Endpoint, Recipient, Share},
};

/// What the channel [`Channel::Log`] has as address, and the staff as customer.
const NOBODY: &str = "";
/// The staff's language.
const STAFF_LANGUAGE: &str = "en";

/// A piece of news: about what, since which event.
pub(super) struct News<'a> {
    pub policy: &'a Policy,
    pub now: Timestamp,
    /// The event that it comes from: what the notifications' ids are made of.
    pub event_id: Uuid,
    /// The order's id, the SKU.
    pub subject: String,
    pub order_id: Option<OrderId>,
    pub customer_id: String,
}

impl News<'_> {
    /// The notifications for the customer and for partners.
    pub fn tell_customer(
        &self,
        state: &State,
        email: Option<&str>,
        content: &Content,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut customer = state.customer.clone();
        let channels = self.channels(&customer, email);
        for (channel, address) in channels {
            let language = customer.preferences.language.clone();
            let one = self.one(Audience::Customer, channel, address, &language, content.clone());
            if customer.preferences.muted.contains(&content.kind()) {
                events.push(created(Notification { progress: Progress::Muted, ..one }));
            } else {
                let budget = customer.budget(address, self.policy.rate, self.now);
                events.extend(self.limited(budget, one));
            }
        }
        if customer != state.customer {
            events.push(Event::CustomerChanged(customer));
        }
        let wanting = state.endpoints.iter().filter(|endpoint| endpoint.wants(content.kind()));
        events.extend(wanting.map(|endpoint| created(self.webhook(endpoint, content.clone()))));
        events
    }

    /// The channels to a customer; the log when no other can be used.
    fn channels<'e>(
        &self,
        customer: &Recipient,
        email: Option<&'e str>,
    ) -> Vec<(Channel, &'e str)> {
        let wanted = &customer.preferences.channels;
        let email = email.filter(|_| self.policy.sends_mail && wanted.contains(&Channel::Email));
        let log = wanted.contains(&Channel::Log) || email.is_none();
        let log = log.then_some((Channel::Log, NOBODY));
        log.into_iter().chain(email.map(|email| (Channel::Email, email))).collect()
    }

    /// The notification for the staff.
    pub fn tell_staff(&self, state: &State, content: Content) -> Vec<Event> {
        let mail = self.policy.staff_mail.as_deref().filter(|_| self.policy.sends_mail);
        let (channel, address) = mail.map_or((Channel::Log, NOBODY), |to| (Channel::Email, to));
        let one = self.one(Audience::Staff, channel, address, STAFF_LANGUAGE, content);
        let mut budget = state.staff.clone();
        let mut events = self.limited(&mut budget, one);
        if budget != state.staff {
            events.push(Event::StaffMailed(budget));
        }
        events
    }

    /// The notification for one endpoint.
    pub fn webhook(&self, endpoint: &Endpoint, content: Content) -> Notification {
        let address = endpoint.id.to_string();
        self.one(Audience::Partner, Channel::Webhook, &address, STAFF_LANGUAGE, content)
    }

    fn one(
        &self,
        audience: Audience,
        channel: Channel,
        address: &str,
        language: &str,
        content: Content,
    ) -> Notification {
        // An address may be corrected; the notification stays the same.
        let receiver = if channel == Channel::Webhook { address } else { NOBODY };
        let name = format!("{:?} {audience:?} {channel:?} {receiver}", content.kind());
        let is_log = channel == Channel::Log;
        Notification {
            id: Uuid::new_v5(&self.event_id, name.as_bytes()),
            subject: self.subject.clone(),
            customer_id: self.customer_id.clone(),
            order_id: self.order_id,
            audience,
            channel,
            address: address.to_owned(),
            language: language.to_owned(),
            content,
            // To be kept is all that the log asks for.
            progress: if is_log { Progress::Sent(self.now) } else { Progress::Pending(self.now) },
            attempts: u32::from(is_log),
            last_error: None,
            created_at: self.now,
        }
    }

    /// A mail within the rate, or held back for a digest. Whatever is no mail passes.
    fn limited(&self, budget: &mut Budget, one: Notification) -> Vec<Event> {
        if one.channel != Channel::Email {
            return vec![created(one)];
        }
        let digest = Notification {
            subject: one.customer_id.clone(),
            order_id: None,
            ..self.one(one.audience, one.channel, &one.address, &one.language, Content::Digest)
        };
        match budget.take(self.policy.rate, self.now, digest.id) {
            Share::Now => vec![created(one)],
            Share::Joins(open) => {
                vec![created(Notification { progress: Progress::Grouped(open), ..one })]
            }
            Share::Opens(open, due) => vec![
                created(Notification { progress: Progress::Grouped(open), ..one }),
                created(Notification { progress: Progress::Pending(due), ..digest }),
            ],
        }
    }
}

fn created(notification: Notification) -> Event {
    Event::Created(Box::new(notification))
}

//! What the rules of notifications work with: what is known, what can be asked, what can happen.

use std::{sync::Arc, time::Duration};

use kernel::{CustomerId, OrderId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    notification::Notification,
    order::{Fact, OrderFile},
    recipient::{Budget, Endpoint, Preferences, Rate, Recipient},
};

/// What one decision looks at: only what its command is about is filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What is filled in.
    pub about: About,
    /// The order.
    pub order: OrderFile,
    /// The SKU's stock.
    pub stock: Stock,
    /// The customer.
    pub customer: Recipient,
    /// How much mail the staff has had.
    pub staff: Budget,
    /// Up to which id a service's dead letters have been told.
    pub letters: Letters,
    /// Those who may be told; or only the one that the command is about.
    pub endpoints: Vec<Endpoint>,
    /// The notification that the command is about.
    pub notification: Option<Notification>,
    /// Those that came into being.
    pub created: Vec<Notification>,
}

/// What a command is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// Nothing yet.
    #[default]
    Nothing,
    /// An order: with its customer, the staff and the endpoints.
    Order,
    /// A SKU: with the staff.
    Stock,
    /// A service's dead letters: with the staff.
    Letters,
    /// A customer.
    Customer,
    /// A notification: with its endpoint and the staff.
    Notification,
    /// The endpoints.
    Endpoints,
}

/// What was last heard of a SKU's stock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// The event's version; lower ones are old.
    pub version: i64,
    /// Whether it was low.
    pub low: bool,
}

/// How far a service's dead letters have been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letters {
    /// The id of the next one.
    pub next: u64,
}

/// What is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether there is a mail server.
    pub sends_mail: bool,
    /// Where the staff reads mail.
    pub staff_mail: Option<String>,
    /// How much mail anybody gets.
    pub rate: Rate,
    /// The staff is told of an order that waits for longer than this.
    pub report_after: Duration,
    /// An endpoint that fails for longer than this is disabled.
    pub disable_after: Duration,
}

/// What is asked, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Now.
    pub now: Timestamp,
    /// What is configured.
    pub policy: Arc<Policy>,
    /// What is to be done.
    pub action: Action,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Something happened to an order; tell whom it concerns.
    HearOrder(OrderId, Uuid, Fact),
    /// A SKU's stock changed; tell the staff when it becomes low.
    HearStock(Uuid, StockLevel),
    /// A service kept a dead letter; tell the staff.
    HearLetter(DeadLetter),
    /// Tell the staff that an order still waits.
    ReportWaiting(OrderId),
    /// Note what came of an attempt to send.
    Record(Attempt),
    /// Send it again, whether or not it was sent.
    Resend(Uuid),
    /// Tell the customer like this from now on.
    Prefer(CustomerId, Preferences),
    /// Tell this endpoint from now on.
    AddEndpoint(Endpoint),
    /// Tell it no more, for this reason.
    DisableEndpoint(Uuid, String),
    /// Tell it again.
    EnableEndpoint(Uuid),
    /// Try it out, under this event id.
    TestEndpoint(Uuid, Uuid),
}

/// A SKU's stock as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in the event StockLevelChanged")]
pub struct StockLevel {
    pub sku: String,
    pub version: i64,
    pub available: i64,
    pub on_hand: i64,
    pub low: bool,
}

/// An event that a service could not process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which service.
    pub service: String,
    /// Its id among the service's.
    pub id: u64,
    /// The event's name, if it could be read.
    pub event: String,
    /// Why.
    pub reason: String,
}

/// An attempt to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which notification.
    pub notification: Uuid,
    /// The endpoint it went to, if it is a webhook.
    pub endpoint: Option<Uuid>,
    /// The sender's claim.
    pub lease: Uuid,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver's server took it.
    Sent,
    /// Not this time, for this reason.
    Failed(String),
    /// Never, for this reason.
    Refused(String),
    /// The endpoint says that it is gone for good (410).
    Gone,
}

/// What has happened; each holds all that is known from then on.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Event {
    OrderNoted(OrderFile),
    StockNoted(Stock),
    LettersNoted(Letters),
    CustomerChanged(Recipient),
    StaffMailed(Budget),
    Created(Box<Notification>),
    Sent(Box<Notification>),
    Postponed(Box<Notification>),
    GivenUp(Box<Notification>),
    Requeued(Box<Notification>),
    EndpointAdded(Endpoint),
    EndpointChanged(Endpoint),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such notification.
    #[error("there is no such notification")]
    NoNotification,
    /// No such endpoint.
    #[error("there is no such webhook")]
    NoEndpoint,
    /// It is in the log, muted or in a digest.
    #[error("there is nothing to send: it was kept in the log, muted, or goes by a digest")]
    NothingToSend,
    /// A sender has it.
    #[error("it is being sent at this moment")]
    Busy,
    /// The endpoint gets nothing.
    #[error("the webhook is disabled")]
    Disabled,
    /// As many endpoints as can be told.
    #[error("there are {MAX_ENDPOINTS} webhooks already")]
    TooMany,
}

/// The most endpoints.
pub const MAX_ENDPOINTS: usize = 100;

//! One notification: what is told to whom, how, and how far it has come.

use kernel::{OrderId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::order::{Line, Shortage};

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is documented in Content")]
pub enum Kind {
    OrderReceived,
    OrderConfirmed,
    OrderRejected,
    OrderCancelled,
    OrderShipped,
    OrderDelivered,
    Digest,
    OrderWaiting,
    OrderTimedOut,
    StockLow,
    DeadLetter,
    WebhookDisabled,
    Test,
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Whose order it is.
    Customer,
    /// Those who run the shop.
    Staff,
    /// Another system, by webhook.
    Partner,
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Only kept, for whoever asks.
    Log,
    /// By SMTP.
    Email,
    /// To an endpoint, by the Standard Webhooks specification.
    Webhook,
}

/// What is told, with all that its words need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Content {
    /// To the customer: we have the order.
    OrderReceived(Bill),
    /// To the customer: it will be shipped.
    OrderConfirmed(Bill),
    /// To the customer: there is too little of something.
    OrderRejected {
        /// The recipient's name.
        name: String,
        /// Of what.
        shortages: Vec<Shortage>,
    },
    /// To the customer: it will not be shipped.
    OrderCancelled {
        /// The recipient's name.
        name: String,
        /// Who or what cancelled it, as in the event OrderCancelled.
        cause: String,
        /// Why, for a person to read.
        reason: String,
    },
    /// To the customer: the parcel has left.
    OrderShipped {
        /// Who carries it.
        carrier: String,
        /// The carrier's number.
        tracking_number: String,
        /// What is in it.
        #[serde(flatten)]
        bill: Bill,
    },
    /// To the customer: the parcel has arrived.
    OrderDelivered {
        /// The recipient's name.
        name: String,
    },
    /// To whoever was told much: all that was held back since, in one.
    Digest,
    /// To the staff: an order has been waiting for long.
    OrderWaiting {
        /// Since when.
        since: Timestamp,
    },
    /// To the staff: nobody answered in time, and the order was cancelled.
    OrderTimedOut {
        /// What it waited for.
        reason: String,
    },
    /// To the staff: there is little left of a product.
    StockLow {
        /// Of which.
        sku: String,
        /// Pieces that can be reserved.
        available: i64,
        /// Pieces in the warehouse.
        on_hand: i64,
    },
    /// To the staff: an event could not be processed.
    DeadLetter {
        /// By which service.
        service: String,
        /// Its id among the service's dead letters.
        letter: u64,
        /// The event's name, if it could be read.
        event: String,
        /// Why.
        reason: String,
    },
    /// To the staff: an endpoint gets no more, because it failed for too long.
    WebhookDisabled {
        /// Which.
        endpoint: Uuid,
        /// Its host.
        host: String,
        /// Since when it fails.
        since: Timestamp,
        /// What the last attempt failed of.
        error: String,
    },
    /// To an endpoint, to try it out.
    Test,
}

impl Content {
    /// What is told.
    pub fn kind(&self) -> Kind {
        match self {
            Self::OrderReceived(_) => Kind::OrderReceived,
            Self::OrderConfirmed(_) => Kind::OrderConfirmed,
            Self::OrderRejected { .. } => Kind::OrderRejected,
            Self::OrderCancelled { .. } => Kind::OrderCancelled,
            Self::OrderShipped { .. } => Kind::OrderShipped,
            Self::OrderDelivered { .. } => Kind::OrderDelivered,
            Self::Digest => Kind::Digest,
            Self::OrderWaiting { .. } => Kind::OrderWaiting,
            Self::OrderTimedOut { .. } => Kind::OrderTimedOut,
            Self::StockLow { .. } => Kind::StockLow,
            Self::DeadLetter { .. } => Kind::DeadLetter,
            Self::WebhookDisabled { .. } => Kind::WebhookDisabled,
            Self::Test => Kind::Test,
        }
    }
}

/// An order's items and their sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bill {
    /// The recipient's name.
    pub name: String,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// ISO 4217.
    pub currency: String,
    /// In minor units.
    pub total_minor: i64,
}

/// How far a notification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Waits to be sent, not before this.
    Pending(Timestamp),
    /// A sender has it, until this.
    Sending {
        /// The sender's claim.
        lease: Uuid,
        /// When it is anybody's again.
        until: Timestamp,
    },
    /// The receiver's server took it.
    Sent(Timestamp),
    /// Given up.
    Failed(Timestamp),
    /// Will be told by this digest.
    Grouped(Uuid),
    /// The customer does not want to be told.
    Muted,
}

/// [`Progress`] in the REST contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each is documented in Progress")]
pub enum Status {
    Pending,
    Sending,
    Sent,
    Failed,
    Grouped,
    Muted,
}

impl Progress {
    /// What clients see of it.
    pub fn status(&self) -> Status {
        match self {
            Self::Pending(_) => Status::Pending,
            Self::Sending { .. } => Status::Sending,
            Self::Sent(_) => Status::Sent,
            Self::Failed(_) => Status::Failed,
            Self::Grouped(_) => Status::Grouped,
            Self::Muted => Status::Muted,
        }
    }
}

/// Somebody to be told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// A UUIDv5 of the event, the kind and the receiver: however often it is sent, the receiver
    /// can tell that it is the same.
    pub id: Uuid,
    /// What it is about: an order's id, a SKU; what its own events have as subject.
    pub subject: String,
    /// The customer it concerns; empty if it concerns none.
    pub customer_id: String,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    /// Who is told.
    pub audience: Audience,
    /// How.
    pub channel: Channel,
    /// A mail address, or an endpoint's id; empty in the log.
    pub address: String,
    /// What the receiver reads, as BCP 47 has it.
    pub language: String,
    /// What is told.
    pub content: Content,
    /// How far it has come.
    pub progress: Progress,
    /// How often it was tried, counted when a sender takes it.
    pub attempts: u32,
    /// What the last attempt failed of.
    pub last_error: Option<String>,
    /// When it came into being.
    pub created_at: Timestamp,
}

impl Notification {
    /// Who sends it, one after the other: the mail server, or an endpoint. `None` for the log.
    pub fn receiver(&self) -> Option<&str> {
        match self.channel {
            Channel::Log => None,
            Channel::Email => Some(MAIL),
            Channel::Webhook => Some(&self.address),
        }
    }
}

/// The receiver of all mail.
pub const MAIL: &str = "mail";

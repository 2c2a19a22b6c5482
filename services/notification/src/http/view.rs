//! Notifications and webhooks as clients see them: addresses masked, secrets left out.

use std::collections::BTreeSet;

use kernel::{CustomerId, OrderId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{
    Audience, Channel, Endpoint, Kind, Notification, Preferences, Progress, State, Status,
};

/// What a request is answered from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The notification that it was about, or that it made.
    pub notification: Option<NotificationView>,
    /// The webhook that it was about.
    pub webhook: Option<WebhookView>,
    /// The customer's preferences.
    pub preferences: Preferences,
}

impl Reply {
    /// What `state` of the aggregate `id` looks like.
    pub fn of(id: &str, state: &State) -> Self {
        let notification = state.notification.as_ref().or(state.created.last());
        let endpoint = state.endpoints.iter().find(|endpoint| endpoint.id.to_string() == id);
        Self {
            notification: notification.map(NotificationView::of),
            webhook: endpoint.map(WebhookView::of),
            preferences: state.customer.preferences.clone(),
        }
    }
}

/// A notification. What it does not have is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationView {
    /// Its id; the same however often it is sent.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// What is told.
    pub r#type: Kind,
    /// Who is told.
    pub audience: Audience,
    /// How.
    pub channel: Channel,
    /// To where, masked; a webhook's id.
    pub address: Option<String>,
    /// The customer it concerns.
    pub customer_id: Option<String>,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    /// How far it has come.
    pub status: Status,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last attempt failed of.
    pub last_error: Option<String>,
    /// The digest that tells it.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub digest_id: Option<Uuid>,
    /// When it came into being.
    pub created_at: Timestamp,
    /// When it is tried next.
    pub next_try_at: Option<Timestamp>,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// When it was given up.
    pub failed_at: Option<Timestamp>,
}

impl NotificationView {
    /// What clients see of it.
    pub fn of(notification: &Notification) -> Self {
        let customer_id = Some(notification.customer_id.clone()).filter(|id| !id.is_empty());
        let view = Self {
            id: notification.id,
            r#type: notification.content.kind(),
            audience: notification.audience,
            channel: notification.channel,
            address: masked(notification),
            customer_id,
            order_id: notification.order_id,
            status: notification.progress.status(),
            attempts: notification.attempts,
            last_error: notification.last_error.clone(),
            digest_id: None,
            created_at: notification.created_at,
            next_try_at: None,
            sent_at: None,
            failed_at: None,
        };
        match notification.progress {
            Progress::Pending(due) => Self { next_try_at: Some(due), ..view },
            Progress::Sent(at) => Self { sent_at: Some(at), ..view },
            Progress::Failed(at) => Self { failed_at: Some(at), ..view },
            Progress::Grouped(digest) => Self { digest_id: Some(digest), ..view },
            Progress::Sending { .. } | Progress::Muted => view,
        }
    }
}

/// `ada@example.org` as `a***@example.org`.
fn masked(notification: &Notification) -> Option<String> {
    let address = &notification.address;
    match notification.channel {
        Channel::Log => None,
        Channel::Webhook => Some(address.clone()),
        Channel::Email => Some(match address.rsplit_once('@') {
            Some((local, host)) => {
                format!("{}***@{host}", local.chars().take(1).collect::<String>())
            }
            None => "***".to_owned(),
        }),
    }
}

/// A notification with its words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationInFull {
    /// The notification.
    #[serde(flatten)]
    pub notification: NotificationView,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    /// Its id.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// Where it is.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it is told; everything about orders when empty.
    pub types: BTreeSet<Kind>,
    /// Whether it gets anything.
    pub enabled: bool,
    /// Why it gets nothing.
    pub disabled_reason: Option<String>,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl WebhookView {
    /// What clients see of it.
    pub fn of(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            types: endpoint.kinds.clone(),
            enabled: endpoint.disabled.is_none(),
            disabled_reason: endpoint.disabled.clone(),
            failing_since: endpoint.failing_since.map(Timestamp),
            created_at: Timestamp(endpoint.created_at),
        }
    }
}

/// A webhook that was just created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewWebhook {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// What its messages are signed with. Shown this once.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub secret: String,
}

/// A customer's preferences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PreferencesView {
    /// The customer.
    pub customer_id: CustomerId,
    /// How they want to be told.
    #[serde(flatten)]
    pub preferences: Preferences,
}

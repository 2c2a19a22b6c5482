//! Who is told: customers with their preferences, how much mail they get at once, and endpoints.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::notification::{Channel, Kind};

/// How a customer wants to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    /// As BCP 47 has it, such as `de` or `de-AT`; what we do not speak is answered in English.
    #[schema(example = "de")]
    pub language: String,
    /// `email`, `log` or both; when none can be used, it is kept in the log.
    pub channels: BTreeSet<Channel>,
    /// What not to be told.
    #[serde(default)]
    pub muted: BTreeSet<Kind>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { language: "en".into(), channels: [Channel::Email].into(), muted: BTreeSet::new() }
    }
}

/// One customer, or the staff.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipient {
    /// How they want to be told.
    pub preferences: Preferences,
    /// How much mail each of their addresses has had, in lower case, in a window that is not over.
    pub budgets: BTreeMap<String, Budget>,
}

impl Recipient {
    /// The budget of an address; the others are forgotten when their windows are over.
    pub fn budget(&mut self, address: &str, rate: Rate, now: Timestamp) -> &mut Budget {
        self.budgets.retain(|_, budget| now < budget.end(rate));
        self.budgets.entry(address.to_lowercase()).or_default()
    }
}

/// How many mails somebody was sent in the current window, and the digest that takes the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// When the window began, in microseconds since 1970.
    pub since: i64,
    /// Mails in it.
    pub sent: u32,
    /// What takes the rest; sent when the window ends.
    pub digest: Option<Uuid>,
}

/// How many mails somebody gets in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Mails in a window; what exceeds them is grouped into one more.
    pub mails: u32,
    /// How long a window is.
    pub window: Duration,
}

/// A digest is closed this long before it is sent: the clocks of replicas differ.
const CLOSED_BEFORE: Duration = Duration::from_secs(10);

/// What becomes of one more mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// It is sent now.
    Now,
    /// It is the first to be held back: this digest is to be sent then.
    Opens(Uuid, Timestamp),
    /// It joins the digest.
    Joins(Uuid),
}

impl Budget {
    fn end(&self, rate: Rate) -> Timestamp {
        Timestamp(self.since).plus(rate.window)
    }

    /// Takes one more mail at `now`; `digest` is the id of the digest it would open.
    pub fn take(&mut self, rate: Rate, now: Timestamp, digest: Uuid) -> Share {
        let end = self.end(rate);
        if now.plus(CLOSED_BEFORE) >= end || now < Timestamp(self.since) {
            *self = Self { since: now.0, sent: 0, digest: None };
        }
        if self.sent < rate.mails {
            self.sent += 1;
            return Share::Now;
        }
        match self.digest {
            Some(open) => Share::Joins(open),
            None => {
                self.digest = Some(digest);
                Share::Opens(digest, self.end(rate))
            }
        }
    }
}

/// What signs a webhook. Never shown but once, and never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Another system that is told by webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its id.
    pub id: Uuid,
    /// Where it is.
    pub url: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What it is told; everything about orders when empty.
    #[serde(default)]
    pub kinds: BTreeSet<Kind>,
    /// What its messages are signed with.
    pub secret: Secret,
    /// When it was created, in microseconds since 1970.
    pub created_at: i64,
    /// Since when every attempt has failed.
    #[serde(default)]
    pub failing_since: Option<i64>,
    /// Why it gets no more.
    #[serde(default)]
    pub disabled: Option<String>,
}

impl Endpoint {
    /// Whether it is told this.
    pub fn wants(&self, kind: Kind) -> bool {
        self.disabled.is_none() && (self.kinds.is_empty() || self.kinds.contains(&kind))
    }

    /// Its host, for people who must not see the rest of the URL.
    pub fn host(&self) -> String {
        let rest = self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
    }
}

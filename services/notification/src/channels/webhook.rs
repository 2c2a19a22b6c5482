//! Webhooks by the Standard Webhooks specification: signed, under an id that stays the same when
//! they have to be sent again.

use std::{sync::Arc, time::Duration};

use kernel::Timestamp;
use reqwest::{Client, StatusCode, Url, redirect};
use serde_json::{Value, json};

use super::{
    address::{NOT_PUBLIC, PublicOnly, is_public},
    signature,
};
use crate::{
    choreography::word,
    domain::{Endpoint, Notification, Outcome},
};

/// The longest that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a request may take altogether; the specification asks for 15 to 30 s.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Idle connections kept to one host.
const IDLE_CONNECTIONS: usize = 4;
/// The longest URL, in characters.
pub const MAX_URL: usize = 2_000;

/// Posts to endpoints.
pub struct Poster {
    client: Client,
    allows_private: bool,
}

impl Poster {
    /// A poster; `allows_private` lets endpoints be on private and loopback addresses, without TLS.
    ///
    /// # Panics
    /// When TLS cannot be initialised.
    pub fn new(allows_private: bool) -> Self {
        let client = Client::builder()
            // What a redirect leads to was not checked by whoever created the endpoint.
            .redirect(redirect::Policy::none())
            // A proxy would resolve the host by itself.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .user_agent("shop-webhooks/1");
        let client = match allows_private {
            true => client,
            false => client.dns_resolver(Arc::new(PublicOnly)),
        };
        Self { client: client.build().expect("a TLS configuration"), allows_private }
    }

    /// Checks a URL before it becomes an endpoint's.
    ///
    /// # Errors
    /// What it must be.
    pub fn check(&self, url: &str) -> Result<(), &'static str> {
        let parsed = Url::parse(url).map_err(|_| "must be a URL")?;
        if url.chars().count() > MAX_URL {
            return Err("must have at most 2000 characters");
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("must have no user and password");
        }
        match parsed.scheme() {
            "https" => {}
            "http" if self.allows_private => {}
            _ => return Err("must be an https URL"),
        }
        self.check_host(&parsed)
    }

    /// Addresses are not resolved, so the resolver never sees them.
    fn check_host(&self, url: &Url) -> Result<(), &'static str> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        match host.parse() {
            Ok(ip) if !self.allows_private && !is_public(ip) => Err(NOT_PUBLIC),
            _ => Ok(()),
        }
    }

    /// Sends one notification, at `now`.
    pub async fn post(
        &self,
        endpoint: &Endpoint,
        notification: &Notification,
        now: Timestamp,
    ) -> Outcome {
        let Ok(url) = Url::parse(&endpoint.url) else {
            return Outcome::Refused("the endpoint's URL cannot be read".into());
        };
        if let Err(reason) = self.check_host(&url) {
            return Outcome::Failed(reason.into());
        }
        let (id, seconds) = (format!("msg_{}", notification.id.simple()), now.millis() / 1000);
        let body = body(notification).to_string();
        let Some(signature) = signature::sign(&endpoint.secret, &id, seconds, &body) else {
            return Outcome::Refused("the endpoint's secret cannot be read".into());
        };
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body);
        // The answer's body is not read: only the status counts, and it may be endless.
        match request.send().await {
            Ok(answer) => judge(answer.status()),
            Err(error) => Outcome::Failed(words(error)),
        }
    }
}

fn judge(status: StatusCode) -> Outcome {
    match status {
        status if status.is_success() => Outcome::Sent,
        StatusCode::GONE => Outcome::Gone,
        status if status.is_redirection() => {
            Outcome::Failed(format!("answered {status}; redirects are not followed"))
        }
        status => Outcome::Failed(format!("answered {status}")),
    }
}

/// What went wrong, without the URL, which may have a secret in its query.
fn words(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "took too long".into();
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// `type`, `timestamp` and `data`, as the specification recommends. `order-shipped` is
/// `order.shipped` there.
fn body(notification: &Notification) -> Value {
    let kind = word(notification.content.kind());
    let mut data = json!(&notification.content);
    if let Value::Object(fields) = &mut data {
        fields.remove("kind");
        if let Some(order_id) = notification.order_id {
            fields.insert("order_id".into(), json!(order_id));
        }
        if !notification.customer_id.is_empty() {
            fields.insert("customer_id".into(), json!(notification.customer_id));
        }
    }
    json!({
        "type": kind.replacen('-', ".", 1),
        "timestamp": notification.created_at,
        "data": data,
    })
}

#[cfg(test)]
mod tests;

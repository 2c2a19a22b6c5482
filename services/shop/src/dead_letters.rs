//! `shop dead-letters`: asks a running shop for its dead letters.

use anyhow::{Context as _, Result, bail};
use events::topics::SERVICES;
use reqwest::{Client, Method};
use serde_json::Value;

use crate::cli::{Action, DeadLetters};

/// Lists, shows or redrives.
pub async fn run(args: DeadLetters) -> Result<()> {
    let shop = Shop { client: Client::builder().no_proxy().build()?, args: &args };
    match &args.action {
        Action::List { service: Some(service) } => shop.list(service).await,
        Action::List { service: None } => {
            for service in SERVICES {
                shop.list(service).await?;
            }
            Ok(())
        }
        Action::Show { service, id } => {
            let letter = shop.call(Method::GET, &format!("{service}/{id}")).await?;
            print(&serde_json::to_string_pretty(&letter)?)
        }
        Action::Redrive { service, id: Some(id), .. } => shop.redrive(service, *id).await,
        Action::Redrive { service, id: None, .. } => {
            for letter in shop.all(service).await? {
                shop.redrive(service, letter["id"].as_u64().context("an id")?).await?;
            }
            Ok(())
        }
    }
}

/// A running shop.
struct Shop<'a> {
    client: Client,
    args: &'a DeadLetters,
}

impl Shop<'_> {
    async fn list(&self, service: &str) -> Result<()> {
        let letters = self.all(service).await?;
        print(&format!("{service}: {} dead letters", letters.len()))?;
        for letter in letters {
            print(&format!(
                "  {}  {}  {}  attempt {}  {} from {}-{}@{}",
                letter["id"],
                text(&letter["failed_at"]),
                text(&letter["type"]),
                letter["attempts"],
                text(&letter["reason"]),
                text(&letter["topic"]),
                letter["partition"],
                letter["offset"],
            ))?;
        }
        Ok(())
    }

    async fn all(&self, service: &str) -> Result<Vec<Value>> {
        let mut letters = Vec::new();
        let mut path = format!("{service}?limit=200");
        loop {
            let mut page = self.call(Method::GET, &path).await?;
            letters.append(page["items"].as_array_mut().context("a page of dead letters")?);
            match page["next"].as_str() {
                Some(next) => path = format!("{service}?limit=200&after={next}"),
                None => return Ok(letters),
            }
        }
    }

    async fn redrive(&self, service: &str, id: u64) -> Result<()> {
        let letter = self.call(Method::POST, &format!("{service}/{id}/redrive")).await?;
        print(&format!("{service} {id}: sent to {} again", text(&letter["topic"])))
    }

    async fn call(&self, method: Method, path: &str) -> Result<Value> {
        let url = format!(
            "{}/api/v1/operations/dead-letters/{path}",
            self.args.url.trim_end_matches('/')
        );
        let request = self.client.request(method, url);
        let request =
            self.args.operator_token.iter().fold(request, |r, token| r.bearer_auth(token));
        let response = request.send().await.with_context(|| {
            format!(
                "no shop answers at {}; start one, or say where it is with --url",
                self.args.url
            )
        })?;
        let is_success = response.status().is_success();
        let body: Value =
            response.json().await.context("the answer is not JSON; is this a shop?")?;
        if !is_success {
            bail!("{}", text(&body["detail"]));
        }
        Ok(body)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn print(line: &str) -> Result<()> {
    use std::io::Write as _;
    // A reader that has gone (`| head`) is not an error worth a panic.
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

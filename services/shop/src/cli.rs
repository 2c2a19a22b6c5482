//! The command line; what it says can be given by environment as well.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use messaging::app::Databases;
use notification_service::{channels::mail::Smtp, domain::Rate};
use platform::distributed::Servers;

/// An event-driven shop: order, inventory, shipping, notification and recommendation in one process.
#[derive(Debug, Parser)]
#[command(name = "shop", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(flatten)]
    pub logging: platform::logging::Options,
    #[command(flatten)]
    pub serve: Serve,
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// How to run the shop.
#[derive(Args, Debug)]
pub struct Serve {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "SHOP_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where everything is kept, unless it is on servers.
    #[arg(long, env = "SHOP_DATA_DIR", default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Run on this Kafka instead of the embedded log: brokers, separated by commas. How to log in
    /// is set by environment, as for the services alone (infra/configuration.md).
    #[arg(long, env = "SHOP_KAFKA", requires_all = ["registry", "postgres"], value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// The schema registry beside it.
    #[arg(long, env = "SHOP_REGISTRY", requires_all = ["kafka", "postgres"], value_name = "URL")]
    pub registry: Option<String>,
    /// The PostgreSQL server; each service has a database there, named after it.
    #[arg(long, env = "SHOP_POSTGRES", hide_env_values = true, requires_all = ["kafka", "registry"], value_name = "URL")]
    pub postgres: Option<String>,
    /// Put a small catalogue into an empty shop (the default).
    #[arg(long, overrides_with = "no_demo_data")]
    pub demo_data: bool,
    /// Start with an empty catalogue.
    #[arg(long, env = "SHOP_NO_DEMO_DATA")]
    pub no_demo_data: bool,
    /// How long a PENDING order waits for stock and shipping, in seconds.
    #[arg(long, env = "SHOP_ORDER_DEADLINE_S", default_value = "900", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub order_deadline_s: u64,
    /// How long the timeline of an order is kept after its end, in seconds.
    #[arg(long, env = "SHOP_TIMELINE_RETENTION_S", default_value = "7776000", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub timeline_retention_s: u64,
    /// Countries that are not shipped to: ISO alpha-2 codes, separated by commas.
    #[arg(
        long,
        env = "SHOP_REFUSED_COUNTRIES",
        default_value = "AQ",
        value_delimiter = ',',
        value_name = "CODES"
    )]
    pub refused_countries: Vec<String>,
    /// The bearer token that operators' calls need; needed beyond loopback.
    #[arg(long, env = "SHOP_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub operator_token: Option<String>,
    /// The mail server, such as smtps://user:password@host; without it, notifications are only kept.
    #[arg(long, env = "SHOP_SMTP", hide_env_values = true, value_name = "URL")]
    pub smtp: Option<String>,
    /// The authority that signed its certificate, a PEM file (default: the system's).
    #[arg(long, env = "SHOP_SMTP_CA_FILE", requires = "smtp", value_name = "FILE")]
    pub smtp_ca: Option<PathBuf>,
    /// Whom mail is from.
    #[arg(
        long,
        env = "SHOP_MAIL_FROM",
        default_value = "Shop <shop@localhost>",
        value_name = "MAILBOX"
    )]
    pub mail_from: String,
    /// Where the staff is told of late orders, low stock and dead letters.
    #[arg(long, env = "SHOP_STAFF_MAIL", value_name = "ADDRESS")]
    pub staff_mail: Option<String>,
    /// Let webhooks go to private and loopback addresses, and without TLS.
    #[arg(long, env = "SHOP_ALLOW_PRIVATE_WEBHOOKS")]
    pub allow_private_webhooks: bool,
    /// Mails that a customer's address gets in an hour before the rest is grouped into one.
    #[arg(long, env = "SHOP_MAIL_LIMIT", default_value = "20", value_name = "COUNT")]
    pub mail_limit: u32,
    /// How long an order waits before the staff is told, in seconds.
    #[arg(long, env = "SHOP_ORDER_REPORT_S", default_value = "300", value_name = "SECONDS")]
    pub order_report_s: u64,
    /// How long a webhook may fail before it is disabled, in seconds.
    #[arg(long, env = "SHOP_WEBHOOK_DISABLE_S", default_value = "259200", value_name = "SECONDS")]
    pub webhook_disable_s: u64,
    /// How long a notification is kept that was sent or given up, in seconds.
    #[arg(long, env = "SHOP_NOTIFICATION_RETENTION_S", default_value = "7776000", value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub notification_retention_s: u64,
    /// Which services run; the events of the others wait for them.
    #[arg(
        long,
        env = "SHOP_SERVICES",
        default_value = "order,inventory,shipping,notification,recommendation",
        value_delimiter = ',',
        value_parser = clap::builder::PossibleValuesParser::new(events::topics::SERVICES),
        value_name = "NAMES"
    )]
    pub services: Vec<String>,
}

impl Serve {
    /// The servers to run on, if it is to run on servers.
    pub fn servers(&self) -> Option<Servers> {
        let (kafka, registry) = (self.kafka.clone()?, self.registry.clone()?);
        let (server, prefix) = (self.postgres.clone()?, String::new());
        Some(Servers { kafka, registry, databases: Databases::Postgres { server, prefix } })
    }

    /// How the notification service is to run.
    pub fn notification(&self) -> anyhow::Result<notification_service::Config> {
        let smtp = |url| Smtp::new(url, &self.mail_from, self.smtp_ca.as_deref());
        let smtp = self.smtp.as_deref().map(smtp).transpose();
        let usual = notification_service::Config::default();
        Ok(notification_service::Config {
            smtp: smtp.context("--smtp, --smtp-ca or --mail-from")?,
            staff_mail: self.staff_mail.clone(),
            allow_private_webhooks: self.allow_private_webhooks,
            rate: Rate { mails: self.mail_limit, ..usual.rate },
            report_after: Duration::from_secs(self.order_report_s),
            disable_after: Duration::from_secs(self.webhook_disable_s),
            retention: Duration::from_secs(self.notification_retention_s),
            ..usual
        })
    }

    /// How the order service is to run.
    pub fn order(&self) -> order_service::Config {
        order_service::Config {
            patience: Duration::from_secs(self.order_deadline_s),
            timeline_retention: Duration::from_secs(self.timeline_retention_s),
        }
    }
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Look at dead letters of a running shop, and send them again.
    DeadLetters(DeadLetters),
}

/// Which dead letters, and what to do.
#[derive(Args, Debug)]
pub struct DeadLetters {
    /// Where the shop (or one service of it) runs.
    #[arg(long, env = "SHOP_URL", default_value = "http://127.0.0.1:8080", global = true)]
    pub url: String,
    /// The bearer token, if the shop wants one.
    #[arg(long, env = "SHOP_OPERATOR_TOKEN", hide_env_values = true, global = true)]
    pub operator_token: Option<String>,
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// One line each, oldest first.
    List {
        /// Only those of this service, such as order.
        service: Option<String>,
    },
    /// One of them whole, as JSON.
    Show {
        /// Whose.
        service: String,
        /// Its id in the list.
        id: u64,
    },
    /// Sends it to its old topic again; every service but the one that failed ignores it.
    Redrive {
        /// Whose.
        service: String,
        /// Its id in the list.
        #[arg(required_unless_present = "all")]
        id: Option<u64>,
        /// Every one in the list.
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

//! The notification service put together: its rules, its store, its channels and its sender.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use events::{
    Event as Contract,
    topics::{self, Topic},
};
use kernel::Timestamp;
use messaging::{
    app::{App, Platform},
    database::StoreError,
    executor::Executor,
    log::EventLog,
    service::{Aggregate, Context, Errand, Heard, Hearing, Service, Stamp, Unusable},
};
use platform::environment::{ConfigError, Environment, Variable};
use sea_orm::{DatabaseExecutor, DbErr};

use crate::{
    channels::{
        Mailer, Poster,
        mail::{Smtp, UnusableSmtp},
    },
    choreography,
    domain::{Action, Command, Event, Policy, Rate, Rules, State},
    http::view::Reply,
    numbers::Numbers,
    sender::{Letters, Sender},
    store::{Desk, migration::Migrator, retention},
    words::Words,
};

/// What can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where mail is handed in; without it, what would be mailed is kept in the log.
    pub smtp: Option<Smtp>,
    /// Where the staff reads mail.
    pub staff_mail: Option<String>,
    /// How much mail anybody gets.
    pub rate: Rate,
    /// Whether webhooks may go to private and loopback addresses, and without TLS.
    pub allow_private_webhooks: bool,
    /// The staff is told of an order that waits for longer than this.
    pub report_after: Duration,
    /// An endpoint that fails for longer than this is disabled.
    pub disable_after: Duration,
    /// How long a notification is kept that is done.
    pub retention: Duration,
    /// How long a sender has what it has claimed.
    pub lease: Duration,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Default for Config {
    fn default() -> Self {
        Self {
            smtp: None,
            staff_mail: None,
            rate: Rate { mails: 20, window: HOUR },
            allow_private_webhooks: false,
            report_after: Duration::from_secs(300),
            disable_after: Duration::from_secs(3 * 24 * 3600),
            retention: Duration::from_secs(90 * 24 * 3600),
            lease: Duration::from_secs(60),
        }
    }
}

const SMTP: &str = "SHOP_SMTP";
const MAIL_FROM: &str = "SHOP_MAIL_FROM";
const AUTHORITY: &str = "SHOP_SMTP_CA_FILE";

/// What can be set by environment.
pub const VARIABLES: &[Variable] = &[
    Variable::optional(
        SMTP,
        "the mail server, `smtps://user:password@host` or `smtp://host:port?tls=required` (default: mail is only kept in the log)",
    )
    .secret(),
    Variable::optional(
        AUTHORITY,
        "the authority that signed the mail server's certificate, a PEM file (default: the system's)",
    ),
    Variable::with_default(MAIL_FROM, "Shop <shop@localhost>", "whom mail is from"),
    Variable::optional(
        "SHOP_STAFF_MAIL",
        "where the staff is told of late orders, low stock and dead letters (default: in the log)",
    ),
    Variable::with_default(
        "SHOP_MAIL_LIMIT",
        "20",
        "mails that an address of a customer gets in an hour before the rest is grouped into one",
    ),
    Variable::with_default(
        "SHOP_ALLOW_PRIVATE_WEBHOOKS",
        "false",
        "`true` lets webhooks go to private and loopback addresses, and without TLS",
    ),
    Variable::with_default(
        "SHOP_ORDER_REPORT_S",
        "300",
        "how long an order waits before the staff is told, in seconds",
    ),
    Variable::with_default(
        "SHOP_WEBHOOK_DISABLE_S",
        "259200",
        "how long a webhook may fail before it is disabled, in seconds",
    ),
    Variable::with_default(
        "SHOP_NOTIFICATION_RETENTION_S",
        "7776000",
        "how long a notification is kept that was sent or given up, in seconds",
    ),
];

impl Config {
    /// What the environment says.
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let from: String = environment.required(MAIL_FROM)?;
        let authority: Option<PathBuf> = environment.value(AUTHORITY)?;
        let smtp = |url: String| Smtp::new(&url, &from, authority.as_deref());
        let smtp = environment.text(SMTP)?.map(smtp).transpose().map_err(|error| {
            let name = match error {
                UnusableSmtp::Url | UnusableSmtp::Unencrypted => SMTP,
                UnusableSmtp::From => MAIL_FROM,
                UnusableSmtp::Authority(_) => AUTHORITY,
            };
            environment.invalid(name, error.to_string())
        })?;
        Ok(Self {
            smtp,
            staff_mail: environment.text("SHOP_STAFF_MAIL")?,
            rate: Rate { mails: environment.required("SHOP_MAIL_LIMIT")?, window: HOUR },
            allow_private_webhooks: environment.required("SHOP_ALLOW_PRIVATE_WEBHOOKS")?,
            report_after: environment.seconds("SHOP_ORDER_REPORT_S")?,
            disable_after: environment.seconds("SHOP_WEBHOOK_DISABLE_S")?,
            retention: environment.seconds("SHOP_NOTIFICATION_RETENTION_S")?,
            ..Self::default()
        })
    }

    fn policy(&self) -> Policy {
        Policy {
            sends_mail: self.smtp.is_some(),
            staff_mail: self.staff_mail.clone(),
            rate: self.rate,
            report_after: self.report_after,
            disable_after: self.disable_after,
        }
    }
}

/// The notification service.
pub struct Notifications {
    /// What was set.
    pub config: Config,
    /// What of it the rules need.
    pub policy: Arc<Policy>,
    /// What is told, in words.
    pub words: Words,
    /// Hands in mail, if there is a server.
    pub mailer: Option<Mailer>,
    /// Posts webhooks.
    pub poster: Poster,
    /// Counts attempts.
    pub numbers: Numbers,
}

/// Opens the service's database and puts it together; nothing runs yet.
///
/// # Errors
/// When the database cannot be opened.
pub async fn build(config: Config, platform: &Platform) -> Result<App<Notifications>, DbErr> {
    let service = Notifications {
        policy: Arc::new(config.policy()),
        words: Words::new(),
        mailer: config.smtp.as_ref().map(Mailer::new),
        poster: Poster::new(config.allow_private_webhooks),
        numbers: Numbers::new(Notifications::NAME, &platform.telemetry.metrics),
        config,
    };
    App::build::<Migrator>(service, platform).await
}

#[async_trait]
impl Service for Notifications {
    const NAME: &'static str = "notification";
    /// Nobody waits for a mail by the millisecond, and an order waits for the processor that its mails take.
    const PATIENCE: Duration = Duration::from_millis(100);
    type Rules = Rules;
    type Store = Desk;
    type Reply = Reply;

    fn topics(&self) -> Vec<&'static Topic> {
        vec![&topics::ORDERS, &topics::SHIPPING, &topics::STOCK_LEVELS]
    }

    fn hear(&self, heard: &Heard, stamp: Stamp) -> Result<Hearing<Command>, Unusable> {
        choreography::hear(&heard.event, heard.envelope.id, stamp, &self.policy)
    }

    fn say(&self, _state: &State, happened: &Event, now: Timestamp) -> Option<Contract> {
        choreography::say(happened, now)
    }

    fn deadline(&self, state: &State) -> Option<Timestamp> {
        state.order.report_at()
    }

    fn expire(&self, aggregate_id: &str, now: Timestamp) -> Option<Command> {
        let action = Action::ReportWaiting(aggregate_id.parse().ok()?);
        Some(Command { now, policy: self.policy.clone(), action })
    }

    async fn forget(
        &self,
        tx: &DatabaseExecutor<'_>,
        now: Timestamp,
        limit: u64,
    ) -> Result<bool, StoreError> {
        retention::forget(tx, now.minus(self.config.retention), limit).await
    }

    fn reply(&self, aggregate: &Aggregate<State>) -> Reply {
        Reply::of(&aggregate.id, &aggregate.state)
    }

    fn errands(
        ctx: &Arc<Context<Self>>,
        executor: &Executor<Self>,
        log: &Arc<dyn EventLog>,
    ) -> Vec<Errand> {
        let sender = Sender::new(ctx.clone(), executor.clone());
        let letters = Letters::new(ctx.clone(), executor.clone(), log.clone());
        vec![
            Errand {
                name: "sender",
                begin: Box::new(move |stop| Box::pin(sender.clone().run(stop))),
            },
            Errand {
                name: "dead-letters",
                begin: Box::new(move |stop| Box::pin(letters.clone().run(stop))),
            },
        ]
    }
}

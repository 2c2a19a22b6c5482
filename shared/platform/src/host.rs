//! Services on a listener: one alone or all five, the same routes, health and stopping.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
};

use actix_web::{
    App as ActixApp, HttpServer,
    dev::Server,
    middleware::from_fn,
    web::{self, Data},
};
use events::Codec;
use futures::future::{BoxFuture, LocalBoxFuture};
use messaging::{
    app::App,
    dead_letters::DeadLetters,
    log::EventLog,
    metrics::{self as numbers, ServiceMetrics},
    runtime::Running,
    service::Service,
    telemetry::Tracer,
};
use utoipa_actix_web::{AppExt as _, service_config::ServiceConfig};

use crate::{
    Check, Health, OperatorToken, fallback, health, metrics, openapi, operations,
    requests::Requests, trace,
};

/// How long open requests may go on after the stop, in seconds.
const SHUTDOWN_TIMEOUT_S: u64 = 4;
/// The longest `Keep-Alive` silence.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(30);

/// A service as its host sees it.
pub trait Hosted: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Adds its calls to a listener's application.
    fn routes(&self, config: &mut ServiceConfig);
    /// What it needs to be ready.
    fn checks(&self) -> Vec<Check>;
    /// What its spans go through.
    fn tracer(&self) -> Tracer;
    /// Its numbers.
    fn metrics(&self) -> ServiceMetrics;
    /// Looks at what is not counted as it happens, for a scrape.
    fn sample(&self) -> BoxFuture<'_, ()>;
    /// Starts its actors on this thread's actix system; what is returned stops them.
    fn start(&self) -> Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>>;
}

struct Host<S: Service, R> {
    app: App<S>,
    routes: fn(App<S>) -> R,
}

/// Makes a service hostable.
pub fn host<S: Service, R: FnOnce(&mut ServiceConfig) + 'static>(
    app: App<S>,
    routes: fn(App<S>) -> R,
) -> Arc<dyn Hosted> {
    Arc::new(Host { app, routes })
}

impl<S: Service, R: FnOnce(&mut ServiceConfig) + 'static> Hosted for Host<S, R> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn routes(&self, config: &mut ServiceConfig) {
        (self.routes)(self.app.clone())(config);
    }

    fn checks(&self) -> Vec<Check> {
        let (database, codec) = (self.app.ctx.clone(), self.app.ctx.codec.clone());
        let registered = move || {
            let codec: Arc<Codec> = codec.clone();
            async move { codec.ping(S::NAME).await }
        };
        let reachable = move || {
            let ctx = database.clone();
            async move { ctx.database.ping().await }
        };
        vec![
            Check::new(format!("{}.database", S::NAME), reachable),
            Check::new(format!("{}.registry", S::NAME), registered),
        ]
    }

    fn tracer(&self) -> Tracer {
        self.app.ctx.tracer.clone()
    }

    fn metrics(&self) -> ServiceMetrics {
        self.app.ctx.metrics.clone()
    }

    fn sample(&self) -> BoxFuture<'_, ()> {
        Box::pin(numbers::sample(&self.app))
    }

    fn start(&self) -> Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>> {
        let running: Running<S> = self.app.start();
        let database = self.app.ctx.database.clone();
        Box::new(move || {
            Box::pin(async move {
                running.stop().await;
                if let Err(error) = database.close().await {
                    tracing::warn!(service = S::NAME, %error, "the database did not close cleanly");
                }
            })
        })
    }
}

/// What a listener serves besides its services.
pub type Extra = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// Serves `services` on `listener`, with health, operations and the description of all calls.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(
    listener: TcpListener,
    services: &[Arc<dyn Hosted>],
    log: &Arc<dyn EventLog>,
    token: OperatorToken,
    extra: Extra,
) -> io::Result<Server> {
    let health = Data::new(health_of(services, log));
    let dead_letters = services.iter().filter_map(|service| {
        Some((service.name(), DeadLetters::of(service.name(), log.clone())?))
    });
    let dead_letters = Data::new(operations::Kept::from_iter(dead_letters));
    let requests = Data::new(Requests::of(services));
    let scrape = Data::new(metrics::Scrape::new(services));
    let (services, token) = (services.to_vec(), Data::new(token));
    let server = HttpServer::new(move || {
        let app = ActixApp::new().into_utoipa_app();
        let app =
            app.app_data(health.clone()).app_data(dead_letters.clone()).app_data(token.clone());
        let app = app.app_data(requests.clone()).app_data(scrape.clone());
        // The router tries one after the other.
        let app = services
            .iter()
            .fold(app, |app, service| app.configure(|config| service.routes(config)));
        let app = app.configure(health::routes).configure(operations::routes);
        let app = app.configure(metrics::routes);
        let (app, api) = app.split_for_parts();
        app.configure(|config| extra(config))
            .configure(|config| openapi::complete(config, api))
            .wrap(from_fn(fallback::documents))
            .wrap(from_fn(trace::traced))
    });
    let server =
        server.disable_signals().shutdown_timeout(SHUTDOWN_TIMEOUT_S).keep_alive(KEEP_ALIVE);
    // A stream's second event must not wait until the client has acknowledged the first.
    let server = server.tcp_nodelay(true);
    // Who closes the connection has left: the stream ends at once, not with the next heartbeat.
    let server = server.h1_allow_half_closed(false);
    Ok(server.listen(listener)?.run())
}

fn health_of(services: &[Arc<dyn Hosted>], log: &Arc<dyn EventLog>) -> Health {
    let log = log.clone();
    let reachable = Check::new("log", move || {
        let log = log.clone();
        async move { log.ping().await }
    });
    Health::new(
        std::iter::once(reachable).chain(services.iter().flat_map(|s| s.checks())).collect(),
    )
}

/// The runtime of a process: one for all threads, because a connection to PostgreSQL belongs to
/// the runtime it was made on.
///
/// # Panics
/// When the operating system has no threads left.
pub fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build().expect("the operating system has threads left")
}

/// An address that this process can be reached at: "any" is no destination.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let port = address.port();
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, port).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, port).into(),
        address => address,
    }
}

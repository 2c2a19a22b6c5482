//! Puts the shop together and runs it until a signal.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::web;
use anyhow::{Context as _, Result, ensure};
use events::{Codec, topics};
use kernel::Clock;
use messaging::{
    app::{Databases, Platform},
    embedded::{EmbeddedLog, Settings},
};
use platform::{
    OperatorToken, SystemClock,
    host::{self, Hosted},
    shutdown::{self, Stopping},
};
use schema_registry::Registry;
use schema_registry_converter::async_impl::schema_registry::SrSettings;

use crate::{catalogue, cli::Serve, lock, page};

/// The longest a call to the registry may take.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the shop until SIGINT or SIGTERM.
pub async fn run(args: Serve) -> Result<()> {
    let signal = shutdown::requested()?;
    let token = OperatorToken::new(args.operator_token.as_deref())?;
    ensure!(
        args.listen.ip().is_loopback() || token.is_required(),
        "listening on {} lets strangers change the stock: set --operator-token, or listen on 127.0.0.1",
        args.listen
    );
    let _lock = lock::lock(&args.data_dir)?;
    let listener = TcpListener::bind(args.listen).with_context(|| {
        format!("cannot listen on {}; choose another with --listen", args.listen)
    })?;
    let address = host::reachable(listener.local_addr()?);

    let registry = Registry::open(&args.data_dir.join("registry.db")).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = EmbeddedLog::open(&args.data_dir.join("log"), Settings::new(clock.clone()))?;
    let platform = Platform {
        log: Arc::new(log.clone()),
        codec: Arc::new(Codec::new(registry_settings(address)?)),
        clock,
        databases: Databases::Sqlite(args.data_dir.clone()),
    };
    let all: Vec<_> = topics::ALL.iter().copied().chain(topics::DEAD_LETTERS).collect();
    platform.log.ensure_topics(&all).await?;
    let services = services(&args, &platform).await?;

    // The registry answers before any service asks it.
    let server = host::serve(listener, &services, &platform.log, token, extra(registry.clone()))?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let running: Vec<_> = services.iter().map(|service| service.start()).collect();
    if !args.no_demo_data {
        tokio::spawn(catalogue::fill(address, args.operator_token.clone()));
    }
    greet(address)?;

    signal.await;
    let stopping = Stopping::begin();
    stopping.step("requests", handle.stop(true)).await;
    let stopped = futures::future::join_all(running.into_iter().map(|stop| stop()));
    stopping.step("services", stopped).await;
    stopping.step("event log", log.close()).await.transpose()?;
    stopping.step("listener", serving).await;
    registry.close().await?;
    tracing::info!("stopped");
    Ok(())
}

/// All services; a new one is a line here.
async fn services(args: &Serve, platform: &Platform) -> Result<Vec<Arc<dyn Hosted>>> {
    let order = order_service::Config { patience: args.patience() };
    let shipping = shipping_service::Config {
        refused_countries: args.refused_countries.clone().into(),
        ..Default::default()
    };
    let inventory = inventory_service::Config::default();
    let mut all = vec![
        host::host(order_service::build(order, platform).await?, order_service::http::routes),
        host::host(
            inventory_service::build(inventory, platform).await?,
            inventory_service::http::routes,
        ),
        host::host(
            shipping_service::build(shipping, platform).await?,
            shipping_service::http::routes,
        ),
    ];
    all.retain(|service| args.services.iter().any(|name| name == service.name()));
    Ok(all)
}

/// The registry and the page, beside the services' own calls.
fn extra(registry: Registry) -> host::Extra {
    Arc::new(move |config| {
        let registry = schema_registry::configure(registry.clone());
        config.service(web::scope("/registry").configure(registry)).configure(page::routes);
    })
}

fn registry_settings(address: SocketAddr) -> Result<SrSettings> {
    let mut settings = SrSettings::new_builder(format!("http://{address}/registry"));
    // Ours is on this machine; a proxy meant for others would not find it.
    Ok(settings.no_proxy().set_timeout(REGISTRY_TIMEOUT).build()?)
}

fn greet(address: SocketAddr) -> Result<()> {
    let text = include_str!("greeting.txt").replace("ADDRESS", &address.to_string());
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

//! Puts the shop together and runs it until a signal.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use messaging::app::Platform;
use platform::{
    OperatorToken,
    host::{self, Hosted},
    shutdown::{self, Stopping},
    telemetry,
};

use crate::{catalogue, cli::Serve, ground::Ground};

/// Runs the shop until SIGINT or SIGTERM.
pub async fn run(args: Serve) -> Result<()> {
    let signal = shutdown::requested()?;
    let token = OperatorToken::new(args.operator_token.as_deref())?;
    ensure!(
        args.listen.ip().is_loopback() || token.is_required(),
        "listening on {} lets strangers change the stock: set --operator-token, or listen on 127.0.0.1",
        args.listen
    );
    let listener = TcpListener::bind(args.listen).with_context(|| {
        format!("cannot listen on {}; choose another with --listen", args.listen)
    })?;
    let address = host::reachable(listener.local_addr()?);
    let (telemetry, pipeline) = telemetry::start(&telemetry::Settings::of_process()?)?;
    let ground = match args.servers() {
        Some(servers) => Ground::distributed(servers, telemetry).await?,
        None => Ground::embedded(&args, address, telemetry).await?,
    };
    let Ground { platform, .. } = &ground;
    let services = services(&args, platform).await?;

    // The registry answers before any service asks it.
    let server = host::serve(listener, &services, &platform.log, token, ground.extra())?;
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
    stopping.step("listener", serving).await;
    stopping.step("traces", telemetry::stop(pipeline)).await;
    ground.close(stopping).await?;
    tracing::info!("stopped");
    Ok(())
}

/// All services; a new one is a line here.
async fn services(args: &Serve, platform: &Platform) -> Result<Vec<Arc<dyn Hosted>>> {
    let order = args.order();
    let shipping = shipping_service::Config {
        refused_countries: args.refused_countries.clone().into(),
        ..Default::default()
    };
    let inventory = inventory_service::Config::default();
    let notification = args.notification()?;
    let recommendation = recommendation_service::Config::new(args.data_dir.join("recommendation"));
    let mut all: Vec<Arc<dyn Hosted>> = vec![
        // Asked by every page and the quickest to answer: its calls are the first that the router tries.
        Arc::new(recommendation_service::build(recommendation, platform)?),
        host::host(order_service::build(order, platform).await?, order_service::http::routes),
        host::host(
            inventory_service::build(inventory, platform).await?,
            inventory_service::http::routes,
        ),
        host::host(
            shipping_service::build(shipping, platform).await?,
            shipping_service::http::routes,
        ),
        host::host(
            notification_service::build(notification, platform).await?,
            notification_service::http::routes,
        ),
    ];
    all.retain(|service| args.services.iter().any(|name| name == service.name()));
    Ok(all)
}

fn greet(address: SocketAddr) -> Result<()> {
    let text = include_str!("greeting.txt").replace("ADDRESS", &address.to_string());
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

//! A service alone in its process: configured by its environment, on Kafka, a schema registry and
//! PostgreSQL, until a signal.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use messaging::{
    app::{Databases, Platform},
    database::{DEFAULT_CONNECTIONS, Postgres, is_refused},
    retry::Backoff,
};
use sea_orm::DbErr;

use crate::{
    OperatorToken,
    auth::UnusableToken,
    distributed::{self, ConnectError, SECURITY, Servers, waiting},
    environment::{ConfigError, Environment, Variable},
    host::{self, Hosted},
    logging,
    shutdown::{self, Stopping},
    telemetry::{self, TelemetryError},
};

/// What every service may be told.
pub const VARIABLES: &[Variable] = &[
    Variable::with_default(
        "SHOP_LISTEN",
        "127.0.0.1:8080",
        "where to listen: an address and a port, 0 for a free one",
    ),
    Variable::required("SHOP_KAFKA", "the brokers, `host:port`, separated by commas"),
    Variable::required(
        "SHOP_REGISTRY",
        "the schema registry's URL, such as `http://registry:8080/apis/ccompat/v7`",
    ),
    Variable::optional(
        "SHOP_OPERATOR_TOKEN",
        "the bearer token of operators' calls; required unless listening on loopback",
    )
    .secret(),
    Variable::with_default("SHOP_LOG", "human", "how log lines look: `human` or `json`"),
    Variable::with_default("RUST_LOG", logging::DEFAULT_FILTER, "what is logged"),
];

/// How long a service may take to say whether it is ready; whoever asks waits 5 s.
const HEALTH_LIMIT: Duration = Duration::from_secs(3);

/// What a service with a database may be told as well.
pub const DATABASE: &[Variable] = &[
    Variable::required("SHOP_DATABASE", "the service's own database, `postgres://user:password@host:5432/order?sslmode=verify-full&sslrootcert=ca.pem`").secret(),
    Variable::with_default("SHOP_DATABASE_POOL", "10", "connections of the pool; at most five more write, relay, listen and wait for duties"),
];

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A variable is missing or makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The servers cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database cannot be used.
    #[error("SHOP_DATABASE: {0}")]
    Database(#[from] DbErr),
    /// The operators' token cannot be used.
    #[error("SHOP_OPERATOR_TOKEN: {0}")]
    Token(#[from] UnusableToken),
    /// Anybody could do what operators do.
    #[error("SHOP_LISTEN={0} lets strangers do what operators do: set SHOP_OPERATOR_TOKEN")]
    Open(SocketAddr),
    /// The listener cannot be opened.
    #[error("SHOP_LISTEN={0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The log cannot be started.
    #[error(transparent)]
    Logging(#[from] logging::LoggingError),
    /// Traces cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Something of the operating system's.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The whole of a service's `main`. `variables` are its own beside [`VARIABLES`], with [`DATABASE`] if it has one. `build` puts the service together; it is called again while
/// the database is away.
pub fn main(
    name: &str,
    variables: &[&'static [Variable]],
    build: impl AsyncFn(&Environment, &Platform) -> Result<Arc<dyn Hosted>, StartError>,
) -> ExitCode {
    let tables = [&[VARIABLES, SECURITY, telemetry::VARIABLES], variables].concat();
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--version" | "-V") => {
            println!("{name}-service {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Some("health") => return health(&tables),
        Some(argument) => return help(name, argument, &tables),
    }
    match try_main(name, &tables, build) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&error),
    }
}

fn failure(error: &StartError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

/// Prints the variables; an argument that is not `--help` is an error.
fn help(name: &str, argument: &str, tables: &[&'static [Variable]]) -> ExitCode {
    let asked = matches!(argument, "--help" | "-h");
    let text = format!(
        "The {name} service of the shop. It takes no arguments but `health`, which asks a running \
         one whether it is ready; everything is set by environment variables:\n\n{}",
        Environment::new(tables, []).help()
    );
    if asked {
        println!("{text}");
        return ExitCode::SUCCESS;
    }
    eprintln!("error: unexpected argument {argument:?}\n\n{text}");
    ExitCode::FAILURE
}

/// Asks the service that listens where this one would whether it is ready: images without a shell
/// have nothing else to ask with.
fn health(tables: &[&'static [Variable]]) -> ExitCode {
    let ready = || -> Result<bool, Box<dyn std::error::Error>> {
        let listen: SocketAddr = Environment::of_process(tables).required("SHOP_LISTEN")?;
        let address = host::reachable(listen);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let response = runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().timeout(HEALTH_LIMIT).build()?;
            client.get(format!("http://{address}/health/ready")).send().await
        })?;
        Ok(response.status().is_success())
    };
    match ready() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_main(
    name: &str,
    tables: &[&'static [Variable]],
    build: impl AsyncFn(&Environment, &Platform) -> Result<Arc<dyn Hosted>, StartError>,
) -> Result<(), StartError> {
    let environment = Environment::of_process(tables);
    environment.refuse_unknown()?;
    let format = environment.required("SHOP_LOG")?;
    logging::init(&logging::Options { format, filter: environment.required("RUST_LOG")? })?;
    let system = actix_web::rt::System::with_tokio_rt(host::runtime);
    system.block_on(run(name, &environment, build))
}

/// Runs until SIGINT or SIGTERM.
async fn run(
    name: &str,
    environment: &Environment,
    build: impl AsyncFn(&Environment, &Platform) -> Result<Arc<dyn Hosted>, StartError>,
) -> Result<(), StartError> {
    let signal = shutdown::requested()?;
    let listen: SocketAddr = environment.required("SHOP_LISTEN")?;
    let token = OperatorToken::new(environment.text("SHOP_OPERATOR_TOKEN")?.as_deref())?;
    if !listen.ip().is_loopback() && !token.is_required() {
        return Err(StartError::Open(listen));
    }
    let servers = servers(environment)?;
    let settings = telemetry::Settings::read(environment)?;
    let (telemetry, pipeline) = telemetry::start(&settings)?;
    let mut signal = std::pin::pin!(signal);
    let begun = async {
        let platform = distributed::connect(servers, environment, telemetry).await?;
        let service = built(environment, &platform, build).await?;
        Ok::<_, StartError>((platform, service))
    };
    let (platform, service) = tokio::select! {
        begun = begun => begun?,
        () = &mut signal => return Ok(()),
    };
    let listener = TcpListener::bind(listen).map_err(|error| StartError::Listen(listen, error))?;
    let address = listener.local_addr()?;
    let services = [service];
    let server = host::serve(listener, &services, &platform.log, token, Arc::new(|_| {}))?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let stops: Vec<_> = services.iter().map(|service| service.start()).collect();
    tracing::info!(service = name, %address, "started");
    writeln!(std::io::stdout().lock(), "{name} service on http://{address}")?;

    signal.await;
    let stopping = Stopping::begin();
    stopping.step("requests", handle.stop(true)).await;
    let stopped = futures::future::join_all(stops.into_iter().map(|stop| stop()));
    stopping.step("service", stopped).await;
    stopping.step("listener", serving).await;
    stopping.step("traces", telemetry::stop(pipeline)).await;
    tracing::info!(service = name, "stopped");
    Ok(())
}

fn servers(environment: &Environment) -> Result<Servers, StartError> {
    Ok(Servers {
        kafka: environment.required("SHOP_KAFKA")?,
        registry: environment.required("SHOP_REGISTRY")?,
        databases: databases(environment)?,
    })
}

/// The database of a service that has one; the others never open theirs.
fn databases(environment: &Environment) -> Result<Databases, StartError> {
    if !environment.knows("SHOP_DATABASE") {
        return Ok(Databases::InMemory);
    }
    let connections = environment.required("SHOP_DATABASE_POOL")?;
    if connections == 0 {
        let reason = format!("at least 1; {DEFAULT_CONNECTIONS} is usual");
        return Err(environment.invalid("SHOP_DATABASE_POOL", reason).into());
    }
    Ok(Databases::One(Postgres { url: environment.required("SHOP_DATABASE")?, connections }))
}

/// Builds the service, however long it takes for the database to be there.
async fn built(
    environment: &Environment,
    platform: &Platform,
    build: impl AsyncFn(&Environment, &Platform) -> Result<Arc<dyn Hosted>, StartError>,
) -> Result<Arc<dyn Hosted>, StartError> {
    let mut backoff = Backoff::default();
    loop {
        match build(environment, platform).await {
            Err(StartError::Database(error)) if !is_refused(&error) => {
                waiting(&backoff, "PostgreSQL", &error);
                backoff.wait().await;
            }
            done => return done,
        }
    }
}

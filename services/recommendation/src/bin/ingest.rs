//! Measures how fast a service learns what is in Kafka: writes synthetic clicks as storefronts report them, then starts
//! the service on them with nothing learned, and prints clicks per second until it answers, and the memory.

use std::{process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use events::trace::TraceContext;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kernel::Clock as _;
use messaging::app::{Databases, Platform};
use platform::{
    SystemClock,
    distributed::{self, SECURITY, Servers},
    environment::Environment,
    host::{self, Hosted as _},
    logging,
};
use recommendation_service::{
    Config,
    activity::{Activity, MAX_ENTRIES, OWNER, Recorder},
    build,
    model::{Click, ClickKind, Parameters},
    synthetic::{Shape, SyntheticClicks},
};
use uuid::Uuid;

/// Writes clicks to Kafka, or learns those that are there.
#[derive(Parser, Clone)]
struct Arguments {
    /// The brokers, `host:port`.
    #[arg(long)]
    kafka: String,
    /// The schema registry's URL.
    #[arg(long)]
    registry: String,
    /// How many clicks are written and learned.
    #[arg(long, default_value_t = 3_000_000)]
    clicks: usize,
    /// How many items there are; the most popular is clicked most, by Zipf's law.
    #[arg(long, default_value_t = 100_000)]
    items: u32,
    /// Sessions retained.
    #[arg(long, default_value_t = Parameters::default().sessions_retained)]
    sessions_retained: usize,
    /// Put before the names of topics. With one, the clicks have to be there already.
    #[arg(long)]
    prefix: Option<String>,
    /// Only write the clicks.
    #[arg(long, requires = "prefix")]
    write: bool,
    /// Repeat the measurement so often, each time in a process of its own.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
}

/// Reports that are on their way at a time.
const REPORTS_AT_ONCE: usize = 32;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let format = logging::Format::default();
    logging::init(&logging::Options { format, filter: "warn".to_owned() })?;
    match &arguments.prefix {
        Some(_) if arguments.write => on_kafka(write(&arguments)),
        Some(_) if arguments.rounds == 1 => on_kafka(learn(&arguments)),
        Some(prefix) => rounds(&arguments, prefix),
        None => {
            let prefix = format!("ingest-{}.", SystemClock.new_id().simple());
            again(&arguments, &prefix, true)?;
            rounds(&arguments, &prefix)
        }
    }
}

fn on_kafka(work: impl Future<Output = Result<()>>) -> Result<()> {
    actix::System::with_tokio_rt(host::runtime).block_on(work)
}

fn rounds(arguments: &Arguments, prefix: &str) -> Result<()> {
    (0..arguments.rounds).try_for_each(|_| again(arguments, prefix, false))
}

/// In a process of its own: what was allocated to write must not count as memory of the service.
fn again(arguments: &Arguments, prefix: &str, write: bool) -> Result<()> {
    let Arguments { kafka, registry, clicks, items, sessions_retained, .. } = arguments;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--kafka", kafka, "--registry", registry, "--prefix", prefix]);
    command.args(["--clicks", &clicks.to_string(), "--items", &items.to_string()]);
    command.args(["--sessions-retained", &sessions_retained.to_string()]);
    command.args(write.then_some("--write"));
    ensure!(command.status()?.success(), "the measurement failed");
    Ok(())
}

async fn connect(arguments: &Arguments) -> Result<Platform> {
    let Arguments { kafka, registry, prefix, .. } = arguments.clone();
    let prefix = ("SHOP_KAFKA_PREFIX".to_owned(), prefix.unwrap_or_default());
    let environment = Environment::new(&[SECURITY], [prefix]);
    let servers = Servers { kafka, registry, databases: Databases::InMemory };
    Ok(distributed::connect(servers, &environment, Default::default()).await?)
}

/// Writes the clicks through the service's own recorder, in full reports.
async fn write(arguments: &Arguments) -> Result<()> {
    let Platform { log, codec, clock, .. } = connect(arguments).await?;
    codec.register(OWNER).await?;
    let recorder = Recorder::new(log, codec, clock);
    let shape = Shape { items: arguments.items, ..Shape::default() };
    let mut source = SyntheticClicks::new(&shape);
    let started = Instant::now();
    let reports = (0..arguments.clicks).step_by(MAX_ENTRIES).map(|first| {
        let report = MAX_ENTRIES.min(arguments.clicks - first);
        (0..report).map(|_| reported(&mut source)).collect::<Result<Vec<_>>>()
    });
    let record = async |report: Result<Vec<Activity>>| {
        let trace = TraceContext::root(SystemClock.new_id()).with_sampled(false);
        recorder.record(report?, &trace, None).await?;
        anyhow::Ok(())
    };
    stream::iter(reports).map(record).buffered(REPORTS_AT_ONCE).try_collect::<()>().await?;
    print_rate("written", arguments.clicks, started);
    println!();
    Ok(())
}

/// A click as a storefront reports it: ids are UUIDs, one in ten goes into the cart.
fn reported(source: &mut SyntheticClicks) -> Result<Activity> {
    let Click { session, item, time_micros, .. } = source.next().context("a click")?;
    let event_id = SystemClock.new_id();
    let is_cart = event_id.as_u128().is_multiple_of(10);
    Ok(Activity {
        event_id: event_id.to_string(),
        session_id: Uuid::from_u64_pair(session.bits(), !session.bits()).to_string().parse()?,
        customer_id: None,
        kind: if is_cart { ClickKind::AddedToCart } else { ClickKind::Viewed },
        sku: source.catalogue().sku(item).parse()?,
        occurred_at: kernel::Timestamp(time_micros),
    })
}

/// Starts the service on the clicks, and waits until it answers.
async fn learn(arguments: &Arguments) -> Result<()> {
    let platform = connect(arguments).await?;
    let dir = std::env::temp_dir().join(format!("ingest-{}", SystemClock.new_id().simple()));
    let mut config = Config::new(&dir);
    config.parameters.sessions_retained = arguments.sessions_retained;
    let service = build(config, &platform)?;
    let mut progress = service.progress();
    let before_mb = memory_mb("VmRSS")?;
    let started = Instant::now();
    let stop = service.start();
    progress.wait_for(|progress| progress.is_ready).await?;
    print_rate("learned", arguments.clicks, started);
    let observed = service.observe().await?;
    let retained: usize = observed.shards.iter().map(|shard| shard.clicks).sum();
    let (now_mb, peak_mb) = (memory_mb("VmRSS")?, memory_mb("VmHWM")?);
    println!(
        "; {retained} retained of {} items; resident {before_mb:.0} MB before, {now_mb:.0} MB \
         after, {peak_mb:.0} MB at most",
        observed.items
    );
    drop(stop);
    Ok(std::fs::remove_dir_all(dir)?)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print_rate(what: &str, clicks: usize, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    print!("{what} {clicks} clicks in {seconds:.2} s: {:.0} clicks/s", clicks as f64 / seconds);
}

/// A figure of `/proc/self/status`.
fn memory_mb(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")).context(name.to_owned())?;
    Ok(kilobytes.parse::<f64>()? * 1024.0 / 1e6)
}

//! The floor: how long this machine, its database and its log take for the least work that so many
//! sagas need, without the application. The same rows in the services' own tables, the same records,
//! in batches of the same size; nothing is decided, encoded, loaded or waited for.

mod database;
mod log;
mod place;
mod sagas;
mod statements;
mod table;

use std::{collections::BTreeMap, fmt, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

pub use self::place::drop_databases;
use self::{
    place::{Ground, Place},
    sagas::Sagas,
};
use crate::{
    cli::{FloorOptions, Platform},
    clock::Clock,
    outcome::{About, figure},
    run,
    stop::Stop,
};

/// What is measured, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Database,
    Log,
    Both,
}

impl Part {
    const ALL: [Self; 3] = [Self::Database, Self::Log, Self::Both];

    /// As it is named in figures, databases and topics.
    fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Log => "log",
            Self::Both => "both",
        }
    }

    /// As it is printed.
    fn title(self) -> &'static str {
        match self {
            Self::Database => "database alone",
            Self::Log => "log alone",
            Self::Both => "both at once: floor",
        }
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
struct Floor {
    about: About,
    /// `sagas_per_s` is the floor, that of both at once.
    figures: BTreeMap<String, f64>,
}

/// Measures, and prints what came out.
///
/// # Errors
/// When a server refuses, the report cannot be read or the figures not be written.
pub async fn run(options: &FloorOptions, mut stop: Stop) -> Result<()> {
    let measured = measured(options)?;
    let ground = Ground::of(options)?;
    let clock = Clock::start();
    let began_ms = u64::try_from(clock.now().unix_timestamp_nanos() / 1_000_000)?;
    let sagas = Sagas { count: options.sagas, batch: options.batch, began_ms };
    let mut times = Vec::new();
    for part in Part::ALL {
        eprintln!("{}: {} sagas", part.name(), sagas.count);
        let name = format!("floor-{}-{}", clock.run_name(), part.name());
        times.push((part, measure(&ground, &name, part, sagas, &mut stop).await?));
    }
    let floor = Floor { about: about(options, clock), figures: figures(&times, sagas, measured) };
    if let Some(file) = &options.json {
        let json = serde_json::to_vec_pretty(&floor)?;
        fs::write(file, json).with_context(|| format!("--json {}", file.display()))?;
    }
    println!("{floor}");
    Ok(())
}

/// One part, in a place of its own that is removed whatever happens.
async fn measure(
    ground: &Ground,
    name: &str,
    part: Part,
    sagas: Sagas,
    stop: &mut Stop,
) -> Result<Duration> {
    let mut place = Place::new(ground, name)?;
    let result = tokio::select! {
        result = measure_in(&mut place, part, sagas) => result,
        _ = stop.wait_for(|stop| *stop) => Err(anyhow::anyhow!("interrupted")),
    };
    let removed = place.remove().await;
    let time = result?;
    removed?;
    Ok(time)
}

async fn measure_in(place: &mut Place, part: Part, sagas: Sagas) -> Result<Duration> {
    if part != Part::Log {
        place.add_databases(sagas).await?;
    }
    if part != Part::Database {
        place.add_log().await?;
    }
    place.work(sagas).await
}

/// The throughput that is to be compared, if there is one.
fn measured(options: &FloorOptions) -> Result<Option<f64>> {
    match &options.report {
        Some(file) => read(file).with_context(|| format!("--report {}", file.display())).map(Some),
        None => Ok(options.measured),
    }
}

fn read(file: &Path) -> Result<f64> {
    let report: serde_json::Value = serde_json::from_slice(&fs::read(file)?)?;
    match report["figures"]["sagas_per_s"].as_f64() {
        Some(measured) => Ok(measured),
        None => bail!("no figures.sagas_per_s in it: it must be the --json of a run with orders"),
    }
}

fn figures(
    times: &[(Part, Duration)],
    sagas: Sagas,
    measured: Option<f64>,
) -> BTreeMap<String, f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let count = sagas.count as f64;
    let mut figures = BTreeMap::new();
    for (part, time) in times {
        let (name, per_s) = (part.name(), count / time.as_secs_f64());
        figures.insert(format!("{name}.sagas_per_s"), per_s);
        figures.insert(format!("{name}.seconds"), time.as_secs_f64());
        if *part == Part::Both {
            figures.insert("sagas_per_s".to_owned(), per_s);
            if let Some(measured) = measured {
                figures.insert("measured.sagas_per_s".to_owned(), measured);
                figures.insert("measured.fraction".to_owned(), measured / per_s);
            }
        }
    }
    figures
}

fn about(options: &FloorOptions, clock: Clock) -> About {
    let on = match options.on {
        Platform::Embedded => "SQLite and the embedded log",
        Platform::Local => "PostgreSQL and Kafka",
    };
    About {
        run: clock.run_name(),
        command: run::command(std::env::args().skip(1)),
        started_at: clock.started_at(),
        wait: format!(
            "The least that {} sagas need of {on}, {} in a transaction.",
            options.sagas, options.batch
        ),
        seconds: clock.elapsed().as_secs_f64(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let About { command, started_at, wait, cores, .. } = &self.about;
        writeln!(f, "{command}  ({started_at}, {cores} cores)\n{wait}\n")?;
        writeln!(f, "{:<22}{:>12}{:>12}", "", "sagas/s", "seconds")?;
        let get = |name: &str| self.figures.get(name).copied().unwrap_or(f64::NAN);
        for part in Part::ALL {
            let (title, name) = (part.title(), part.name());
            let per_s = get(&format!("{name}.sagas_per_s"));
            writeln!(f, "{title:<22}{per_s:>12.1}{:>12.3}", get(&format!("{name}.seconds")))?;
        }
        if let Some(fraction) = self.figures.get("measured.fraction") {
            let measured = figure("sagas_per_s", get("measured.sagas_per_s"));
            writeln!(f, "\nmeasured {measured} sagas/s = {fraction:.3} of the floor")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

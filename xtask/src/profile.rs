//! `cargo xtask profile`: where a shop's time goes under load, and what a saga costs it.
//!
//! A shop is started (or one that runs is taken), `load-tests checkout` loads it, and while that measures, `perf`
//! records and counts. Here: the command line, and the order of things. `perf` is the one that samples, because it
//! sees kernel and C code as well; what it needs of the machine is said when it is missing.

mod cost;
mod flame;
mod load;
mod perf;
mod shop;
mod stacks;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use self::{
    cost::{Before, Cost},
    load::Load,
    perf::Perf,
    shop::Shop,
    stacks::Stacks,
};

/// Functions in the list of the top ones.
const TOP: usize = 40;

/// What a shop is started on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum On {
    /// Everything in its own process.
    Embedded,
    /// The servers of `cargo xtask infra up`.
    Local,
}

/// The arguments of `cargo xtask profile`.
#[derive(Debug, Args)]
pub struct Profile {
    /// What the shop runs on
    #[arg(long, value_enum, default_value_t = On::Embedded, conflicts_with = "pid")]
    on: On,
    /// Orders a second
    #[arg(long, default_value_t = 100.0, conflicts_with = "orders")]
    rate: f64,
    /// A burst of so many orders instead
    #[arg(long)]
    orders: Option<u64>,
    /// How long, such as 20s or 2m; a burst ends earlier when it is done
    #[arg(long, default_value = "20s")]
    duration: String,
    /// Load before that does not count
    #[arg(long, default_value = "5s")]
    warm_up: String,
    /// A shop that runs already, instead of one that is started and stopped
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// Where that shop listens
    #[arg(long, requires = "pid")]
    url: Option<String>,
    /// Samples a second and core
    #[arg(long, default_value_t = 199)]
    frequency: u32,
    /// The folder of the results [default: target/profile]
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Profile {
    /// Runs the command.
    ///
    /// # Errors
    /// When perf may not record, a program does not build or start, or the load fails.
    pub fn run(self) -> Result<ExitCode> {
        perf::check()?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let out = self.out.clone().unwrap_or_else(|| workspace.join("target/profile"));
        fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
        let programs = shop::build(&workspace, self.pid.is_none())?;
        let shop = match (self.pid, &self.url) {
            (Some(pid), Some(url)) => Shop::running(pid, url),
            _ => Shop::start(&programs, self.on, &out)?,
        };
        let (cost, passed) = self.measure(&programs, &shop, &out)?;
        shop.stop()?;
        let stacks = perf::stacks(&out)?;
        report(&out, &stacks, &cost)?;
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Loads the shop; while that measures, perf does too.
    fn measure(&self, programs: &Path, shop: &Shop, out: &Path) -> Result<(Cost, bool)> {
        let mut load = Load::start(programs, &shop.url, &self.words(), out)?;
        load.until("measuring")?;
        let before = Before::take(shop)?;
        let perf = Perf::start(shop.pid, self.frequency, out)?;
        load.until("checking")?;
        let counted = perf.stop()?;
        let cost = before.until_now(shop, counted)?;
        Ok((cost, load.finish()?))
    }

    /// What the load is told.
    fn words(&self) -> Vec<String> {
        let pace = match self.orders {
            Some(orders) => ["--orders".to_owned(), orders.to_string()],
            None => ["--rate".to_owned(), self.rate.to_string()],
        };
        let times = ["--duration", &self.duration, "--warm-up", &self.warm_up].map(str::to_owned);
        pace.into_iter().chain(times).collect()
    }
}

fn report(out: &Path, stacks: &Stacks, cost: &Cost) -> Result<()> {
    let top = stacks.top(TOP);
    let files = [
        ("stacks.folded", stacks.folded()),
        ("flame.svg", flame::svg(stacks)),
        ("top.txt", top.clone()),
        ("cost.txt", cost.to_string()),
    ];
    for (name, text) in files {
        let file = out.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{top}\n{cost}\nin {}: flame.svg, top.txt, cost.txt, stacks.folded", out.display());
    Ok(())
}

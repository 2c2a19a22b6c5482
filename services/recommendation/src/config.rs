//! What can be set.

use std::{path::PathBuf, thread::available_parallelism, time::Duration};

use platform::environment::{ConfigError, Environment, Variable};

use crate::model::Parameters;

/// While a shard learns, as much work again is reading the log, and answers want a core too (decision 6).
const CORES_PER_SHARD: usize = 2;
/// More shards than this learn no faster, and every answer reads all of them.
const MAX_USEFUL_SHARDS: usize = 8;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where this replica keeps its snapshots; no other may use it.
    pub data_dir: PathBuf,
    /// How many shards learn at the same time. It may change from one start to the next.
    pub shards: usize,
    /// How many SKUs there may be.
    pub max_items: usize,
    /// How often a snapshot is taken while something changes.
    pub snapshot_every: Duration,
    /// Begin at the log's beginning, whatever snapshots there are.
    pub rebuild: bool,
    /// The model's parameters.
    pub parameters: Parameters,
}

/// What can be set by environment.
pub const VARIABLES: &[Variable] = &[
    Variable::with_default(
        "SHOP_DATA_DIR",
        "data",
        "where this replica keeps its snapshots; each needs a directory of its own",
    ),
    Variable::optional(
        "SHOP_SHARDS",
        "how many shards learn at the same time (default: one for two cores)",
    ),
    Variable::with_default("SHOP_MAX_ITEMS", "500000", "how many SKUs there may be"),
    Variable::with_default("SHOP_SESSIONS_RETAINED", "200000", "how many sessions are retained"),
    Variable::with_default(
        "SHOP_SESSION_INACTIVITY_S",
        "1800",
        "after how long without a click a visit is over, in seconds",
    ),
    Variable::with_default(
        "SHOP_SNAPSHOT_EVERY_S",
        "60",
        "how often a snapshot is taken, in seconds",
    ),
    Variable::with_default(
        "SHOP_REBUILD",
        "false",
        "`true` learns everything anew that the log has, whatever snapshots there are",
    ),
];

impl Config {
    /// The usual settings: a shard for two cores.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            data_dir: data_dir.into(),
            shards: cores.div_ceil(CORES_PER_SHARD).min(MAX_USEFUL_SHARDS),
            max_items: 500_000,
            snapshot_every: Duration::from_secs(60),
            rebuild: false,
            parameters: Parameters::default(),
        }
    }

    /// What the environment says.
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let usual = Self::new(environment.required::<PathBuf>("SHOP_DATA_DIR")?);
        let inactivity = environment.seconds("SHOP_SESSION_INACTIVITY_S")?;
        let parameters = Parameters {
            sessions_retained: environment.required("SHOP_SESSIONS_RETAINED")?,
            inactivity_ms: i64::try_from(inactivity.as_millis()).unwrap_or(i64::MAX),
            ..usual.parameters
        };
        Ok(Self {
            shards: environment.value("SHOP_SHARDS")?.unwrap_or(usual.shards),
            max_items: environment.required("SHOP_MAX_ITEMS")?,
            snapshot_every: environment.seconds("SHOP_SNAPSHOT_EVERY_S")?,
            rebuild: environment.required("SHOP_REBUILD")?,
            parameters,
            ..usual
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_without_a_word_is_the_usual_settings() {
        let environment = Environment::new(&[VARIABLES], []);
        let config = Config::from_environment(&environment).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::new("data")));
    }
}

//! Checks that every version of every event's schema can live with every other (I10): old and new
//! producers and consumers in any mixture. `cargo run -p schema-registry --bin schema-check`.

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use schema_registry::{CompatibilityLevel, check, parse_schema};

/// All versions of each event, oldest first.
type Events = BTreeMap<String, BTreeMap<u32, String>>;

fn main() -> Result<ExitCode> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "schemas".to_owned());
    let events = read(Path::new(&dir))?;
    let mut broken = 0;
    for (event, versions) in &events {
        broken += report(event, versions)?;
    }
    let versions: usize = events.values().map(BTreeMap::len).sum();
    println!("{} events, {versions} versions, {broken} incompatibilities", events.len());
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(dir: &Path) -> Result<Events> {
    let mut events = Events::new();
    for owner in fs::read_dir(dir).with_context(|| format!("no schemas in {}", dir.display()))? {
        for file in fs::read_dir(owner?.path())? {
            let path = file?.path();
            let name = path.strip_prefix(dir)?.to_string_lossy().into_owned();
            let (event, version) = name
                .strip_suffix(".avsc")
                .and_then(|stem| stem.rsplit_once(".v"))
                .with_context(|| format!("{name} is not <owner>/<Event>.v<N>.avsc"))?;
            let text = fs::read_to_string(&path)?;
            events.entry(event.to_owned()).or_default().insert(version.parse()?, text);
        }
    }
    Ok(events)
}

/// Prints what is incompatible between the versions of one event, and counts it.
fn report(event: &str, versions: &BTreeMap<u32, String>) -> Result<usize> {
    let mut older = Vec::new();
    let mut broken = 0;
    for (version, text) in versions {
        let schema = parse_schema(text).with_context(|| format!("{event}.v{version}"))?;
        for found in check(CompatibilityLevel::FullTransitive, &schema, &older) {
            println!("{event}.v{version}: {found}");
            broken += 1;
        }
        older.push(schema);
    }
    Ok(broken)
}

//! Generates the Rust types of all events from `schemas/`, which is their only source: one module
//! per event with the types of its newest version, and the text of every version ever released.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use rsgen_avro::{Generator, Source};

/// All versions of one event, oldest first.
type Versions = BTreeMap<u32, String>;

#[expect(clippy::disallowed_methods, reason = "cargo tells by environment where to write")]
fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut code = String::new();
    let mut list = String::new();
    for ((owner, event), versions) in read_schemas(&root)? {
        let module = snake_case(&event);
        code.push_str(&event_module(&module, &owner, &event, &versions)?);
        writeln!(list, "    (\"{event}\", {module}::VERSIONS),")?;
    }
    writeln!(
        code,
        "/// The text of every schema version ever released, oldest first, by event.\n\
         pub const ALL_VERSIONS: &[(&str, &[&str])] = &[\n{list}];"
    )?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("contracts.rs"), code)?;
    Ok(())
}

/// Reads `<owner>/<event>.v<N>.avsc`.
fn read_schemas(root: &Path) -> Result<BTreeMap<(String, String), Versions>> {
    let mut events = BTreeMap::<_, Versions>::new();
    for owner in fs::read_dir(root)? {
        let owner = owner?;
        for file in fs::read_dir(owner.path())? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).context("a file name")?;
            let (event, version) = name
                .strip_suffix(".avsc")
                .and_then(|stem| stem.split_once(".v"))
                .with_context(|| format!("{name} is not <Event>.v<N>.avsc"))?;
            let owner = owner.file_name().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path)?;
            events.entry((owner, event.to_owned())).or_default().insert(version.parse()?, text);
        }
    }
    Ok(events)
}

fn event_module(module: &str, owner: &str, event: &str, versions: &Versions) -> Result<String> {
    let newest = versions.values().next_back().context("a version")?;
    let mut types = Vec::new();
    Generator::new()?
        .generate(&Source::SchemaStr(newest), &mut types)
        .with_context(|| format!("generate {event}"))?;
    let mut code =
        format!("/// `shop.{owner}.{event}` and the records inside it.\npub mod {module} {{\n");
    code.push_str(&String::from_utf8(types)?);
    code.push_str("    /// The schema's text, every version, oldest first.\n    pub const VERSIONS: &[&str] = &[\n");
    for text in versions.values() {
        writeln!(code, "        {:?},", compact(text)?)?;
    }
    code.push_str("    ];\n}\n");
    Ok(code)
}

/// The text without its layout: what goes to the registry.
fn compact(text: &str) -> Result<String> {
    Ok(serde_json::from_str::<serde_json::Value>(text)?.to_string())
}

fn snake_case(event: &str) -> String {
    let mut name = String::new();
    for letter in event.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

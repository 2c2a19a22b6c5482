//! House rules, checked by a test: a new one costs a few lines and holds for ever. Each message
//! says the rule; STYLE in CONTRIBUTING.md says why.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The longest file, in lines.
const MAX_LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files that git knows or would take, with their texts; binary files are left out.
fn files() -> Vec<(String, String)> {
    let list = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let names = String::from_utf8(list.stdout).expect("names are UTF-8");
    let read = |name: &str| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?));
    let files: Vec<_> = names.lines().filter_map(read).collect();
    assert!(files.len() > 50, "git lists {} files; is this the repository?", files.len());
    files
}

/// Applies `check` to all files that `which` names, and panics with all that it finds.
fn check(which: impl Fn(&str) -> bool, check: impl Fn(&str, &str) -> Option<String>) {
    let found: Vec<_> = files()
        .iter()
        .filter(|(path, _)| which(path))
        .filter_map(|(path, text)| Some(format!("{path}: {}", check(path, text)?)))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

fn is_manifest(path: &str) -> bool {
    path.ends_with("/Cargo.toml")
}

/// A file of pure rules (I1).
fn is_pure(path: &str) -> bool {
    let pure =
        ["/domain.rs", "/domain/", "/choreography.rs", "/choreography/", "/model.rs", "/model/"];
    is_rust(path) && path.starts_with("services/") && pure.iter().any(|part| path.contains(part))
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.starts_with("shared/saga-tests/")
}

/// The line with the first of `words`, unless it is a comment.
fn mention(text: &str, words: &[&str]) -> Option<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let hit = |line: &str| words.iter().any(|word| line.contains(word));
    text.lines().filter(code).find(|line| hit(line)).map(|line| line.trim().to_owned())
}

#[test]
fn every_file_says_what_it_is_for() {
    // A module of tests is for the file above it.
    check(
        |path| is_rust(path) && !is_test(path),
        |_, text| (!text.starts_with("//!")).then(|| "starts without a `//!` header".into()),
    );
}

#[test]
fn no_file_is_too_long() {
    check(is_rust, |_, text| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("has {lines} lines, at most {MAX_LINES} read well"))
    });
}

#[test]
fn rules_are_pure() {
    let words = [
        "async ",
        ".await;",
        ".await?",
        ".await)",
        "sea_orm",
        "tokio",
        "actix",
        "reqwest",
        "std::fs",
        "std::net",
        "rand::",
        "SystemTime",
        "new_id(",
    ];
    check(
        |path| is_pure(path) && !is_test(path),
        |_, text| {
            mention(text, &words)
                .map(|line| format!("a rule does no I/O and reads no clock (I1): {line}"))
        },
    );
}

#[test]
fn only_messaging_names_rdkafka() {
    let elsewhere = |path: &str| {
        (is_rust(path) || is_manifest(path))
            && !path.starts_with("shared/messaging/")
            && path != "xtask/src/tidy.rs"
    };
    check(elsewhere, |_, text| {
        mention(text, &["rdkafka"]).map(|line| format!("Kafka is behind messaging::log: {line}"))
    });
}

#[test]
fn services_meet_only_in_contracts() {
    let service = |path: &str| {
        is_manifest(path) && path.starts_with("services/") && path != "services/shop/Cargo.toml"
    };
    check(service, |_, text| {
        mention(text, &["-service."]).map(|line| format!("depends on another service (I7): {line}"))
    });
}

#[test]
fn versions_and_lints_stand_once() {
    check(is_manifest, |_, text| {
        if !text.contains("[lints]\nworkspace = true") {
            return Some("has no `[lints] workspace = true`".into());
        }
        let mut section = "";
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.contains("dependencies]")
                && line.contains('=')
                && !line.contains("workspace = true")
            {
                return Some(format!("the version stands in the root Cargo.toml: {line}"));
            }
        }
        None
    });
}

#[test]
fn tests_wait_for_what_they_wait_for() {
    check(
        |path| is_rust(path) && is_test(path),
        |_, text| mention(text, &["sleep("]).map(|line| format!("a test does not sleep: {line}")),
    );
}

#[test]
fn nothing_of_a_machine_is_committed() {
    // Put together, so that this file does not name them.
    let words = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["repo1.maven", ".org"],
        ["proxy.golang", ".org"],
        ["registry.npmjs", ".org"],
    ];
    let words: Vec<_> = words.iter().map(|parts| parts.concat()).collect();
    check(
        |path| path != "Cargo.lock",
        |_, text| {
            let hit =
                text.lines().find(|line| words.iter().any(|word| line.contains(word.as_str())));
            hit.map(|line| format!("names a machine's path or a registry's host: {line}"))
        },
    );
}

#[test]
fn every_schema_is_named_by_owner_event_and_version() {
    check(
        |path| path.starts_with("schemas/"),
        |path, text| {
            let owner = path.split('/').nth(1)?;
            let event = path.rsplit('/').next()?.split(".v").next()?;
            let expected =
                [format!("\"name\": \"{event}\""), format!("\"namespace\": \"shop.{owner}\"")];
            let missing = expected.iter().find(|part| !text.contains(part.as_str()))?;
            Some(format!("the file's name says {missing}"))
        },
    );
}

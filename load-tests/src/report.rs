//! A run as one page: no scripts, nothing loaded from elsewhere.

mod plot;
mod plots;

use std::fmt::Write as _;

use self::plot::escape;
use crate::{
    expect::FIGURES,
    outcome::{Outcome, figure},
};

const STYLE: &str = include_str!("report/page.css");
/// Violations that are shown one by one.
const SHOWN: usize = 100;

/// The page.
pub fn page(outcome: &Outcome) -> String {
    let about = &outcome.about;
    let (class, word) = if outcome.passed { ("passed", "passed") } else { ("failed", "failed") };
    let sections: String = plots::all(outcome).iter().map(plot::Plot::section).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Load: {command}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Load test: <span class=\"{class}\">{word}</span></h1>\n<p><code>{command}</code></p>\n\
         <p class=\"hint\">{started}, {seconds:.1} s, {cores} cores, run {run}. {wait}</p>\n\
         {verdicts}{figures}{times}{errors}{sections}</body>\n</html>\n",
        command = escape(&about.command),
        started = escape(&about.started_at),
        seconds = about.seconds,
        cores = about.cores,
        run = escape(&about.run),
        wait = escape(&about.wait),
        verdicts = verdicts(outcome),
        figures = figures(outcome),
        times = times(outcome),
        errors = errors(outcome),
    )
}

fn verdicts(outcome: &Outcome) -> String {
    let lines = outcome.verdicts.iter().map(|verdict| (verdict.held, verdict.to_string()));
    let shown = outcome.violations.iter().take(SHOWN);
    let broken =
        shown.map(|violation| (false, format!("{:?}: {}", violation.kind, violation.detail)));
    let items: String = broken
        .chain(lines)
        .map(|(held, text)| {
            let class = if held { "passed" } else { "failed" };
            format!("<li class=\"{class}\"><code>{}</code></li>\n", escape(&text))
        })
        .collect();
    let all = outcome.violations.len();
    let more =
        if all > SHOWN { format!("<p>{all} violations in all.</p>\n") } else { String::new() };
    if items.is_empty() { String::new() } else { format!("<ul>\n{items}</ul>\n{more}") }
}

fn figures(outcome: &Outcome) -> String {
    let row = |(name, value): (&str, f64)| {
        format!("<tr><td>{name}</td><td>{}</td></tr>\n", figure(name, value))
    };
    let known = FIGURES.iter().filter_map(|name| Some((*name, *outcome.figures.get(*name)?)));
    let rows: String = known.map(row).collect();
    format!("<h2>Figures</h2>\n<table>\n<tr><th>figure</th><th>value</th></tr>\n{rows}</table>\n")
}

fn times(outcome: &Outcome) -> String {
    let mut rows = String::new();
    for (name, s) in &outcome.operations {
        let row = writeln!(
            rows,
            "<tr><td>{name}</td><td>{}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{:.2}</td></tr>",
            s.count, s.mean, s.p50, s.p90, s.p99, s.p999, s.max
        );
        row.expect("a String takes everything");
    }
    format!(
        "<h2>Times in milliseconds</h2>\n<table>\n<tr><th></th><th>count</th><th>mean</th><th>p50</th><th>p90</th>\
         <th>p99</th><th>p99.9</th><th>max</th></tr>\n{rows}</table>\n"
    )
}

fn errors(outcome: &Outcome) -> String {
    let counts = &outcome.counts;
    let row = |what: &str, kind: &str, count: u64| {
        format!("<tr><td>{}</td><td>{what}</td><td>{count}</td></tr>\n", escape(kind))
    };
    let mut rows: String = counts.errors.iter().map(|(kind, n)| row("error", kind, *n)).collect();
    rows.extend(counts.deferred.iter().map(|(kind, n)| row("told to come later", kind, *n)));
    if counts.overruns > 0 {
        rows += &row("error", "not begun: too many under way", counts.overruns);
    }
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<h2>Errors</h2>\n<table>\n<tr><th>kind</th><th></th><th>count</th></tr>\n{rows}</table>\n"
    )
}

#[cfg(test)]
mod tests;

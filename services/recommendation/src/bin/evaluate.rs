//! Scores the model and the baselines on held-out clicks: `evaluate train.txt valid.txt`.

use anyhow::Result;
use clap::Parser;
use recommendation_service::baselines::{CoOccurrence, Markov, PlainVmisKnn, Popularity};
use recommendation_service::evaluate::{Ours, Predictor, Report, evaluate, learn_all};
use recommendation_service::model::{Catalogue, Click, Parameters};
use recommendation_service::{clicks, evaluate::CUTOFF};
use std::path::PathBuf;

const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;

/// Learns `train`, then predicts every next click of `held_out`: *static* without learning it, and *prequential*, each
/// click being learned after it was predicted.
#[derive(Parser)]
struct Arguments {
    /// Clicks to learn: session, item, time in seconds, tab-separated, with a header.
    train: PathBuf,
    /// Clicks to predict.
    held_out: PathBuf,
    /// Also cross-validate on so many last days of `train`, each predicted from what came before it.
    #[arg(long, default_value_t = 0)]
    folds: u32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut catalogue = Catalogue::new(1 << 20);
    let train = clicks::read(&arguments.train, &mut catalogue)?;
    let held_out = clicks::read(&arguments.held_out, &mut catalogue)?;
    println!(
        "learned {} clicks, predicted {}, {} items",
        train.len(),
        held_out.len(),
        catalogue.len()
    );
    for (title, learn) in [("static", false), ("prequential", true)] {
        print_header(title);
        for mut predictor in predictors(&catalogue) {
            learn_all(&mut *predictor, &train);
            let report = evaluate(&mut *predictor, &held_out, learn);
            print_report(predictor.name(), &report, &catalogue);
        }
    }
    if arguments.folds > 0 {
        cross_validate(&train, arguments.folds, &catalogue);
    }
    Ok(())
}

fn predictors(catalogue: &Catalogue) -> Vec<Box<dyn Predictor>> {
    vec![
        Box::new(Popularity::default()),
        Box::new(Markov::default()),
        Box::new(CoOccurrence::default()),
        Box::new(PlainVmisKnn::default()),
        Box::new(Ours::new(Parameters::default(), catalogue.clone())),
    ]
}

fn cross_validate(train: &[Click], folds: u32, catalogue: &Catalogue) {
    print_header(&format!("static, the last {folds} days of train, each from all before it"));
    let end = train.last().map_or(0, |click| click.time_micros + 1);
    for model in 0..predictors(catalogue).len() {
        let (mut total, mut name) = (Report::default(), "");
        for fold in 0..folds {
            let until = end - i64::from(fold) * DAY_MICROS;
            let mut predictor = predictors(catalogue).swap_remove(model);
            total.merge(predict_day(&mut *predictor, train, until));
            name = predictor.name();
        }
        print_report(name, &total, catalogue);
    }
}

/// Learns the sessions that ended before the day, predicts those that lie in it, of items known by then.
fn predict_day(predictor: &mut dyn Predictor, clicks: &[Click], until: i64) -> Report {
    let from = until - DAY_MICROS;
    let mut spans = std::collections::HashMap::new();
    for click in clicks {
        let span = spans.entry(click.session).or_insert((click.time_micros, click.time_micros));
        span.1 = click.time_micros;
    }
    let before = |click: &&Click| spans[&click.session].1 < from;
    let within =
        |click: &&Click| spans[&click.session].0 >= from && spans[&click.session].1 < until;
    let train: Vec<Click> = clicks.iter().filter(before).copied().collect();
    let known: std::collections::HashSet<_> = train.iter().map(|click| click.item).collect();
    let test = clicks.iter().filter(within).filter(|click| known.contains(&click.item)).copied();
    let test: Vec<Click> = test.collect();
    learn_all(predictor, &train);
    evaluate(predictor, &test, false)
}

fn print_header(title: &str) {
    println!("\n{title}");
    println!(
        "{:14} {:>11} {:>7} {:>7} {:>7} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "model",
        "predictions",
        "MRR",
        "HitRate",
        "NDCG",
        "coverage",
        "p50 us",
        "p90 us",
        "p99 us",
        "max us"
    );
    println!(
        "{:14} {:>11} {:>7} {:>7} {:>7}",
        "",
        "",
        format!("@{CUTOFF}"),
        format!("@{CUTOFF}"),
        format!("@{CUTOFF}")
    );
}

fn print_report(name: &str, report: &Report, catalogue: &Catalogue) {
    let micros = |per_mille| report.latency(per_mille).as_secs_f64() * 1e6;
    println!(
        "{:14} {:>11} {:>7.4} {:>7.4} {:>7.4} {:>8.3} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
        name,
        report.predictions(),
        report.mrr(),
        report.hit_rate(),
        report.ndcg(),
        report.coverage(catalogue),
        micros(500),
        micros(900),
        micros(990),
        micros(1000)
    );
}

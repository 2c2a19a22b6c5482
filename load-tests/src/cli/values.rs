//! Values on the command line. Errors say what is wrong; clap says which flag.

use std::{str::FromStr, time::Duration};

use reqwest::Url;

/// The longest time that makes sense: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// A process to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// What it is called in the report; its program's name if absent.
    pub name: Option<String>,
    /// Its number.
    pub pid: u32,
}

impl FromStr for Watched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, pid) = match text.split_once('=') {
            Some((name, pid)) => (Some(name.to_owned()), pid),
            None => (None, text),
        };
        let pid = pid.parse().map_err(|_| format!("{pid} is no process id"))?;
        Ok(Self { name, pid })
    }
}

/// A positive number.
pub fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    if number.is_finite() && number > 0.0 {
        return Ok(number);
    }
    Err("must be more than 0".to_owned())
}

/// A time such as 500ms, 60s, 10m or 1h, which is not 0.
pub fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        duration => Ok(duration),
    }
}

/// A time such as 500ms, 60s, 10m or 1h.
pub fn duration_or_none(text: &str) -> Result<Duration, String> {
    const HELP: &str = "must be a number with a unit: 500ms, 60s, 10m, 1h";
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(HELP)?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(HELP.to_owned()),
    } * number.parse::<f64>().map_err(|_| HELP)?;
    if (0.0..=MAX_SECONDS).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err("must be between 0 and 24h".to_owned())
}

/// `http://host:port`, without a path.
pub fn url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    let plain = ["http", "https"].contains(&url.scheme()) && url.has_host();
    if !plain || url.path() != "/" || url.query().is_some() {
        return Err("must be like http://127.0.0.1:8080".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

//! Reads click files: session, item and time in seconds, tab-separated, with a header line.

use crate::model::{Catalogue, Click, ClickKind, Fingerprint, SessionKey};
use std::path::{Path, PathBuf};

/// Why a file of clicks cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not there or is not text.
    #[error("read {0}")]
    File(PathBuf, #[source] std::io::Error),
    /// A line has not the three columns, or the catalogue is full.
    #[error(
        "read line {1} of {0}: expected session, item and time in seconds, and room for the item"
    )]
    Line(PathBuf, u32),
}

/// Reads a file of clicks, in the order of their times. Each line is an event of its own.
///
/// # Errors
/// When the file cannot be read, a line has not the three columns, or the catalogue is full.
pub fn read(path: &Path, catalogue: &mut Catalogue) -> Result<Vec<Click>, ReadError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ReadError::File(path.to_owned(), error))?;
    let lines = (1u32..).zip(text.lines()).skip(1).filter(|(_, line)| !line.trim().is_empty());
    let mut clicks = Vec::new();
    for (number, line) in lines {
        let click = parse(line, number, catalogue);
        clicks.push(click.ok_or_else(|| ReadError::Line(path.to_owned(), number))?);
    }
    clicks.sort_by_key(|click| click.time_micros);
    Ok(clicks)
}

#[expect(clippy::cast_possible_truncation, reason = "a time in microseconds; the cast saturates")]
fn parse(line: &str, number: u32, catalogue: &mut Catalogue) -> Option<Click> {
    let mut columns = line.trim_end().split('\t');
    let (session, item, time) = (columns.next()?, columns.next()?, columns.next()?);
    let seconds: f64 = time.parse().ok()?;
    Some(Click {
        session: SessionKey::of(session),
        item: catalogue.intern(item)?,
        time_micros: (seconds * 1e6).round() as i64,
        fingerprint: Fingerprint::numbered(number),
        kind: ClickKind::Viewed,
    })
}

//! Real click sessions: tab-separated SessionId, ItemId, Time, as the crate serenade ships them.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead, BufReader},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use time::OffsetDateTime;

/// The most clicks that are kept in memory.
const MAX_CLICKS: usize = 5_000_000;

/// One click.
#[derive(Clone, Debug, PartialEq)]
pub struct Click {
    /// Whose.
    pub session: String,
    /// The index of its product.
    pub product: usize,
    /// When it was.
    pub at: OffsetDateTime,
}

/// Clicks in the order of their times.
#[derive(Debug, PartialEq)]
pub struct Recording {
    /// The clicks.
    pub clicks: Vec<Click>,
    /// The products' names.
    pub products: Vec<String>,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the first line that cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path);
        let file = file.with_context(|| format!("cannot read the clicks in {}", path.display()))?;
        Self::read(BufReader::new(file)).with_context(|| path.display().to_string())
    }

    fn read(text: impl BufRead) -> Result<Self> {
        let mut rows = Vec::new();
        // The first line has headings.
        for (number, line) in (2..).zip(text.lines().skip(1)) {
            let line = line?;
            rows.push(row(&line).with_context(|| format!("line {number}: {line}"))?);
            ensure!(rows.len() <= MAX_CLICKS, "more than {MAX_CLICKS} clicks");
        }
        // Clicks at the same time keep their order.
        rows.sort_by(|(.., a), (.., b)| a.total_cmp(b));
        let names: BTreeSet<_> = rows.iter().map(|(_, item, _)| item.clone()).collect();
        let products: Vec<_> = names.into_iter().collect();
        let index: HashMap<_, _> = products.iter().zip(0..).collect();
        let click = |(session, item, seconds): (String, String, f64)| {
            let at = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds_f64(seconds);
            Click { session, product: index[&item], at }
        };
        let clicks: Vec<_> = rows.into_iter().map(click).collect();
        ensure!(!clicks.is_empty(), "there are no clicks in it");
        Ok(Self { clicks, products })
    }

    /// When each click was, since the first.
    pub fn times(&self) -> Vec<Duration> {
        let since = |click: &Click| (click.at - self.clicks[0].at).unsigned_abs();
        self.clicks.iter().map(since).collect()
    }
}

fn row(line: &str) -> Result<(String, String, f64)> {
    let mut fields = line.split('\t');
    let (Some(session), Some(item), Some(time), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        bail!("must be SessionId, ItemId and Time, with tabs between them")
    };
    for name in [session, item] {
        // They become parts of paths.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        ensure!(!name.is_empty() && name.chars().all(plain), "{name:?} is no plain name");
    }
    let seconds: f64 = time.trim().parse().context("Time must be seconds since 1970")?;
    ensure!((0.0..1e10).contains(&seconds), "Time must be seconds since 1970");
    Ok((session.to_owned(), item.to_owned(), seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_are_replayed_in_the_order_of_their_times() {
        let text = "SessionId\tItemId\tTime\n2\t7\t1592337765.5\n1\t14713\t1592337718.0\n2\t7\t1592337719\n";
        let recording = Recording::read(text.as_bytes()).unwrap();
        let ms = |ms| Duration::from_millis(ms);
        assert_eq!([ms(0), ms(1000), ms(47_500)], *recording.times());
        assert_eq!(["14713", "7"], *recording.products);
        let who: Vec<_> = recording.clicks.iter().map(|c| (&*c.session, c.product)).collect();
        assert_eq!([("1", 0), ("2", 1), ("2", 1)], *who);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for (line, why) in [
            ("1\t2", "with tabs"),
            ("1\t2\tnoon", "seconds since 1970"),
            ("1\t../x\t5", "no plain name"),
            ("1\t2\t-5", "seconds since 1970"),
        ] {
            let text = format!("SessionId\tItemId\tTime\n1\t2\t3\n{line}\n");
            let error = format!("{:#}", Recording::read(text.as_bytes()).unwrap_err());
            assert!(error.contains("line 3") && error.contains(why), "{error}");
        }
        assert!(Recording::read(&b"SessionId\tItemId\tTime\n"[..]).is_err());
    }
}

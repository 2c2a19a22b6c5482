//! What a saga costs: what the shop's metrics, the kernel and perf have counted, divided by the sagas that ended.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::shop::Shop;

/// Of CPU time, in `/proc`.
const TICKS_PER_SECOND: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(10);
/// Counters of the shop, and what they are called here. With the labels, if only some count.
const COUNTERS: [(&str, &str, &str); 5] = [
    ("transactions", "shop_transactions_total", "outcome=\"committed\""),
    ("transactions that failed", "shop_transactions_total", "outcome=\"failed\""),
    ("events said", "shop_events_produced_total", ""),
    ("events heard", "shop_events_consumed_total", ""),
    ("items in transactions", "shop_transaction_items_sum", ""),
];

/// Everything that only grows, at one moment.
#[derive(Debug, Default)]
struct Counts {
    sagas: u64,
    others: BTreeMap<&'static str, u64>,
}

/// What was counted when the measurement began.
pub struct Before(Counts);

/// What sagas cost.
#[derive(Debug, Default, PartialEq)]
pub struct Cost {
    sagas: u64,
    counts: BTreeMap<String, u64>,
}

impl Before {
    /// Looks.
    ///
    /// # Errors
    /// When the shop does not tell its metrics, or its process is gone.
    pub fn take(shop: &Shop) -> Result<Self> {
        Counts::take(shop).map(Self)
    }

    /// What has been counted since; `counted` is what perf has.
    ///
    /// # Errors
    /// As [`Before::take`].
    pub fn until_now(self, shop: &Shop, counted: BTreeMap<String, u64>) -> Result<Cost> {
        let (before, after) = (self.0, Counts::take(shop)?);
        let grown = after.others.iter().map(|(name, count)| {
            let grown = count.saturating_sub(before.others.get(name).copied().unwrap_or_default());
            ((*name).to_owned(), grown)
        });
        let sagas = after.sagas.saturating_sub(before.sagas);
        Ok(Cost { sagas, counts: grown.chain(counted).collect() })
    }
}

impl Counts {
    fn take(shop: &Shop) -> Result<Self> {
        let metrics = metrics(&shop.url)?;
        let mut others = BTreeMap::new();
        for (name, metric, label) in COUNTERS {
            others.insert(name, sum(&metrics, metric, label));
        }
        others.extend(of_process(shop.pid)?);
        if let Some(log) = &shop.log {
            others.insert("bytes that the log grew by", size(log));
        }
        let ends = ["confirmed", "rejected", "cancelled"];
        let ended =
            |end| sum(&metrics, "shop_saga_duration_seconds_count", &format!("outcome=\"{end}\""));
        Ok(Self { sagas: ends.map(ended).iter().sum(), others })
    }
}

/// CPU time, and what was handed to the kernel for writing (proc(5)).
fn of_process(pid: u32) -> Result<Vec<(&'static str, u64)>> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    };
    let stat = read("stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
    // Others' processes do not tell.
    let io = read("io").unwrap_or_default();
    let of_io = |name: &str| {
        io.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
    };
    Ok(vec![
        ("CPU time, microseconds", ticks * 1_000_000 / TICKS_PER_SECOND),
        ("bytes given to the disk", of_io("write_bytes:")),
        ("bytes written, also to sockets", of_io("wchar:")),
    ])
}

/// The sum of a metric's samples with this label.
fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    let value = |line: &str| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.split_once('}')?;
        let value: f64 = value.split_whitespace().next()?.parse().ok()?;
        labels.contains(label).then_some(value)
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let sum = metrics.lines().filter_map(value).sum::<f64>() as u64;
    sum
}

/// `GET /metrics`. One request without a body to this machine needs no library; HTTP/1.0 ends with the connection.
fn metrics(url: &str) -> Result<String> {
    let address = url.strip_prefix("http://").context("the shop's URL begins with http://")?;
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().with_context(|| format!("{url}/metrics does not answer"))?;
    ensure!(answer.lines().next().is_some_and(|line| line.contains(" 200 ")), "{answer}");
    Ok(answer)
}

/// Of all files in a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_entry = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        // Gone meanwhile.
        Err(_) => 0,
    };
    entries.map(of_entry).sum()
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "what each of {} sagas cost (all processes of the shop's own)", self.sagas)?;
        for (name, count) in &self.counts {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            let each = *count as f64 / self.sagas.max(1) as f64;
            writeln!(f, "{each:>14.2}  {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# TYPE shop_transactions counter\n\
        shop_transactions_total{service=\"order\",outcome=\"committed\"} 7\n\
        shop_transactions_total{service=\"shipping\",outcome=\"committed\"} 5 # {trace_id=\"1\"} 1\n\
        shop_transactions_total{service=\"order\",outcome=\"failed\"} 1\n";

    #[test]
    fn counters_are_added_up_over_services() {
        assert_eq!(sum(METRICS, "shop_transactions_total", "outcome=\"committed\""), 12);
        assert_eq!(sum(METRICS, "shop_transactions_total", ""), 13);
        assert_eq!(sum(METRICS, "shop_transactions", ""), 0);
    }

    #[test]
    fn a_cost_is_what_was_counted_by_saga() {
        let counts = [("fdatasync".to_owned(), 34), ("transactions".to_owned(), 5)].into();
        let text = Cost { sagas: 2, counts }.to_string();
        assert!(text.contains("17.00  fdatasync") && text.contains("2.50  transactions"), "{text}");
    }
}

//! The gauges of the shop's `/metrics` that say whether it keeps up (OpenMetrics text).

use std::collections::BTreeMap;

/// What all processes together say.
#[derive(Debug, Default, PartialEq)]
pub struct Gauges {
    /// `shop_consumer_lag` of all partitions, by service.
    pub lag: BTreeMap<String, f64>,
    /// `shop_outbox_depth`, by service.
    pub outbox: BTreeMap<String, f64>,
}

/// Replicas share a database and a consumer group, and each tells all of it: the highest counts once.
pub fn gauges<'a>(texts: impl Iterator<Item = &'a str>) -> Gauges {
    let (mut lag, mut outbox) = (BTreeMap::new(), BTreeMap::new());
    for line in texts.flat_map(str::lines) {
        if let Some((labels, value)) = sample(line, "shop_consumer_lag{") {
            raise(lag.entry(labels), value);
        } else if let Some((labels, value)) = sample(line, "shop_outbox_depth{") {
            raise(outbox.entry(labels), value);
        }
    }
    Gauges { lag: by_service(lag), outbox: by_service(outbox) }
}

/// The labels and the value of a sample of this metric.
fn sample<'a>(line: &'a str, metric: &str) -> Option<(&'a str, f64)> {
    let (labels, value) = line.strip_prefix(metric)?.split_once('}')?;
    Some((labels, value.split_whitespace().next()?.parse().ok()?))
}

fn raise(entry: std::collections::btree_map::Entry<'_, &str, f64>, value: f64) {
    let highest = entry.or_insert(value);
    *highest = highest.max(value);
}

fn by_service(values: BTreeMap<&str, f64>) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (labels, value) in values {
        let mut parts = labels.split(',');
        let service = parts.find_map(|label| label.strip_prefix("service=\"")?.strip_suffix('"'));
        if let Some(service) = service {
            *sums.entry(service.to_owned()).or_default() += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_added_up_and_replicas_are_not() {
        let one = "# TYPE shop_consumer_lag gauge\n\
            shop_consumer_lag{service=\"order\",topic=\"shop.shipping\",partition=\"0\"} 3\n\
            shop_consumer_lag{service=\"order\",topic=\"shop.shipping\",partition=\"1\"} 4.0 1700000000\n\
            shop_outbox_depth{service=\"order\"} 7\nshop_leader{service=\"order\"} 1\n# EOF\n";
        let other = "shop_consumer_lag{service=\"order\",topic=\"shop.shipping\",partition=\"0\"} 5\n\
            shop_outbox_depth{service=\"order\"} 6\nshop_outbox_depth{service=\"shipping\"} 1\nnonsense\n";
        let gauges = gauges([one, other].into_iter());
        assert_eq!(BTreeMap::from([("order".to_owned(), 9.0)]), gauges.lag);
        let expected = [("order".to_owned(), 7.0), ("shipping".to_owned(), 1.0)];
        assert_eq!(BTreeMap::from(expected), gauges.outbox);
    }
}

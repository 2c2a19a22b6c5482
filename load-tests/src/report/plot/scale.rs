//! Axes: where values go, and which of them are written there.

/// About as many marks on an axis.
const MARKS: f64 = 5.0;
/// The least that is told apart on a logarithmic axis.
const LEAST: f64 = 0.01;

/// What goes to the right.
#[derive(Clone, Copy, Debug)]
pub enum X {
    /// Time since the measurement began, until then.
    Seconds(f64),
    /// Shares of all times, the slowest spread out: as many steps as nines.
    Quantiles,
}

/// How values go up.
#[derive(Clone, Copy, Debug)]
pub enum Y {
    /// From nothing.
    Linear,
    /// By decades.
    Logarithmic,
}

/// What values are.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Times.
    Milliseconds,
    /// So many a second.
    PerSecond,
    /// Plain numbers.
    Count,
    /// Busy cores.
    Cores,
    /// Memory.
    Bytes,
}

impl Unit {
    /// A value as people write it.
    pub fn write(self, value: f64) -> String {
        match self {
            Self::Milliseconds if value >= 1000.0 => format!("{} s", short(value / 1000.0)),
            Self::Milliseconds => format!("{} ms", short(value)),
            Self::PerSecond => format!("{}/s", short(value)),
            Self::Count => short(value),
            Self::Cores => format!("{value:.2}"),
            Self::Bytes => format!("{} MB", short(value / 1e6)),
        }
    }
}

fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v < 0.1 => format!("{v:.2}"),
        v if v < 10.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

impl Y {
    /// The ends of the axis.
    pub fn bounds(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let positive = values.filter(|value| *value > 0.0);
        let (low, high) =
            positive.fold((f64::MAX, 0.0), |(l, h): (f64, f64), v| (l.min(v), h.max(v)));
        match self {
            Self::Linear if high > 0.0 => (0.0, high * 1.05),
            Self::Linear => (0.0, 1.0),
            Self::Logarithmic if high > 0.0 => {
                let low = (low.max(LEAST) / 1.3).min(high / 2.0);
                (low, high * 1.3)
            }
            Self::Logarithmic => (0.1, 1.0),
        }
    }

    /// How high a value is, before it is fitted in.
    pub fn height(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(LEAST / 10.0).log10(),
        }
    }

    /// The values that are written at the axis.
    pub fn ticks(self, (low, high): (f64, f64)) -> Vec<f64> {
        match self {
            Self::Linear => ticks(low, high).collect(),
            Self::Logarithmic => {
                let wide = high / low > 1000.0;
                let steps: &[f64] = if wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
                let decades = (-4..12).map(|decade| 10_f64.powi(decade));
                let all = decades.flat_map(|decade| steps.iter().map(move |step| step * decade));
                all.filter(|tick| (low..=high).contains(tick)).collect()
            }
        }
    }
}

/// Round values between two others: 1, 2 or 5 times a power of ten apart.
pub fn ticks(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let rough = (high - low) / MARKS;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough);
    let step = factor.unwrap_or(10.0) * power;
    (0..20_u32)
        .map(move |number| f64::from(number) * step)
        .filter(move |tick| (low..=high).contains(tick))
}

/// Where a share of all goes: its number of nines, up to five.
pub fn quantile(share: f64) -> f64 {
    -(1.0 - share).max(1e-5).log10()
}

/// The shares that are written at the axis.
pub fn quantile_ticks() -> Vec<(f64, String)> {
    let shares = [
        (0.0, "0"),
        (0.5, "50 %"),
        (0.9, "90 %"),
        (0.99, "99 %"),
        (0.999, "99.9 %"),
        (0.9999, "99.99 %"),
        (1.0, "all"),
    ];
    shares.into_iter().map(|(share, label)| (quantile(share), label.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!([0.0, 5.0, 10.0, 15.0, 20.0], *ticks(0.0, 24.0).collect::<Vec<_>>());
        assert_eq!([0.2, 0.5, 1.0, 2.0, 5.0, 10.0], *Y::Logarithmic.ticks((0.15, 13.0)));
        assert_eq!(vec![1.0, 10.0, 100.0, 1000.0], Y::Logarithmic.ticks((0.9, 1300.0)));
    }

    #[test]
    fn values_are_written_short() {
        for (unit, value, text) in [
            (Unit::Milliseconds, 3.21, "3.2 ms"),
            (Unit::Milliseconds, 1500.0, "1.5 s"),
            (Unit::Bytes, 187e6, "187 MB"),
            (Unit::PerSecond, 1234.5, "1234/s"),
            (Unit::Cores, 1.5, "1.50"),
            (Unit::Count, 0.0, "0"),
        ] {
            assert_eq!(text, unit.write(value));
        }
    }
}

//! Which traces are recorded, by `OTEL_TRACES_SAMPLER`. Whoever begins a trace decides; the sampled
//! flag carries the decision with every request and event, so a saga is recorded whole or not.

use std::str::FromStr;

use events::trace::TraceContext;

/// A trace id's randomness: its last 56 bits (W3C Trace Context level 2, `random-trace-id`).
/// The SDK's own ratio sampler reads the 63 bits in front of the last one of the lower half; our
/// trace ids are UUIDv7, whose variant stands there: every ratio up to a half would be nothing.
const RANDOM_BITS: u32 = 56;
const RANDOMNESS: u64 = (1 << RANDOM_BITS) - 1;

/// Decides whether a trace is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Traces whose randomness is at least this are recorded (OpenTelemetry's "TraceState:
    /// Probability Sampling", rejection threshold).
    threshold: u64,
    /// Whether a caller's decision counts more than ours.
    follows_parent: bool,
}

/// A sampler that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// Not one of the specification's names.
    #[error("there is no sampler {0:?}")]
    Unknown(String),
    /// Not a number from 0 to 1.
    #[error("a ratio is a number from 0 to 1, not {0:?}")]
    Ratio(String),
}

impl Sampler {
    /// Records every trace, but for those that a caller has decided not to.
    pub const ALL: Self = Self { threshold: 0, follows_parent: true };

    /// Reads `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    ///
    /// # Errors
    /// When the name is unknown or the ratio is none.
    pub fn named(name: &str, argument: Option<&str>) -> Result<Self, SamplerError> {
        let (follows_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let threshold = match root {
            "always_on" => 0,
            "always_off" => RANDOMNESS + 1,
            "traceidratio" => threshold(argument.unwrap_or("1"))?,
            _ => return Err(SamplerError::Unknown(name.to_owned())),
        };
        Ok(Self { threshold, follows_parent })
    }

    /// Whether a trace that begins here is recorded.
    pub fn begins(&self, trace: &TraceContext) -> bool {
        let random = trace.trace_number() & u128::from(RANDOMNESS);
        random >= u128::from(self.threshold)
    }

    /// Whether our part of a caller's trace is recorded.
    pub fn joins(&self, caller: &TraceContext) -> bool {
        if self.follows_parent { caller.is_sampled() } else { self.begins(caller) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "from 0 to 2^56, rounded")]
fn threshold(ratio: &str) -> Result<u64, SamplerError> {
    let number = f64::from_str(ratio.trim()).ok().filter(|number| (0.0..=1.0).contains(number));
    let number = number.ok_or_else(|| SamplerError::Ratio(ratio.to_owned()))?;
    Ok(((1.0 - number) * (RANDOMNESS + 1) as f64).round() as u64)
}

#[cfg(test)]
mod tests {
    use uuid::{Builder, Uuid};

    use super::*;

    /// As a real clock makes them: 74 random bits behind the time.
    fn ids() -> impl Iterator<Item = Uuid> {
        let id = |n| Builder::from_unix_timestamp_millis(n, &rand::random()).into_uuid();
        (0..10_000).map(id)
    }

    fn share(sampler: Sampler) -> usize {
        ids().filter(|id| sampler.begins(&TraceContext::root(*id))).count()
    }

    #[test]
    fn a_ratio_of_our_trace_ids_is_recorded() {
        for (ratio, least, most) in [("0.1", 800, 1200), ("0.5", 4700, 5300), ("0.9", 8800, 9200)] {
            let count = share(Sampler::named("parentbased_traceidratio", Some(ratio)).unwrap());
            assert!((least..=most).contains(&count), "{count} of 10000 at {ratio}");
        }
    }

    #[test]
    fn always_and_never_are_what_they_say() {
        assert_eq!(share(Sampler::named("always_on", None).unwrap()), 10_000);
        assert_eq!(share(Sampler::named("parentbased_always_off", None).unwrap()), 0);
        assert_eq!(share(Sampler::named("traceidratio", None).unwrap()), 10_000);
        assert_eq!(share(Sampler::named("traceidratio", Some("0")).unwrap()), 0);
    }

    #[test]
    fn a_callers_decision_counts_if_the_sampler_is_parent_based() {
        let caller = TraceContext::root(Uuid::from_u128(7)).with_sampled(false);
        assert!(!Sampler::ALL.joins(&caller));
        assert!(Sampler::named("always_on", None).unwrap().joins(&caller));
        let sampled = caller.with_sampled(true);
        assert!(Sampler::named("parentbased_always_off", None).unwrap().joins(&sampled));
    }

    #[test]
    fn what_is_no_sampler_is_refused() {
        assert_eq!(
            Sampler::named("sometimes", None),
            Err(SamplerError::Unknown("sometimes".into()))
        );
        for wrong in ["1.1", "-1", "NaN", "half"] {
            assert!(Sampler::named("traceidratio", Some(wrong)).is_err(), "{wrong}");
        }
    }
}

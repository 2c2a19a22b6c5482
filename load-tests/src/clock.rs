//! The edge where the time of day comes from: it is only needed to name a run, and to compare with
//! the times that orders carry.

use std::time::{Duration, Instant, SystemTime};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    instant: Instant,
    wall: OffsetDateTime,
}

impl Clock {
    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is the edge that the ban points to")]
    pub fn start() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now().into() }
    }

    /// The time of day.
    pub fn now(&self) -> OffsetDateTime {
        self.wall + self.instant.elapsed()
    }

    /// How long ago it was started.
    pub fn elapsed(&self) -> Duration {
        self.instant.elapsed()
    }

    /// When it was started, RFC 3339.
    pub fn started_at(&self) -> String {
        self.wall.format(&Rfc3339).unwrap_or_default()
    }

    /// A name that no other run has: seconds since 1970, and something of their parts.
    pub fn run_name(&self) -> String {
        format!("load-{}-{:03}", self.wall.unix_timestamp(), self.wall.millisecond())
    }

    /// The moment of an RFC 3339 time by this machine's clock.
    pub fn instant(&self, text: &str) -> Option<Instant> {
        let since = OffsetDateTime::parse(text, &Rfc3339).ok()? - self.wall;
        match Duration::try_from(since) {
            Ok(since) => self.instant.checked_add(since),
            Err(_) => self.instant.checked_sub(since.unsigned_abs()),
        }
    }
}

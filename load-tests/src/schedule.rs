//! When visits are meant to begin. In an open loop the times are fixed before, so that a shop that
//! falls behind is measured from when people wanted something, not from when it had time for them
//! ("coordinated omission": Gil Tene, How NOT to Measure Latency, 2013).

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc as channel;

/// Visits that were due but not taken up yet; the driver takes them up at once.
const MAX_DUE: usize = 1024;

/// Intended starts, as times since the run began.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Evenly, so many a second.
    Constant(f64),
    /// At these times, in order, so many times faster.
    Times(Vec<Duration>, f64),
}

impl Schedule {
    /// The intended start of the visit with this number, if there is one.
    pub fn start(&self, number: u64) -> Option<Duration> {
        match self {
            Self::Constant(per_second) => {
                #[expect(clippy::cast_precision_loss, reason = "at most a hundred million")]
                let seconds = number as f64 / per_second;
                Some(Duration::from_secs_f64(seconds))
            }
            Self::Times(times, speed) => {
                let time = times.get(usize::try_from(number).ok()?)?;
                Some(Duration::from_secs_f64(time.as_secs_f64() / speed))
            }
        }
    }

    /// All intended starts within both bounds.
    pub fn starts(self, duration: Duration, count: u64) -> impl Iterator<Item = Duration> {
        (0..count).map_while(move |number| self.start(number)).take_while(move |at| *at < duration)
    }
}

/// A visit that is due.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Counts from 0.
    pub number: u64,
    /// When it was meant to begin.
    pub intended: Instant,
}

/// Says when visits are due. A thread of its own: tokio's timer is exact to a millisecond only,
/// and that would be seen in the figures. Ends early when the receiver is dropped.
pub struct Pacer {
    /// The visits, in order.
    pub due: channel::Receiver<Due>,
    /// Dropped to stop the thread.
    _stop: mpsc::Sender<()>,
}

/// Begins to count the time now.
pub fn pace(began_at: Instant, starts: impl Iterator<Item = Duration> + Send + 'static) -> Pacer {
    let (sender, due) = channel::channel(MAX_DUE);
    let (stop, stopped) = mpsc::channel::<()>();
    thread::spawn(move || {
        for (number, start) in (0..).zip(starts) {
            let intended = began_at + start;
            let left = intended.saturating_duration_since(Instant::now());
            let is_time = stopped.recv_timeout(left) == Err(RecvTimeoutError::Timeout);
            if !is_time || sender.blocking_send(Due { number, intended }).is_err() {
                return;
            }
        }
    });
    Pacer { due, _stop: stop }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_constant_rate_is_even_and_does_not_drift() {
        let starts: Vec<_> = Schedule::Constant(200.0).starts(ms(20), 100).collect();
        assert_eq!([ms(0), ms(5), ms(10), ms(15)], *starts);
        assert_eq!(Some(Duration::from_hours(1)), Schedule::Constant(200.0).start(720_000));
    }

    #[test]
    fn a_run_is_bounded_in_time_and_in_visits() {
        assert_eq!(12_000, Schedule::Constant(200.0).starts(ms(60_000), 1_000_000).count());
        assert_eq!(7, Schedule::Constant(200.0).starts(ms(60_000), 7).count());
    }

    #[test]
    fn a_replay_keeps_its_own_times_but_faster() {
        let replay = Schedule::Times(vec![ms(0), ms(1000), ms(1000), ms(60_000)], 100.0);
        let starts: Vec<_> = replay.starts(ms(1000), 100).collect();
        assert_eq!([ms(0), ms(10), ms(10), ms(600)], *starts);
    }

    #[tokio::test]
    async fn a_visit_that_is_taken_up_late_keeps_its_intended_start() {
        let began_at = Instant::now();
        let mut pacer = pace(began_at, Schedule::Constant(1000.0).starts(ms(3), 100));
        let mut starts = Vec::new();
        while let Some(due) = pacer.due.recv().await {
            assert!(Instant::now() >= due.intended, "nothing is due before its time");
            starts.push((due.number, due.intended - began_at));
        }
        assert_eq!([(0, ms(0)), (1, ms(1)), (2, ms(2))], *starts);
    }

    #[tokio::test]
    async fn the_pacer_ends_with_whoever_listens_to_it() {
        let pacer = pace(Instant::now(), Schedule::Constant(0.001).starts(ms(10_000_000), 100));
        let Pacer { mut due, _stop } = pacer;
        assert!(due.recv().await.is_some());
        drop(_stop);
        assert!(due.recv().await.is_none());
    }
}

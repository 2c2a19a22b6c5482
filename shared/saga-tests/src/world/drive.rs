//! Steps put together: by hand for a schedule, or round and round until nothing moves any more.

use std::sync::Arc;

use anyhow::{Result, ensure};
use messaging::{outbox, record::Record};

use super::World;
use crate::{log::SimLog, node::Work};

/// Rounds after which something is going in circles.
const MAX_ROUNDS: usize = 10_000;

impl Work {
    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.requests == 0
            && self.due.is_empty()
            && self.relayed.is_empty()
    }
}

impl World {
    /// Lets everything happen that can, until nothing moves: services that died start anew, people
    /// who got no answer ask again. `limit` records of a partition share a transaction.
    ///
    /// # Errors
    /// When an invariant breaks, or it never ends.
    pub async fn settle(&mut self, limit: usize) -> Result<()> {
        for _ in 0..MAX_ROUNDS {
            self.poll().await?;
            let mut moved = false;
            for seat in 0..self.seats.len() {
                moved |= self.turn(seat, limit).await?;
            }
            if !moved {
                return Ok(());
            }
        }
        anyhow::bail!(
            "it goes in circles: {:#?}",
            self.trace.lines().iter().rev().take(10).collect::<Vec<_>>()
        )
    }

    /// A service's turn: `true` when something was done.
    async fn turn(&mut self, seat: usize, limit: usize) -> Result<bool> {
        let was_down = !self.seats[seat].up;
        if was_down {
            self.start(seat);
        }
        let work = self.all_work(seat, limit).await?;
        let works = !work.is_empty();
        if works {
            self.transact(seat, work).await?;
        }
        let relays = self.seats[seat].up && self.has_to_say(seat).await?;
        if relays {
            self.relay(seat).await?;
        }
        let commits = self.seats[seat].up && self.commit_offsets(seat);
        Ok(was_down || works || relays || commits)
    }

    async fn all_work(&self, seat: usize, limit: usize) -> Result<Work> {
        let topics = self.seats[seat].node.topics();
        let partitions = SimLog::partitions(&topics);
        let backlog = partitions.iter().flat_map(|at| self.backlog(seat, at, limit));
        let mut work = Work { records: backlog.collect(), ..Work::default() };
        if limit == 1 {
            work.records.truncate(1);
        }
        work.requests = self.seats[seat].node.waiting();
        work.due = self.due(seat).await?;
        work.relayed = self.sent(seat);
        Ok(work)
    }

    async fn has_to_say(&self, seat: usize) -> Result<bool> {
        let reader = self.seats[seat].node.database().reader();
        let sent = self.seats[seat].sent.len() as u64;
        Ok(outbox::depth(reader, sent + 1).await? > sent)
    }

    /// A service answers the requests that wait for it.
    ///
    /// # Errors
    /// When an invariant breaks.
    pub async fn serve(&mut self, service: &str) -> Result<()> {
        self.poll().await?;
        let seat = self.seat(service);
        let requests = self.seats[seat].node.waiting();
        self.transact(seat, Work { requests, ..Work::default() }).await
    }

    /// A service hears all of a topic that is new to it.
    ///
    /// # Errors
    /// When an invariant breaks.
    pub async fn hear(&mut self, service: &str, topic: &'static str) -> Result<()> {
        let seat = self.seat(service);
        let partitions = SimLog::partitions(&[topic]);
        let backlog = partitions.iter().flat_map(|at| self.backlog(seat, at, usize::MAX));
        let records: Vec<_> = backlog.collect();
        ensure!(!records.is_empty(), "{service} has nothing to hear on {topic}");
        self.transact(seat, Work { records, ..Work::default() }).await
    }

    /// What a service has to say reaches the log.
    ///
    /// # Errors
    /// When an invariant breaks.
    pub async fn say(&mut self, service: &str) -> Result<()> {
        let seat = self.seat(service);
        ensure!(self.has_to_say(seat).await?, "{service} has nothing to say");
        self.relay(seat).await?;
        let relayed = self.sent(seat);
        self.transact(seat, Work { relayed, ..Work::default() }).await
    }

    /// A service's deadlines fire, if any has come and they may.
    ///
    /// # Errors
    /// When an invariant breaks.
    pub async fn fire(&mut self, service: &str) -> Result<usize> {
        let seat = self.seat(service);
        let due = self.due(seat).await?;
        let count = due.len();
        if count > 0 {
            self.transact(seat, Work { due, ..Work::default() }).await?;
        }
        Ok(count)
    }

    /// Records come once more, whatever they are.
    ///
    /// # Errors
    /// When an invariant breaks.
    pub async fn redeliver(&mut self, seat: usize, records: Vec<Arc<Record>>) -> Result<()> {
        self.transact(seat, Work { records, ..Work::default() }).await
    }

    /// Every record of every topic comes to every service once more, even if its inbox forgot
    /// them: nothing may change (I4).
    ///
    /// # Errors
    /// When something does.
    pub async fn replay_everything(&mut self) -> Result<()> {
        for purge in [false, true] {
            for seat in 0..self.seats.len() {
                if purge {
                    self.purge_inbox(seat).await?;
                }
                let before = self.seats[seat].camera.snapshot().await?;
                let records = self.log.all(&self.seats[seat].node.topics());
                self.redeliver(seat, records).await?;
                let changes = self.seats[seat].camera.snapshot().await?.differences(&before);
                let name = self.seats[seat].name();
                ensure!(
                    changes.is_empty(),
                    "I4: a replay (inbox purged: {purge}) at {name}: {changes:#?}"
                );
            }
        }
        Ok(())
    }
}

//! A random life of a shop: people want things, records come late, twice and out of order, services
//! die at the worst moment. In the end everything is healed, and then the invariants must hold.

mod workload;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use messaging::record::{Record, TopicPartition};
use testkit::Random;

use crate::{
    faults::{self, Fault, Plan},
    log::SimLog,
    node::Work,
    wishes::Wish,
    world::{PATIENCE, World},
};

/// Longer than any deadline: what has not ended by then never does.
const LONG: Duration = Duration::from_secs(2 * 3600);

/// Lives the life of `seed` in a new world.
///
/// # Errors
/// The invariant that broke. The trace tells how it came to that.
pub async fn live(world: &mut World, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    workload::stock(world, &mut random);
    world.settle(usize::MAX).await?;
    let mut wishes = workload::wishes(&mut random);
    // Taken from the end.
    wishes.reverse();
    let steps = 30 + 12 * wishes.len();
    world.faults = plan(Random::new(random.bits()), random.below(15));
    let loses = random.chance(40);
    let mut life = Life { world, random, wishes, loses, lost: Vec::new() };
    for _ in 0..steps {
        life.step().await?;
    }
    life.heal().await
}

/// Random faults at so many in a hundred points.
fn plan(mut random: Random, percent: usize) -> Plan {
    Box::new(move |point| {
        if !random.chance(percent) {
            return Fault::None;
        }
        match random.pick(Fault::at(point)) {
            Some(Fault::Torn(_)) => Fault::Torn(random.below(4)),
            fault => fault.copied().unwrap_or_default(),
        }
    })
}

struct Life<'w> {
    world: &'w mut World,
    random: Random,
    wishes: Vec<Wish>,
    /// Whether records may be lost: those for whose answer an order waits only until its deadline.
    loses: bool,
    lost: Vec<(usize, Arc<Record>)>,
}

impl Life<'_> {
    async fn step(&mut self) -> Result<()> {
        let seat = self.random.below(self.world.seats.len());
        let action = self.random.below(100);
        if !self.world.seats[seat].up {
            if action >= 30 {
                return self.pass_time();
            }
            self.world.start(seat);
            return Ok(());
        }
        match action {
            0..45 => self.work(seat).await,
            45..65 => self.world.relay(seat).await,
            65..76 => self.want().await,
            76..83 => self.redeliver(seat).await,
            83..88 => self.commit_offsets(seat),
            88..90 => self.world.purge_inbox(seat).await,
            90..91 => self.stop(seat),
            91..92 => self.take_log_away(),
            _ => self.pass_time(),
        }
    }

    /// Whatever waits for a service, or a part of it, in one transaction.
    async fn work(&mut self, seat: usize) -> Result<()> {
        let mut work = Work { records: self.next_records(seat), ..Work::default() };
        if self.random.chance(15) {
            self.mix_in_old(seat, &mut work.records);
        }
        let waiting = self.world.seats[seat].node.waiting();
        work.requests = self.random.between(0, waiting);
        if self.random.chance(50) {
            work.due = self.world.due(seat).await?;
        }
        if self.random.chance(60) {
            work.relayed = self.world.sent(seat);
        }
        if work.is_empty() { Ok(()) } else { self.world.transact(seat, work).await }
    }

    /// The next records of some partitions: in order within each, in any order between them.
    fn next_records(&mut self, seat: usize) -> Vec<Arc<Record>> {
        let mut records = Vec::new();
        if self.world.log.is_away() {
            return records;
        }
        for at in SimLog::partitions(&self.world.seats[seat].node.topics()) {
            if !self.random.chance(40) {
                continue;
            }
            let limit = self.random.between(1, 4);
            let mut place = 0;
            for record in self.world.backlog(seat, &at, limit) {
                if self.loses
                    && may_be_lost(self.world.seats[seat].name(), &record)
                    && self.random.chance(15)
                {
                    // Later records of the partition would pass it by.
                    if place == 0 {
                        self.lose(seat, &at, record);
                    }
                    break;
                }
                place = self.random.between(place, records.len());
                records.insert(place, record);
                place += 1;
            }
        }
        records
    }

    fn lose(&mut self, seat: usize, at: &TopicPartition, record: Arc<Record>) {
        self.world.skip(seat, at, record.offset);
        self.world.tally("lost", 1);
        self.lost.push((seat, record));
    }

    /// Records that the service has heard before, anywhere among the new ones.
    fn mix_in_old(&mut self, seat: usize, records: &mut Vec<Arc<Record>>) {
        for record in self.old_records(seat) {
            let place = self.random.between(0, records.len());
            records.insert(place, record);
        }
    }

    fn old_records(&mut self, seat: usize) -> Vec<Arc<Record>> {
        let heard = self.world.heard(seat);
        let count = self.random.between(1, 4);
        (0..count).filter_map(|_| self.random.pick(&heard).cloned()).collect()
    }

    async fn redeliver(&mut self, seat: usize) -> Result<()> {
        let records = self.old_records(seat);
        if records.is_empty() { Ok(()) } else { self.world.redeliver(seat, records).await }
    }

    async fn want(&mut self) -> Result<()> {
        // Some want things at the same moment.
        let together = if self.random.chance(30) { 2 } else { 1 };
        for _ in 0..together {
            if let Some(wish) = self.wishes.pop() {
                self.world.wish(wish);
            }
        }
        self.world.poll().await
    }

    fn commit_offsets(&mut self, seat: usize) -> Result<()> {
        self.world.commit_offsets(seat);
        Ok(())
    }

    fn stop(&mut self, seat: usize) -> Result<()> {
        self.world.crash(seat);
        Ok(())
    }

    /// After an outage of the log nobody's deadlines fire before they have caught up.
    fn take_log_away(&mut self) -> Result<()> {
        let away = !self.world.log.is_away();
        self.world.set_log_away(away);
        Ok(())
    }

    fn pass_time(&mut self) -> Result<()> {
        let span = match self.random.below(20) {
            0 => Duration::from_secs(60 * self.random.between(1, 20) as u64),
            _ => Duration::from_millis(self.random.between(1, 3000) as u64),
        };
        self.world.advance(span);
        Ok(())
    }

    /// Nothing goes wrong any more. Everything ends, and stays as it is.
    async fn heal(mut self) -> Result<()> {
        self.world.faults = faults::none();
        if self.world.log.is_away() {
            self.world.set_log_away(false);
        }
        while !self.wishes.is_empty() {
            self.want().await?;
        }
        let limit = if self.random.chance(20) { 1 } else { usize::MAX };
        self.world.settle(limit).await?;
        if self.lost.is_empty() {
            // No order may need its deadline to end: all answers were there.
            self.world.check().await?;
        } else {
            self.redrive().await?;
        }
        self.world.advance(LONG);
        self.world.settle(usize::MAX).await?;
        self.world.check().await?;
        self.world.replay_everything().await?;
        self.world.note_end().await
    }

    /// The deadline ends what was lost; then an operator sends it again, and it does nothing.
    async fn redrive(&mut self) -> Result<()> {
        self.world.advance(PATIENCE);
        self.world.settle(usize::MAX).await?;
        self.world.check_ends().await?;
        for (seat, record) in std::mem::take(&mut self.lost) {
            self.world.redeliver(seat, vec![record]).await?;
        }
        self.world.settle(usize::MAX).await
    }
}

/// What an order's deadline makes good. The loss of anything else is an operator's case.
fn may_be_lost(service: &str, record: &Record) -> bool {
    let kind = record.header("ce_type").unwrap_or_default();
    match service {
        "order" => ["StockRejected", "ShipmentScheduled", "ShipmentRefused"].contains(&kind),
        _ => ["OrderPlaced", "StockReserved", "StockRejected"].contains(&kind),
    }
}

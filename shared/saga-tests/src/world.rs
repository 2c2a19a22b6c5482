//! The services, the log and the clock of one simulation, and every step that can be taken.

mod build;
mod drive;
mod inspect;

use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use inventory_service::app::Inventory;
use kernel::Clock as _;
use messaging::{
    gate,
    record::{Position, Record, TopicPartition},
};
use order_service::OrderService;
use shipping_service::app::Shipping;
use testkit::{AppendFault, FaultyProducer, VirtualClock};

use crate::{
    checker::{Camera, Checker, Expected},
    faults::{Fault, Plan, Point},
    log::SimLog,
    node::{Done, Member, Node, Ticket, Work},
    requests::Asked,
    trace::Trace,
    wishes::Pending,
};

/// How long an order waits for stock and shipping.
pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Everything that exists.
pub struct World {
    /// The time, and all ids.
    pub clock: Arc<VirtualClock>,
    /// The event log.
    pub log: SimLog,
    /// The order service.
    pub order: Rc<Member<OrderService>>,
    /// The inventory service.
    pub inventory: Rc<Member<Inventory>>,
    /// The shipping service.
    pub shipping: Rc<Member<Shipping>>,
    /// All services, as processes.
    pub seats: Vec<Seat>,
    /// What must hold.
    pub checker: Checker,
    /// What was promised to people, and what they brought.
    pub expected: Expected,
    /// What goes wrong.
    pub faults: Plan,
    /// What was done.
    pub trace: Trace,
    /// How often what happened.
    pub tally: BTreeMap<String, usize>,
    pub(crate) asked: BTreeMap<(&'static str, Ticket), Asked>,
    pub(crate) wishes: Vec<Pending>,
}

/// One service's process: what it remembers until it dies.
pub struct Seat {
    /// The service.
    pub node: Rc<dyn Node>,
    /// Whether it runs.
    pub up: bool,
    /// The next record of each partition.
    positions: BTreeMap<TopicPartition, u64>,
    /// Appended to the log, and still in the outbox.
    sent: Vec<i64>,
    /// Where its topics ended when it started; deadlines wait until it has committed them.
    gate: Vec<Position>,
    camera: Camera,
}

impl Seat {
    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.node.name()
    }

    fn position(&self, at: &TopicPartition) -> u64 {
        self.positions.get(at).copied().unwrap_or(0)
    }
}

impl World {
    /// Where `service` sits.
    ///
    /// # Panics
    /// When there is no such service.
    pub fn seat(&self, service: &str) -> usize {
        let found = self.seats.iter().position(|seat| seat.name() == service);
        found.unwrap_or_else(|| panic!("no service {service}"))
    }

    /// Time passes.
    pub fn advance(&mut self, span: Duration) {
        self.clock.advance(span);
        self.trace.note(format!("{} ms pass", span.as_millis()));
    }

    /// The records of a partition that the service has not heard yet, at most `limit`.
    pub fn backlog(&self, seat: usize, at: &TopicPartition, limit: usize) -> Vec<Arc<Record>> {
        self.log.read(at, self.seats[seat].position(at), limit)
    }

    /// One transaction of a service, with what may go wrong. Nothing to do is not done.
    ///
    /// # Errors
    /// When an invariant breaks, or a batch fails.
    pub async fn transact(&mut self, seat: usize, work: Work) -> Result<()> {
        let name = self.seats[seat].name();
        let fault = self.fault(Point::Transaction(name));
        let node = self.seats[seat].node.clone();
        if fault == Fault::CrashBefore {
            node.transact(&work, false).await?;
            self.note_transaction(name, &work, "dies before the commit");
            self.crash(seat);
            return Ok(());
        }
        let done = node.transact(&work, true).await?;
        self.note_transaction(name, &work, &format!("says {}, {fault:?}", done.said));
        self.tally("duplicates", done.duplicates);
        self.tally("expired", work.due.len());
        self.committed(name, &done)?;
        // Whatever changes the stock says so; what is wrong stays wrong until then.
        if name == "inventory" && done.said > 0 {
            self.check_stock().await?;
        }
        match fault {
            Fault::CrashAfter => self.crash(seat),
            Fault::Repeat => {
                self.repeat(seat, &work).await?;
                self.finish(seat, &work, done);
            }
            _ => self.finish(seat, &work, done),
        }
        Ok(())
    }

    /// The same transaction again, without the inbox's help: it must change nothing (I4).
    async fn repeat(&mut self, seat: usize, work: &Work) -> Result<()> {
        self.purge_inbox(seat).await?;
        let node = self.seats[seat].node.clone();
        let before = self.seats[seat].camera.snapshot().await?;
        // Two that put the same product overwrite each other each time: that is no repeat.
        let requests = if work.requests == 1 { 1 } else { 0 };
        let again = node.transact(&Work { requests, ..work.clone() }, true).await?;
        let changes = self.seats[seat].camera.snapshot().await?.differences(&before);
        if again.said > 0 || !changes.is_empty() {
            bail!("I4: {} did it again: said {}, {changes:?}", node.name(), again.said);
        }
        Ok(())
    }

    /// The process hears of its commit: answers are given, offsets move on.
    fn finish(&mut self, seat: usize, work: &Work, done: Done) {
        let seat = &mut self.seats[seat];
        seat.node.answer(done.replies);
        seat.sent.retain(|position| !work.relayed.contains(position));
        for record in &work.records {
            if seat.position(&record.at) == record.offset {
                seat.positions.insert(record.at.clone(), record.offset + 1);
            }
        }
    }

    /// Appends what the service's outbox holds.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn relay(&mut self, seat: usize) -> Result<()> {
        let (node, sent) = (self.seats[seat].node.clone(), self.seats[seat].sent.clone());
        let fault = self.fault(Point::Append(node.name()));
        self.trace.note(format!("{} relays, {fault:?}", node.name()));
        if fault == Fault::CrashBefore {
            self.crash(seat);
            return Ok(());
        }
        let rounds = if fault == Fault::Repeat { 2 } else { 1 };
        let mut appended = Vec::new();
        for _ in 0..rounds {
            let producer = FaultyProducer::new(Arc::new(self.log.clone()), append_fault(fault));
            // What the log does not take stays in the outbox.
            appended = node.relay(&producer, &sent).await.unwrap_or_default();
        }
        match fault {
            Fault::CrashAfter => self.crash(seat),
            _ => self.seats[seat].sent.extend(appended),
        }
        Ok(())
    }

    /// The outbox rows that the log has acknowledged.
    pub fn sent(&self, seat: usize) -> Vec<i64> {
        self.seats[seat].sent.clone()
    }

    /// The aggregates whose deadline has come, if deadlines may fire at all.
    ///
    /// # Errors
    /// When the log or the database cannot be asked.
    pub async fn due(&self, seat: usize) -> Result<Vec<String>> {
        let Seat { node, gate, .. } = &self.seats[seat];
        let topics = node.topics();
        if self.log.is_away() {
            return Ok(vec![]);
        }
        let may = gate::has_reached(&self.log, node.name(), &topics, gate).await?;
        if may { node.due().await } else { Ok(vec![]) }
    }

    /// The log learns how far the service is; `true` when that is news.
    pub fn commit_offsets(&mut self, seat: usize) -> bool {
        let seat = &self.seats[seat];
        let mut news = false;
        for (at, position) in &seat.positions {
            news |= self.log.commit(seat.name(), at, *position) != *position;
        }
        if news {
            self.trace.note(format!("{} commits offsets", seat.name()));
        }
        news
    }

    /// The service dies: what it only remembered is gone.
    pub fn crash(&mut self, seat: usize) {
        let seat = &mut self.seats[seat];
        seat.up = false;
        seat.positions.clear();
        seat.sent.clear();
        seat.node.crash();
        self.trace.note(format!("{} is down", seat.name()));
    }

    /// The service starts, from what it has committed.
    pub fn start(&mut self, seat: usize) {
        self.seats[seat].up = true;
        self.close_gate(seat);
        let seat = &mut self.seats[seat];
        for at in SimLog::partitions(&seat.node.topics()) {
            let committed = self.log.committed_offset(seat.name(), &at);
            seat.positions.insert(at, committed);
        }
        self.trace.note(format!("{} is up", seat.name()));
    }

    /// A record is lost on its way to a service.
    pub fn skip(&mut self, seat: usize, at: &TopicPartition, offset: u64) {
        let seat = &mut self.seats[seat];
        seat.positions.insert(at.clone(), offset + 1);
        self.trace.note(format!("{} never hears {at}:{offset}", seat.name()));
    }

    /// Every record that the service has heard.
    pub fn heard(&self, seat: usize) -> Vec<Arc<Record>> {
        let seat = &self.seats[seat];
        let partitions = SimLog::partitions(&seat.node.topics());
        let heard = |at: &TopicPartition| {
            let count = usize::try_from(seat.position(at)).unwrap_or(usize::MAX);
            self.log.read(at, 0, count)
        };
        partitions.iter().flat_map(heard).collect()
    }

    /// The log is out of everybody's reach, or back; then nobody's deadlines fire before they have
    /// caught up.
    pub fn set_log_away(&mut self, away: bool) {
        self.log.set_away(away);
        self.trace.note(format!("the log is {}", if away { "away" } else { "back" }));
        if !away {
            (0..self.seats.len()).for_each(|seat| self.close_gate(seat));
        }
    }

    /// Deadlines wait until the service has read what is in the log now.
    pub fn close_gate(&mut self, seat: usize) {
        let partitions = SimLog::partitions(&self.seats[seat].node.topics());
        let end = |at: TopicPartition| Position { offset: self.log.end(&at), at };
        self.seats[seat].gate = partitions.into_iter().map(end).collect();
    }

    fn fault(&mut self, point: Point) -> Fault {
        let fault = (self.faults)(point);
        if fault != Fault::None {
            self.tally(&format!("{fault:?}"), 1);
        }
        fault
    }

    /// Counts what happens.
    pub fn tally(&mut self, what: &str, count: usize) {
        *self.tally.entry(what.to_owned()).or_default() += count;
    }

    fn note_transaction(&mut self, name: &str, work: &Work, end: &str) {
        let event = |record: &Arc<Record>| {
            let kind = record.header("ce_type").unwrap_or("?");
            format!("{kind}@{}:{}", record.at, record.offset)
        };
        let records: Vec<_> = work.records.iter().map(event).collect();
        let Work { requests, due, relayed, .. } = work;
        self.trace.note(format!(
            "{:>9} {name}: hears {records:?}, {requests} requests, due {due:?}, forgets {}; {end}",
            self.clock.now().millis() - testkit::clock::START.millis(),
            relayed.len(),
        ));
    }
}

fn append_fault(fault: Fault) -> AppendFault {
    match fault {
        Fault::Refused => AppendFault::Refused,
        Fault::Torn(count) => AppendFault::Torn(count),
        Fault::Unacknowledged => AppendFault::Unacknowledged,
        Fault::None | Fault::CrashBefore | Fault::CrashAfter | Fault::Repeat => AppendFault::None,
    }
}

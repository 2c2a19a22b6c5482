//! Where a step may go wrong, and how.

/// A place where something may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A transaction of this service.
    Transaction(&'static str),
    /// An append by this service's relay.
    Append(&'static str),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The service dies before the commit, or before the append.
    CrashBefore,
    /// The service dies after it, before anybody hears of it: the client, the log's offsets, the
    /// outbox.
    CrashAfter,
    /// The same once more, without the inbox's help.
    Repeat,
    /// The log is out of reach.
    Refused,
    /// The log takes this many records and fails.
    Torn(usize),
    /// The log takes all and the acknowledgement is lost.
    Unacknowledged,
}

impl Fault {
    /// All that can go wrong with a transaction.
    pub const OF_TRANSACTION: [Self; 3] = [Self::CrashBefore, Self::CrashAfter, Self::Repeat];
    /// All that can go wrong with an append.
    pub const OF_APPEND: [Self; 6] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Repeat,
        Self::Refused,
        Self::Torn(1),
        Self::Unacknowledged,
    ];

    /// All that can go wrong at `point`.
    pub fn at(point: Point) -> &'static [Self] {
        match point {
            Point::Transaction(_) => &Self::OF_TRANSACTION,
            Point::Append(_) => &Self::OF_APPEND,
        }
    }
}

/// Decides what goes wrong at each point, in the order in which they are reached.
pub type Plan = Box<dyn FnMut(Point) -> Fault>;

/// Nothing goes wrong.
pub fn none() -> Plan {
    Box::new(|_| Fault::None)
}

/// Only the `n`-th point goes wrong, counted from 0.
pub fn only_at(n: usize, fault: Fault) -> Plan {
    let mut reached = 0..;
    Box::new(move |_| if reached.next() == Some(n) { fault } else { Fault::None })
}

//! What the model learns from, in its own compact terms.

use super::ItemId;
use xxhash_rust::xxh3::xxh3_64;

/// Identifies a session (or an order) by the 64-bit XXH3 hash of its id: ids from outside may have any length,
/// and the model need not know who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(u64);

impl SessionKey {
    /// The key of a session id or order id.
    #[must_use]
    pub fn of(id: &str) -> Self {
        Self(xxh3_64(id.as_bytes()))
    }

    /// The 64 bits, for snapshots.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The key with these bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// Tells the events *of one session* apart: 32 bits of the XXH3 hash of an event id. With at most 64 clicks to a
/// session, a new click is taken for a repeat once in 67 million full sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub(crate) u32);

impl Fingerprint {
    /// The fingerprint of an event id.
    #[must_use]
    pub fn of(event_id: &str) -> Self {
        let hash = xxh3_64(event_id.as_bytes());
        Self(super::narrow((hash >> 32) as usize))
    }

    /// The fingerprint of an event that is numbered within its session.
    #[must_use]
    pub const fn numbered(number: u32) -> Self {
        Self(number)
    }
}

/// What somebody did with the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClickKind {
    /// Looked at its page.
    Viewed,
    /// Put it into the cart.
    AddedToCart,
}

/// One click of a session.
#[derive(Clone, Copy, Debug)]
pub struct Click {
    /// Whose click.
    pub session: SessionKey,
    /// On what.
    pub item: ItemId,
    /// When, in microseconds since 1970. The model keeps milliseconds.
    pub time_micros: i64,
    /// Tells a repeat from a new click.
    pub fingerprint: Fingerprint,
    /// View or cart.
    pub kind: ClickKind,
}

/// A confirmed order.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The key of the order's id. An order is learned once.
    pub order: SessionKey,
    /// What was bought together, each item once. Lines after the 64th are ignored.
    pub items: &'a [ItemId],
    /// When, in microseconds since 1970.
    pub time_micros: i64,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Learned {
    /// It is in the model.
    New,
    /// It was there already.
    Repeat,
    /// It is older than anything retained in its session or in its part of the sessions.
    TooOld,
}

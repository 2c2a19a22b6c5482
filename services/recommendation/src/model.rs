//! The model: an incremental inverted index over sessions, and the answers computed from it. Pure.
//!
//! VMIS-kNN (Kersbergen, Sprangers, Schelter: *Serenade*, SIGMOD 2022) finds the most recent sessions that
//! share items with the current one, and scores what else they contain. Ours learns click by click, and adds
//! what [`Parameters`] documents: weights that fall with the distance and the time between two clicks, returns to
//! items seen earlier in the session, neighbours of neighbours for rare items, orders, and what is popular now.
//!
//! Invariants:
//! - No clock, no random numbers, no I/O: time comes with the event.
//! - The same clicks give the same answers however the sessions are spread over shards: sums are of integers, and
//!   ties are broken by time, session key and SKU, never by the order of arrival of different sessions.
//! - A repeated event changes nothing as long as its session is retained; an event older than what is retained
//!   changes nothing at all.

mod arena;
mod catalogue;
mod codec;
mod context;
mod event;
mod index;
mod neighbours;
mod parameters;
mod places;
mod postings;
pub(crate) mod ranking;
mod recommend;
mod retention;
mod score;
mod sessions;
mod shard;
mod trending;
pub(crate) mod varint;
mod weights;

pub use catalogue::{Catalogue, ItemId};

pub use codec::DecodeError;
pub use event::{Click, ClickKind, Fingerprint, Learned, Order, SessionKey};
pub use index::SessionIndex;
pub use parameters::Parameters;
pub use recommend::{Query, Reason, Recommendation, Recommender, Scratch};
pub use shard::{MAX_SHARDS, Shard};
pub use trending::Window;

/// Narrows a length or an index that a bound elsewhere keeps below 2^32.
fn narrow(n: usize) -> u32 {
    debug_assert!(u32::try_from(n).is_ok());
    u32::try_from(n).unwrap_or(u32::MAX)
}

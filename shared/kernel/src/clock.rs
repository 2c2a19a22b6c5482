//! The edge where time and new ids come from; everything behind it gets them handed in (I1).

use uuid::Uuid;

use crate::Timestamp;

/// Tells the time and makes ids. Tests drive their own.
pub trait Clock: Send + Sync + 'static {
    /// The moment it is now.
    fn now(&self) -> Timestamp;

    /// A new id, a UUIDv7: later ids sort behind earlier ones.
    fn new_id(&self) -> Uuid;
}

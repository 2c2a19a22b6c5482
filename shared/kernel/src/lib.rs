//! What every service means by an id, an amount, a moment and a rule. No I/O here.

mod clock;
mod decider;
mod id;
mod money;
mod timestamp;

pub use clock::Clock;
pub use decider::Decider;
pub use id::{CustomerId, IdError, OrderId, SessionId, ShipmentId, Sku};
pub use money::{Currency, Money, MoneyError};
pub use timestamp::Timestamp;

//! What tests of every ring use: rules as sentences, a clock that only tests move, random numbers
//! that can be repeated, databases of one's own, and a log whose appends fail on request.

pub mod clock;
pub mod configuration;
pub mod databases;
pub mod given;
pub mod producer;
pub mod random;
pub mod records;
pub mod spans;

pub use clock::VirtualClock;
pub use databases::TempDatabases;
pub use given::{Given, given};
pub use producer::{AppendFault, FaultyProducer};
pub use random::Random;
pub use spans::Spans;

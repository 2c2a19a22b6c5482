//! The contracts between the services: typed events from `schemas/`, the table of topics, the
//! headers and the codec. It is all that two services share (I7).

pub mod activity;
pub mod codec;
pub mod contracts;
pub mod envelope;
mod summary;
pub mod topics;
pub mod trace;

pub use codec::{Codec, CodecError};
pub use contracts::Event;
pub use envelope::Envelope;

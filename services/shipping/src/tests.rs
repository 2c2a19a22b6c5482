//! The service as a whole: built as its binary builds it, driven by events and over HTTP.

mod events;
mod requests;
mod rig;

//! What each event means to the order service, and what it tells the others.

mod hearing;
mod saying;

//! The service over real HTTP, on a port of its own, with a database of its own.

mod cancelling;
mod dead_letters;
mod deadlines;
mod faults;
mod following;
mod forgetting;
mod listing;
mod on_the_log;
mod placing;
mod refusing;
mod repeating;
mod timeline;

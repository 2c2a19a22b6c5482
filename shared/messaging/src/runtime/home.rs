//! Where a service reads, writes and relays. SQLite is read and written in place and waits for the disk there,
//! so it gets a thread; what brings it work and what takes it away share that, because to wake another takes longer
//! than what they do. What else is asked of the database has threads of its own and belongs to no runtime.

use std::sync::{Arc, mpsc};

use actix::{Arbiter, ArbiterHandle};
use tokio::runtime::{Builder, Handle};

/// The threads that a service's consumer, writer and relay run on, for as long as somebody keeps it.
#[derive(Clone)]
pub struct Home {
    handle: Handle,
    arbiter: ArbiterHandle,
    /// When the last one is dropped, the thread ends, and what runs there where it is.
    _thread: Option<Arc<Ending>>,
}

struct Ending(ArbiterHandle);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Home {
    /// Actors on this thread, and what is spawned on the runtime that this is called on.
    pub fn shared() -> Self {
        Self { handle: Handle::current(), arbiter: Arbiter::current(), _thread: None }
    }

    /// A thread of its own.
    ///
    /// # Panics
    /// When there can be no further thread.
    pub fn thread() -> Self {
        let (told, handle) = mpsc::channel();
        let arbiter = Arbiter::with_tokio_rt(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("the operating system has file descriptors left");
            told.send(runtime.handle().clone()).ok();
            runtime
        });
        let handle = handle.recv().expect("it is told before it runs");
        let arbiter = arbiter.handle();
        let thread = Some(Arc::new(Ending(arbiter.clone())));
        Self { handle, arbiter, _thread: thread }
    }

    /// Where to spawn.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Where actors live.
    pub fn arbiter(&self) -> &ArbiterHandle {
        &self.arbiter
    }
}

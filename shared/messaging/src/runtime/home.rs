//! Where a service writes and relays. SQLite is read and written in place and waits for the disk there,
//! so it gets a thread; the relay shares it, because to wake another takes longer than its reading.

use std::{io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// The threads that a service's writer and relay run on, for as long as this is kept.
pub struct Home {
    handle: Handle,
    /// Dropping it ends the thread.
    _thread: Option<oneshot::Sender<()>>,
}

impl Home {
    /// Those of the runtime that this is called on.
    pub fn shared() -> Self {
        Self { handle: Handle::current(), _thread: None }
    }

    /// One of its own.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn thread(name: String) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (kept, dropped) = oneshot::channel::<()>();
        let run = move || drop(runtime.block_on(dropped));
        thread::Builder::new().name(name).spawn(run)?;
        Ok(Self { handle, _thread: Some(kept) })
    }

    /// Where to spawn.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

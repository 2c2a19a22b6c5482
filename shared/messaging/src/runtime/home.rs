//! Where a service writes and relays. SQLite is read and written in place and waits for the disk there,
//! so it gets a thread; the relay shares it, because to wake another takes longer than its reading.
//! What else is asked of the database has threads of its own and belongs to no runtime.

use std::{io, sync::Arc, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// The threads that a service's writer and relay run on, for as long as somebody keeps it.
#[derive(Clone)]
pub struct Home {
    handle: Handle,
    /// When the last one is dropped, the thread ends, and what runs there where it is.
    _thread: Option<Arc<oneshot::Sender<()>>>,
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
        Ok(Self { handle, _thread: Some(Arc::new(kept)) })
    }

    /// Where to spawn.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

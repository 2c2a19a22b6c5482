//! The end that is asked for from outside.

use anyhow::Result;
use platform::shutdown;
use tokio::sync::watch;

/// Becomes true when the program is to end early.
pub type Stop = watch::Receiver<bool>;

/// Listens for Ctrl-C and SIGTERM: what runs ends, but is checked and reported, and what was started or created for it is
/// removed. A second one ends the program.
///
/// # Errors
/// When the operating system refuses.
pub fn requested() -> Result<Stop> {
    let (sender, receiver) = watch::channel(false);
    let requested = shutdown::requested()?;
    tokio::spawn(async move {
        requested.await;
        eprintln!("\nstopping; once more to give up");
        sender.send_replace(true);
    });
    Ok(receiver)
}

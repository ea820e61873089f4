//! Signals that ask the tool to end. While files are copied, the first one lets the copy stop in order: what is there
//! then is whole. At any other time, and the second time, it ends the tool at once.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libguestfs_core::copy::Progress;
use nix::sys::signal::{SigSet, Signal, raise};
use virt_common::{Error, Result};

/// The signals.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// What a thread that waits for signals knows.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    copy: Mutex<Option<Arc<Progress>>>,
    seen: AtomicI32,
}

impl Interrupts {
    /// Begins to wait. To be called before other threads are started and a daemon is: they are then not interrupted.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(crate) fn watch() -> Result<Arc<Interrupts>> {
        let set: SigSet = SIGNALS.into_iter().collect();
        set.thread_block().map_err(|e| Error::because("blocking signals", e.into()))?;
        let interrupts = Arc::new(Interrupts::default());
        let shared = Arc::clone(&interrupts);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                while let Ok(signal) = set.wait() {
                    shared.came(signal);
                }
            })
            .map_err(|e| Error::because("starting a thread", e))?;
        Ok(interrupts)
    }

    fn came(&self, signal: Signal) {
        let first = self.seen.swap(signal as i32, Ordering::Relaxed) == 0;
        match &*self.copy.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(copy) if first => copy.cancel(),
            _ => end_by(signal),
        }
    }

    /// From here on, a signal stops this copy.
    pub(crate) fn stop(&self, copy: Arc<Progress>) {
        *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
    }

    /// Has a signal come?
    pub(crate) fn any(&self) -> bool {
        self.seen.load(Ordering::Relaxed) != 0
    }

    /// Ends the tool by the signal that came, if one has.
    pub(crate) fn obey(&self) {
        if let Ok(signal) = Signal::try_from(self.seen.load(Ordering::Relaxed)) {
            end_by(signal);
        }
    }
}

/// Ends this process by the signal, as if it had not been waited for: shells want to know.
fn end_by(signal: Signal) {
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
}

//! The progress bar: bytes copied, rate, and an estimate of the time left, if standard error is a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use libguestfs_core::copy::Progress;

/// How often it is drawn.
const INTERVAL: Duration = Duration::from_millis(100);
/// What it shows.
const TEMPLATE: &str = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// Is there anybody to look at it?
pub(crate) fn wanted() -> bool {
    std::io::stderr().is_terminal()
}

/// A bar that is drawn until it is dropped.
#[derive(Debug)]
pub(crate) struct Bar {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// A bar of `total` bytes.
    pub(crate) fn start(total: u64, progress: Arc<Progress>) -> Bar {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        let draw = move || {
            while !seen.load(Ordering::Relaxed) {
                // What `du` counts and what is sent are not quite the same.
                bar.set_position(progress.bytes().min(total));
                std::thread::park_timeout(INTERVAL);
            }
            bar.finish_and_clear();
        };
        // Without a bar, the copy is as good.
        let thread = std::thread::Builder::new().name("progress".into()).spawn(draw).ok();
        Bar { over, thread }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

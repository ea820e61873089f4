//! The bar that is shown while an appliance starts, if that takes long and standard error is a terminal.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use libguestfs_core::{Event, EventSet, Guestfs};

/// The procedure number in messages about a launch, which is no call.
const LAUNCH: u32 = 0;
/// How often the time is drawn.
const INTERVAL: Duration = Duration::from_millis(200);
/// What is shown.
const TEMPLATE: &str = "{msg} {wide_bar} {elapsed}";
const MESSAGE: &str = "Starting an appliance";

/// Has a bar shown whenever an appliance of this handle takes long to start; the library tells of that after some seconds
/// (5, as libguestfs does).
pub(crate) fn show(handle: &Guestfs) {
    if !io::stderr().is_terminal() {
        return;
    }
    let bar = Mutex::new(None);
    handle.set_event_callback(EventSet::PROGRESS, move |event| {
        let Event::Progress(progress) = event else { return };
        if progress.procedure == LAUNCH {
            let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
            if progress.position < progress.total {
                draw(&mut bar, progress.position, progress.total);
            } else {
                *bar = None;
            }
        }
    });
}

fn draw(shown: &mut Option<Bar>, position: u64, total: u64) {
    if shown.is_none() {
        *shown = Bar::new(total);
    }
    if let Some(bar) = shown {
        bar.0.set_position(position);
    }
}

/// The bar on the terminal; it is gone when this is dropped.
#[derive(Debug)]
struct Bar(ProgressBar);

/// Of several appliances that start at the same time, one has the bar.
static TAKEN: AtomicBool = AtomicBool::new(false);

impl Bar {
    fn new(total: u64) -> Option<Bar> {
        if TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        let bar = ProgressBar::new(total).with_message(MESSAGE);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(INTERVAL);
        Some(Bar(bar))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        TAKEN.store(false, Ordering::Relaxed);
    }
}

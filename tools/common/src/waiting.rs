//! Bars that are shown if standard error is a terminal and something takes long: an appliance that starts, or a command on
//! many guests.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use libguestfs_core::{Event, EventSet, Guestfs};

/// The procedure number in messages about a launch, which is no call.
const LAUNCH: u32 = 0;
/// How often the time is drawn.
const INTERVAL: Duration = Duration::from_millis(200);
/// What is shown of an appliance.
const APPLIANCE: (&str, &str) = ("Starting an appliance", "{msg} {wide_bar} {elapsed}");
/// What is shown of many guests.
const GUESTS: (&str, &str) = ("Guests", "{msg} {wide_bar} {pos}/{len} {eta}");
/// Many guests that take less time have no bar.
const PATIENCE: Duration = Duration::from_secs(1);

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
        *shown = Bar::new(APPLIANCE, total);
    }
    if let Some(bar) = shown {
        bar.0.set_position(position);
    }
}

/// The bar on the terminal; it is gone when this is dropped.
#[derive(Debug)]
struct Bar(ProgressBar);

/// One bar at a time: of several appliances that start together one has it, and none while there is that of many guests.
static TAKEN: AtomicBool = AtomicBool::new(false);

impl Bar {
    fn new((message, template): (&'static str, &str), total: u64) -> Option<Bar> {
        if TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        let bar = ProgressBar::new(total).with_message(message);
        if let Ok(style) = ProgressStyle::with_template(template) {
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

/// How far a command on many guests is, for who waits at a terminal while the output goes elsewhere.
#[derive(Debug)]
pub(crate) struct Guests {
    begun: Instant,
    done: u64,
    total: u64,
    is_wanted: bool,
    bar: Option<Bar>,
}

impl Guests {
    pub(crate) fn new(total: usize) -> Guests {
        Guests {
            begun: Instant::now(),
            done: 0,
            total: u64::try_from(total).unwrap_or(u64::MAX),
            is_wanted: total > 1 && io::stderr().is_terminal() && !io::stdout().is_terminal(),
            bar: None,
        }
    }

    /// Reports a guest by `report`, which may write to the terminal.
    pub(crate) fn one_more<T>(&mut self, report: impl FnOnce() -> T) -> T {
        let result = match &self.bar {
            Some(bar) => bar.0.suspend(report),
            None => report(),
        };
        self.done = self.done.saturating_add(1);
        if self.is_wanted && self.bar.is_none() && self.begun.elapsed() > PATIENCE {
            self.bar = Bar::new(GUESTS, self.total);
        }
        if let Some(bar) = &self.bar {
            bar.0.set_position(self.done);
        }
        result
    }
}

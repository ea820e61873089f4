//! Events: what a handle tells the program meanwhile. Any number of callbacks, each for a set of events.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::BitOr;
use std::sync::{Arc, Mutex, PoisonError};

use bstr::BStr;

use crate::wire::Progress;

/// A set of kinds of events. The bits are libguestfs's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSet(pub u64);

impl EventSet {
    /// The handle is being closed.
    pub const CLOSE: EventSet = EventSet(0x1);
    /// The daemon ended without being asked to.
    pub const SUBPROCESS_QUIT: EventSet = EventSet(0x2);
    /// The daemon is up.
    pub const LAUNCH_DONE: EventSet = EventSet(0x4);
    /// How far a call is.
    pub const PROGRESS: EventSet = EventSet(0x8);
    /// Messages of the daemon and its kernel.
    pub const APPLIANCE: EventSet = EventSet(0x10);
    /// Messages of the library.
    pub const LIBRARY: EventSet = EventSet(0x20);
    /// Calls and results.
    pub const TRACE: EventSet = EventSet(0x40);
    /// A call begins.
    pub const ENTER: EventSet = EventSet(0x80);
    /// Something the user should know, though nothing failed.
    pub const WARNING: EventSet = EventSet(0x200);
    /// All of them.
    pub const ALL: EventSet = EventSet(0x3ff);

    fn contains(self, other: EventSet) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for EventSet {
    type Output = EventSet;
    fn bitor(self, other: EventSet) -> EventSet {
        EventSet(self.0 | other.0)
    }
}

/// One event, with what it says.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each is described at the constant of its name in EventSet")]
pub enum Event<'a> {
    Close,
    SubprocessQuit,
    LaunchDone,
    Progress(Progress),
    Appliance(&'a BStr),
    Library(&'a str),
    Trace(&'a str),
    /// Name of the call.
    Enter(&'a str),
    Warning(&'a str),
}

impl Event<'_> {
    /// The kind of this event.
    pub fn kind(&self) -> EventSet {
        match self {
            Event::Close => EventSet::CLOSE,
            Event::SubprocessQuit => EventSet::SUBPROCESS_QUIT,
            Event::LaunchDone => EventSet::LAUNCH_DONE,
            Event::Progress(_) => EventSet::PROGRESS,
            Event::Appliance(_) => EventSet::APPLIANCE,
            Event::Library(_) => EventSet::LIBRARY,
            Event::Trace(_) => EventSet::TRACE,
            Event::Enter(_) => EventSet::ENTER,
            Event::Warning(_) => EventSet::WARNING,
        }
    }
}

/// Names a callback, for its deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventHandle(u64);

type Callback = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// The callbacks of a handle, called in the order in which they were set.
#[derive(Default)]
pub(crate) struct Events {
    callbacks: Mutex<Registered>,
}

#[derive(Default)]
struct Registered {
    next: u64,
    by_handle: BTreeMap<EventHandle, (EventSet, Callback)>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn add(&self, set: EventSet, callback: Callback) -> EventHandle {
        let mut registered = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = EventHandle(registered.next);
        registered.next += 1;
        registered.by_handle.insert(handle, (set, callback));
        handle
    }

    pub(crate) fn delete(&self, handle: EventHandle) -> bool {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).by_handle.remove(&handle).is_some()
    }

    /// Tells every callback that asked for this kind, and returns whether there was one. No lock is held meanwhile, so
    /// that a callback may set and delete callbacks.
    pub(crate) fn fire(&self, event: &Event<'_>) -> bool {
        let interested: Vec<Callback> = {
            let registered = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
            let kind = event.kind();
            registered
                .by_handle
                .values()
                .filter(|(set, _)| set.contains(kind))
                .map(|(_, c)| Arc::clone(c))
                .collect()
        };
        for callback in &interested {
            callback(event);
        }
        !interested.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn each_callback_gets_its_kinds_in_order_until_it_is_deleted() {
        let events = Events::default();
        let (a, b) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = |n: &Arc<AtomicUsize>| {
            let n = Arc::clone(n);
            Arc::new(move |_: &Event<'_>| {
                n.fetch_add(1, Ordering::Relaxed);
            })
        };
        let first = events.add(EventSet::TRACE | EventSet::CLOSE, count(&a));
        events.add(EventSet::ALL, count(&b));
        assert!(events.fire(&Event::Trace("x")));
        assert!(events.fire(&Event::LaunchDone));
        assert!(events.delete(first) && !events.delete(first));
        events.fire(&Event::Close);
        assert_eq!((a.load(Ordering::Relaxed), b.load(Ordering::Relaxed)), (1, 3));
    }
}

//! Time while the kernel boots.
//!
//! At its start the kernel compares its ways of computing RAID6, each for 16 ticks of its clock and with all the processor:
//! 0.85 s of a boot that otherwise takes 0.2 s (lib/raid6/algos.c; no option leaves it out). So the clock ticks faster at first.
//!
//! ```text
//! clock_gettime(REALTIME)     once, to set the clock: LEAD too early
//! timer_settime(10 ms, …)     ticks: SPEED times as often. Time goes on by 10 ms with each (clocksource "jiffies")
//! clock_gettime(MONOTONIC)    the kernel goes over to the real clock, and counts from what it reads first.
//!                             Whatever it reads then is later by what is missing after all: LEAD + time - ticks
//! ```
//!
//! So within, time is never set back, and the date is right once the kernel looks at the real clock. Ticks are counted as they
//! are delivered: one that comes while the kernel has interrupts off for longer than a tick is lost, and the date by 10 ms
//! ahead. That happens without this as well.

use core::ffi::{c_int, c_long, c_void};

use crate::{answer, system_call};

const SYS_TIMER_CREATE: c_long = 222;
const SYS_TIMER_SETTIME: c_long = 223;
const SYS_TIMER_GETTIME: c_long = 224;
const SYS_CLOCK_GETTIME: c_long = 228;
const REALTIME: c_int = 0;
const MONOTONIC: c_int = 1;
const SIGALRM: c_int = 14;
/// Words in the C library's struct sigaction, of which the handler is the first. Smaller values are no functions.
const ACTION: usize = 19;
const LARGEST_CONSTANT: usize = 1;

/// How much faster the first ticks are. A tick is handled in some microseconds, so all of them still are.
const SPEED: i64 = 20;
/// How much the date is too early, in ns, until the real clock is looked at. The fast ticks must not overtake that: there are
/// a hundred, of 10 ms.
const LEAD: i64 = 3_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Seconds and nanoseconds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// When a timer goes off, again and first.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Itimerspec {
    interval: Timespec,
    value: Timespec,
}

type Handler = extern "C" fn(c_int, *mut c_void, *mut c_void);

/// The kernel's own handler of its timer's signal.
static mut HANDLER: Option<Handler> = None;
/// Length of the kernel's tick in ns, once it has begun to tick, and how many there were.
static mut TICK: i64 = 0;
static mut TICKS: i64 = 0;
/// When the kernel set its clock; 0 if it did not.
static mut SET_AT: i64 = 0;
/// Did it look at the real clock since?
static mut IS_REAL: bool = false;
/// What is added to the real clock.
static mut AHEAD: i64 = 0;

unsafe extern "C" {
    fn __sigaction(signal: c_int, action: *const usize, old: *mut usize) -> c_int;
}

fn now(clock: c_int) -> Result<i64, c_long> {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the kernel writes one such structure.
    match unsafe { system_call(SYS_CLOCK_GETTIME, [clock as usize, (&raw mut time) as usize, 0, 0]) } {
        0 => Ok(time.seconds * SECOND + time.nanoseconds),
        error => Err(error),
    }
}

/// As clock_gettime(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    let real = match now(clock) {
        Ok(real) => real,
        Err(error) => return answer(error) as c_int,
    };
    // SAFETY: one thread; the time is the caller's.
    unsafe {
        let shown = match clock {
            REALTIME if !IS_REAL => {
                SET_AT = now(MONOTONIC).unwrap_or(0);
                if SET_AT > 0 { real - LEAD } else { real }
            }
            MONOTONIC if !IS_REAL => {
                IS_REAL = true;
                if SET_AT > 0 {
                    AHEAD = (LEAD + (real - SET_AT) - TICKS * TICK).max(0);
                }
                real
            }
            MONOTONIC => real + AHEAD,
            _ => real,
        };
        *time = Timespec { seconds: shown / SECOND, nanoseconds: shown % SECOND };
    }
    0
}

/// As timer_create(2), for a timer that sends signals.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timer_create(clock: c_int, event: *mut c_void, timer: *mut usize) -> c_int {
    let mut id: c_int = 0;
    // SAFETY: as the caller wants it; the kernel writes one number.
    unsafe {
        let arguments = [clock as usize, event as usize, (&raw mut id) as usize, 0];
        let result = answer(system_call(SYS_TIMER_CREATE, arguments));
        if result == 0 {
            *timer = id as usize;
        }
        result as c_int
    }
}

/// As timer_settime(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timer_settime(
    timer: usize,
    flags: c_int,
    new: *const Itimerspec,
    old: *mut Itimerspec,
) -> c_int {
    // SAFETY: one thread; the structures are the caller's.
    unsafe {
        let mut new = *new;
        let interval = new.interval.seconds * SECOND + new.interval.nanoseconds;
        if interval > 0 && interval < SECOND && !IS_REAL && SET_AT > 0 {
            TICK = interval;
            let tick = Timespec { seconds: 0, nanoseconds: interval / SPEED };
            new = Itimerspec { interval: tick, value: tick };
        }
        answer(system_call(SYS_TIMER_SETTIME, [timer, flags as usize, (&raw const new) as usize, old as usize]))
            as c_int
    }
}

/// As timer_gettime(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timer_gettime(timer: usize, current: *mut Itimerspec) -> c_int {
    // SAFETY: as the caller wants it.
    unsafe { answer(system_call(SYS_TIMER_GETTIME, [timer, current as usize, 0, 0])) as c_int }
}

/// As sigaction(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigaction(signal: c_int, action: *const usize, old: *mut usize) -> c_int {
    // SAFETY: one thread; the structures are the C library's, of that length; a handler is a function.
    unsafe {
        if signal != SIGALRM || action.is_null() || *action <= LARGEST_CONSTANT {
            return __sigaction(signal, action, old);
        }
        HANDLER = Some(core::mem::transmute::<usize, Handler>(*action));
        let mut counting = [0; ACTION];
        action.copy_to_nonoverlapping((&raw mut counting).cast(), ACTION);
        if let Some(first) = counting.first_mut() {
            *first = on_alarm as Handler as usize;
        }
        __sigaction(signal, (&raw const counting).cast(), old)
    }
}

/// Counts a tick, and goes on with the kernel's own handler.
extern "C" fn on_alarm(signal: c_int, information: *mut c_void, context: *mut c_void) {
    // SAFETY: the only thread that handles it; the variables are read between two signals.
    unsafe {
        if TICK > 0 && !IS_REAL {
            TICKS += 1;
        }
        if let Some(handler) = HANDLER {
            handler(signal, information, context);
        }
    }
}

//! Work on many guests by several threads, with the results in the guests' order.
//!
//! ```text
//! worker ─┐ takes the next item and works on it
//! worker ─┼──(number, result)──> caller's thread: keeps what is early, hands out what is next
//! worker ─┘
//! ```
//!
//! Memory is bounded: no worker begins an item that lies further ahead of the last one handed out than
//! [`AHEAD`] for each worker.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use crate::waiting::Guests;
use crate::{Error, Result};

/// Results that may wait for a slower item before them, for each worker.
const AHEAD: usize = 4;

/// How many of `items` are worked on at a time if the user asked for `threads`; 0 is the number of processors.
pub fn workers(threads: u32, items: usize) -> usize {
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    let wanted = match threads {
        0 => processors(),
        given => usize::try_from(given).unwrap_or(usize::MAX),
    };
    wanted.min(items)
}

/// Calls `work` for each item, by so many threads, and `take` with each result, in the order of the items.
///
/// # Errors
/// The first one of `take`; no further item is begun then.
pub fn in_order<T: Sync, R: Send>(
    items: &[T],
    workers: usize,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let handed = Handed::default();
    let (done, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (done, next, handed, work) = (done.clone(), &next, &handed, &work);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { break };
                    if !handed.wait_for(number, workers * AHEAD) || done.send((number, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        let result = hand_out(items, &results, &handed, &mut take);
        handed.end();
        result
    })
}

fn hand_out<T, R>(
    items: &[T],
    results: &Receiver<(usize, R)>,
    handed: &Handed,
    take: &mut impl FnMut(&T, R) -> Result<()>,
) -> Result<()> {
    let mut early = BTreeMap::new();
    let mut waiting = Guests::new(items.len());
    for (turn, item) in items.iter().enumerate() {
        let result = loop {
            if let Some(result) = early.remove(&turn) {
                break result;
            }
            let (number, result) =
                results.recv().map_err(|_| Error::new("a thread ended before its guest was done"))?;
            early.insert(number, result);
        };
        waiting.one_more(|| take(item, result))?;
        handed.one_more();
    }
    Ok(())
}

/// How many results were handed out; `None` once nobody waits for more.
struct Handed {
    count: Mutex<Option<usize>>,
    changed: Condvar,
}

impl Default for Handed {
    fn default() -> Self {
        Handed { count: Mutex::new(Some(0)), changed: Condvar::new() }
    }
}

impl Handed {
    fn change(&self, change: impl FnOnce(usize) -> Option<usize>) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.and_then(change);
        self.changed.notify_all();
    }

    fn one_more(&self) {
        self.change(|count| count.checked_add(1));
    }

    fn end(&self) {
        self.change(|_| None);
    }

    /// Waits until item `number` is no more than `ahead` in front; is it still wanted then?
    fn wait_for(&self, number: usize, ahead: usize) -> bool {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let is_far =
            |count: &mut Option<usize>| count.is_some_and(|count| number >= count.saturating_add(ahead));
        let count = self.changed.wait_while(count, is_far).unwrap_or_else(PoisonError::into_inner);
        count.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn there_are_no_more_workers_than_items() {
        assert_eq!((workers(3, 100), workers(3, 2), workers(0, 1)), (3, 2, 1));
    }

    #[test]
    fn results_come_in_order_and_no_worker_runs_far_ahead() {
        let items: Vec<usize> = (0..100).collect();
        let begun = AtomicUsize::new(0);
        let slow_first = |item: &usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *item == 0 {
                thread::sleep(Duration::from_millis(50));
                return begun.load(Ordering::SeqCst);
            }
            *item
        };
        let mut taken = Vec::new();
        in_order(&items, 3, slow_first, |item, result| {
            taken.push((*item, result));
            Ok(())
        })
        .unwrap();
        let (first, others) = taken.split_first().unwrap();
        assert!(first.0 == 0 && first.1 <= 3 * AHEAD, "{first:?}");
        assert_eq!(others, items.iter().skip(1).map(|n| (*n, *n)).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_ends_the_work() {
        let items: Vec<usize> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let work = |_: &usize| begun.fetch_add(1, Ordering::SeqCst);
        let result =
            in_order(&items, 2, work, |item, _| if *item == 3 { Err(Error::new("enough")) } else { Ok(()) });
        assert_eq!(result.unwrap_err().to_string(), "enough");
        assert!(begun.into_inner() <= 4 + 2 * AHEAD);
    }
}

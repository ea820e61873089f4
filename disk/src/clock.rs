//! A map bounded in weight, which forgets what has not been used for a while (the CLOCK algorithm: each entry has one
//! "used" bit; a hand goes round, clears set bits and evicts the first entry whose bit is clear).
//!
//! Invariants: the sum of all weights never exceeds the budget; `index` maps each key to its place in `slots`.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub(crate) struct Clock<K, V> {
    index: HashMap<K, usize>,
    slots: Vec<Slot<K, V>>,
    hand: usize,
    weight: usize,
    budget: usize,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    value: V,
    weight: usize,
    used: bool,
}

impl<K: Hash + Eq + Clone, V> Clock<K, V> {
    /// An empty map whose entries may weigh `budget` together.
    pub(crate) fn new(budget: usize) -> Self {
        Clock { index: HashMap::new(), slots: Vec::new(), hand: 0, weight: 0, budget }
    }

    /// The value under `key`, which counts as used now.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        let slot = self.slots.get_mut(*self.index.get(key)?)?;
        slot.used = true;
        Some(&slot.value)
    }

    /// Puts `value` under `key` and returns a value that had to go (the old one, or the last evicted), whose memory
    /// the caller may use again. A value heavier than the whole budget is not kept but returned.
    pub(crate) fn insert(&mut self, key: K, value: V, weight: usize) -> Option<V> {
        if weight > self.budget {
            return Some(value);
        }
        let mut gone = self.index.get(&key).copied().and_then(|at| self.remove(at));
        let mut place = self.slots.len();
        while self.weight.saturating_add(weight) > self.budget {
            place = self.next_victim();
            gone = self.remove(place);
        }
        let last = self.slots.len();
        self.index.insert(key.clone(), last);
        self.slots.push(Slot { key, value, weight, used: false });
        self.weight = self.weight.saturating_add(weight);
        // To the place of the last evicted, just behind the hand, which comes by here last.
        if place < last {
            self.slots.swap(place, last);
            self.reindex(place);
            self.reindex(last);
        }
        gone
    }

    /// What all entries weigh together.
    #[cfg(test)]
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// The place of the first entry at or after the hand that has not been used since the hand last passed it. There
    /// must be an entry.
    fn next_victim(&mut self) -> usize {
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let at = self.hand;
            self.hand = self.hand.saturating_add(1);
            match self.slots.get_mut(at) {
                Some(slot) if slot.used => slot.used = false,
                _ => return at,
            }
        }
    }

    /// Notes which entry is at `at`, if any.
    fn reindex(&mut self, at: usize) {
        if let Some(slot) = self.slots.get(at) {
            self.index.insert(slot.key.clone(), at);
        }
    }

    /// Takes out the entry at `at`; the last one moves into its place.
    fn remove(&mut self, at: usize) -> Option<V> {
        if at >= self.slots.len() {
            return None;
        }
        let slot = self.slots.swap_remove(at);
        self.index.remove(&slot.key);
        self.reindex(at);
        self.weight = self.weight.saturating_sub(slot.weight);
        Some(slot.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_holds_and_what_is_used_stays() {
        let mut map = Clock::new(100);
        for key in 0..1000u32 {
            map.insert(key, key, 10);
            assert!(map.slots.len() <= 10 && map.weight <= 100);
            assert_eq!(map.index.len(), map.slots.len());
            assert!(map.get(&key).is_some());
            if key >= 2 {
                // Looked at in every round, so never the one to go.
                assert_eq!(map.get(&2).copied(), Some(2), "after {key}");
            }
        }
    }

    #[test]
    fn what_just_came_is_not_what_goes() {
        let mut map = Clock::new(10);
        for key in 0..100u32 {
            map.insert(key, key, 1);
            for recent in key.saturating_sub(3)..=key {
                assert!(map.index.contains_key(&recent), "{recent} is gone after {key}");
            }
        }
    }

    #[test]
    fn replacing_and_overweight_values_come_back() {
        let mut map = Clock::new(10);
        assert_eq!(map.insert('a', 1, 4), None);
        assert_eq!(map.insert('a', 2, 5), Some(1));
        assert_eq!(map.insert('b', 3, 11), Some(3));
        assert_eq!(map.get(&'b'), None);
        assert_eq!(map.insert('c', 4, 10), Some(2));
        assert_eq!((map.get(&'a').copied(), map.get(&'c').copied()), (None, Some(4)));
    }
}

//! What a lenient reader met and went past.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// How many notes are kept; a hive full of rubbish has no end of them.
const MAX_NOTES: usize = 1000;

/// Something that is wrong in a hive, that was skipped or read as well as it could be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: Cow<'static, str>,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {:#x}: {}", self.offset, self.what)
    }
}

/// The notes of a hive. What is met again is noted once, so that reading twice says the same as reading once.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<BTreeSet<Note>>);

impl Notes {
    pub(crate) fn add(&self, note: Note) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < MAX_NOTES {
            notes.insert(note);
        }
    }

    pub(crate) fn list(&self) -> Vec<Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

//! Calls that look for something in the content of files, or show it in a form for people. They read only, so all that can
//! be is done here: an appliance's grep(1) is asked only for what the translation of patterns leaves to it.
//!
//! ```text
//! lines         grep and its relatives
//!   pattern     POSIX's regular expressions in the form of the regex crate
//! strings       strings(1)
//! hexdump       hexdump(1)
//! initrd        what is in an initramfs
//!   decompress  streams, by what they begin with
//! architecture  which processor a program is for
//! ```

mod architecture;
mod decompress;
mod hexdump;
mod initrd;
mod lines;
mod pattern;
mod strings;

use std::io::{self, Read};

use bstr::{BStr, BString};
use libguestfs_core::Error;

use super::content::{BUFFER, Content};
use crate::error::At;

/// Content as a reader. Why it failed is kept.
struct Bytes<'a> {
    content: Content<'a>,
    place: BString,
    at: u64,
    failure: Option<Error>,
}

impl<'a> Bytes<'a> {
    fn new(content: Content<'a>, place: &BStr) -> Self {
        Bytes { content, place: place.to_owned(), at: 0, failure: None }
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let length = buf.len().min(BUFFER);
        let part = buf.get_mut(..length).unwrap_or_default();
        match self.content.read(self.at, part).at(&self.place) {
            Ok(count) => {
                self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                Ok(count)
            }
            Err(error) => {
                self.failure = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}

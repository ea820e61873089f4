//! Windows of memory that two ends share, one for each direction of a stream whose own way is slow.
//!
//! A serial line of User-Mode Linux takes from its host one byte in a system call, about a megabyte in a second, and gives it
//! two kilobytes. What is sent goes through memory instead: a file on the host, which the guest's kernel shows as
//! `/dev/mmapper`. Both ends read and write it as a file.
//!
//! ```text
//! memory:  to the daemon [slot 0][slot 1]…  from the daemon [slot 0][slot 1]…      used in turn
//! slot:    [length, 4 bytes][data]
//! line     in the window's direction: one byte, "the next slot is full"
//! acks     in the other one:          one byte, "a slot is free again"
//! ```

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

/// Slots of a window, so that some are filled while others are emptied.
const SLOTS: u64 = 4;
/// Bytes of data in a slot.
const SLOT_DATA: usize = 256 * 1024 - LENGTH;
/// Bytes of the length before them, big endian.
const LENGTH: usize = 4;
/// Bytes of a slot.
const SLOT: u64 = 256 * 1024;
/// Size in bytes of a window.
const WINDOW: u64 = SLOTS * SLOT;
/// Size in bytes of the memory for two windows.
pub const WINDOWS_SIZE: u64 = 2 * WINDOW;
/// What is sent along the line for a full slot, and back for a free one.
const FULL: u8 = b'f';
const FREE: u8 = b'e';

/// Which way a window leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the handle to the daemon.
    ToDaemon,
    /// From the daemon to the handle.
    FromDaemon,
}

/// One end of a window.
#[derive(Debug)]
pub struct Window {
    memory: File,
    /// Where in the memory it begins.
    start: u64,
    acks: File,
    /// The next slot to be filled or emptied.
    slot: u64,
    /// At the filling end: slots that can be filled without waiting.
    free: u64,
    /// At the emptying end: what is left in the slot, from this byte to that.
    left: (usize, usize),
}

impl Window {
    /// An end of a window in `memory`, with a line for what is sent back.
    pub fn new(memory: File, way: Way, acks: File) -> Self {
        let start = match way {
            Way::ToDaemon => 0,
            Way::FromDaemon => WINDOW,
        };
        Window { memory, start, acks, slot: 0, free: SLOTS, left: (0, 0) }
    }

    /// Sends all of `data` through the window; `line` is the stream.
    pub(super) fn send(&mut self, line: &mut File, data: &[u8]) -> io::Result<()> {
        for piece in data.chunks(SLOT_DATA) {
            while self.free == 0 {
                let mut acks = [0; 16];
                match self.acks.read(&mut acks) {
                    Ok(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                    Ok(n) => self.free += u64::try_from(n).unwrap_or(0),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
                if self.free > SLOTS {
                    return Err(io::Error::other("more slots of the window are free than there are"));
                }
            }
            let at = self.start + self.slot * SLOT;
            let length = u32::try_from(piece.len()).unwrap_or(0).to_be_bytes();
            self.memory.write_all_at(piece, at + LENGTH as u64)?;
            self.memory.write_all_at(&length, at)?;
            self.free -= 1;
            self.slot = (self.slot + 1) % SLOTS;
            line.write_all(&[FULL])?;
        }
        Ok(())
    }

    /// Takes what there is, as much as `buffer` holds; waits if there is nothing. 0 is the end of the stream.
    pub(super) fn receive(&mut self, line: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.start + self.slot * SLOT;
        if self.left.0 == self.left.1 {
            let mut word = [0];
            if line.read(&mut word)? == 0 {
                return Ok(0);
            }
            let mut length = [0; LENGTH];
            self.memory.read_exact_at(&mut length, at)?;
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            if word != [FULL] || length == 0 || length > SLOT_DATA {
                return Err(io::Error::other("the window's slot makes no sense"));
            }
            self.left = (0, length);
        }
        let (from, to) = self.left;
        let take = buffer.len().min(to - from);
        let target = buffer.get_mut(..take).unwrap_or_default();
        self.memory.read_exact_at(target, at + (LENGTH + from) as u64)?;
        self.left.0 = from + take;
        if self.left.0 == to {
            self.slot = (self.slot + 1) % SLOTS;
            match self.acks.write_all(&[FREE]) {
                // The other end is gone. What it sent before is still taken; then the line ends.
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
                told => told?,
            }
        }
        Ok(take)
    }

    /// Is there something that was announced and not taken yet?
    pub(super) fn has_rest(&self) -> bool {
        self.left.0 < self.left.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Channel, Chunk};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_goes_into_one_end_comes_out_of_the_other() {
        let (line, far_line) = UnixStream::pair().unwrap();
        let (acks, far_acks) = UnixStream::pair().unwrap();
        let memory = tempfile::tempfile().unwrap();
        memory.set_len(WINDOWS_SIZE).unwrap();
        let file = |stream: UnixStream| File::from(OwnedFd::from(stream));
        let (mut near, mut far) = (Channel::new(line.into()), Channel::new(far_line.into()));
        let window = |way, acks: &UnixStream| {
            Window::new(memory.try_clone().unwrap(), way, file(acks.try_clone().unwrap()))
        };
        near.send_through(window(Way::ToDaemon, &acks));
        near.receive_through(window(Way::FromDaemon, &acks));
        far.receive_through(window(Way::ToDaemon, &far_acks));
        far.send_through(window(Way::FromDaemon, &far_acks));
        drop((acks, far_acks));

        let long: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for message in [&b"x"[..], &long, &b"yz"[..]] {
                    near.write_message(message).unwrap();
                    near.flush().unwrap();
                }
                for _ in 0..100 {
                    near.write_chunk(Chunk::Data(&long[..8192])).unwrap();
                }
                near.flush().unwrap();
                // The other way, more pieces than there are slots.
                let mut body = Vec::new();
                for n in 0..20u8 {
                    assert_eq!(near.read_word().unwrap(), Some(crate::wire::Word::Length(1000)));
                    near.read_body(1000, &mut body).unwrap();
                    assert!(body == [n; 1000]);
                }
                drop(near);
            });
            let mut body = Vec::new();
            let mut message = || match far.read_word().unwrap() {
                Some(crate::wire::Word::Length(n)) => {
                    far.read_body(n, &mut body).unwrap();
                    body.clone()
                }
                other => panic!("{other:?}"),
            };
            for sent in [&b"x"[..], &long, &b"yz"[..]] {
                assert!(message() == sent);
            }
            for _ in 0..100 {
                assert!(message().windows(8192).any(|w| w == &long[..8192]));
            }
            for n in 0..20 {
                far.write_message(&[n; 1000]).unwrap();
                far.flush().unwrap();
            }
            assert_eq!(far.read_word().unwrap(), None);
        });
    }
}

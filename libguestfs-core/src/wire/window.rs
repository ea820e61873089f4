//! Windows of memory that two ends share, one for each direction of a stream whose own way is slow.
//!
//! A serial line of User-Mode Linux takes from its host one byte in a system call, about a megabyte in a second, and gives it
//! two kilobytes; a virtio port takes four kilobytes at a time, but gives more. What is sent goes through memory instead: a
//! file on the host, which the guest has as the device `/dev/mmapper`, or as a disk. Both ends read and write it as a file.
//!
//! ```text
//! memory:  margin [slot 0][slot 1]… to the daemon, [slot 0][slot 1]… from the daemon, margin      used in turn
//! line     in the window's direction: a word of 4 bytes, big endian: how many bytes are in the next slot; or, with the
//!          flag `ON_LINE`, how many follow on the line itself
//! acks     in the other one: a byte for each slot that is free again
//! ```
//!
//! Either end may be hostile to the other. Numbers come over the lines, which are read once, and are checked; what is in a
//! slot is copied once, before anything looks at it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use super::aligned::PAGE;

/// Slots of a window, so that some are filled while others are emptied.
const SLOTS: u64 = 4;
/// Bytes of a slot.
pub(super) const SLOT: usize = 1 << 20;
/// Size in bytes of a window.
const WINDOW: u64 = SLOTS * SLOT as u64;
/// Bytes that are never written, before and after the slots: where programs in the guest that look at all disks would find
/// superblocks in what is sent.
const MARGIN: u64 = 1 << 20;
/// Size in bytes of the memory for two windows.
pub const WINDOWS_SIZE: u64 = MARGIN + 2 * WINDOW + MARGIN;
/// In a word on the line: the bytes follow there.
const ON_LINE: u32 = 1 << 31;
/// Most bytes that a virtio port takes at a time, with the word before them (linux/drivers/char/virtio_console.c): so much is
/// there sooner than a disk is read.
const ON_LINE_MAX: usize = 4096 - size_of::<u32>();
/// What is sent back for a free slot.
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
    /// At the filling end: most bytes that are sent on the line instead.
    on_line_max: usize,
    /// At the emptying end: bytes that are still to come on the line.
    on_line: usize,
}

impl Window {
    /// An end of a window in `memory`, with a line for what is sent back.
    pub fn new(memory: File, way: Way, acks: File) -> Self {
        let start = match way {
            Way::ToDaemon => MARGIN,
            Way::FromDaemon => MARGIN + WINDOW,
        };
        Window { memory, start, acks, slot: 0, free: SLOTS, on_line_max: 0, on_line: 0 }
    }

    /// Sends what is small on the line: it is no slower than others.
    #[must_use]
    pub fn with_quick_line(mut self) -> Self {
        self.on_line_max = ON_LINE_MAX;
        self
    }

    /// Sends all of `data` through the window; `line` is the stream.
    pub(super) fn send(&mut self, line: &mut File, data: &[u8]) -> io::Result<()> {
        for piece in data.chunks(SLOT) {
            let length = u32::try_from(piece.len()).unwrap_or(0);
            if piece.len() <= self.on_line_max {
                let mut bytes = (length | ON_LINE).to_be_bytes().to_vec();
                bytes.extend_from_slice(piece);
                line.write_all(&bytes)?;
                continue;
            }
            self.await_free_slot()?;
            self.memory.write_all_at(piece, self.place())?;
            self.free -= 1;
            self.slot = (self.slot + 1) % SLOTS;
            line.write_all(&length.to_be_bytes())?;
        }
        Ok(())
    }

    fn await_free_slot(&mut self) -> io::Result<()> {
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
        Ok(())
    }

    /// Takes what comes next, waiting for it. `buffer` begins at a page and has room for a slot: of the memory whole pages are
    /// read, so that it can be a disk that was opened with `O_DIRECT`. 0 is the end of the stream.
    pub(super) fn receive(&mut self, line: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
        if self.on_line == 0 {
            let mut word = [0; 4];
            let read = line.read(&mut word)?;
            if read == 0 {
                return Ok(0);
            }
            line.read_exact(word.get_mut(read..).unwrap_or_default())?;
            let word = u32::from_be_bytes(word);
            let length = usize::try_from(word & !ON_LINE).unwrap_or(usize::MAX);
            let most = if word & ON_LINE == 0 { SLOT } else { ON_LINE_MAX };
            if length == 0 || length > most {
                return Err(io::Error::other("the window is said to hold what it can't"));
            }
            if word & ON_LINE == 0 {
                return self.empty_slot(buffer, length);
            }
            self.on_line = length;
        }
        let take = self.on_line.min(buffer.len());
        let read = line.read(buffer.get_mut(..take).unwrap_or_default())?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.on_line = self.on_line.saturating_sub(read);
        Ok(read)
    }

    fn empty_slot(&mut self, buffer: &mut [u8], length: usize) -> io::Result<usize> {
        let pages = buffer.get_mut(..length.next_multiple_of(PAGE));
        let pages = pages.ok_or_else(|| io::Error::other("a slot is larger than the buffer"))?;
        self.memory.read_exact_at(pages, self.place())?;
        self.slot = (self.slot + 1) % SLOTS;
        match self.acks.write_all(&[FREE]) {
            // The other end is gone. What it sent before is still taken; then the line ends.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
            told => told?,
        }
        Ok(length)
    }

    /// Where the next slot is in the memory.
    fn place(&self) -> u64 {
        self.start + self.slot * SLOT as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Channel, Chunk, Word};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    /// Two ends, of which the first sends to the second through a window.
    fn ends() -> (UnixStream, UnixStream, Window, Window, File) {
        let (line, far_line) = UnixStream::pair().unwrap();
        let (acks, far_acks) = UnixStream::pair().unwrap();
        let memory = tempfile::tempfile().unwrap();
        memory.set_len(WINDOWS_SIZE).unwrap();
        let window = |way, acks: UnixStream| {
            Window::new(memory.try_clone().unwrap(), way, File::from(OwnedFd::from(acks)))
        };
        let (near, far) = (window(Way::ToDaemon, acks), window(Way::ToDaemon, far_acks));
        (line, far_line, near, far, memory)
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    fn message(channel: &mut Channel) -> Vec<u8> {
        let mut body = Vec::new();
        match channel.read_word().unwrap() {
            Some(Word::Length(n)) => channel.read_body(n, &mut body).unwrap(),
            other => panic!("{other:?}"),
        }
        body
    }

    #[test]
    fn what_goes_into_one_end_comes_out_of_the_other() {
        for quick in [false, true] {
            let (line, far_line, near_window, far_window, memory) = ends();
            let near_window = if quick { near_window.with_quick_line() } else { near_window };
            let (mut near, mut far) = (Channel::new(line.into()), Channel::new(far_line.into()));
            near.send_through(near_window);
            far.receive_through(far_window);
            // Of each length that is treated differently; the last fills all slots more than once.
            let lengths = [1, ON_LINE_MAX - 4, ON_LINE_MAX - 3, SLOT - 4, SLOT - 3, 3 * SLOT, 1];
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for length in lengths {
                        near.write_message(&pattern(length)).unwrap();
                        near.flush().unwrap();
                    }
                    for _ in 0..1000 {
                        near.write_chunk(Chunk::Data(&pattern(8192))).unwrap();
                    }
                    near.flush().unwrap();
                    drop(near);
                });
                for length in lengths {
                    assert!(message(&mut far) == pattern(length), "{length} bytes");
                }
                for _ in 0..1000 {
                    assert!(message(&mut far).ends_with(&pattern(8192)));
                }
                assert_eq!(far.read_word().unwrap(), None);
            });
            let mut margin = vec![1; usize::try_from(MARGIN).unwrap()];
            for at in [0, MARGIN + 2 * WINDOW] {
                memory.read_exact_at(&mut margin, at).unwrap();
                assert!(margin.iter().all(|byte| *byte == 0));
            }
        }
    }

    #[test]
    fn what_the_other_end_claims_is_checked() {
        let slot = u32::try_from(SLOT).unwrap();
        let on_line = u32::try_from(ON_LINE_MAX).unwrap();
        for word in [0, slot + 1, ON_LINE, ON_LINE | (on_line + 1), u32::MAX] {
            let (mut line, far_line, _near, far, _) = ends();
            let mut channel = Channel::new(far_line.into());
            channel.receive_through(far);
            line.write_all(&word.to_be_bytes()).unwrap();
            assert!(channel.read_word().is_err(), "{word:#x}");
            assert!(channel.broken().is_some());
        }
        // A line that ends in a word, or before what it announced.
        for bytes in [&[0, 0][..], &(ON_LINE | 8).to_be_bytes(), &[0x80, 0, 0, 8, 0, 0, 0, 4, b'x']] {
            let (mut line, far_line, _near, far, _) = ends();
            let mut channel = Channel::new(far_line.into());
            channel.receive_through(far);
            line.write_all(bytes).unwrap();
            drop(line);
            let read = channel.read_word().and_then(|_| channel.read_body(4, &mut Vec::new()));
            assert!(read.is_err(), "{bytes:?}");
        }
        // Slots that were never filled are free again.
        let (line, _far_line, near, mut far, _) = ends();
        let mut channel = Channel::new(line.into());
        channel.send_through(near);
        far.acks.write_all(&[FREE; 16]).unwrap();
        let sent = channel.write_message(&pattern(3 * SLOT)).and_then(|()| channel.flush());
        assert!(sent.is_ok());
        assert!(channel.write_message(b"x").and_then(|()| channel.flush()).is_err());
    }

    #[test]
    fn an_end_that_is_gone_is_noticed_while_waiting_for_it() {
        let (line, far_line, near, far, _) = ends();
        let mut channel = Channel::new(line.into());
        channel.send_through(near);
        drop((far, far_line));
        assert!(channel.write_message(b"x").and_then(|()| channel.flush()).is_err());
    }
}

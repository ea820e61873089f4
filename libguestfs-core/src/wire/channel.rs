//! Frames over a file descriptor: a socket, a virtio port, a serial line. Both ends use it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zeroize::Zeroize;

use super::aligned::Aligned;
use super::chunk::CHUNK_FRAME_MAX;
use super::window::{SLOT, Window};
use super::xdr::{Encode, Reader};
use super::{CANCEL_FLAG, Chunk, LAUNCH_FLAG, MESSAGE_MAX, PROGRESS_FLAG, PROGRESS_LEN, Progress};
use crate::{Error, Result};

/// Bytes asked of the descriptor at once, and held back before they are written: 16 full chunks and a bit. With a window it is
/// a slot.
const BUFFER: usize = 160 * 1024;

/// What a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A frame of that many bytes follows; the length is within [`MESSAGE_MAX`].
    Length(usize),
    /// The daemon is up.
    Launch,
    /// Stop the transfer.
    Cancel,
    /// A progress message follows.
    Progress,
}

/// A buffered stream of frames in both directions. What is written stays in memory until [`flush`](Self::flush) or
/// until the buffer is full. After an error the stream is broken for good, and says so again on every use.
#[derive(Debug)]
pub struct Channel {
    file: File,
    input: Aligned,
    /// The unread part of `input`.
    from: usize,
    to: usize,
    output: Vec<u8>,
    /// Bytes of it that are held back.
    held_max: usize,
    broken: Option<String>,
    /// What is written goes through this.
    outward: Option<Box<Window>>,
    /// What is read comes through this.
    inward: Option<Box<Window>>,
}

impl Channel {
    /// A channel over a connected descriptor that can be read and written.
    pub fn new(fd: OwnedFd) -> Self {
        Channel {
            file: File::from(fd),
            input: Aligned::new(BUFFER),
            from: 0,
            to: 0,
            output: Vec::with_capacity(BUFFER),
            held_max: BUFFER,
            broken: None,
            outward: None,
            inward: None,
        }
    }

    /// Has all that is written go through a window of shared memory.
    pub fn send_through(&mut self, window: Window) {
        self.outward = Some(Box::new(window));
        self.held_max = SLOT;
    }

    /// Has all that is read come through a window of shared memory. To be said before anything is read.
    pub fn receive_through(&mut self, window: Window) {
        self.inward = Some(Box::new(window));
        self.input = Aligned::new(SLOT);
    }

    /// Why the stream can't be used any more, if so.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Reads the first word of the next frame, or `None` at the end of the stream between two frames.
    ///
    /// # Errors
    /// If the stream fails, ends inside the word, or announces a frame longer than the protocol allows.
    pub fn read_word(&mut self) -> Result<Option<Word>> {
        if self.from == self.to && self.fill()? == 0 {
            return Ok(None);
        }
        let mut bytes = [0; 4];
        self.read_exact(&mut bytes)?;
        let word = match u32::from_be_bytes(bytes) {
            LAUNCH_FLAG => Word::Launch,
            CANCEL_FLAG => Word::Cancel,
            PROGRESS_FLAG => Word::Progress,
            length => match usize::try_from(length) {
                Ok(length) if length <= MESSAGE_MAX => Word::Length(length),
                _ => return Err(self.fail(format!("a frame of {length} bytes is longer than {MESSAGE_MAX}"))),
            },
        };
        Ok(Some(word))
    }

    /// Reads the `length` bytes of a frame into `body`, replacing what it held.
    ///
    /// # Errors
    /// If the stream fails or ends before.
    pub fn read_body(&mut self, length: usize, body: &mut Vec<u8>) -> Result<()> {
        body.clear();
        // The memory grows with what has really come, not with what was announced.
        while body.len() < length {
            if self.from == self.to && self.fill()? == 0 {
                return Err(self.fail("the stream ended inside a frame".into()));
            }
            let have = self.input.get(self.from..self.to).unwrap_or_default();
            let take = have.len().min(length - body.len());
            body.extend_from_slice(have.get(..take).unwrap_or_default());
            self.from += take;
        }
        Ok(())
    }

    /// Reads a progress message, after its flag.
    ///
    /// # Errors
    /// If the stream fails or ends before.
    pub fn read_progress(&mut self) -> Result<Progress> {
        let mut bytes = [0; PROGRESS_LEN];
        self.read_exact(&mut bytes)?;
        let mut input = Reader::new(&bytes);
        let mut decode = || {
            Ok::<_, super::xdr::DecodeError>(Progress {
                procedure: input.value()?,
                serial: input.value()?,
                position: input.value()?,
                total: input.value()?,
            })
        };
        decode().map_err(|e| Error::protocol(e.to_string()))
    }

    /// Can something be read without waiting? True at the end of the stream too.
    ///
    /// # Errors
    /// If the descriptor can't be asked.
    pub fn has_input(&mut self) -> Result<bool> {
        if self.from < self.to {
            return Ok(true);
        }
        self.wait_input(PollTimeout::ZERO)
    }

    /// Waits up to `timeout` for input (or the end of the stream).
    ///
    /// # Errors
    /// If the descriptor can't be asked.
    pub fn wait_input(&mut self, timeout: PollTimeout) -> Result<bool> {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(n) => Ok(n > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(e) => Err(self.fail(format!("poll: {e}"))),
        }
    }

    /// Queues a message: header and body are already in `message`. A caller flushes when it begins to wait.
    ///
    /// # Errors
    /// If it is longer than the protocol allows (then nothing is queued), or the stream fails.
    pub fn write_message(&mut self, message: &[u8]) -> Result<()> {
        let length = match u32::try_from(message.len()) {
            Ok(length) if message.len() <= MESSAGE_MAX => length,
            _ => {
                return Err(Error::usage(format!(
                    "a message of {} bytes is longer than {MESSAGE_MAX}",
                    message.len()
                )));
            }
        };
        length.encode(&mut self.output);
        if self.output.len().saturating_add(message.len()) > self.held_max {
            self.flush()?;
        }
        self.output.extend_from_slice(message);
        Ok(())
    }

    /// Sends a message with a key in it, and keeps nothing of it.
    ///
    /// # Errors
    /// As [`write_message`](Self::write_message) and [`flush`](Self::flush).
    pub fn write_secret(&mut self, message: &[u8]) -> Result<()> {
        self.flush()?;
        // Room beforehand: memory that a vector grows out of is not wiped.
        self.output.reserve(message.len().saturating_add(size_of::<u32>()));
        let result = self.write_message(message).and_then(|()| self.flush());
        // What was flushed is still in the vector's spare room, which this wipes too.
        self.output.zeroize();
        result
    }

    /// Queues one of the flag words.
    ///
    /// # Errors
    /// If the stream fails.
    pub fn write_flag(&mut self, flag: u32) -> Result<()> {
        flag.encode(&mut self.output);
        self.flush()
    }

    /// Queues a progress message.
    ///
    /// # Errors
    /// If the stream fails.
    pub fn write_progress(&mut self, progress: Progress) -> Result<()> {
        PROGRESS_FLAG.encode(&mut self.output);
        progress.procedure.encode(&mut self.output);
        progress.serial.encode(&mut self.output);
        progress.position.encode(&mut self.output);
        progress.total.encode(&mut self.output);
        self.flush()
    }

    /// Queues a chunk.
    ///
    /// # Errors
    /// If the stream fails.
    pub fn write_chunk(&mut self, chunk: Chunk<'_>) -> Result<()> {
        if self.nearly_full() {
            self.flush()?;
        }
        chunk.encode_frame(&mut self.output);
        Ok(())
    }

    /// Is there no room for a full chunk, so that the next one waits for the peer?
    pub fn nearly_full(&self) -> bool {
        self.output.len().saturating_add(CHUNK_FRAME_MAX) > self.held_max
    }

    /// Is there less than a full chunk left of what was read, so that the next one may have to be waited for?
    pub fn nearly_empty(&self) -> bool {
        self.to.saturating_sub(self.from) < CHUNK_FRAME_MAX
    }

    /// Writes out all that is queued.
    ///
    /// # Errors
    /// If the stream fails; a peer that is gone is one such failure.
    pub fn flush(&mut self) -> Result<()> {
        self.check()?;
        let result = match &mut self.outward {
            None => self.file.write_all(&self.output),
            Some(window) => window.send(&mut self.file, &self.output),
        };
        self.output.clear();
        // A single large reply must not keep its memory for good.
        self.output.shrink_to(self.held_max);
        result.map_err(|e| self.fail(format!("writing to the stream: {e}")))
    }

    fn read_exact(&mut self, mut buf: &mut [u8]) -> Result<()> {
        while !buf.is_empty() {
            if self.from == self.to && self.fill()? == 0 {
                return Err(self.fail("the stream ended inside a frame".into()));
            }
            let have = self.input.get(self.from..self.to).unwrap_or_default();
            let take = have.len().min(buf.len());
            let (head, rest) = buf.split_at_mut(take);
            head.copy_from_slice(have.get(..take).unwrap_or_default());
            self.from += take;
            buf = rest;
        }
        Ok(())
    }

    /// Reads what is there into the empty input buffer; 0 is the end of the stream.
    fn fill(&mut self) -> Result<usize> {
        self.check()?;
        loop {
            let read = match &mut self.inward {
                None => self.file.read(&mut self.input),
                Some(window) => window.receive(&mut self.file, &mut self.input),
            };
            match read {
                Ok(n) => {
                    (self.from, self.to) = (0, n);
                    return Ok(n);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // The peer died with data of ours unread: the same as the end of the stream.
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(0),
                Err(e) => return Err(self.fail(format!("reading from the stream: {e}"))),
            }
        }
    }

    fn check(&self) -> Result<()> {
        match &self.broken {
            None => Ok(()),
            Some(why) => Err(Error::protocol(why.clone())),
        }
    }

    fn fail(&mut self, why: String) -> Error {
        self.broken = Some(why.clone());
        Error::protocol(why)
    }
}

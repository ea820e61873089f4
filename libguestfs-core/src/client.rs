//! The handle's side of a conversation: one call at a time, its reply, and the file that goes with it.
//!
//! A [`Client`] knows the protocol and nothing of handles; what happens meanwhile (progress, cancellation) goes
//! through [`Hooks`]. After an error of kind `Protocol` the conversation is over.

use std::io::{Read, Write};

use bstr::ByteSlice;
use nix::errno::Errno;
use zeroize::Zeroizing;

use crate::api::CallInfo;
use crate::wire::xdr::{Bytes, Encode, Reader};
use crate::wire::{
    CANCEL_FLAG, CHUNK_MAX, Channel, Chunk, Direction, ERRNO_NAME_MAX, ERROR_TEXT_MAX, FIRST_SERIAL,
    HEADER_LEN, Header, MESSAGE_MAX, Progress, Status, Word,
};
use crate::{Error, ErrorKind, NEEDS_APPLIANCE, Result, errno};

/// What a caller is told and asked while a call runs.
pub trait Hooks {
    /// The daemon said how far the call is.
    fn progress(&self, progress: Progress);

    /// Should the transfer stop?
    fn cancelled(&self) -> bool;
}

/// A file to send.
pub struct Upload<'a> {
    /// Its content.
    pub content: &'a mut dyn Read,
    /// Its size in bytes where known: lets the daemon tell how far it is.
    pub size: Option<u64>,
}

impl std::fmt::Debug for Upload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("size", &self.size).finish_non_exhaustive()
    }
}

/// The arguments of a call in XDR, with the mask of the optional ones.
#[derive(Debug, Clone, Default)]
pub struct EncodedArguments {
    /// Positional arguments, then all optional ones.
    pub bytes: Vec<u8>,
    /// Bit i set: the i-th optional argument is given.
    pub given: u64,
}

/// A conversation with a daemon.
#[derive(Debug)]
pub struct Client {
    channel: Channel,
    next_serial: u32,
    /// The last transfer was cancelled: a daemon may still send an end or cancel chunk too many.
    stray_chunks: bool,
}

impl Client {
    /// A conversation over a channel on which the launch flag has been seen.
    pub fn new(channel: Channel) -> Self {
        Client { channel, next_serial: FIRST_SERIAL, stray_chunks: false }
    }

    /// Is the conversation over?
    pub fn is_broken(&self) -> bool {
        self.channel.broken().is_some()
    }

    /// Makes a call without a file and returns the body of its reply.
    ///
    /// # Errors
    /// What the daemon answered, or `Protocol` if it is gone.
    pub fn call(
        &mut self,
        info: &CallInfo,
        arguments: &EncodedArguments,
        hooks: &dyn Hooks,
    ) -> Result<Vec<u8>> {
        let sent = self.send(info, arguments, 0)?;
        self.channel.flush()?;
        self.reply(&sent, hooks)
    }

    /// Makes a call that sends a file.
    ///
    /// # Errors
    /// As [`call`](Self::call); `Cancelled`, or the failure of the reader.
    pub fn call_upload(
        &mut self,
        info: &CallInfo,
        arguments: &EncodedArguments,
        upload: Upload<'_>,
        hooks: &dyn Hooks,
    ) -> Result<Vec<u8>> {
        let sent = self.send(info, arguments, upload.size.unwrap_or(0))?;
        let outcome = self.send_file(upload.content, hooks)?;
        let reply = self.reply(&sent, hooks);
        match outcome {
            // The daemon answers a transfer that we gave up with an error of its own, which says less than ours.
            Sent::GaveUp(ours) => match reply {
                Err(e) if e.kind() == ErrorKind::Protocol => Err(e),
                _ => Err(ours),
            },
            Sent::Whole | Sent::Refused => reply,
        }
    }

    /// Makes a call that receives a file, and writes it to `to` as it comes.
    ///
    /// # Errors
    /// As [`call`](Self::call); `Cancelled`, the failure of the writer, or of the daemon in the midst of the file.
    pub fn call_download(
        &mut self,
        info: &CallInfo,
        arguments: &EncodedArguments,
        to: &mut dyn Write,
        hooks: &dyn Hooks,
    ) -> Result<Vec<u8>> {
        let sent = self.send(info, arguments, 0)?;
        self.channel.flush()?;
        let reply = self.reply(&sent, hooks)?;
        self.receive_file(to, hooks)?;
        Ok(reply)
    }

    fn send(&mut self, info: &CallInfo, arguments: &EncodedArguments, progress_hint: u64) -> Result<Header> {
        self.drop_leftovers()?;
        let header = Header {
            procedure: info.procedure,
            direction: Direction::Call,
            serial: self.next_serial,
            progress_hint,
            optional: arguments.given,
            status: Status::Ok,
        };
        self.next_serial = self.next_serial.wrapping_add(1);
        let mut message = Vec::with_capacity(HEADER_LEN.saturating_add(arguments.bytes.len()));
        header.encode(&mut message);
        message.extend_from_slice(&arguments.bytes);
        if message.len() > MESSAGE_MAX {
            return Err(Error::new(
                ErrorKind::Usage,
                Some(Errno::EMSGSIZE),
                format!(
                    "the arguments are longer than a message of the protocol can be ({MESSAGE_MAX} bytes)"
                ),
            ));
        }
        if info.takes_key() {
            let message = Zeroizing::new(message);
            self.channel.write_secret(&message)?;
        } else {
            self.channel.write_message(&message)?;
        }
        Ok(header)
    }

    /// Between two calls only late progress messages and cancel flags, and stray chunks, can be on their way.
    fn drop_leftovers(&mut self) -> Result<()> {
        let mut body = Vec::new();
        while self.channel.has_input()? {
            match self.channel.read_word()? {
                Some(Word::Progress) => drop(self.channel.read_progress()?),
                Some(Word::Cancel) => {}
                Some(Word::Length(length)) if self.stray_chunks && length < HEADER_LEN => {
                    self.channel.read_body(length, &mut body)?;
                }
                None => return Err(Error::protocol("the daemon is gone")),
                Some(other) => {
                    return Err(Error::protocol(format!("the daemon sent {other:?} without being called")));
                }
            }
        }
        Ok(())
    }

    fn reply(&mut self, to: &Header, hooks: &dyn Hooks) -> Result<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            match self.channel.read_word()? {
                Some(Word::Progress) => hooks.progress(self.channel.read_progress()?),
                // The daemon refused a file whose end had already been sent.
                Some(Word::Cancel) => {}
                Some(Word::Length(length)) => {
                    self.channel.read_body(length, &mut message)?;
                    if length >= HEADER_LEN || !self.stray_chunks {
                        break;
                    }
                }
                Some(Word::Launch) => {
                    return Err(Error::protocol("the daemon started again in the midst of a call"));
                }
                None => return Err(Error::protocol("the daemon is gone")),
            }
        }
        self.stray_chunks = false;
        let mut input = Reader::new(&message);
        let header = Header::decode(&mut input).map_err(|e| Error::protocol(e.what))?;
        if header.direction != Direction::Reply
            || header.procedure != to.procedure
            || header.serial != to.serial
        {
            return Err(Error::protocol(format!(
                "the daemon answered call {} ({:#x}) where {} ({:#x}) was asked",
                header.procedure, header.serial, to.procedure, to.serial
            )));
        }
        if header.status == Status::Error {
            return Err(error_of(&mut input)?);
        }
        let body = message.split_off(HEADER_LEN.min(message.len()));
        Ok(body)
    }

    fn send_file(&mut self, content: &mut dyn Read, hooks: &dyn Hooks) -> Result<Sent> {
        let mut piece = [0; CHUNK_MAX];
        loop {
            if hooks.cancelled() {
                return self.give_up(Error::cancelled());
            }
            if self.daemon_cancels(hooks)? {
                // The cancel chunk goes in every case: the daemon waits for it.
                self.channel.write_chunk(Chunk::Cancel)?;
                self.channel.flush()?;
                return Ok(Sent::Refused);
            }
            match content.read(&mut piece) {
                Ok(0) => {
                    self.channel.write_chunk(Chunk::End)?;
                    self.channel.flush()?;
                    return Ok(Sent::Whole);
                }
                Ok(n) => self.channel.write_chunk(Chunk::Data(piece.get(..n).unwrap_or_default()))?,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return self.give_up(Error::io("reading the file to send", e)),
            }
        }
    }

    fn give_up(&mut self, why: Error) -> Result<Sent> {
        self.channel.write_chunk(Chunk::Cancel)?;
        self.channel.flush()?;
        Ok(Sent::GaveUp(why))
    }

    /// Looks for the daemon's cancel flag without waiting.
    fn daemon_cancels(&mut self, hooks: &dyn Hooks) -> Result<bool> {
        while self.channel.has_input()? {
            match self.channel.read_word()? {
                Some(Word::Progress) => hooks.progress(self.channel.read_progress()?),
                Some(Word::Cancel) => return Ok(true),
                None => return Err(Error::protocol("the daemon is gone")),
                Some(other) => {
                    return Err(Error::protocol(format!("the daemon sent {other:?} in the midst of a file")));
                }
            }
        }
        Ok(false)
    }

    fn receive_file(&mut self, to: &mut dyn Write, hooks: &dyn Hooks) -> Result<()> {
        let mut body = Vec::with_capacity(CHUNK_MAX + 8);
        // Why we want no more, once the daemon has been told.
        let mut stopped: Option<Error> = None;
        loop {
            if stopped.is_none() && hooks.cancelled() {
                stopped = Some(self.stop_download(Error::cancelled())?);
            }
            let length = match self.channel.read_word()? {
                Some(Word::Length(length)) => length,
                Some(Word::Progress) => {
                    hooks.progress(self.channel.read_progress()?);
                    continue;
                }
                Some(other) => {
                    return Err(Error::protocol(format!("the daemon sent {other:?} in the midst of a file")));
                }
                None => return Err(Error::protocol("the daemon is gone")),
            };
            self.channel.read_body(length, &mut body)?;
            let chunk = Chunk::decode(&body)
                .map_err(|e| Error::protocol(format!("a chunk can't be decoded: {e}")))?;
            match (chunk, stopped.take()) {
                (Chunk::Data(_), Some(why)) => stopped = Some(why),
                (Chunk::Data(data), None) => {
                    if let Err(e) = to.write_all(data) {
                        stopped = Some(self.stop_download(Error::io("writing the file received", e))?);
                    }
                }
                (Chunk::End | Chunk::Cancel, Some(why)) => {
                    self.stray_chunks = true;
                    return Err(why);
                }
                (Chunk::End, None) => {
                    return to.flush().map_err(|e| Error::io("writing the file received", e));
                }
                (Chunk::Cancel, None) => {
                    let text = "the daemon could not read the file to its end";
                    return Err(Error::new(ErrorKind::Interrupted, Some(Errno::EIO), text));
                }
            }
        }
    }

    fn stop_download(&mut self, why: Error) -> Result<Error> {
        self.channel.write_flag(CANCEL_FLAG)?;
        Ok(why)
    }
}

/// How the sending of a file ended.
enum Sent {
    Whole,
    /// The daemon wants no more; its reply says why.
    Refused,
    /// This side stopped.
    GaveUp(Error),
}

/// The error that a reply carries.
fn error_of(input: &mut Reader<'_>) -> Result<Error> {
    let mut text_of = |limit: usize| {
        let Bytes(text) =
            input.value().map_err(|e| Error::protocol(format!("an error reply can't be decoded: {e}")))?;
        if text.len() > limit {
            return Err(Error::protocol(format!("an error reply has a text of {} bytes", text.len())));
        }
        Ok(text)
    };
    let name = text_of(ERRNO_NAME_MAX)?;
    let text = text_of(ERROR_TEXT_MAX)?;
    let errno = errno::from_name(name);
    let kind = if errno == Some(Errno::EOPNOTSUPP) && text.starts_with(NEEDS_APPLIANCE.as_bytes()) {
        ErrorKind::NeedsAppliance
    } else {
        ErrorKind::Daemon
    };
    Ok(Error::new(kind, errno, text.to_str_lossy()))
}

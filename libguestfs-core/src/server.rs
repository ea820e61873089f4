//! The daemon's side of a conversation: reads calls, has them made, sends replies, files and progress.
//!
//! [`serve`] is the whole main loop. A file that a call receives ([`FileIn`]) or sends ([`FileOut`]) passes through in
//! pieces; both ends can cancel it. Who sends what then is the protocol's, and lives here and in
//! [`client`](crate::client) only:
//!
//! * `FileOut`: an ok reply goes before the first piece, so an error after it can only be a cancel chunk. The caller
//!   cancels with a bare flag word, is sent one cancel chunk, and no further reply.
//! * `FileIn`: pieces come before the reply. A failing call sends the flag word, drops pieces up to the end or cancel
//!   chunk, then replies with the error. A caller that cancels sends a cancel chunk and gets an error reply.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::api::{self, CallInfo, Daemon};
use crate::wire::xdr::{Decode, DecodeError, Encode, Reader};
use crate::wire::{
    CANCEL_FLAG, CHUNK_MAX, Channel, Chunk, Direction, ERROR_TEXT_MAX, Header, LAUNCH_FLAG, MESSAGE_MAX,
    Progress, Status, Word,
};
use crate::{Error, ErrorKind, Result, errno};

/// Says once that the daemon is up; [`serve`] comes next.
///
/// # Errors
/// If the caller is gone.
pub fn announce(channel: &mut Channel) -> Result<()> {
    channel.write_flag(LAUNCH_FLAG)
}

/// Answers calls until the caller closes the stream.
///
/// # Errors
/// If the stream fails, or carries something that is not the protocol: nothing can be answered after that.
pub fn serve<D: Daemon + ?Sized>(channel: &mut Channel, daemon: &mut D) -> Result<()> {
    let mut message = Vec::new();
    loop {
        match channel.read_word()? {
            None => return Ok(()),
            // A caller's cancellation that crossed the end of the transfer.
            Some(Word::Cancel) => {}
            Some(Word::Length(length)) => {
                channel.read_body(length, &mut message)?;
                answer(channel, daemon, &message)?;
                if holds_key(&message) {
                    // What nobody reads any more would not have to be written: the box says that somebody might.
                    std::hint::black_box(&mut message).fill(0);
                }
                channel.flush()?;
            }
            Some(flag) => return Err(Error::protocol(format!("{flag:?} flag where a call is expected"))),
        }
        // One large call must not keep its memory for good.
        message.shrink_to(64 * 1024);
        daemon.between_calls();
    }
}

/// Is there a key or passphrase among the arguments of this call?
fn holds_key(message: &[u8]) -> bool {
    let header = Header::decode(&mut Reader::new(message));
    let call = header.ok().and_then(|header| api::call(header.procedure));
    call.is_some_and(CallInfo::takes_key)
}

fn answer<D: Daemon + ?Sized>(channel: &mut Channel, daemon: &mut D, message: &[u8]) -> Result<()> {
    let mut input = Reader::new(message);
    let header = match Header::decode(&mut input) {
        Ok(header) if header.direction == Direction::Call && header.status == Status::Ok => header,
        Ok(header) => {
            let why =
                Error::daemon(Errno::EINVAL, "the message is not a call: its direction or status is wrong");
            return reply_error(channel, &header, &why);
        }
        Err(e) if e.serial == 0 => return Err(Error::protocol(e.what)),
        Err(e) => {
            let header = Header {
                procedure: e.procedure,
                direction: Direction::Call,
                serial: e.serial,
                progress_hint: 0,
                optional: 0,
                status: Status::Ok,
            };
            return reply_error(channel, &header, &Error::daemon(Errno::EINVAL, e.what));
        }
    };
    let takes_file = api::call(header.procedure).is_some_and(CallInfo::takes_file);
    let mut call = Call { header, arguments: input, upload_over: !takes_file, channel };
    let result = api::dispatch(daemon, &mut call);
    let Err(error) = result else { return Ok(()) };
    if let Some(broken) = call.channel.broken() {
        return Err(Error::protocol(broken.to_string()));
    }
    if !call.upload_over {
        call.refuse_upload()?;
    }
    reply_error(channel, &header, &error)
}

fn reply_error(channel: &mut Channel, to: &Header, error: &Error) -> Result<()> {
    let mut message = Vec::new();
    to.reply(Status::Error).encode(&mut message);
    let name = error.errno().map(errno::name).unwrap_or_default();
    name.into_bytes().encode(&mut message);
    let mut text = error_text(error);
    text.truncate(ERROR_TEXT_MAX);
    text.encode(&mut message);
    channel.write_message(&message)?;
    channel.flush()
}

/// The message and the chain of causes below it, in one line. NULs would end a C string early.
fn error_text(error: &Error) -> Vec<u8> {
    let mut text = error.message().to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        text.push_str(": ");
        text.push_str(&e.to_string());
        cause = e.source();
    }
    text.into_bytes().into_iter().map(|b| if b == 0 { b'?' } else { b }).collect()
}

/// The answer to a procedure number that is not in the definition.
pub fn unknown_procedure(number: u32) -> Error {
    if number == 0 || number > api::HIGHEST_PROCEDURE {
        return Error::daemon(Errno::EINVAL, format!("unknown procedure number {number}"));
    }
    Error::needs_appliance(format_args!("the embedded daemon does not have the call of number {number}"))
}

impl From<DecodeError> for Error {
    fn from(e: DecodeError) -> Self {
        Error::daemon(Errno::EINVAL, format!("the arguments of the call can't be decoded: {e}"))
    }
}

/// A call that is being answered.
#[derive(Debug)]
pub struct Call<'a> {
    header: Header,
    arguments: Reader<'a>,
    /// Has the end of the file that the caller sends been seen (or is none sent)?
    upload_over: bool,
    channel: &'a mut Channel,
}

impl<'a> Call<'a> {
    /// Number of the call.
    pub fn procedure(&self) -> u32 {
        self.header.procedure
    }

    /// The arguments, after a check that only known optional ones are given.
    ///
    /// # Errors
    /// `EINVAL` if the caller gave an optional argument that the call has not.
    pub fn arguments(&self, info: &CallInfo) -> Result<Arguments<'a>> {
        let known = 1u64
            .checked_shl(u32::try_from(info.optional.len()).unwrap_or(u32::MAX))
            .map_or(u64::MAX, |b| b - 1);
        if self.header.optional & !known != 0 {
            let text = format!("{}: an optional argument is given that this daemon does not know", info.name);
            return Err(Error::daemon(Errno::EINVAL, text));
        }
        Ok(Arguments { input: self.arguments.clone(), given: self.header.optional })
    }

    /// Sends a successful reply.
    ///
    /// # Errors
    /// If the result is longer than a message can be; the caller then gets an error reply.
    pub fn reply<T: Encode>(&mut self, value: &T) -> Result<()> {
        let mut message = Vec::new();
        self.header.reply(Status::Ok).encode(&mut message);
        value.encode(&mut message);
        if message.len() > MESSAGE_MAX {
            return Err(Error::daemon(
                Errno::EMSGSIZE,
                "the result is longer than a message of the protocol can be",
            ));
        }
        self.channel.write_message(&message)
    }

    /// Where a call without a file tells how far it is.
    pub fn meter(&mut self) -> Meter<'_> {
        Meter { progress: ProgressClock::new(&self.header), channel: self.channel }
    }

    /// Where a call writes the file that it sends.
    pub fn file_out(&mut self) -> FileOut<'_> {
        FileOut {
            progress: ProgressClock::new(&self.header),
            header: self.header,
            channel: self.channel,
            state: OutState::Waiting,
            sent: 0,
            total: None,
        }
    }

    /// Where a call reads the file that the caller sends.
    pub fn file_in(&mut self) -> FileIn<'_> {
        FileIn {
            progress: ProgressClock::new(&self.header),
            total: Some(self.header.progress_hint).filter(|&hint| hint > 0),
            received: 0,
            over: &mut self.upload_over,
            channel: self.channel,
            body: Vec::new(),
        }
    }

    /// Has the caller stop sending its file, and drops what is on its way.
    fn refuse_upload(&mut self) -> Result<()> {
        self.channel.write_flag(CANCEL_FLAG)?;
        let mut file = self.file_in();
        loop {
            match file.next_chunk() {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                // The cancel chunk that our flag asked for.
                Err(e) if e.kind() == ErrorKind::Cancelled => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }
}

/// The arguments of a call, taken one by one in the order of the definition.
#[derive(Debug)]
pub struct Arguments<'a> {
    input: Reader<'a>,
    given: u64,
}

impl<'a> Arguments<'a> {
    /// The next argument.
    ///
    /// # Errors
    /// `EINVAL` if the message does not hold it.
    pub fn value<T: Decode<'a>>(&mut self) -> Result<T> {
        Ok(self.input.value()?)
    }

    /// The next optional argument. A value whose bit is clear is read and ignored. A caller of an older version of the
    /// protocol does not send those that came later.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn optional<T: Decode<'a>>(&mut self, bit: u32) -> Result<Option<T>> {
        if self.input.remaining() == 0 && self.given & (1 << bit) == 0 {
            return Ok(None);
        }
        let value = self.value()?;
        Ok(if self.given & (1 << bit) != 0 { Some(value) } else { None })
    }

    /// Ends the arguments.
    ///
    /// # Errors
    /// `EINVAL` if the message holds more than the call has.
    pub fn finish(self) -> Result<()> {
        Ok(self.input.finish()?)
    }
}

/// When a progress message is due: first after 2 s, then at most three in a second (daemon/proto.c).
#[derive(Debug)]
struct ProgressClock {
    procedure: u32,
    serial: u32,
    due: Instant,
    any: bool,
}

const FIRST_PROGRESS: Duration = Duration::from_secs(2);
const NEXT_PROGRESS: Duration = Duration::from_micros(333_333);

impl ProgressClock {
    fn new(header: &Header) -> Self {
        ProgressClock {
            procedure: header.procedure,
            serial: header.serial,
            due: Instant::now() + FIRST_PROGRESS,
            any: false,
        }
    }

    /// Tells the caller how far the call is, if it is time. The end is always told if anything was.
    fn tell(&mut self, channel: &mut Channel, position: u64, total: u64) -> Result<()> {
        let at_end = position >= total;
        if (at_end && !self.any) || (!at_end && Instant::now() < self.due) {
            return Ok(());
        }
        self.due = Instant::now() + NEXT_PROGRESS;
        self.any = true;
        channel.write_progress(Progress { procedure: self.procedure, serial: self.serial, position, total })
    }
}

/// Tells the caller how far a call is that has no file.
#[derive(Debug)]
pub struct Meter<'a> {
    channel: &'a mut Channel,
    progress: ProgressClock,
}

impl Meter<'_> {
    /// So much of `total` is done, in any unit. May be said as often as one likes: what is sent is bounded.
    ///
    /// # Errors
    /// If the caller is gone.
    pub fn tell(&mut self, position: u64, total: u64) -> Result<()> {
        self.progress.tell(self.channel, position, total)
    }
}

#[derive(Debug, PartialEq)]
enum OutState {
    /// Nothing was sent: the call can still fail with a text.
    Waiting,
    /// The ok reply went out.
    Started,
    /// The caller wants no more.
    Cancelled,
}

/// The file that a call sends to the caller.
#[derive(Debug)]
pub struct FileOut<'a> {
    header: Header,
    channel: &'a mut Channel,
    state: OutState,
    progress: ProgressClock,
    sent: u64,
    total: Option<u64>,
}

impl FileOut<'_> {
    /// Says how many bytes will be sent in all; progress messages need it.
    pub fn set_total(&mut self, bytes: u64) {
        self.total = Some(bytes);
    }

    /// Sends the next bytes of the file, any number of them.
    ///
    /// # Errors
    /// `Cancelled` if the caller wants no more, or the failure of the stream: the call should end with it.
    pub fn write_all(&mut self, data: &[u8]) -> Result<()> {
        self.start()?;
        for piece in data.chunks(CHUNK_MAX) {
            // Asking costs a system call: once for each buffer that is written out.
            if self.channel.nearly_full() {
                self.check_cancelled()?;
            }
            self.channel.write_chunk(Chunk::Data(piece))?;
        }
        self.sent = self.sent.saturating_add(u64::try_from(data.len()).unwrap_or(0));
        match self.total {
            Some(total) if self.sent < total => self.progress.tell(self.channel, self.sent, total),
            _ => Ok(()),
        }
    }

    fn start(&mut self) -> Result<()> {
        match self.state {
            OutState::Started => Ok(()),
            OutState::Cancelled => Err(Error::cancelled()),
            OutState::Waiting => {
                let mut reply = Vec::new();
                self.header.reply(Status::Ok).encode(&mut reply);
                self.channel.write_message(&reply)?;
                self.state = OutState::Started;
                Ok(())
            }
        }
    }

    fn check_cancelled(&mut self) -> Result<()> {
        if !self.channel.has_input()? {
            return Ok(());
        }
        match self.channel.read_word()? {
            Some(Word::Cancel) => {
                self.state = OutState::Cancelled;
                Err(Error::cancelled())
            }
            None => Err(Error::protocol("the caller is gone")),
            Some(other) => Err(Error::protocol(format!("{other:?} where only a cancel flag can come"))),
        }
    }

    /// Ends the file as the call ended. For the dispatcher.
    ///
    /// # Errors
    /// The call's own error if nothing was sent yet: it becomes an error reply.
    pub fn finish(mut self, result: Result<()>) -> Result<()> {
        match (result, &self.state) {
            (Ok(()), OutState::Waiting | OutState::Started) => {
                self.start()?;
                if let Some(total) = self.total {
                    self.progress.tell(self.channel, total, total)?;
                }
                self.channel.write_chunk(Chunk::End)
            }
            (Err(error), OutState::Waiting) => Err(error),
            (_, OutState::Started | OutState::Cancelled) => self.channel.write_chunk(Chunk::Cancel),
        }
    }
}

/// The file that a caller sends to a call.
#[derive(Debug)]
pub struct FileIn<'a> {
    channel: &'a mut Channel,
    over: &'a mut bool,
    progress: ProgressClock,
    received: u64,
    total: Option<u64>,
    body: Vec<u8>,
}

impl FileIn<'_> {
    /// The next bytes of the file, or `None` at its end.
    ///
    /// # Errors
    /// `Cancelled` if the caller gave up, or the failure of the stream: the call should end with it.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>> {
        if *self.over {
            return Ok(None);
        }
        let length = match self.channel.read_word()? {
            Some(Word::Length(length)) => length,
            // The caller answers our own flag with a cancel chunk; a flag word of its own has no meaning here.
            Some(Word::Cancel) => return Ok(Some(&[])),
            _ => return Err(Error::protocol("the stream ended inside a file")),
        };
        self.channel.read_body(length, &mut self.body)?;
        match Chunk::decode(&self.body) {
            Ok(Chunk::Data(data)) => {
                self.received = self.received.saturating_add(u64::try_from(data.len()).unwrap_or(0));
                // What time it is, is a question to the kernel, and User-Mode Linux takes its time to answer: once for each
                // buffer that was read.
                if let Some(total) = self.total
                    && self.channel.nearly_empty()
                {
                    self.progress.tell(self.channel, self.received.min(total), total)?;
                }
                Ok(Some(data))
            }
            Ok(Chunk::End) => {
                *self.over = true;
                Ok(None)
            }
            Ok(Chunk::Cancel) => {
                *self.over = true;
                Err(Error::cancelled())
            }
            Err(e) => Err(Error::protocol(format!("a chunk can't be decoded: {e}"))),
        }
    }

    /// Reads what the call left unread. For the dispatcher.
    ///
    /// # Errors
    /// As [`next_chunk`](Self::next_chunk).
    pub fn finish(mut self) -> Result<()> {
        while self.next_chunk()?.is_some() {}
        Ok(())
    }
}

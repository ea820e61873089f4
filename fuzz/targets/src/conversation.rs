//! Whole conversations of the wire protocol, with a hostile peer on the other end of a socket.
//!
//! A socket that stays silent counts as broken after [`SILENCE`], so a peer that leaves its words incomplete does not
//! stop the run; a side that never ends is found by its time.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::api::{
    CallInfo, Hivex, Host, Machine, Own, Partitioning, Reading, Searching, Storage, Transfer, Volumes,
    Writing, call_named,
};
use libguestfs_core::client::{Client, EncodedArguments, Hooks, Upload};
use libguestfs_core::server::{self, FileIn, FileOut};
use libguestfs_core::wire::xdr::Encode;
use libguestfs_core::wire::{
    CANCEL_FLAG, CHUNK_MAX, Channel, Chunk, Direction, FIRST_SERIAL, HEADER_LEN, Header, Progress, Status,
    Word,
};
use libguestfs_core::{Error, ErrorKind, Result};

/// Begins what the daemon says to one call; the byte after it says which call.
pub(crate) const TURN: &[u8] = b"TURN";
/// Most bytes that the peer says: they have to fit in the socket's buffer (net.core.wmem_default is 212992).
const MOST: usize = 64 << 10;
/// Most calls of one conversation.
const MOST_TURNS: usize = 8;
/// How long an incomplete answer is waited for.
const SILENCE: Duration = Duration::from_millis(5);
/// Size of a file that the handle sends: a few chunks, less than the socket's buffer.
const UPLOAD: usize = 3 * CHUNK_MAX;

/// Counts the questions whether to cancel, and says yes from the `after`-th on.
struct Counting {
    asked: Cell<u32>,
    after: u32,
}

impl Hooks for Counting {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() > self.after
    }
}

/// The content of a file that the handle sends. The daemon answers at its end, or before it.
struct Content<'a> {
    left: usize,
    answer: Option<&'a [u8]>,
    early: bool,
    peer: &'a UnixStream,
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = buf.len().min(self.left);
        buf[..count].fill(7);
        self.left -= count;
        if (count == 0 || self.early)
            && let Some(answer) = self.answer.take()
        {
            let mut peer = self.peer;
            peer.write_all(answer)?;
        }
        Ok(count)
    }
}

/// A daemon that answers anything: calls end, and what they give is no longer than what came.
pub(crate) fn client(data: &[u8]) {
    let data = &data[..data.len().min(MOST)];
    let Ok((ours, peer)) = UnixStream::pair() else { return };
    let timeouts = [ours.set_read_timeout(Some(SILENCE)), peer.set_read_timeout(Some(SILENCE))];
    assert!(timeouts.iter().all(io::Result::is_ok), "{timeouts:?}");
    let mut client = Client::new(Channel::new(ours.into()));
    let mut turns = data.split_str(TURN).filter_map(<[u8]>::split_first).take(MOST_TURNS).peekable();
    while let Some((&kind, answer)) = turns.next() {
        let last = turns.peek().is_none();
        match turn(&mut client, &peer, kind, answer, last) {
            Ok(bytes) => assert!(bytes <= data.len(), "{bytes} bytes of {}", data.len()),
            Err(error) if error.kind() == ErrorKind::Protocol => break,
            Err(_) => {}
        }
    }
    if client.is_broken() {
        let hooks = Counting { asked: Cell::new(0), after: u32::MAX };
        let again = client.call(info("list_devices"), &EncodedArguments::default(), &hooks);
        assert!(again.is_err(), "a call on a broken stream came to something");
    }
}

fn info(name: &str) -> &'static CallInfo {
    call_named(name).unwrap_or_else(|| unreachable!("there is no call {name}"))
}

/// Makes one call, which the daemon answers with `answer`; how many bytes came of it.
fn turn(client: &mut Client, peer: &UnixStream, kind: u8, answer: &[u8], last: bool) -> Result<usize> {
    let arguments = EncodedArguments::default();
    let hooks = Counting { asked: Cell::new(0), after: if kind & 4 == 0 { u32::MAX } else { 1 } };
    if kind & 2 != 0 {
        let mut content = Content { left: UPLOAD, answer: Some(answer), early: kind & 1 != 0, peer };
        let upload = Upload { content: &mut content, size: None };
        return client.call_upload(info("upload"), &arguments, upload, &hooks).map(|body| body.len());
    }
    thread::scope(|scope| {
        scope.spawn(move || {
            // Before the call came, this would be an answer to none.
            let mut peer = peer;
            let came = peer.read(&mut [0; 256]);
            // A handle that is gone already has had enough.
            let _ = came.and_then(|_| peer.write_all(answer));
            if last {
                let _ = peer.shutdown(Shutdown::Write);
            }
        });
        if kind & 1 == 0 {
            return client.call(info("list_devices"), &arguments, &hooks).map(|body| body.len());
        }
        let mut file = Vec::new();
        let body = client.call_download(info("download"), &arguments, &mut file, &hooks)?;
        Ok(body.len() + file.len())
    })
}

/// A daemon with a call of each shape.
#[derive(Default)]
struct Small {
    uploaded: usize,
}

/// Size in bytes of the file that [`Small`] sends.
const DOWNLOAD: usize = 3 * CHUNK_MAX + 5;

impl Host for Small {}

impl Writing for Small {}
impl Partitioning for Small {}
impl Storage for Small {}
impl Volumes for Small {}
impl Hivex for Small {}
impl Machine for Small {}
impl Own for Small {}
impl Searching for Small {}

impl Transfer for Small {
    fn upload(&mut self, file: &mut FileIn<'_>, path: &BStr) -> Result<()> {
        while let Some(piece) = file.next_chunk()? {
            self.uploaded += piece.len();
            if path.ends_with(b"full") {
                return Err(Error::usage("no more"));
            }
        }
        Ok(())
    }
}

impl Reading for Small {
    fn list_devices(&mut self) -> Result<Vec<BString>> {
        Ok(vec!["/dev/sda".into()])
    }

    fn download(&mut self, path: &BStr, file: &mut FileOut<'_>) -> Result<()> {
        file.set_total(u64::try_from(DOWNLOAD).unwrap_or(0));
        file.write_all(&[7; DOWNLOAD])?;
        if path.ends_with(b"late") { Err(Error::usage("a failure after the file began")) } else { Ok(()) }
    }
}

/// A caller that says anything: the daemon ends with what it is told, takes in no more than came, and speaks in whole
/// frames of bounded number.
pub(crate) fn server(data: &[u8]) {
    let data = &data[..data.len().min(MOST)];
    let Ok((ours, mut peer)) = UnixStream::pair() else { return };
    let said = peer.write_all(data).and_then(|()| peer.shutdown(Shutdown::Write));
    assert!(said.is_ok(), "{said:?}");
    let (bytes, listened) = thread::scope(|scope| {
        let listener = scope.spawn(move || listen(peer));
        let mut daemon = Small::default();
        let mut channel = Channel::new(ours.into());
        let served = server::serve(&mut channel, &mut daemon);
        assert!(daemon.uploaded <= data.len(), "{} bytes came in {}", daemon.uploaded, data.len());
        drop(channel);
        let listened = listener.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (listened.as_ref().ok().copied(), served.is_err() || listened.is_ok())
    });
    assert!(listened, "a daemon that ended well left a frame incomplete");
    // Each call takes a header, and gives its file at most, or a short error.
    let calls = data.len() / HEADER_LEN + 1;
    assert!(bytes.is_none_or(|bytes| bytes <= calls * (DOWNLOAD + MOST)), "{bytes:?} for {calls} calls");
}

/// Reads all frames that the daemon sends; how many bytes they had.
fn listen(peer: UnixStream) -> Result<usize> {
    let mut channel = Channel::new(peer.into());
    let mut body = Vec::new();
    let mut bytes = 0;
    while let Some(word) = channel.read_word()? {
        match word {
            Word::Length(length) => channel.read_body(length, &mut body)?,
            Word::Progress => drop(channel.read_progress()?),
            Word::Launch | Word::Cancel => {}
        }
        bytes += body.len();
    }
    Ok(bytes)
}

/// What a well-behaved daemon says to three calls, and to one that fails.
pub(crate) fn client_seeds() -> Vec<Vec<u8>> {
    let mut seed = Vec::new();
    for (serial, (kind, name)) in
        (FIRST_SERIAL..).zip([(0, "list_devices"), (1, "download"), (2, "upload"), (5, "download")])
    {
        seed.extend_from_slice(TURN);
        seed.push(kind);
        // XDR pads to where its own bytes began.
        let mut answer = Vec::new();
        let devices = [BString::from("/dev/sda")].to_vec();
        message(&mut answer, name, Direction::Reply, serial, |body| {
            if kind == 0 {
                devices.encode(body);
            }
        });
        if kind & 1 == 1 {
            Chunk::Data(&[1; 100]).encode_frame(&mut answer);
            Chunk::Data(&[2; 3]).encode_frame(&mut answer);
            Chunk::End.encode_frame(&mut answer);
        }
        seed.extend_from_slice(&answer);
    }
    let mut answer = Vec::new();
    CANCEL_FLAG.encode(&mut answer);
    message(&mut answer, "upload", Direction::Reply, FIRST_SERIAL, |_| {});
    vec![seed, [TURN, &[3], &answer].concat()]
}

/// What a well-behaved caller says: a call of each shape, one of which is cancelled, and one with a refused file.
pub(crate) fn server_seeds() -> Vec<Vec<u8>> {
    let mut seed = Vec::new();
    for (serial, (name, path)) in (FIRST_SERIAL..).zip([
        ("list_devices", ""),
        ("upload", "/file"),
        ("upload", "/full"),
        ("download", "/file"),
        ("download", "/late"),
    ]) {
        message(&mut seed, name, Direction::Call, serial, |body| {
            if !path.is_empty() {
                path.as_bytes().to_vec().encode(body);
            }
        });
        if name == "upload" {
            Chunk::Data(&[1; 100]).encode_frame(&mut seed);
            Chunk::End.encode_frame(&mut seed);
        }
    }
    let mut cancelled = seed.clone();
    CANCEL_FLAG.encode(&mut cancelled);
    vec![seed, cancelled]
}

/// Appends a message with its length.
fn message(to: &mut Vec<u8>, name: &str, direction: Direction, serial: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let procedure = info(name).procedure;
    let header = Header { procedure, direction, serial, progress_hint: 0, optional: 0, status: Status::Ok };
    let mut message = Vec::new();
    header.encode(&mut message);
    body(&mut message);
    u32::try_from(message.len()).unwrap_or(u32::MAX).encode(to);
    to.extend_from_slice(&message);
}

//! A handle's side and a daemon's side talk over a socket pair: replies, errors, files in both directions, and both
//! cancellations with their races. Where a side could do something wrong in silence, the other one is played by hand,
//! byte for byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::api::{
    self, CallInfo, Hivex, Host, IsFileOpts, Machine, Own, Partitioning, Reading, Searching, Storage,
    Transfer, Volumes, Writing, call_named,
};
use libguestfs_core::client::{Client, EncodedArguments, Hooks, Upload};
use libguestfs_core::server::{self, FileIn, FileOut};
use libguestfs_core::wire::xdr::{Encode, Reader};
use libguestfs_core::wire::{CHUNK_MAX, Channel, Progress};
use libguestfs_core::{Error, ErrorKind, Result};
use nix::errno::Errno;

/// A daemon with a few calls, each of which does something that a real one could.
#[derive(Default)]
struct Double {
    uploaded: usize,
    last_failure: String,
}

impl Host for Double {
    fn note_failure(&mut self, error: &Error) {
        self.last_failure = error.to_string();
    }
}

impl Writing for Double {}
impl Partitioning for Double {}
impl Storage for Double {}
impl Volumes for Double {}
impl Hivex for Double {}
impl Machine for Double {}
impl Own for Double {}
impl Searching for Double {}

impl Transfer for Double {
    /// To `/refuse` nothing can be written, and `/stop-early` has had enough after one piece.
    fn upload(&mut self, file: &mut FileIn<'_>, path: &BStr) -> Result<()> {
        match path.to_str().unwrap() {
            "/refuse" => Err(Error::daemon(Errno::EROFS, "read-only")),
            "/stop-early" => {
                file.next_chunk()?;
                Err(Error::daemon(Errno::ENOSPC, "full"))
            }
            _ => {
                self.uploaded = 0;
                while let Some(piece) = file.next_chunk()? {
                    self.uploaded += piece.len();
                }
                Ok(())
            }
        }
    }
}

impl Reading for Double {
    fn ping_daemon(&mut self) -> Result<()> {
        Ok(())
    }

    fn is_file(&mut self, path: &BStr, opts: &IsFileOpts) -> Result<bool> {
        Ok(path == "/file" || opts.followsymlinks == Some(true))
    }

    fn list_devices(&mut self) -> Result<Vec<BString>> {
        Ok(vec!["/dev/sda".into(), "/dev/sdb".into()])
    }

    fn readlink(&mut self, path: &BStr) -> Result<BString> {
        Err(Error::daemon(Errno::ENOENT, format!("{path}: No such file or directory")))
    }

    fn head(&mut self, _: &BStr) -> Result<Vec<BString>> {
        // Longer than a message can be.
        Ok(vec![BString::from(vec![b'x'; 1 << 20]); 5])
    }

    fn debug(&mut self, _: &BStr, _: &[BString]) -> Result<BString> {
        Ok(std::mem::take(&mut self.last_failure).into())
    }

    /// `/fails-early`, `/fails-late`, `/endless`, or so many bytes as the name says.
    fn download(&mut self, path: &BStr, file: &mut FileOut<'_>) -> Result<()> {
        match path.to_str().unwrap() {
            "/fails-early" => Err(Error::daemon(Errno::EACCES, "not this one")),
            "/fails-late" => {
                file.write_all(&[1; 20_000])?;
                Err(Error::daemon(Errno::EIO, "/fails-late: bad extent"))
            }
            "/endless" => loop {
                file.write_all(&[2; 64 * 1024])?;
            },
            size => {
                let size = size[1..].parse::<usize>().unwrap();
                file.set_total(size as u64);
                file.write_all(&(0..size).map(|i| (i % 251) as u8).collect::<Vec<_>>())
            }
        }
    }

    fn filesize(&mut self, _: &BStr) -> Result<i64> {
        Ok(self.uploaded as i64)
    }
}

#[derive(Default)]
struct Told {
    cancel: AtomicBool,
    progress: AtomicUsize,
}

impl Hooks for Told {
    fn progress(&self, _: Progress) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

fn with_daemon<T>(talk: impl FnOnce(&mut Client, &Told) -> T) -> T {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let daemon =
        thread::spawn(move || server::serve(&mut Channel::new(theirs.into()), &mut Double::default()));
    let mut client = Client::new(Channel::new(ours.into()));
    let result = talk(&mut client, &Told::default());
    drop(client);
    daemon.join().unwrap().unwrap();
    result
}

fn info(name: &str) -> &'static CallInfo {
    call_named(name).unwrap()
}

fn text(value: &str) -> EncodedArguments {
    let mut bytes = Vec::new();
    BString::from(value).encode(&mut bytes);
    EncodedArguments { bytes, given: 0 }
}

fn none() -> EncodedArguments {
    EncodedArguments::default()
}

fn ping(client: &mut Client, told: &Told) {
    client.call(info("ping_daemon"), &none(), told).expect("the conversation goes on");
}

#[test]
fn results_errors_and_optional_arguments_arrive() {
    with_daemon(|client, told| {
        ping(client, told);
        let body = client.call(info("list_devices"), &none(), told).unwrap();
        assert_eq!(body, b"\0\0\0\x02\0\0\0\x08/dev/sda\0\0\0\x08/dev/sdb");

        let mut arguments = text("/x");
        true.encode(&mut arguments.bytes);
        assert_eq!(
            client.call(info("is_file"), &arguments, told).unwrap(),
            [0, 0, 0, 0],
            "a value whose bit is clear"
        );
        arguments.given = 1;
        assert_eq!(client.call(info("is_file"), &arguments, told).unwrap(), [0, 0, 0, 1]);
        arguments.given = 2;
        let e = client.call(info("is_file"), &arguments, told).unwrap_err();
        assert_eq!(e.errno(), Some(Errno::EINVAL));

        let e = client.call(info("readlink"), &text("/no"), told).unwrap_err();
        assert_eq!((e.errno(), e.message()), (Some(Errno::ENOENT), "/no: No such file or directory"));
        let e = client.call(info("readlink"), &text("relative"), told).unwrap_err();
        assert_eq!(e.errno(), Some(Errno::EINVAL));
        let e = client.call(info("readlink"), &none(), told).unwrap_err();
        assert_eq!(e.errno(), Some(Errno::EINVAL), "missing argument");
        let e = client.call(info("head"), &text("/x"), told).unwrap_err();
        assert_eq!(e.errno(), Some(Errno::EMSGSIZE), "a result that is too long");
        let e = client.call(info("ls0"), &text("/x"), told).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NeedsAppliance, "a call that this daemon lacks");
        ping(client, told);
    });
}

#[test]
fn files_come_whole_and_failures_keep_the_conversation() {
    with_daemon(|client, told| {
        for size in [0, 1, CHUNK_MAX - 1, CHUNK_MAX, CHUNK_MAX + 1, 3_000_001] {
            let mut file = Vec::new();
            client.call_download(info("download"), &text(&format!("/{size}")), &mut file, told).unwrap();
            assert_eq!(file.len(), size);
            assert!(file.iter().enumerate().all(|(i, b)| *b == (i % 251) as u8));
        }
        let e =
            client.call_download(info("download"), &text("/fails-early"), &mut Vec::new(), told).unwrap_err();
        assert_eq!((e.errno(), e.message()), (Some(Errno::EACCES), "not this one"));
        let e =
            client.call_download(info("download"), &text("/fails-late"), &mut Vec::new(), told).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Interrupted);
        let mut arguments = text("last_error");
        Vec::<BString>::new().encode(&mut arguments.bytes);
        let body = client.call(info("debug"), &arguments, told).unwrap();
        assert_eq!(Reader::new(&body).value::<BString>().unwrap(), "/fails-late: bad extent");
        ping(client, told);
    });
}

#[test]
fn a_download_can_be_cancelled_by_the_user_and_by_its_writer() {
    struct CancelsAfter<'a>(usize, &'a Told);
    impl Write for CancelsAfter<'_> {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.saturating_sub(data.len());
            if self.0 == 0 {
                self.1.cancel.store(true, Ordering::Relaxed);
            }
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(Errno::ENOSPC as i32))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    with_daemon(|client, told| {
        let e =
            client.call_download(info("download"), &text("/endless"), &mut CancelsAfter(1 << 20, told), told);
        assert_eq!(e.unwrap_err().kind(), ErrorKind::Cancelled);
        told.cancel.store(false, Ordering::Relaxed);
        ping(client, told);
        let e = client.call_download(info("download"), &text("/endless"), &mut Full, told).unwrap_err();
        assert_eq!((e.kind(), e.errno()), (ErrorKind::Io, Some(Errno::ENOSPC)));
        ping(client, told);
        // The whole file is on its way before the cancellation: it crosses the end.
        told.cancel.store(true, Ordering::Relaxed);
        let e = client.call_download(info("download"), &text("/100"), &mut Vec::new(), told).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Cancelled);
        told.cancel.store(false, Ordering::Relaxed);
        ping(client, told);
    });
}

#[test]
fn an_upload_arrives_or_is_refused_or_cancelled() {
    with_daemon(|client, told| {
        let content = vec![7; 3_000_001];
        for size in [0, 1, CHUNK_MAX, content.len()] {
            let upload = Upload { content: &mut &content[..size], size: Some(size as u64) };
            client.call_upload(info("upload"), &text("/to"), upload, told).unwrap();
            assert_eq!(
                client.call(info("filesize"), &text("/to"), told).unwrap(),
                (size as i64).to_be_bytes()
            );
        }
        for (path, errno) in
            [("/refuse", Errno::EROFS), ("/stop-early", Errno::ENOSPC), ("relative", Errno::EINVAL)]
        {
            // Short ones are refused after their end was sent, long ones in the midst.
            for size in [0, 1, content.len()] {
                let upload = Upload { content: &mut &content[..size], size: None };
                let e = client.call_upload(info("upload"), &text(path), upload, told).unwrap_err();
                assert_eq!(e.errno(), Some(errno), "{path} {size}");
                ping(client, told);
            }
        }
        told.cancel.store(true, Ordering::Relaxed);
        let upload = Upload { content: &mut std::io::repeat(1), size: None };
        let e = client.call_upload(info("upload"), &text("/to"), upload, told).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Cancelled);
        told.cancel.store(false, Ordering::Relaxed);
        ping(client, told);

        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::from_raw_os_error(Errno::EIO as i32))
            }
        }
        let upload = Upload { content: &mut Fails, size: None };
        let e = client.call_upload(info("upload"), &text("/to"), upload, told).unwrap_err();
        assert_eq!((e.kind(), e.errno()), (ErrorKind::Io, Some(Errno::EIO)));
        ping(client, told);
    });
}

/// Length of a call without arguments, in bytes.
const PING_LEN: usize = 44;

/// The daemon's frames in answer to `ping_daemon`, then the end of the stream.
fn against_script(script: Vec<u8>) -> (Client, thread::JoinHandle<Vec<u8>>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let peer = thread::spawn(move || {
        let mut sent = vec![0; PING_LEN];
        theirs.read_exact(&mut sent).unwrap();
        theirs.write_all(&script).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        theirs.read_to_end(&mut sent).unwrap();
        sent
    });
    (Client::new(Channel::new(ours.into())), peer)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

const PROGRESS: &str = "ffff5555 0000005c 00123400 0000000000000001 0000000000000002";
const PING_REPLY: &str =
    "00000028 2000f5f5 00000004 0000005c 00000001 00123400 0000000000000000 0000000000000000 00000000";

#[test]
fn a_call_and_its_reply_have_the_bytes_of_the_protocol() {
    let (mut client, peer) = against_script(hex(&format!("{PROGRESS} ffffeeee {PING_REPLY}")));
    let told = Told::default();
    ping(&mut client, &told);
    assert_eq!(told.progress.load(Ordering::Relaxed), 1);
    drop(client);
    assert_eq!(
        peer.join().unwrap(),
        hex(
            "00000028 2000f5f5 00000004 0000005c 00000000 00123400 0000000000000000 0000000000000000 00000000"
        )
    );
}

#[test]
fn replies_that_break_the_protocol_end_the_conversation() {
    let flip = |at: usize| {
        let mut bytes = hex(PING_REPLY);
        bytes[at] ^= 1;
        bytes
    };
    let hostile = [
        Vec::new(),
        hex("00000028 2000f5f5"),
        hex("7fffffff"),
        hex("00400001"),
        hex("f5f55ff5"),
        hex("00000004 00000000"),
        flip(7),
        flip(11),
        flip(15),
        flip(19),
        flip(23),
    ];
    for script in hostile {
        let (mut client, peer) = against_script(script.clone());
        let e = client.call(info("ping_daemon"), &none(), &Told::default()).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Protocol, "{script:02x?}: {e}");
        drop(client);
        peer.join().unwrap();
    }
}

/// What the daemon sends for these bytes of a caller.
fn daemon_answers(calls: &[u8]) -> (Vec<u8>, Result<()>) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let daemon =
        thread::spawn(move || server::serve(&mut Channel::new(theirs.into()), &mut Double::default()));
    ours.write_all(calls).unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    ours.read_to_end(&mut answer).unwrap();
    (answer, daemon.join().unwrap())
}

#[test]
fn the_daemon_answers_with_the_bytes_of_the_protocol() {
    let ping =
        "00000028 2000f5f5 00000004 0000005c 00000000 00000007 0000000000000000 0000000000000000 00000000";
    let pong =
        "00000028 2000f5f5 00000004 0000005c 00000001 00000007 0000000000000000 0000000000000000 00000000";
    let (answer, end) = daemon_answers(&hex(&format!("ffffeeee {ping} ffffeeee {ping}")));
    assert_eq!(answer, hex(&format!("{pong} {pong}")));
    end.unwrap();

    // readlink (168) of "/no": an error with ENOENT.
    let call = "00000030 2000f5f5 00000004 000000a8 00000000 00000009 0000000000000000 0000000000000000 00000000 \
                00000003 2f6e6f00";
    let mut expected = hex(
        "00000058 2000f5f5 00000004 000000a8 00000001 00000009 0000000000000000 0000000000000000 00000001 00000006",
    );
    expected.extend(b"ENOENT\0\0");
    expected.extend([0, 0, 0, 30]);
    expected.extend(b"/no: No such file or directory\0\0");
    expected[3] = u8::try_from(expected.len() - 4).unwrap();
    assert_eq!(daemon_answers(&hex(call)).0, expected);

    // download (67) of "/5": ok reply, one chunk, the end.
    let call = "0000002c 2000f5f5 00000004 00000043 00000000 00000001 0000000000000000 0000000000000000 00000000 \
                00000002 2f350000";
    let call = call.replacen("0000002c", "00000030", 1);
    let expected = "00000028 2000f5f5 00000004 00000043 00000001 00000001 0000000000000000 0000000000000000 00000000 \
                    00000010 00000000 00000005 0001020304000000 \
                    00000008 00000000 00000000";
    assert_eq!(daemon_answers(&hex(&call)).0, hex(expected));
}

#[test]
fn calls_that_break_the_protocol_are_refused_or_end_the_daemon() {
    // A procedure that there is not, and one with a wrong version: an error reply under its serial.
    for (number, version) in [("0000ffff", "00000004"), ("0000005c", "00000003")] {
        let call = format!(
            "00000028 2000f5f5 {version} {number} 00000000 00000007 0000000000000000 0000000000000000 00000000"
        );
        let (answer, end) = daemon_answers(&hex(&call));
        assert_eq!(answer[20..24], [0, 0, 0, 7], "serial");
        assert_eq!(answer[40..44], [0, 0, 0, 1], "status");
        assert_eq!(&answer[48..54], b"EINVAL");
        end.unwrap();
    }
    for hostile in ["00400001", "7fffffff", "ffff5555", "f5f55ff5", "00000004 00000000", "000000"] {
        assert!(daemon_answers(&hex(hostile)).1.is_err(), "{hostile}");
    }
}

#[test]
fn a_daemon_survives_any_bytes_that_look_like_calls() {
    // Every call of the definition with arguments of the wrong shape: an error reply, and the conversation goes on.
    with_daemon(|client, told| {
        for call in api::calls() {
            if call.takes_file() || call.name == "debug" {
                continue;
            }
            for bytes in [vec![], vec![0xff; 8], vec![0; 400]] {
                let arguments = EncodedArguments { bytes, given: u64::MAX };
                let result = client.call(call, &arguments, told);
                assert!(result.is_err() || call.parameters.is_empty(), "{}", call.name);
            }
            ping(client, told);
        }
        assert!(api::call(0).is_none());
    });
}

//! Programs of the appliance: lvm, mkfs, sfdisk… run to their end, their output in bounded memory.
//!
//! A program gets no terminal, no input but what it is given, and the C locale. Its standard error becomes the text of
//! the error that the call answers with. What it reads or prints can also be the file of a call, of any length.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use bstr::BString;
use libguestfs_core::server::{FileIn, FileOut};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use crate::error::refused;

/// Most bytes that are taken of a program's output; what comes after is an error. A reply holds 4 MiB.
const OUTPUT_MAX: u64 = 64 << 20;
/// Most bytes of standard error that are kept.
const ERRORS_MAX: usize = 64 << 10;
/// Bytes that are read of a program's output at once: what a pipe holds by default.
const PIECE: usize = 64 << 10;
/// Bytes that are taken of a program between two sides at a time: what a pipe holds.
const BETWEEN: usize = 64 << 10;
/// Where programs are looked for.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to run.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    arguments: Vec<OsString>,
    input: Vec<u8>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: BString,
}

impl Program {
    /// The program of that name.
    pub(crate) fn new(name: &str) -> Self {
        Program { name: name.to_owned(), arguments: Vec::new(), input: Vec::new() }
    }

    /// A program with its arguments.
    pub(crate) fn command(command: &[&str]) -> Self {
        let (name, arguments) = command.split_first().unwrap_or((&"", &[]));
        Program::new(name).args(arguments)
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.arguments.push(OsString::from_vec(argument.as_ref().to_vec()));
        self
    }

    /// Adds arguments.
    pub(crate) fn args<T: AsRef<[u8]>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Program::arg)
    }

    /// Gives it something to read. Without this its standard input is empty.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Is the program here?
    pub(crate) fn exists(name: &str) -> bool {
        PATH.split(':').any(|directory| std::path::Path::new(directory).join(name).exists())
    }

    /// Runs it. A status other than 0 is an error whose text is `place: standard error`.
    ///
    /// # Errors
    /// That, or that it can't be run.
    pub(crate) fn run(self, place: impl std::fmt::Display) -> Result<Vec<u8>> {
        let name = self.name.clone();
        let ended = self.end(&place)?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        Err(refused(format!("{place}: {}", ended.complaint(&name))))
    }

    /// Runs it and says how it ended, whatever its status.
    ///
    /// # Errors
    /// If it can't be run, or prints more than memory should hold.
    pub(crate) fn end(self, place: impl std::fmt::Display) -> Result<Ended> {
        let stdin = if self.input.is_empty() { Stdio::null() } else { Stdio::piped() };
        let mut child = self.spawn(&place, stdin, Stdio::piped())?;
        match self.converse(&mut child) {
            Ok(ended) => Ok(ended),
            Err(e) => {
                // It would wait for ever for somebody to take its output.
                abandon(&mut child);
                Err(refused(format!("{place}: running {}: {e}", self.name)))
            }
        }
    }

    /// Runs it and sends what it prints to the caller.
    ///
    /// # Errors
    /// As [`run`](Self::run); and if the caller wants no more, which ends the program.
    pub(crate) fn pour(self, place: impl std::fmt::Display, file: &mut FileOut<'_>) -> Result<()> {
        let mut child = self.spawn(&place, Stdio::null(), Stdio::piped())?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (poured, errors) = std::thread::scope(|scope| {
            let errors = scope.spawn(move || keep(stderr));
            let pour = || -> Result<()> {
                let mut piece = [0; PIECE];
                let Some(mut stdout) = stdout else { return Ok(()) };
                loop {
                    match stdout.read(&mut piece) {
                        Ok(0) => return Ok(()),
                        Ok(n) => file.write_all(piece.get(..n).unwrap_or_default())?,
                        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(refused(format!("{place}: running {}: {e}", self.name))),
                    }
                }
            };
            let poured = pour();
            if poured.is_err() {
                abandon(&mut child);
            }
            (poured, errors.join().unwrap_or_default())
        });
        poured?;
        self.finish(child, errors, &place)
    }

    /// Runs it and feeds it the file that the caller sends. What it prints belongs to its complaint.
    ///
    /// # Errors
    /// As [`run`](Self::run); and if the caller gives up, which ends the program.
    pub(crate) fn feed(self, place: impl std::fmt::Display, file: &mut FileIn<'_>) -> Result<()> {
        let mut child = self.spawn(&place, Stdio::piped(), Stdio::piped())?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (fed, errors) = std::thread::scope(|scope| {
            let printed = scope.spawn(move || keep(stdout));
            let errors = scope.spawn(move || keep(stderr));
            let feed = || -> Result<()> {
                let Some(mut stdin) = stdin else { return Ok(()) };
                while let Some(piece) = file.next_chunk()? {
                    // If it does not take it, its end tells why.
                    if stdin.write_all(piece).is_err() {
                        break;
                    }
                }
                Ok(())
            };
            let fed = feed();
            if fed.is_err() {
                abandon(&mut child);
            }
            let complaint = [errors.join().unwrap_or_default(), printed.join().unwrap_or_default()].concat();
            (fed, complaint)
        });
        fed?;
        self.finish(child, errors, &place)
    }

    /// Runs it between two sides: `feed` is given where it reads, and what it prints goes to `take`, in a thread of its
    /// own. Says how it ended, whatever its status.
    ///
    /// # Errors
    /// If it can't be run, and those of the two sides, which end the program.
    pub(crate) fn between(
        self,
        place: impl std::fmt::Display,
        feed: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
        mut take: impl FnMut(&[u8]) -> Result<()> + Send,
    ) -> Result<Ended> {
        let mut child = self.spawn(&place, Stdio::piped(), Stdio::piped())?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (fed, taken, errors) = std::thread::scope(|scope| {
            let errors = scope.spawn(move || keep(stderr));
            // Its end closes the pipe, which ends a program that still writes, and with that the feeding.
            let taken = scope.spawn(move || -> Result<()> {
                let mut piece = vec![0; BETWEEN];
                let Some(mut stdout) = stdout else { return Ok(()) };
                loop {
                    match stdout.read(&mut piece) {
                        Ok(0) => return Ok(()),
                        Ok(n) => take(piece.get(..n).unwrap_or_default())?,
                        Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(refused(format!("reading from a program: {e}"))),
                    }
                }
            });
            let fed = stdin.map_or(Ok(()), |mut stdin| feed(&mut Pipe(&mut stdin)));
            if fed.is_err() {
                abandon(&mut child);
            }
            let taken = taken.join().unwrap_or_else(|_| Err(refused(format!("{place}: a thread panicked"))));
            (fed, taken, errors.join().unwrap_or_default())
        });
        fed?;
        if let Err(e) = taken {
            abandon(&mut child);
            return Err(e);
        }
        let status = child.wait().map_err(|e| refused(format!("{place}: running {}: {e}", self.name)))?;
        Ok(Ended { status, stdout: Vec::new(), stderr: errors.into() })
    }

    /// Waits for its end. A status other than 0 is an error.
    fn finish(&self, mut child: Child, errors: Vec<u8>, place: &dyn std::fmt::Display) -> Result<()> {
        let status = child.wait().map_err(|e| refused(format!("{place}: running {}: {e}", self.name)))?;
        let ended = Ended { status, stdout: Vec::new(), stderr: errors.into() };
        ended.check(place, &self.name)
    }

    fn spawn(&self, place: &dyn std::fmt::Display, stdin: Stdio, stdout: Stdio) -> Result<Child> {
        self.start(stdin, stdout).map_err(|e| match e.kind() {
            // As of a call whose optional group is not available.
            std::io::ErrorKind::NotFound => Error::daemon(
                Errno::ENOTSUP,
                format!(
                    "{place}: the appliance has no program {}: install it on the host that builds the appliance",
                    self.name
                ),
            ),
            _ => refused(format!("{place}: starting {}: {e}", self.name)),
        })
    }

    fn start(&self, stdin: Stdio, stdout: Stdio) -> std::io::Result<Child> {
        Command::new(&self.name)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .env("HOME", "/")
            .env("TMPDIR", "/tmp")
            .env("LVM_SUPPRESS_FD_WARNINGS", "1")
            // No udev makes nodes here: what makes devices makes their nodes itself, at once.
            .env("DM_DISABLE_UDEV", "1")
            .env("MDADM_NO_UDEV", "1")
            .current_dir("/")
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
    }

    /// Feeds it and takes what it prints, all at once: none of the pipes may fill up.
    fn converse(&self, child: &mut Child) -> std::io::Result<Ended> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            if let Some(mut stdin) = stdin {
                // A program may end without having read it all.
                scope.spawn(move || stdin.write_all(&self.input));
            }
            let errors = scope.spawn(move || keep(stderr));
            let mut output = Vec::new();
            if let Some(stdout) = stdout {
                let limit = OUTPUT_MAX.saturating_add(1);
                let read = stdout.take(limit).read_to_end(&mut output)?;
                if u64::try_from(read).unwrap_or(u64::MAX) >= limit {
                    let _ = child.kill();
                    return Err(std::io::Error::other("it prints more than can be taken"));
                }
            }
            let stderr = BString::from(errors.join().unwrap_or_default());
            let status = child.wait()?;
            Ok(Ended { status, stdout: output, stderr })
        })
    }
}

/// Where a program reads. One that does not take any more is no error: its end tells why.
struct Pipe<'a>(&'a mut std::process::ChildStdin);

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.write(bytes) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a program complains about, as far as it is kept. All of it is read: none of its pipes may fill up.
fn keep(stream: Option<impl Read>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return kept };
    let mut piece = [0; PIECE];
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        let room = ERRORS_MAX.saturating_sub(kept.len()).min(n);
        kept.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
    kept
}

/// Ends a program whose work nobody wants any more. That it is gone already is as good.
fn abandon(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

impl Ended {
    /// What the program said went wrong, or with what it ended if it said nothing.
    pub(crate) fn complaint(&self, name: &str) -> String {
        let text = self.stderr.trim_ascii_end();
        if !text.is_empty() {
            return String::from_utf8_lossy(text).into_owned();
        }
        match (self.status.signal(), self.status.code()) {
            (Some(signal), _) => format!("{name} was ended by signal {signal}"),
            (None, code) => format!("{name} ended with status {}", code.unwrap_or(-1)),
        }
    }

    /// A status other than 0 is an error.
    pub(crate) fn check(&self, place: impl std::fmt::Display, name: &str) -> Result<()> {
        if self.status.success() { Ok(()) } else { Err(self.error(place, name)) }
    }

    /// The error of a call that this ending is.
    pub(crate) fn error(&self, place: impl std::fmt::Display, name: &str) -> Error {
        refused(format!("{place}: {}", self.complaint(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_status_and_complaints_arrive() {
        assert_eq!(Program::new("echo").arg("a b").args(["c"]).run("x").unwrap(), b"a b c\n");
        let large = vec![b'x'; 1 << 20];
        assert_eq!(Program::new("cat").input(large.clone()).run("x").unwrap(), large);
        let failing = |script: &str| Program::new("sh").arg("-c").arg(script).run("/dev/sda").unwrap_err();
        assert_eq!(failing("echo no >&2; exit 3").message(), "/dev/sda: no");
        assert_eq!(failing("exit 3").message(), "/dev/sda: sh ended with status 3");
        assert_eq!(failing("kill -9 $$").message(), "/dev/sda: sh was ended by signal 9");
        assert!(Program::new("no-such-program").run("x").unwrap_err().message().contains("has no program"));
        assert!(Program::exists("sh") && !Program::exists("no-such-program"));
        // One that reads nothing of a long input, and one that complains at length.
        assert_eq!(Program::new("true").input(vec![0; 1 << 20]).run("x").unwrap(), b"");
        assert_eq!(failing("yes | head -c 1000000 >&2; exit 1").message().len(), ERRORS_MAX - 1 + 10);
    }

    #[test]
    fn a_program_between_two_sides_gets_and_gives_everything() {
        let large: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut got = Vec::new();
        let feed = |to: &mut (dyn Write + Send)| to.write_all(&large).map_err(|e| Error::io("feeding", e));
        let take = |bytes: &[u8]| {
            got.extend_from_slice(bytes);
            Ok(())
        };
        Program::new("cat").between("x", feed, take).unwrap().check("x", "cat").unwrap();
        assert!(got == large);
        // One that wants no input and fails, and a side that wants no output.
        let ended = Program::new("sh").arg("-c").arg("echo no >&2; exit 1").between("x", feed, |_| Ok(()));
        assert_eq!(ended.unwrap().check("x", "sh").unwrap_err().message(), "x: no");
        let failed = Program::new("cat").between("x", feed, |_| Err(refused("enough")));
        assert_eq!(failed.unwrap_err().message(), "enough");
        let failed = Program::new("cat").between("x", |_| Err(refused("nothing")), |_| Ok(()));
        assert_eq!(failed.unwrap_err().message(), "nothing");
    }

    #[test]
    fn endless_output_is_cut_off() {
        let error = Program::new("yes").end("x").unwrap_err();
        assert!(error.message().contains("more than can be taken"), "{error}");
    }
}

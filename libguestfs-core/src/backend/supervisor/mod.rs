//! Programs of an appliance and their ends: qemu, User-Mode Linux, the storage daemon.
//!
//! A handle never starts them itself. It starts its own program again as a *supervisor*, a process with one thread and
//! few duties, which starts them:
//!
//! ```text
//! handle ──control socket── supervisor ──┬── qemu-storage-daemon      each in a process group of its own,
//!          <── log pipe ───              └── linux.uml ── its processes   outside the terminal's
//! ```
//!
//! What holds:
//!
//! * **They end with the handle**, however it ends: the control socket closes with the handle's process. Those that have
//!   something to write out are asked to end, and killed if they don't.
//! * **They end together.** When one of them ends, so do the others, and the handle is told which it was and what was last
//!   printed.
//! * **They end with the supervisor**: it is their parent, and a parent's death is their signal to end. (That signal comes
//!   with the end of the *thread* that started them; here there is only one. A handle's threads come and go, which is one
//!   reason for a supervisor; that a parent must wait for what its children leave behind is the other.) Processes that
//!   User-Mode Linux started do not get that signal: the handle kills the groups as well.
//! * **Nothing waits for a reader of the log**: the supervisor takes all that is printed, keeps the end of it, and passes on
//!   what the handle takes.

mod child;
mod messages;

use std::ffi::OsString;
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bstr::{BString, ByteSlice};
use guestfs_appliance::Appliance;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::SockType;
use nix::unistd::Pid;

use self::messages::{FromSupervisor, ToSupervisor};
use super::control::{receive, send};
use super::embedded::{pair, program_can_start_itself};
use super::{Process, with_causes};
use crate::{Error, Result};

pub use self::child::supervise;

/// The program's first argument when it is started again as a supervisor.
pub const SUPERVISOR_ARGUMENT: &str = "--guestfs-supervisor";

/// The number that the first descriptor of a program gets there; the others follow.
pub(super) const FIRST_DESCRIPTOR: i32 = 100;

/// How long a program that was asked to end may take: qemu writes out the tables of its images then.
const GRACE: Duration = Duration::from_secs(5);
/// How long the handle waits for the supervisor, which waits for its programs.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the supervisor may take to say how a program ended, once the stream to the daemon is closed. A kernel that
/// powers off closes it before its process has ended.
const LAST_WORD: Duration = Duration::from_secs(4);
/// Most bytes of the log that are taken at a time.
const LOG_MAX: usize = 1 << 20;
/// Lines of the log that an error quotes.
const QUOTED_LINES: usize = 12;

/// A program to be run.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    path: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    descriptors: Vec<OwnedFd>,
    polite: bool,
    fixed_heap: bool,
    small_pages: bool,
}

impl Program {
    /// The program in the file `path`; `name` is for messages.
    pub(super) fn new(name: &'static str, path: impl Into<PathBuf>) -> Self {
        Program {
            name,
            path: path.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            descriptors: Vec::new(),
            polite: true,
            fixed_heap: false,
            small_pages: false,
        }
    }

    /// Nothing is lost when this program is killed.
    pub(super) fn expendable(&mut self) {
        self.polite = false;
    }

    /// Its heap begins right after its data, if the system lets that be chosen.
    pub(super) fn fix_heap(&mut self) {
        self.fixed_heap = true;
    }

    /// Its memory consists of small pages only.
    pub(super) fn avoid_huge_pages(&mut self) {
        self.small_pages = true;
    }

    /// Adds an argument.
    pub(super) fn arg(&mut self, argument: impl Into<OsString>) -> &mut Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub(super) fn args<T: Into<OsString>>(&mut self, arguments: impl IntoIterator<Item = T>) -> &mut Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment, which is empty but for those that are set.
    pub(super) fn variable(&mut self, name: &'static str, value: impl Into<OsString>) -> &mut Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Gives it a descriptor, and returns the number that it has there.
    pub(super) fn descriptor(&mut self, fd: OwnedFd) -> i32 {
        let number = i32::try_from(self.descriptors.len()).unwrap_or(i32::MAX);
        self.descriptors.push(fd);
        FIRST_DESCRIPTOR.saturating_add(number)
    }

    /// The path by which it can open a descriptor that it is given.
    pub(super) fn descriptor_path(&mut self, fd: OwnedFd) -> String {
        format!("/proc/self/fd/{}", self.descriptor(fd))
    }

    /// The command, for people.
    pub(super) fn describe(&self) -> String {
        let mut text = self.path.display().to_string();
        for argument in &self.arguments {
            text.push_str(&format!(" {}", argument.display()));
        }
        text
    }

    fn packets(&self) -> Vec<(ToSupervisor, Option<&OwnedFd>)> {
        let bytes = |text: &OsString| BString::from(text.clone().into_vec());
        let mut packets = vec![(
            ToSupervisor::Program {
                name: self.name.into(),
                path: bytes(&self.path.clone().into_os_string()),
                polite: self.polite,
                fixed_heap: self.fixed_heap,
                small_pages: self.small_pages,
            },
            None,
        )];
        packets.extend(self.arguments.iter().map(|a| (ToSupervisor::Argument(bytes(a)), None)));
        packets.extend(
            self.variables
                .iter()
                .map(|(n, v)| (ToSupervisor::Variable { name: (*n).into(), value: bytes(v) }, None)),
        );
        packets.extend(self.descriptors.iter().map(|fd| (ToSupervisor::Descriptor, Some(fd))));
        packets
    }
}

/// Programs that run, and their supervisor. Dropping this ends them all.
#[derive(Debug)]
pub(super) struct Supervised {
    child: Child,
    control: Option<OwnedFd>,
    log: PipeReader,
    groups: Vec<Pid>,
    ended: Option<End>,
    _appliance: Option<Appliance>,
}

/// How the first of the programs ended.
#[derive(Debug)]
struct End {
    how: BString,
    status: i32,
    last_words: BString,
}

impl Supervised {
    /// Runs `programs`; the first ones are stopped last. That they can't be run shows in [`Process::obituary`].
    /// The files of `appliance` are theirs to open as long as they run.
    pub(super) fn start(programs: Vec<Program>, appliance: Option<Appliance>) -> Result<Supervised> {
        program_can_start_itself()?;
        let (control, childs) = pair(SockType::SeqPacket)?;
        let broken = |e| Error::io("making a pipe", e);
        let (log, childs_log) = std::io::pipe().map_err(broken)?;
        for end in [log.as_fd(), childs_log.as_fd()] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|e| broken(e.into()))?;
        }
        let child = Command::new("/proc/self/exe")
            .arg0("guestfs-supervisor")
            .arg(SUPERVISOR_ARGUMENT)
            .env_clear()
            .current_dir("/")
            // A terminal's signals are for the tool, which decides.
            .process_group(0)
            .stdin(Stdio::from(childs))
            .stdout(Stdio::null())
            .stderr(Stdio::from(childs_log))
            .spawn()
            .map_err(|e| Error::io("starting the supervisor (/proc/self/exe)", e))?;
        let supervised = Supervised {
            child,
            control: Some(control),
            log,
            groups: Vec::new(),
            ended: None,
            _appliance: appliance,
        };
        for program in &programs {
            for (packet, fd) in program.packets() {
                supervised.tell(&packet, fd)?;
            }
        }
        supervised.tell(&ToSupervisor::Start, None)?;
        Ok(supervised)
    }

    fn tell(&self, packet: &ToSupervisor, fd: Option<&OwnedFd>) -> Result<()> {
        match &self.control {
            Some(control) => send(control, packet, fd),
            None => Err(Error::protocol("the supervisor is gone")),
        }
    }

    /// Waits for the first program to end, and gives its exit status, if it ends in time and has one.
    pub(super) fn exit_status(&mut self, patience: Duration) -> Option<i32> {
        self.listen(patience);
        self.ended.as_ref().map(|end| end.status).filter(|&status| status >= 0)
    }

    /// Takes what the supervisor says, for at most so long or until it says how a program ended.
    fn listen(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while let (Some(control), None) = (&self.control, &self.ended) {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(control.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)) {
                Ok(0) => return,
                Err(_) => continue,
                Ok(_) => {}
            }
            match receive::<FromSupervisor>(control) {
                Ok(Some((FromSupervisor::Started(group), _))) => {
                    self.groups.extend(i32::try_from(group).ok().filter(|g| *g > 1).map(Pid::from_raw));
                }
                Ok(Some((FromSupervisor::Ended { how, status, last_words }, _))) => {
                    self.ended = Some(End { how, status, last_words });
                }
                Ok(None) => return,
                Err(e) => {
                    let last_words = BString::default();
                    self.ended = Some(End { how: with_causes(&e), status: -1, last_words });
                }
            }
        }
    }
}

/// The lines of a log that say why it ended: its last ones, or those from a kernel's panic on.
fn quoted(log: &BString) -> Vec<&[u8]> {
    let lines: Vec<&[u8]> = log.lines().filter(|line| !line.trim_ascii().is_empty()).collect();
    let panic = lines.iter().rposition(|line| line.contains_str("Kernel panic"));
    let (from, most) = match panic {
        Some(at) => (at, 1),
        None => (lines.len().saturating_sub(QUOTED_LINES), QUOTED_LINES),
    };
    lines.into_iter().skip(from).take(most).collect()
}

impl Process for Supervised {
    fn log(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = self.log.read(&mut buffer) {
            said.extend_from_slice(buffer.get(..n).unwrap_or_default());
            if said.len() > LOG_MAX {
                break;
            }
        }
        said
    }

    fn obituary(&mut self) -> String {
        self.listen(LAST_WORD);
        match &self.ended {
            None => "the appliance closed the connection".into(),
            Some(End { how, last_words, .. }) => {
                let lines = quoted(last_words);
                let mut text = how.to_str_lossy().into_owned();
                for (i, line) in lines.iter().enumerate() {
                    let before = if i == 0 { "; the last lines of its log:\n  " } else { "\n  " };
                    text.push_str(before);
                    text.push_str(&line.to_str_lossy());
                }
                text
            }
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.listen(Duration::ZERO);
        self.control = None;
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_micros(100);
        let in_order = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(10));
                }
                _ => break false,
            }
        };
        if !in_order {
            // It was killed, or it hangs. What it started is in groups of which it is no part.
            let _ = self.child.kill();
            for group in &self.groups {
                let _ = killpg(*group, Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_quoted_without_its_trace_and_other_ends_with_the_last_lines() {
        let log = BString::from("one\n\nKernel panic - not syncing: no init\n [<60>] panic+1\n");
        assert_eq!(quoted(&log), [b"Kernel panic - not syncing: no init"]);
        let long: String = (0..100).map(|i| format!("line {i}\r\n")).collect();
        let long = BString::from(long);
        let lines = quoted(&long);
        assert_eq!((lines.len(), lines.last()), (QUOTED_LINES, Some(&&b"line 99"[..])));
    }
}

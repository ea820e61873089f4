//! The supervisor's process. It has one thread, and waits for three things: the handle's word (or end), a program's end,
//! and what the programs print.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bstr::BString;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::messages::{FromSupervisor, ToSupervisor};
use super::{FIRST_DESCRIPTOR, GRACE};
use crate::backend::control::{receive, send};
use crate::backend::with_causes;
use crate::{Error, Result, sys};

/// Bytes of the log that are kept for an error.
const LAST_WORDS: usize = 8 * 1024;
/// Most programs of one appliance, and most arguments, variables and descriptors of one program.
const PROGRAMS_MAX: usize = 8;
const WORDS_MAX: usize = 8 * 1024;
/// How often a program that was asked to end is looked after.
const LOOK: Duration = Duration::from_millis(2);

/// The whole life of a supervisor. Its standard input is the control socket, its standard error the log's pipe.
pub fn supervise() -> ExitCode {
    let control = match std::io::stdin().as_fd().try_clone_to_owned() {
        Ok(control) => control,
        Err(_) => return ExitCode::FAILURE,
    };
    match run(&control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let ended =
                FromSupervisor::Ended { how: with_causes(&e), status: -1, last_words: BString::default() };
            // If the handle is gone, nobody wants to know.
            let _ = send(&control, &ended, None);
            ExitCode::FAILURE
        }
    }
}

fn run(control: &OwnedFd) -> Result<()> {
    let os = |doing: &'static str| move |e: Errno| Error::io(doing, e.into());
    // What User-Mode Linux leaves behind becomes a child of this process.
    nix::sys::prctl::set_child_subreaper(true).map_err(os("PR_SET_CHILD_SUBREAPER"))?;
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.thread_block().map_err(os("blocking signals"))?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(os("signalfd"))?;
    let (console, programs_console) = std::io::pipe().map_err(|e| Error::io("making a pipe", e))?;
    fcntl(&console, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(os("O_NONBLOCK"))?;

    let Some(orders) = take_orders(control)? else { return Ok(()) };
    let mut family = Family { members: Vec::new(), log: Log { console, kept: VecDeque::new() } };
    for order in orders {
        let name = order.name.clone();
        let member = order.start(&programs_console).map_err(|e| Error::io(format!("starting {name}"), e))?;
        let group = FromSupervisor::Started(member.child.id());
        family.members.push(member);
        // A handle that is gone shows in the loop.
        let _ = send(control, &group, None);
    }
    drop(programs_console);
    family.watch(control, &signals)
}

/// A program that is to be started.
struct Order {
    name: BString,
    command: Command,
    descriptors: Vec<OwnedFd>,
    polite: bool,
}

/// What the handle wants; `None` if it is gone.
fn take_orders(control: &OwnedFd) -> Result<Option<Vec<Order>>> {
    let mut orders: Vec<Order> = Vec::new();
    let mut words = 0;
    loop {
        let Some((packet, fd)) = receive::<ToSupervisor>(control)? else { return Ok(None) };
        words += 1;
        if orders.len() > PROGRAMS_MAX || words > PROGRAMS_MAX * WORDS_MAX {
            return Err(Error::protocol("the handle wants more than a supervisor does"));
        }
        let without_program = || Error::protocol("the handle did not say which program it means");
        match packet {
            ToSupervisor::Start => return Ok(Some(orders)),
            ToSupervisor::Program { name, path, polite, fixed_heap, small_pages } => {
                let mut command = Command::new(OsStr::from_bytes(&path));
                command.env_clear().current_dir("/").process_group(0).stdin(Stdio::null());
                sys::end_with_parent(&mut command);
                if fixed_heap {
                    sys::fix_heap(&mut command);
                }
                if small_pages {
                    sys::avoid_huge_pages(&mut command);
                }
                orders.push(Order { name, command, descriptors: Vec::new(), polite });
            }
            ToSupervisor::Argument(text) => {
                orders.last_mut().ok_or_else(without_program)?.command.arg(OsStr::from_bytes(&text));
            }
            ToSupervisor::Variable { name, value } => {
                let order = orders.last_mut().ok_or_else(without_program)?;
                order.command.env(OsStr::from_bytes(&name), OsStr::from_bytes(&value));
            }
            ToSupervisor::Descriptor => {
                let fd = fd.ok_or_else(|| Error::protocol("a descriptor did not arrive"))?;
                orders.last_mut().ok_or_else(without_program)?.descriptors.push(fd);
            }
        }
    }
}

impl Order {
    fn start(mut self, console: &std::io::PipeWriter) -> std::io::Result<Member> {
        // Every other descriptor is closed by exec. This process has one thread: nothing else is started meanwhile.
        let mut given = Vec::new();
        for (number, fd) in (FIRST_DESCRIPTOR..).zip(&self.descriptors) {
            given.push(sys::duplicate_as(fd, number)?);
        }
        self.command.stdout(console.try_clone()?).stderr(console.try_clone()?);
        let child = self.command.spawn()?;
        Ok(Member { name: self.name, child, polite: self.polite })
    }
}

/// A program that runs.
struct Member {
    name: BString,
    child: Child,
    polite: bool,
}

impl Member {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Ends it and all processes of its group.
    fn stop(&mut self, log: &mut Log) {
        if self.polite && matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill(self.pid(), Signal::SIGTERM);
            let deadline = Instant::now() + GRACE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                // It may have to print something before it can end.
                log.take();
                std::thread::sleep(LOOK);
            }
        }
        // The whole group at once: a process of User-Mode Linux that outlives its kernel would run on its own.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// All programs of an appliance, and what they print.
struct Family {
    members: Vec<Member>,
    log: Log,
}

impl Family {
    fn watch(&mut self, control: &OwnedFd, signals: &SignalFd) -> Result<()> {
        loop {
            let mut fds = [
                PollFd::new(control.as_fd(), PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.log.console.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(e) => return Err(Error::io("waiting for the appliance", e.into())),
            }
            let [hung_up, child_ended, printed] = fds.map(|fd| fd.any().unwrap_or(false));
            if printed {
                self.log.take();
            }
            if child_ended {
                while let Ok(Some(_)) = signals.read_signal() {}
                if let Some((how, status)) = self.first_end() {
                    self.stop_all();
                    let last_words = self.log.last_words();
                    // If the handle is gone, nobody wants to know.
                    let _ = send(control, &FromSupervisor::Ended { how, status, last_words }, None);
                    return Ok(());
                }
            }
            if hung_up {
                self.stop_all();
                return Ok(());
            }
        }
    }

    /// Has a program ended? Which, and how.
    fn first_end(&mut self) -> Option<(BString, i32)> {
        self.members.iter_mut().find_map(|member| match member.child.try_wait() {
            Ok(Some(status)) => {
                Some((format!("{} {}", member.name, ending(status)).into(), status.code().unwrap_or(-1)))
            }
            Ok(None) => None,
            Err(e) => Some((format!("{}: {e}", member.name).into(), -1)),
        })
    }

    /// Ends everything, the last started first: a kernel before what serves its disks.
    fn stop_all(&mut self) {
        while let Some(mut member) = self.members.pop() {
            member.stop(&mut self.log);
        }
        self.log.take();
        // Those that were left to us are dying, which takes its time where there is much memory to give back.
        let deadline = Instant::now() + GRACE;
        while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.signal().map(Signal::try_from), status.code()) {
        (Some(Ok(signal)), _) => format!("was ended by {signal}"),
        (Some(Err(_)), _) => "was ended by a signal".into(),
        (None, code) => format!("ended with status {}", code.unwrap_or(-1)),
    }
}

/// What the programs print.
struct Log {
    console: PipeReader,
    kept: VecDeque<u8>,
}

impl Log {
    /// Takes what is there, and passes it on if there is room.
    fn take(&mut self) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = self.console.read(&mut buffer) {
            let piece = buffer.get(..n).unwrap_or_default();
            self.kept.extend(piece);
            let surplus = self.kept.len().saturating_sub(LAST_WORDS);
            self.kept.drain(..surplus);
            // The pipe does not wait: a handle that does not read loses lines.
            let _ = std::io::stderr().write(piece);
        }
    }

    fn last_words(&self) -> BString {
        self.kept.iter().copied().collect::<Vec<u8>>().into()
    }
}

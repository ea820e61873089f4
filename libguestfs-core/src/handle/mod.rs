//! The handle: drives and settings first, then a daemon, then calls.
//!
//! ```text
//! config ── launch() ──> launching ──> ready ── shutdown() ──> closed
//!    add_drive, settings                 calls
//! ```
//!
//! All methods take `&self` and may be used from any thread; one call runs at a time. [`Guestfs::user_cancel`] does not
//! wait for the running call. Closing, also by dropping, leaves no process, socket or file behind.

mod applications;
mod decrypt;
mod drives;
mod dynamic;
mod events;
mod fallback;
mod icon;
mod launch;
mod library;
mod request;
mod settings;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bstr::ByteSlice;

use crate::backend::{self, Process, Running};
use crate::client::{Client, Hooks, Upload};
use crate::wire::Progress;
use crate::wire::xdr::{Decode, Reader};
use crate::{Error, ErrorKind, NEEDS_APPLIANCE, Result, config};

pub use decrypt::{Decrypted, Encrypted, Key, Locked, Passphrase};
pub use drives::{AddDriveOpts, Drive, DriveSource, NULL_DISK_SIZE};
pub(crate) use drives::{DRIVES_MAX, open_image};
pub use dynamic::Value;
pub use events::{Event, EventHandle, EventSet};
use fallback::{Fallback, Resumable};
pub use icon::InspectGetIconOpts;
pub(crate) use request::Request;
pub use settings::Settings;

/// What a daemon says in place of an error text when a download ends early; the handle then asks for the text.
const LAST_ERROR_SUBCOMMAND: &str = "last_error";

/// Downloads that give the same bytes whatever daemon makes them: another one can go on where the first broke off.
const SAME_EVERYWHERE: [&str; 2] = ["download", "download_offset"];

/// A handle. See the [module](self) for its life.
pub struct Guestfs {
    settings: Mutex<Settings>,
    inner: Mutex<Inner>,
    events: events::Events,
    cancel: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    drives: Vec<Drive>,
    state: State,
    /// How to go on in an appliance, as long as the daemon is the embedded one of the backend `auto`.
    fallback: Option<Fallback>,
}

#[derive(Debug)]
enum State {
    Config,
    Ready(Connection),
    Closed,
}

/// A daemon that serves this handle. Fields are dropped in this order: the stream closes before the process is stopped.
#[derive(Debug)]
struct Connection {
    client: Client,
    process: Box<dyn Process>,
}

impl fmt::Debug for Guestfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guestfs").field("settings", &*self.settings()).finish_non_exhaustive()
    }
}

impl Guestfs {
    /// A handle with the settings that the environment gives (see guestfs(3), ENVIRONMENT VARIABLES).
    ///
    /// # Errors
    /// If a variable has a value that makes no sense.
    pub fn new() -> Result<Guestfs> {
        Ok(Guestfs::with_settings(config::from_environment()?))
    }

    /// A handle that does not look at the environment.
    pub fn with_settings(settings: Settings) -> Guestfs {
        Guestfs {
            settings: Mutex::new(settings),
            inner: Mutex::new(Inner { drives: Vec::new(), state: State::Config, fallback: None }),
            events: events::Events::default(),
            cancel: AtomicBool::new(false),
        }
    }

    /// The settings, to read or change. Those that a launch uses have no effect after it.
    pub fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an image file or block device as the next disk. `/dev/null` is an empty disk.
    ///
    /// # Errors
    /// If the handle was launched, the file can't be read, or an option makes no sense.
    pub fn add_drive(&self, path: impl AsRef<Path>, opts: &AddDriveOpts) -> Result<()> {
        let path = path.as_ref();
        self.trace(|| {
            let mut line = format!("add_drive {:?}", path.display().to_string());
            for (name, value) in [
                ("readonly", opts.readonly.map(|v| v.to_string())),
                ("format", opts.format.clone()),
                ("name", opts.name.clone()),
                ("label", opts.label.clone()),
                ("blocksize", opts.blocksize.map(|v| v.to_string())),
            ] {
                if let Some(value) = value {
                    line.push_str(&format!(" {:?}", format!("{name}:{value}")));
                }
            }
            line
        });
        let mut inner = self.inner();
        if !matches!(inner.state, State::Config) {
            return Err(Error::usage("add_drive: the handle is launched: drives can be added before only"));
        }
        if inner.drives.len() >= DRIVES_MAX {
            return Err(Error::usage(format!("add_drive: a handle has at most {DRIVES_MAX} drives")));
        }
        let drive = Drive::new(path, opts)?;
        inner.drives.push(drive);
        drop(inner);
        self.trace(|| "add_drive = 0".into());
        Ok(())
    }

    /// The drives, in the order in which they were added.
    pub fn drives(&self) -> Vec<Drive> {
        self.inner().drives.clone()
    }

    /// Starts the daemon and waits until it serves.
    ///
    /// # Errors
    /// If it can't be started: the handle can then only be closed.
    pub fn launch(&self) -> Result<()> {
        self.trace(|| "launch".into());
        let settings = self.settings().clone();
        let mut inner = self.inner();
        if !matches!(inner.state, State::Config) {
            return Err(Error::usage("launch: the handle was launched already"));
        }
        if inner.drives.is_empty() && !settings.backend.starts_with("unix:") {
            return Err(Error::usage("launch: there are no drives; add_drive comes first"));
        }
        self.verbose(|| format!("launch: backend={}", settings.backend));
        // Whatever fails from here on: a second launch would not start from nothing.
        inner.state = State::Closed;
        inner.fallback = Fallback::of(&settings);
        let warn = |text: &str| self.warn(text);
        let started = backend::by_name(&settings.backend)?.start(&inner.drives, &settings, &warn);
        match started {
            Ok(Running { channel, command, process }) => {
                self.verbose(|| command);
                inner.state = State::Ready(self.await_launch_flag(channel, process)?);
            }
            // An image in a format that only qemu reads.
            Err(e) if e.kind() == ErrorKind::NeedsAppliance && inner.fallback.is_some() => {
                self.fall_back(&mut inner, &e)?;
            }
            Err(e) => return Err(e),
        }
        drop(inner);
        self.events.fire(&Event::LaunchDone);
        self.trace(|| "launch = 0".into());
        Ok(())
    }

    /// Stops the daemon: everything that it holds back is written, then it ends. The handle can then only be closed.
    ///
    /// # Errors
    /// If the daemon could not end in order.
    pub fn shutdown(&self) -> Result<()> {
        if !matches!(self.inner().state, State::Ready(_)) {
            return Ok(());
        }
        self.trace(|| "shutdown".into());
        let autosync = self.settings().autosync;
        let ended = if autosync { self.internal_autosync() } else { Ok(()) };
        let state = std::mem::replace(&mut self.inner().state, State::Closed);
        if let State::Ready(Connection { client, mut process }) = state {
            drop(client);
            self.pass_on_log(process.as_mut());
        }
        self.trace(|| "shutdown = 0".into());
        ended
    }

    /// Is there a daemon to call?
    pub fn is_ready(&self) -> bool {
        matches!(self.inner().state, State::Ready(_))
    }

    /// Closes the handle. The same happens when it is dropped.
    pub fn close(self) {
        drop(self);
    }

    /// Has the running file transfer stop, from another thread. The transfer then fails with `Cancelled`.
    pub fn user_cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }

    /// Has `callback` told of every event in `events`. Callbacks are told while a call runs, so they must not make
    /// calls; they may cancel, and set and delete callbacks.
    pub fn set_event_callback(
        &self,
        events: EventSet,
        callback: impl Fn(&Event<'_>) + Send + Sync + 'static,
    ) -> EventHandle {
        self.events.add(events, Arc::new(callback))
    }

    /// Has a callback told no more. Returns whether it was there.
    pub fn delete_event_callback(&self, handle: EventHandle) -> bool {
        self.events.delete(handle)
    }

    /// Says `text` as a warning.
    pub(crate) fn warn(&self, text: &str) {
        if !self.events.fire(&Event::Warning(text)) {
            say(format_args!("libguestfs: warning: {text}"));
        }
    }

    fn verbose(&self, text: impl FnOnce() -> String) {
        if self.settings().verbose {
            let text = text();
            if !self.events.fire(&Event::Library(&text)) {
                say(format_args!("libguestfs: {text}"));
            }
        }
    }

    fn trace(&self, line: impl FnOnce() -> String) {
        if self.settings().trace {
            let line = line();
            if !self.events.fire(&Event::Trace(&line)) {
                say(format_args!("libguestfs: trace: {line}"));
            }
        }
    }

    /// Passes on what the daemon logged, if the user wants to know; returns whether there was any.
    fn pass_on_log(&self, process: &mut dyn Process) -> bool {
        let log = process.log();
        if log.is_empty() {
            return false;
        }
        if self.settings().verbose && !self.events.fire(&Event::Appliance(log.as_bstr())) {
            let _ = std::io::stderr().write_all(harmless(&log).as_bytes());
        }
        true
    }

    /// Makes a call without files.
    pub(crate) fn invoke<T: for<'a> Decode<'a> + crate::api::Trace>(&self, request: Request) -> Result<T> {
        self.with_client(request, |client, request, hooks| {
            client.call(request.info, &request.arguments, hooks)
        })
    }

    /// Makes a call that sends a file.
    pub(crate) fn invoke_upload<T>(&self, request: Request, upload: Upload<'_>) -> Result<T>
    where
        T: for<'a> Decode<'a> + crate::api::Trace,
    {
        let mut upload = Some(upload);
        self.with_client(request, |client, request, hooks| {
            // A file is sent once: the handle falls back before, not after.
            let upload = upload.take().ok_or_else(|| Error::usage("the file was sent already"))?;
            client.call_upload(request.info, &request.arguments, upload, hooks)
        })
    }

    /// Makes a call that receives a file.
    pub(crate) fn invoke_download<T>(&self, request: Request, to: &mut dyn Write) -> Result<T>
    where
        T: for<'a> Decode<'a> + crate::api::Trace,
    {
        let mut file = Resumable::new(to);
        self.with_client(request, |client, request, hooks| {
            file.begin_again();
            client.call_download(request.info, &request.arguments, &mut file, hooks).map_err(|e| {
                if e.kind() != ErrorKind::Interrupted {
                    return e;
                }
                // The protocol has no text for a file that ends early, but our daemon remembers it.
                let error = last_error(client, hooks).unwrap_or(e);
                if error.kind() == ErrorKind::NeedsAppliance
                    && file.has_begun()
                    && !SAME_EVERYWHERE.contains(&request.info.name)
                {
                    return Error::new(ErrorKind::Interrupted, error.errno(), error.message());
                }
                error
            })
        })
    }

    fn with_client<T: for<'a> Decode<'a> + crate::api::Trace>(
        &self,
        request: Request,
        mut talk: impl FnMut(&mut Client, &Request, &dyn Hooks) -> Result<Vec<u8>>,
    ) -> Result<T> {
        let name = request.info.name;
        self.events.fire(&Event::Enter(name));
        if let Some(line) = &request.trace {
            self.trace(|| line.clone());
        }
        self.cancel.store(false, Ordering::Relaxed);
        let mut inner = self.inner();
        if !matches!(inner.state, State::Ready(_)) {
            return Err(Error::usage(format!("{name}: there is no daemon: launch comes first")));
        }
        let mut result = Ok(());
        if request.info.takes_file() {
            // The embedded daemon writes nothing, and a file that was sent in vain could not be sent again.
            result = self.fall_back(&mut inner, &crate::api::not_here(name));
        }
        let mut result: Result<T> = result.and_then(|()| self.converse(&mut inner, &request, &mut talk));
        if let Err(e) = &result
            && e.kind() == ErrorKind::NeedsAppliance
            && inner.fallback.is_some()
            && request.falls_back
        {
            result =
                self.fall_back(&mut inner, e).and_then(|()| self.converse(&mut inner, &request, &mut talk));
        }
        let result = result.map_err(|e| e.prefixed(name));
        let gone = result.as_ref().is_err_and(|e| e.kind() == ErrorKind::Protocol);
        if gone {
            inner.state = State::Closed;
        }
        if result.is_ok()
            && let Some(fallback) = &mut inner.fallback
        {
            fallback.note(request);
        }
        drop(inner);
        if gone {
            self.events.fire(&Event::SubprocessQuit);
        }
        self.trace(|| match &result {
            Ok(value) => {
                let mut line = format!("{name} = ");
                value.trace(&mut line);
                line
            }
            Err(_) => format!("{name} = -1 (error)"),
        });
        result
    }
}

impl Guestfs {
    /// Has one conversation with the daemon that is there. An error of kind `Protocol` says how the daemon died.
    fn converse<T: for<'a> Decode<'a>>(
        &self,
        inner: &mut Inner,
        request: &Request,
        talk: &mut impl FnMut(&mut Client, &Request, &dyn Hooks) -> Result<Vec<u8>>,
    ) -> Result<T> {
        let State::Ready(connection) = &mut inner.state else {
            return Err(Error::protocol("there is no daemon"));
        };
        let hooks = HandleHooks { handle: self };
        let result = talk(&mut connection.client, request, &hooks);
        let result = result.and_then(|body| {
            let mut input = Reader::new(&body);
            let value = input.value::<T>().and_then(|value| input.finish().map(|()| value));
            value.map_err(|e| Error::protocol(format!("the daemon's reply can't be decoded: {e}")))
        });
        self.pass_on_log(connection.process.as_mut());
        result.map_err(|e| {
            if e.kind() != ErrorKind::Protocol {
                return e;
            }
            let obituary = connection.process.obituary();
            Error::protocol(format!("{}: {obituary}", e.message()))
        })
    }
}

/// Asks the daemon why the last transfer ended early.
fn last_error(client: &mut Client, hooks: &dyn Hooks) -> Option<Error> {
    let info = crate::api::call_named("debug")?;
    let mut request = Request::new(info, false);
    request.text(LAST_ERROR_SUBCOMMAND.as_bytes());
    request.list::<&[u8]>(&[]);
    let body = client.call(info, &request.arguments, hooks).ok()?;
    let text: bstr::BString = Reader::new(&body).value().ok()?;
    if text.is_empty() {
        return None;
    }
    let text = text.to_str_lossy();
    Some(match text.strip_prefix(NEEDS_APPLIANCE) {
        Some(why) => Error::needs_appliance(why),
        None => Error::daemon(nix::errno::Errno::EIO, text),
    })
}

impl Drop for Guestfs {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure.
        let _ = self.shutdown();
        self.events.fire(&Event::Close);
    }
}

/// A log for a terminal: names of the guest in it can hold control sequences.
fn harmless(log: &[u8]) -> String {
    let text = log.to_str_lossy();
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// The default for messages without a callback, as guestfs(3) has it: standard error.
fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

struct HandleHooks<'a> {
    handle: &'a Guestfs,
}

impl Hooks for HandleHooks<'_> {
    fn progress(&self, progress: Progress) {
        self.handle.events.fire(&Event::Progress(progress));
    }

    fn cancelled(&self) -> bool {
        self.handle.cancel.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_does_nothing_to_a_terminal() {
        assert_eq!(harmless(b"a\x1b[2J\nb\xff\r"), "a\u{fffd}[2J\nb\u{fffd}\u{fffd}");
    }
}

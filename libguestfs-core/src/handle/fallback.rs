//! From the embedded daemon to an appliance, in the midst of a handle's life.
//!
//! The backend `auto` begins with the embedded daemon. When that answers "needs an appliance", or a call sends a file
//! (the embedded daemon writes nothing), the handle starts an appliance with the same drives, makes there the calls that
//! changed what the daemon knows ([`CallInfo::replayed`](crate::api::CallInfo)), and repeats the call. The caller does
//! not notice, and nothing that it was given before is given again.

use std::io::{self, Write};

use bstr::{BStr, ByteSlice};

use super::{Connection, Guestfs, Inner, State};
use crate::backend::{self, Running};
use crate::handle::{Request, Settings};
use crate::wire::xdr::Reader;
use crate::{Error, Result};

/// The backend that starts whatever appliance works best here.
const APPLIANCE: &str = "appliance";
/// What unmounting everything does not undo: directories that were made to mount on, and devices that were opened.
const STAYS: [&str; 6] =
    ["mkmountpoint", "rmmountpoint", "luks_open", "luks_open_ro", "cryptsetup_open", "lvm_scan"];
/// Where opened devices are.
const MAPPER: &[u8] = b"/dev/mapper/";
/// The backend that falls back.
pub(super) const AUTO: &str = "auto";

/// What is needed to go on in an appliance.
#[derive(Debug)]
pub(super) struct Fallback {
    /// The settings of the launch.
    settings: Settings,
    /// Calls to make again, in their order.
    calls: Vec<Request>,
}

impl Fallback {
    /// For a handle that is launched with these settings; `None` if its backend does not fall back.
    pub(super) fn of(settings: &Settings) -> Option<Fallback> {
        (settings.backend == AUTO).then(|| Fallback { settings: settings.clone(), calls: Vec::new() })
    }

    /// Notes a call that succeeded.
    pub(super) fn note(&mut self, request: Request) {
        if !request.info.replayed {
            return;
        }
        let is_hive_open = self.calls.iter().any(|call| call.info.name == "hivex_open");
        match request.info.name {
            "hivex_open" | "hivex_close" => self.calls.retain(|call| call.info.name != "hivex_open"),
            // Nothing is mounted now; an open hive keeps what it was found in.
            "umount_all" | "inspect_os" if !is_hive_open => {
                self.calls.retain(|call| STAYS.contains(&call.info.name));
            }
            _ => {}
        }
        if ["luks_close", "cryptsetup_close"].contains(&request.info.name) {
            // With the call that opened the device goes its key.
            let closed = arguments::<1>(&request);
            self.calls.retain(|call| match (arguments::<3>(call), closed) {
                (Some([_, _, name]), Some([device])) if opens(call) => {
                    device.strip_prefix(MAPPER) != Some(name.as_bytes())
                }
                _ => true,
            });
            return;
        }
        match request.info.name {
            "hivex_close" => {}
            "umount_all" if !is_hive_open => {}
            _ => self.calls.push(request),
        }
    }
}

/// Does the call open an encrypted device?
fn opens(call: &Request) -> bool {
    ["luks_open", "luks_open_ro", "cryptsetup_open"].contains(&call.info.name)
}

/// The first arguments of a call, which are texts; a key among them is not copied.
fn arguments<const N: usize>(call: &Request) -> Option<[&BStr; N]> {
    let mut input = Reader::new(&call.arguments.bytes);
    let mut texts = [BStr::new(""); N];
    for text in &mut texts {
        *text = input.value().ok()?;
    }
    Some(texts)
}

impl Guestfs {
    /// Puts an appliance in the place of the embedded daemon, because of `reason`. Whatever comes of it, the handle does
    /// not fall back a second time.
    ///
    /// # Errors
    /// `NeedsAppliance` with the reason, and why no appliance could take over; the embedded daemon then stays.
    pub(super) fn fall_back(&self, inner: &mut Inner, reason: &Error) -> Result<()> {
        let Some(fallback) = inner.fallback.take() else { return Ok(()) };
        self.verbose(|| format!("{}: starting an appliance", reason.message()));
        let connection = self.appliance(inner, &fallback).map_err(|e| {
            Error::needs_appliance(format_args!("{}; no appliance could take over", bare(reason)))
                .caused_by(e)
        })?;
        if let State::Ready(Connection { mut process, client }) =
            std::mem::replace(&mut inner.state, State::Ready(connection))
        {
            drop(client);
            self.pass_on_log(process.as_mut());
        }
        Ok(())
    }

    /// An appliance that knows what the embedded daemon knew.
    fn appliance(&self, inner: &Inner, fallback: &Fallback) -> Result<Connection> {
        let Running { channel, command, process } =
            backend::by_name(APPLIANCE)?
                .start(&inner.drives, &fallback.settings, &|text: &str| self.warn(text))?;
        self.verbose(|| command);
        let mut connection = self.await_launch_flag(channel, process)?;
        for call in &fallback.calls {
            let hooks = super::HandleHooks { handle: self };
            connection.client.call(call.info, &call.arguments, &hooks).map_err(|e| {
                e.prefixed(format_args!(
                    "{} worked in the embedded daemon, but not in the appliance",
                    call.info.name
                ))
            })?;
        }
        Ok(connection)
    }
}

/// The reason without the mark of the protocol.
fn bare(reason: &Error) -> &str {
    reason.message().strip_prefix(crate::NEEDS_APPLIANCE).unwrap_or(reason.message())
}

/// The target of a download, which remembers how much of the file it has: if another daemon sends the file from its
/// beginning, the part that is there already is dropped.
pub(super) struct Resumable<'a> {
    to: &'a mut dyn Write,
    written: u64,
    skip: u64,
}

impl<'a> Resumable<'a> {
    pub(super) fn new(to: &'a mut dyn Write) -> Self {
        Resumable { to, written: 0, skip: 0 }
    }

    /// Was anything passed on yet?
    pub(super) fn has_begun(&self) -> bool {
        self.written > 0
    }

    /// From now on the file comes from its beginning.
    pub(super) fn begin_again(&mut self) {
        self.skip = self.written;
    }
}

impl Write for Resumable<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(data.len());
        self.skip = self.skip.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
        if skipped > 0 {
            return Ok(skipped);
        }
        let written = self.to.write(data)?;
        self.written = self.written.saturating_add(u64::try_from(written).unwrap_or(0));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::call_named;

    #[test]
    fn what_was_given_is_not_given_again() {
        let mut out = Vec::new();
        let mut file = Resumable::new(&mut out);
        assert!(!file.has_begun());
        file.write_all(b"abc").unwrap();
        assert!(file.has_begun());
        file.begin_again();
        file.write_all(b"ab").unwrap();
        file.write_all(b"cde").unwrap();
        // A third daemon, though there is none yet.
        file.begin_again();
        file.write_all(b"abcdef").unwrap();
        assert_eq!(out, b"abcdef");
    }

    #[test]
    fn only_the_calls_that_still_matter_are_made_again() {
        let mut fallback = Fallback::of(&Settings::default()).unwrap();
        let mut noted = |names: &[&str]| {
            for name in names {
                fallback.note(Request::new(call_named(name).unwrap(), false));
            }
            fallback.calls.iter().map(|c| c.info.name).collect::<Vec<_>>()
        };
        assert_eq!(
            noted(&["mkmountpoint", "mount", "statns", "mount_ro"]),
            ["mkmountpoint", "mount", "mount_ro"]
        );
        assert_eq!(noted(&["umount"]).len(), 4);
        assert_eq!(noted(&["umount_all"]), ["mkmountpoint"]);
        assert_eq!(noted(&["mount", "inspect_os", "mount"]), ["mkmountpoint", "inspect_os", "mount"]);
        assert_eq!(
            noted(&["umount_all", "mount", "hivex_open", "umount_all", "mount"])[1..],
            ["mount", "hivex_open", "umount_all", "mount"]
        );
        assert_eq!(noted(&["hivex_close", "umount_all"]), ["mkmountpoint"]);
        assert_eq!(
            noted(&["mount", "hivex_open", "hivex_open", "umount"])[1..],
            ["mount", "hivex_open", "umount"]
        );

        // Opened devices outlive mounts, and go with their keys when they are closed.
        let mut fallback = Fallback::of(&Settings::default()).unwrap();
        for (name, map) in
            [("cryptsetup_open", "a"), ("luks_open_ro", "b"), ("umount_all", ""), ("mount", "")]
        {
            let mut request = Request::new(call_named(name).unwrap(), false);
            request.text(b"/dev/sda1");
            request.secret(b"key");
            request.text(map.as_bytes());
            fallback.note(request);
        }
        let mut noted = |name: &str, device: &str| {
            let mut request = Request::new(call_named(name).unwrap(), false);
            request.text(device.as_bytes());
            fallback.note(request);
            fallback.calls.iter().map(|c| c.info.name).collect::<Vec<_>>()
        };
        assert_eq!(noted("luks_close", "/dev/mapper/c"), ["cryptsetup_open", "luks_open_ro", "mount"]);
        assert_eq!(noted("cryptsetup_close", "/dev/mapper/b"), ["cryptsetup_open", "mount"]);
        assert_eq!(noted("luks_close", "/dev/mapper/a"), ["mount"]);

        let embedded = Settings { backend: "embedded".into(), ..Settings::default() };
        assert!(Fallback::of(&embedded).is_none());
    }
}

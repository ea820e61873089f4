//! The API: every call that a daemon answers, defined once.
//!
//! Traits, one per group of calls, are the definition; [`Daemon`] is all of them. One declaration a call: what it does, its
//! procedure number, its parameters with their kinds, its result. From it the macro `guestfs_api` derives the server's
//! trait and [`dispatch`], the list [`calls`], the structures of optional arguments, and the methods of the same names on
//! [`Guestfs`](crate::Guestfs). Adding a call means one declaration and one server function. Names, numbers, kinds and
//! layouts are libguestfs's own; a test holds them against its list.

mod hivex;
mod machine;
mod own;
mod partitioning;
mod reading;
mod searching;
mod storage;
mod structs;
mod trace;
mod transfer;
mod volumes;
mod writing;

use bstr::{BStr, BString};
use nix::errno::Errno;

use crate::server::{self, Call};
use crate::{Error, Result};

pub use crate::wire::xdr::{Char, Hashtable, Uuid};
pub use hivex::*;
pub use machine::*;
pub use own::*;
pub use partitioning::*;
pub use reading::*;
pub use searching::*;
pub use storage::*;
pub use structs::*;
pub(crate) use trace::Trace;
pub use transfer::*;
pub use volumes::*;
pub use writing::*;

/// A path in the guest: begins with `/`.
pub type Pathname = BStr;
/// A block device of the daemon, as `/dev/sda1`.
pub type Device = BStr;
/// `im_type` of an [`InternalMountable`] that is a device (`MOUNTABLE_DEVICE` of the original's protocol).
pub const MOUNTABLE_DEVICE: i32 = 1;
/// `im_type` of one that is a subvolume of btrfs (`MOUNTABLE_BTRFSVOL`).
pub const MOUNTABLE_BTRFSVOL: i32 = 2;

/// Something that can be mounted: a device, or `btrfsvol:DEVICE/SUBVOLUME`.
pub type Mountable = BStr;
/// A device if it begins with `/dev/`, else a path.
pub type DevOrPath = BStr;
/// A mountable if it looks like one, else a path.
pub type MountableOrPath = BStr;
/// Text without further rules.
pub type PlainString = BStr;
/// A name within a directory: not empty, no `/`, not `.` or `..`.
pub type Filename = BStr;
/// A GUID in its text form.
pub type Guid = BStr;
/// A key or passphrase. Never shown in traces.
pub type Key = BStr;
/// Several paths.
pub type PathnameList = [BString];
/// Several devices.
pub type DeviceList = [BString];
/// Several names within a directory.
pub type FilenameList = [BString];
/// Several texts.
pub type StringList = [BString];
/// Bytes of any value.
pub type Buffer = [u8];

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described at the type alias or Rust type of its name")]
pub enum Kind {
    Pathname,
    Device,
    Mountable,
    DevOrPath,
    MountableOrPath,
    PlainString,
    Filename,
    Guid,
    Key,
    PathnameList,
    DeviceList,
    FilenameList,
    StringList,
    OptString,
    Bool,
    Int,
    Int64,
    BufferIn,
    FileIn,
    FileOut,
}

/// What a call returns; structures by the name of their Rust type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each names a Rust type of the trait's methods")]
pub enum ResultKind {
    Nothing,
    Bool,
    Int,
    Int64,
    Text,
    TextList,
    Hashtable,
    Buffer,
    Structure(&'static str),
    StructureList(&'static str),
}

/// A parameter's name and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Name, as libguestfs has it.
    pub name: &'static str,
    /// Kind.
    pub kind: Kind,
}

/// All that the definition says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallInfo {
    /// Name.
    pub name: &'static str,
    /// Number on the wire.
    pub procedure: u32,
    /// What it does, in Markdown.
    pub documentation: &'static str,
    /// Parameters in order, files included.
    pub parameters: &'static [ParameterInfo],
    /// Optional arguments in the order of their bits.
    pub optional: &'static [ParameterInfo],
    /// What it returns.
    pub result: ResultKind,
    /// Can it be cancelled while it runs?
    pub cancellable: bool,
    /// Does it send progress messages?
    pub progress: bool,
    /// Must a daemon that takes over for another be told it too? True for what the embedded daemon keeps: mounts, and
    /// what inspection found.
    pub replayed: bool,
    /// The optional group of calls it belongs to.
    pub group: Option<&'static str>,
}

impl CallInfo {
    /// Does the caller send a file?
    pub fn takes_file(&self) -> bool {
        self.parameters.iter().any(|p| p.kind == Kind::FileIn)
    }

    /// Is there a key or passphrase among its arguments?
    pub fn takes_key(&self) -> bool {
        self.parameters.iter().any(|p| p.kind == Kind::Key)
    }
}

/// Highest procedure number of libguestfs 1.61.1. A higher one is not a call of the protocol.
pub const HIGHEST_PROCEDURE: u32 = 522;

/// All calls that a daemon answers. One that a daemon does not implement is answered with "needs an appliance".
pub trait Daemon:
    Reading + Searching + Writing + Transfer + Partitioning + Storage + Volumes + Machine + Hivex + Own
{
}

impl<D> Daemon for D where
    D: Reading
        + Searching
        + Writing
        + Transfer
        + Partitioning
        + Storage
        + Volumes
        + Machine
        + Hivex
        + Own
        + ?Sized
{
}

/// Every call of the definition.
pub fn calls() -> impl Iterator<Item = &'static CallInfo> {
    reading::CALLS
        .iter()
        .chain(&searching::CALLS)
        .chain(&writing::CALLS)
        .chain(&transfer::CALLS)
        .chain(&partitioning::CALLS)
        .chain(&storage::CALLS)
        .chain(&volumes::CALLS)
        .chain(&machine::CALLS)
        .chain(&hivex::CALLS)
        .chain(&own::CALLS)
}

/// Decodes the call that `call` holds, checks its arguments, has `daemon` make it and sends the reply.
///
/// # Errors
/// What is to be sent as an error reply. A reply that was sent, and a transfer that was cancelled, are successes.
pub fn dispatch<D: Daemon + ?Sized>(daemon: &mut D, call: &mut Call<'_>) -> Result<()> {
    reading::dispatch(daemon, call)
        .or_else(|| searching::dispatch(daemon, call))
        .or_else(|| writing::dispatch(daemon, call))
        .or_else(|| transfer::dispatch(daemon, call))
        .or_else(|| partitioning::dispatch(daemon, call))
        .or_else(|| storage::dispatch(daemon, call))
        .or_else(|| volumes::dispatch(daemon, call))
        .or_else(|| machine::dispatch(daemon, call))
        .or_else(|| hivex::dispatch(daemon, call))
        .or_else(|| own::dispatch(daemon, call))
        .unwrap_or_else(|| Err(server::unknown_procedure(call.procedure())))
}

/// The call of that procedure number.
pub fn call(procedure: u32) -> Option<&'static CallInfo> {
    calls().find(|c| c.procedure == procedure)
}

/// The call of that name.
pub fn call_named(name: &str) -> Option<&'static CallInfo> {
    calls().find(|c| c.name == name)
}

/// What a daemon checks before it makes a call; see [`dispatch`].
pub trait Host {
    /// May `value` be an argument of this kind here? A daemon checks that devices exist and that a filesystem is
    /// mounted; every implementation begins with [`check_text`].
    ///
    /// # Errors
    /// The error that the caller gets.
    fn check_argument(&mut self, call: &CallInfo, kind: Kind, value: &BStr) -> Result<()> {
        check_text(call, kind, value)
    }

    /// Does this daemon have the optional group of the call?
    ///
    /// # Errors
    /// `ENOTSUP` if it has not.
    fn check_available(&mut self, call: &CallInfo) -> Result<()> {
        let _ = call;
        Ok(())
    }

    /// The last call is answered, and the next one has not come.
    fn between_calls(&mut self) {}

    /// A call failed after it had begun to send a file, when the protocol has no place for its text any more. A daemon
    /// that remembers it answers the call `debug last_error` with it.
    fn note_failure(&mut self, error: &Error) {
        let _ = error;
    }
}

/// The rules for an argument that need no daemon to check.
///
/// # Errors
/// `EINVAL` if `value` breaks them.
pub fn check_text(call: &CallInfo, kind: Kind, value: &BStr) -> Result<()> {
    let invalid = |why: &str| Err(Error::daemon(Errno::EINVAL, format!("{}: {value}: {why}", call.name)));
    match kind {
        Kind::Pathname | Kind::PathnameList | Kind::DevOrPath if !value.starts_with(b"/") => Err(
            Error::daemon(Errno::EINVAL, format!("{}_stub: path must start with a / character", call.name)),
        ),
        Kind::MountableOrPath if !value.starts_with(b"/") && !value.starts_with(b"btrfsvol:/dev/") => {
            invalid("expecting a device name or a path")
        }
        Kind::Device | Kind::DeviceList if !value.starts_with(b"/dev/") => invalid("expecting a device name"),
        Kind::Mountable if !value.starts_with(b"/dev/") && !value.starts_with(b"btrfsvol:/dev/") => {
            invalid("expecting a device name")
        }
        Kind::Filename | Kind::FilenameList
            if value.is_empty() || value.contains(&b'/') || value == "." || value == ".." =>
        {
            invalid("not the name of a file in a directory")
        }
        Kind::Guid if !is_guid(value) => invalid("parameter is not a valid GUID"),
        _ => Ok(()),
    }
}

/// Is this a GUID as text: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, in braces or not?
fn is_guid(text: &[u8]) -> bool {
    let bare = text.strip_prefix(b"{").and_then(|t| t.strip_suffix(b"}")).unwrap_or(text);
    let groups: Vec<_> = bare.split(|&byte| byte == b'-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.iter().all(u8::is_ascii_hexdigit))
}

/// The answer of a daemon that lacks a call.
pub fn not_here(call: &str) -> Error {
    Error::needs_appliance(format_args!("the embedded daemon does not have the call {call}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_break_the_rules_of_their_kind_are_refused() {
        let call = calls().next().unwrap();
        let ok = |kind, text: &str| check_text(call, kind, BStr::new(text)).is_ok();
        assert!(ok(Kind::Pathname, "/") && !ok(Kind::Pathname, "etc") && !ok(Kind::Pathname, ""));
        assert!(ok(Kind::Device, "/dev/sda") && !ok(Kind::Device, "/etc") && !ok(Kind::Device, "sda"));
        assert!(ok(Kind::Mountable, "btrfsvol:/dev/sda1/x") && !ok(Kind::Mountable, "btrfsvol:x"));
        assert!(ok(Kind::Filename, "a b") && !ok(Kind::Filename, "a/b") && !ok(Kind::Filename, ".."));
        assert!(ok(Kind::PlainString, ""));
        let guid = "C12A7328-f81f-11d2-BA4B-00A0C93EC93B";
        assert!(ok(Kind::Guid, guid) && ok(Kind::Guid, &format!("{{{guid}}}")));
        for wrong in ["", "x", "C12A7328f81f11d2BA4B00A0C93EC93B", &guid.replace('C', "G"), &guid[1..]] {
            assert!(!ok(Kind::Guid, wrong), "{wrong}");
        }
    }

    #[test]
    fn numbers_and_names_are_unique() {
        for (i, a) in calls().enumerate() {
            for b in calls().skip(i + 1) {
                assert!(a.procedure != b.procedure && a.name != b.name, "{} and {}", a.name, b.name);
            }
        }
    }
}

//! Guests of libvirt: their names, and the images that are their disks.
//!
//! ```text
//! Connection  asks libvirt, through its own program virsh
//!   domain      the document that libvirt has of a guest, read
//! ```
//!
//! virsh is used because libvirt's library is C and its protocol is libvirt's own: every host with guests of libvirt has
//! virsh, it knows all connections and how to authenticate, and what it prints here is meant for programs. Connections are
//! read-only. A guest is told from others by its UUID, since virsh takes a name of digits for a running guest's number.

mod domain;

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

pub use domain::{Domain, DomainDisk};

use crate::{Error, ErrorKind, Result};

/// libvirt's program.
const VIRSH: &str = "virsh";
/// What virsh puts before each line of an error.
const ERROR_MARK: &str = "error: ";

/// A connection to libvirt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    program: OsString,
    uri: Option<String>,
}

/// A guest in libvirt's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its UUID, as libvirt writes it.
    pub uuid: String,
    /// Its name.
    pub name: String,
}

impl Connection {
    /// The connection with this URI, or the one that libvirt chooses (`LIBVIRT_DEFAULT_URI`, its configuration, or by the
    /// user). Nothing is asked yet.
    pub fn new(uri: Option<&str>) -> Self {
        Connection { program: VIRSH.into(), uri: uri.map(str::to_owned) }
    }

    /// All guests, running or not, in libvirt's order.
    ///
    /// # Errors
    /// If libvirt can't be asked.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let text = self.virsh(&["list", "--all", "--uuid", "--name"])?;
        Ok(text.lines().filter_map(listed).collect())
    }

    /// The guest of that name or UUID.
    ///
    /// # Errors
    /// If libvirt can't be asked or has no such guest, or a disk can't be found by the name that libvirt has for it.
    pub fn domain(&self, name: &str) -> Result<Domain> {
        let guests = self.list()?;
        let is_uuid = |guest: &&Listed| guest.uuid.eq_ignore_ascii_case(name);
        // A guest could have another one's UUID as its name; libguestfs looks for the UUID first.
        let found = guests.iter().find(is_uuid).or_else(|| guests.iter().find(|guest| guest.name == name));
        let guest = found.ok_or_else(|| unknown(name))?;
        self.domain_of(guest)
    }

    /// A guest out of the list.
    ///
    /// # Errors
    /// As [`domain`](Self::domain).
    pub fn domain_of(&self, guest: &Listed) -> Result<Domain> {
        let xml = self.virsh(&["dumpxml", &guest.uuid])?;
        let domain = Domain::parse(&xml, |pool, volume| self.volume(pool, volume));
        domain.map_err(|e| e.prefixed(format_args!("libvirt guest ‘{}’", guest.name)))
    }

    /// The path of a volume in a storage pool.
    fn volume(&self, pool: &str, volume: &str) -> Result<String> {
        Ok(self
            .virsh(&["vol-path", &format!("--pool={pool}"), &format!("--vol={volume}")])?
            .trim_end()
            .to_owned())
    }

    fn virsh(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "--readonly"]).env("LC_ALL", "C").stdin(Stdio::null());
        if let Some(uri) = &self.uri {
            command.arg(format!("--connect={uri}"));
        }
        let output = command.args(arguments).output().map_err(|e| cannot_run(&self.program, &e))?;
        if !output.status.success() {
            return Err(failed(format!("libvirt: {}", complaint(&String::from_utf8_lossy(&output.stderr)))));
        }
        String::from_utf8(output.stdout)
            .map_err(|e| failed(format!("libvirt: {VIRSH} printed no UTF-8: {e}")))
    }
}

/// A line of the list: a UUID, and the name after spaces.
fn listed(line: &str) -> Option<Listed> {
    let (uuid, name) = line.split_once(' ')?;
    Some(Listed { uuid: uuid.to_owned(), name: name.trim_start().to_owned() })
}

/// What virsh says is wrong, on one line: the lines that it marks, or all that it wrote if it marks none.
fn complaint(text: &str) -> String {
    let marked: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(ERROR_MARK)).collect();
    if marked.is_empty() { text.trim().replace('\n', ": ") } else { marked.join(": ") }
}

fn unknown(name: &str) -> Error {
    Error::new(ErrorKind::Usage, None, format!("no libvirt guest is called ‘{name}’"))
}

fn cannot_run(program: &OsStr, error: &std::io::Error) -> Error {
    failed(format!("libvirt is asked through {}, which can't be run: {error}", program.display()))
}

fn failed(text: String) -> Error {
    Error::new(ErrorKind::Io, None, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection whose virsh is a script that knows two guests.
    fn connection() -> Connection {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/virsh").into();
        Connection { program, uri: Some("x:///y".into()) }
    }

    #[test]
    fn guests_are_found_by_name_or_uuid_and_asked_for_by_uuid() {
        let connection = connection();
        let names: Vec<String> = connection.list().unwrap().into_iter().map(|guest| guest.name).collect();
        assert_eq!(names, ["two words", "1"]);
        for name in ["1", "22222222-2222-4222-8222-222222222222"] {
            let domain = connection.domain(name).unwrap();
            assert_eq!((domain.name.as_str(), domain.is_running), ("1", false));
            assert_eq!(domain.disks.first().unwrap().path, std::path::Path::new("/pool/v"));
        }
    }

    #[test]
    fn what_libvirt_refuses_is_said() {
        let connection = connection();
        assert_eq!(connection.domain("x").unwrap_err().message(), "no libvirt guest is called ‘x’");
        let error = connection.domain("two words").unwrap_err();
        assert_eq!(error.message(), "libvirt: failed to do that: for a reason");
        let none = Connection { program: "/nowhere/virsh".into(), uri: None };
        let error = none.list().unwrap_err();
        let text = "libvirt is asked through /nowhere/virsh, which can't be run: No such file or directory";
        assert!(error.message().starts_with(text), "{error}");
    }
}

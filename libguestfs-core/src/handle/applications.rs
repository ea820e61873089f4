//! The calls of the library that list what is installed in a guest. What is on `root` has to be mounted.
//!
//! The guest's databases are read by our daemon, where a sandbox is around the parsers. Another daemon does not have that
//! call: then files are downloaded, as libguestfs's library does, and rpm's database is read by the daemon's own call.

use std::io;

use bstr::{BStr, BString, ByteSlice};
use guest_packages::Memory;

use crate::api::{Application, Application2, IsDirOpts, IsFileOpts};
use crate::packages::{self, Database, Decoder, File, Format, Installed, Note, Tree};
use crate::{Error, ErrorKind, Guestfs, Result, inspect, registry};

/// Largest file that is downloaded, in bytes (lib/inspect-apps.c).
const DOWNLOAD_MAX: i64 = 50_000_000;
/// The formats that libguestfs lists.
const LISTED: [Format; 4] = [Format::Rpm, Format::Deb, Format::Pacman, Format::Apk];
/// What every daemon says of a call that it does not know.
const UNKNOWN_CALL: &str = "unknown procedure number";

impl Guestfs {
    /// The applications of the operating system on `root`, sorted by their names, as libguestfs lists them: those in the
    /// database of the root's own package format, if that is apk, dpkg, pacman or rpm; of a Windows, those in its registry;
    /// none otherwise. What is broken in the database is said as a warning.
    ///
    /// # Errors
    /// As [`inspect_get_type`](Guestfs::inspect_get_type), or if nothing is mounted.
    pub fn inspect_list_applications2(&self, root: impl AsRef<[u8]>) -> Result<Vec<Application2>> {
        let root = root.as_ref();
        let os_type = self.inspect_get_type(root)?;
        let format = match os_type.as_slice() {
            b"windows" => Some(Format::Windows),
            b"linux" | b"hurd" => Format::named(&self.inspect_get_package_format(root)?)
                .filter(|format| LISTED.contains(format)),
            _ => None,
        };
        let Some(format) = format else { return Ok(Vec::new()) };
        let Installed { packages, notes, .. } = self.packages_of(root, Some(format))?;
        for note in notes {
            self.warn(&note.to_string());
        }
        Ok(packages.into_iter().filter_map(packages::application).collect())
    }

    /// The same in an older form, without architectures.
    ///
    /// # Errors
    /// As [`inspect_list_applications2`](Guestfs::inspect_list_applications2).
    pub fn inspect_list_applications(&self, root: impl AsRef<[u8]>) -> Result<Vec<Application>> {
        let applications = self.inspect_list_applications2(root)?;
        Ok(applications.into_iter().map(packages::without_architecture).collect())
    }

    /// All packages in all databases of the operating system on `root`, with all that is known of them, and what is
    /// broken there. This is not a call of libguestfs.
    ///
    /// # Errors
    /// As [`inspect_get_type`](Guestfs::inspect_get_type), or if nothing is mounted.
    pub fn installed_packages(&self, root: impl AsRef<[u8]>) -> Result<Installed> {
        self.packages_of(root.as_ref(), None)
    }

    /// The packages in the databases of `format`, or of all formats.
    fn packages_of(&self, root: &[u8], format: Option<Format>) -> Result<Installed> {
        let mut decoder = Decoder::default();
        let name = format.map_or("", Format::name);
        match self.internal_list_packages(root, name, &mut decoder) {
            Ok(()) => decoder.finish().map_err(|e| Error::protocol(format!("internal_list_packages: {e}"))),
            Err(e) if e.kind() == ErrorKind::Daemon && e.message().contains(UNKNOWN_CALL) => {
                self.packages_by_download(root, format)
            }
            Err(e) => Err(e),
        }
    }

    /// The same from a daemon that is not ours.
    fn packages_by_download(&self, root: &[u8], format: Option<Format>) -> Result<Installed> {
        if self.inspect_get_type(root)? == "windows" {
            return self.applications_by_download(root);
        }
        let all = format.map_or(Format::ALL.to_vec(), |format| vec![format]);
        let (rpm, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|format| *format == Format::Rpm);
        let mut installed = packages::installed(&Downloaded(self), &others);
        let own = Format::named(&self.inspect_get_package_format(root)?);
        if !rpm.is_empty() && (format.is_some() || own == Some(Format::Rpm)) {
            match self.internal_list_rpm_applications() {
                Ok(found) => {
                    let path = BString::from("/var/lib/rpm");
                    installed.databases.push(Database { format: Format::Rpm, path });
                    installed.packages.extend(found.into_iter().map(|a| packages::package(Format::Rpm, a)));
                    installed.packages.sort_by(|a, b| a.name.cmp(&b.name));
                }
                Err(e) if e.kind() == ErrorKind::Daemon => {
                    installed.notes.push(Note { path: "/var/lib/rpm".into(), what: e.message().into() });
                }
                Err(e) => return Err(e),
            }
        }
        Ok(installed)
    }

    /// The applications in the registry of a Windows from a daemon that is not ours.
    fn applications_by_download(&self, root: &[u8]) -> Result<Installed> {
        let path = match self.inspect_get_windows_software_hive(root) {
            Err(e) if e.kind() == ErrorKind::Daemon => return Ok(Installed::default()),
            path => path?,
        };
        Ok(match registry::open(&mut Downloaded(self), path.as_bstr())? {
            Ok(software) => registry::applications(&software),
            Err(refused) => {
                let note = Note { path, what: refused.to_string().into() };
                Installed { notes: vec![note], ..Installed::default() }
            }
        })
    }
}

/// What is mounted in a daemon, read by downloads.
struct Downloaded<'g>(&'g Guestfs);

impl Tree for Downloaded<'_> {
    fn open(&self, path: &BStr) -> io::Result<Option<Box<dyn File + '_>>> {
        let content = || {
            if !self.0.is_file(path, &IsFileOpts { followsymlinks: Some(true) })? {
                return Ok(None);
            }
            let size = self.0.filesize(path)?;
            if size > DOWNLOAD_MAX {
                return Err(Error::usage(format!("is larger than {DOWNLOAD_MAX} bytes")));
            }
            self.0.read_file(path).map(Some)
        };
        let content = content().map_err(io::Error::other)?;
        Ok(content.map(|content| -> Box<dyn File + '_> { Box::new(Memory(content)) }))
    }

    fn names(&self, directory: &BStr, max: usize) -> io::Result<Option<Vec<BString>>> {
        let names = || {
            let is_there = self.0.is_dir(directory, &IsDirOpts { followsymlinks: Some(true) })?;
            is_there.then(|| self.0.ls(directory.as_bytes())).transpose()
        };
        let mut names = names().map_err(io::Error::other)?;
        if let Some(names) = &mut names {
            names.truncate(max);
        }
        Ok(names)
    }
}

/// Only what a hive takes: no links are read.
impl inspect::Tree for Downloaded<'_> {
    type Error = Error;

    fn entry(&mut self, path: &BStr) -> Result<Option<inspect::Entry>> {
        if self.0.is_file(path, &IsFileOpts::default())? {
            let size = u64::try_from(self.0.filesize(path)?).unwrap_or(u64::MAX);
            return Ok(Some(inspect::Entry::File(size)));
        }
        Ok(self.0.is_dir(path, &IsDirOpts::default())?.then_some(inspect::Entry::Directory))
    }

    fn read_link(&mut self, _path: &BStr) -> Result<Option<BString>> {
        Ok(None)
    }

    fn read(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<u8>>> {
        let mut content = self.0.read_file(path)?;
        content.truncate(max);
        Ok(Some(content))
    }

    fn find_nocase(&mut self, path: &BStr, name: &BStr) -> Result<Option<BString>> {
        Ok(self.0.ls(path.as_bytes())?.into_iter().find(|found| found.eq_ignore_ascii_case(name)))
    }

    fn names(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<BString>>> {
        let mut names = self.0.ls(path.as_bytes())?;
        names.truncate(max);
        Ok(Some(names))
    }
}

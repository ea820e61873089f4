//! What is installed in the guest that is mounted. The parsers are [`libguestfs_core::packages`]; here is what they read
//! through.

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;

use bstr::{BStr, BString, ByteSlice};
use disk::ErrorKind;
use disk::fs::FileData;
use libguestfs_core::api::Application2;
use libguestfs_core::packages::{self, File, Format, Installed, Note, Tree};
use libguestfs_core::{Error, Result, registry};
use nix::errno::Errno;

use super::account;
use super::guest_tree::GuestTree;
use super::sink::Sink;
use crate::Guestfsd;
use crate::engine;
use crate::error::{Failure, refused};

impl Guestfsd {
    pub(crate) fn internal_list_packages(
        &mut self,
        root: &BStr,
        format: &BStr,
        out: &mut dyn Sink,
    ) -> Result<()> {
        let call = "internal_list_packages";
        self.need_root(call)?;
        // Only a root that inspection found.
        let mut deployment = self.internal_inspect_deployment(root)?;
        if self.is_deployment {
            deployment = "/".into();
        }
        let formats = if format.is_empty() {
            Format::ALL.to_vec()
        } else {
            vec![Format::named(format).ok_or_else(|| {
                Error::daemon(Errno::EINVAL, format!("{call}: {format}: no such package format"))
            })?]
        };
        let installed = match self.software_hive(root) {
            Some(hive) => self.applications(hive.as_bstr(), &formats)?,
            None => self.packages(&formats, deployment.as_bstr())?,
        };
        packages::encode(&installed, |piece| out.write(piece))
    }

    pub(crate) fn internal_list_rpm_applications(&mut self) -> Result<Vec<Application2>> {
        self.need_root("internal_list_rpm_applications")?;
        let Installed { packages, databases, notes } = self.packages(&[Format::Rpm], "/".into())?;
        // An error is better than an empty list for a database that can't be read at all.
        if packages.is_empty()
            && !databases.is_empty()
            && let Some(note) = notes.first()
        {
            return Err(refused(note.to_string()));
        }
        let applications: Vec<Application2> =
            packages.into_iter().filter_map(packages::application).collect();
        let mut total = 0;
        for a in &applications {
            let texts = [&a.app2_name, &a.app2_version, &a.app2_release, &a.app2_arch, &a.app2_url]
                .into_iter()
                .chain([&a.app2_summary, &a.app2_description]);
            // 17 fields, each with a length.
            account(&mut total, texts.map(|text| text.len().next_multiple_of(4)).sum::<usize>() + 17 * 4)?;
        }
        Ok(applications)
    }

    /// The applications in the registry of a Windows, if they are of `formats`.
    fn applications(&self, software: &BStr, formats: &[Format]) -> Result<Installed> {
        if !formats.contains(&Format::Windows) {
            return Ok(Installed::default());
        }
        Ok(match registry::open(&mut GuestTree::new(self.tree()), software)? {
            Ok(software) => registry::applications(&software),
            Err(refused) => Installed {
                notes: vec![Note { path: software.into(), what: refused.to_string().into() }],
                ..Installed::default()
            },
        })
    }

    /// The packages of the system whose files are below `deployment`.
    fn packages(&self, formats: &[Format], deployment: &BStr) -> Result<Installed> {
        let mounted = Mounted { tree: self.tree(), deployment, unsupported: RefCell::default() };
        let installed = packages::installed(&mounted, formats);
        match mounted.unsupported.into_inner() {
            Some(error) => Err(error),
            None => Ok(installed),
        }
    }
}

/// What is mounted.
struct Mounted<'t> {
    tree: &'t dyn engine::Tree,
    /// Where the system's own `/` is.
    deployment: &'t BStr,
    /// The first thing that an appliance could read, and this engine can't.
    unsupported: RefCell<Option<Error>>,
}

impl Mounted<'_> {
    /// The system's own path as that of what is mounted.
    fn place(&self, path: &BStr) -> BString {
        let deployment = self.deployment.strip_suffix(b"/").unwrap_or(self.deployment);
        [deployment, path].concat().into()
    }

    /// `None` for what is not there.
    fn look<T>(&self, path: &BStr, result: engine::Result<T>) -> io::Result<Option<T>> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(Failure::Os(
                Errno::ENOENT
                | Errno::ENOTDIR
                | Errno::EISDIR
                | Errno::EINVAL
                | Errno::ELOOP
                | Errno::ENAMETOOLONG
                | Errno::ENXIO,
            )) => Ok(None),
            Err(failure) => Err(self.fail(failure.at(path))),
        }
    }

    fn fail(&self, error: Error) -> io::Error {
        let text = error.message().to_owned();
        if error.kind() == libguestfs_core::ErrorKind::NeedsAppliance {
            self.unsupported.borrow_mut().get_or_insert(error);
        }
        io::Error::other(text)
    }
}

impl Tree for Mounted<'_> {
    fn open(&self, path: &BStr) -> io::Result<Option<Box<dyn File + '_>>> {
        let data = self.look(path, self.tree.open(self.place(path).as_bstr()))?;
        Ok(data.map(|data| -> Box<dyn File + '_> {
            Box::new(Open { data, path: path.to_owned(), mounted: self })
        }))
    }

    fn names(&self, directory: &BStr, max: usize) -> io::Result<Option<Vec<BString>>> {
        let mut names = Vec::new();
        let read = self.tree.directory(self.place(directory).as_bstr()).and_then(|open| {
            open.read(&mut |entry| {
                names.push(entry.name.into());
                if names.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
        });
        Ok(self.look(directory, read)?.map(|()| names))
    }
}

/// A file of what is mounted.
struct Open<'t> {
    data: Box<dyn FileData + 't>,
    path: BString,
    mounted: &'t Mounted<'t>,
}

impl File for Open<'_> {
    fn len(&self) -> u64 {
        self.data.len()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.data.read_at(offset, buf).map_err(|error| {
            let failure = match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput => {
                    Failure::Os(Errno::EIO)
                }
                _ => Failure::Disk { device: BString::default(), error },
            };
            self.mounted.fail(failure.at(&self.path))
        })
    }
}

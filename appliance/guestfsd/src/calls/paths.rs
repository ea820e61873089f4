//! Symbolic links and the true spelling of paths.

use std::ops::ControlFlow;

use bstr::{BStr, BString, ByteSlice};
use disk::fs::FileType;
use libguestfs_core::Result;
use nix::errno::Errno;

use super::account;
use crate::Guestfsd;
use crate::engine::{Directory, Last};
use crate::error::{At, Failure, refused, strerror};

impl Guestfsd {
    pub(crate) fn readlink(&mut self, path: &BStr) -> Result<BString> {
        self.tree().read_link(path).at(format_args!("readlink: {path}"))
    }

    pub(crate) fn internal_readlinklist(&mut self, path: &BStr, names: &[BString]) -> Result<Vec<BString>> {
        let directory = self.tree().directory(path).at(path)?;
        let mut list = Vec::new();
        let mut size = 0;
        for name in names {
            let target = match directory.read_link(name.as_bstr()) {
                Ok(target) => target,
                Err(Failure::Os(_)) => BString::default(),
                Err(failure) => return Err(failure.at(format_args!("{path}/{name}"))),
            };
            account(&mut size, target.len())?;
            list.push(target);
        }
        Ok(list)
    }

    pub(crate) fn realpath(&mut self, path: &BStr) -> Result<BString> {
        self.tree().canonical(path).at(format_args!("realpath: {path}"))
    }

    /// Each name is looked for without regard to case; a name that is there as given wins. The last name need not be
    /// there. Names that are not last must lead to directories, through symbolic links if need be.
    pub(crate) fn case_sensitive_path(&mut self, path: &BStr) -> Result<BString> {
        let mut found = BString::default();
        let mut names = path.split_str("/").filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            let here = if found.is_empty() { BStr::new("/") } else { found.as_bstr() };
            if name == b"." || name == b".." {
                return Err(refused("path contained . or .. elements"));
            }
            let directory = self.tree().directory(here).at(here)?;
            let spelled = spelled_as(directory.as_ref(), name.as_bstr()).at(here)?;
            let last = names.peek().is_none();
            let spelled = match spelled {
                Some(spelled) => spelled,
                None if last => name.into(),
                None => return Err(refused(format!("{}: not found", name.as_bstr()))),
            };
            found.push(b'/');
            found.extend_from_slice(&spelled);
            if !last && self.file_type(found.as_bstr(), Last::Follow)? != Some(FileType::Directory) {
                return Err(libguestfs_core::Error::daemon(
                    Errno::ENOTDIR,
                    format!("{}: {}", name.as_bstr(), strerror(Errno::ENOTDIR)),
                ));
            }
        }
        Ok(if found.is_empty() { "/".into() } else { found })
    }
}

/// How `directory` spells `name`: as given if it is there, else the first that differs in the case of ASCII letters only,
/// as in the original, else of any letters, as Windows compares names.
fn spelled_as(directory: &dyn Directory<'_>, name: &BStr) -> std::result::Result<Option<BString>, Failure> {
    let mut other = None;
    let mut as_windows = None;
    let mut exact = false;
    let wanted = upcased(name);
    directory.read(&mut |entry| {
        if entry.name == name {
            exact = true;
            return ControlFlow::Break(());
        }
        if other.is_none() && entry.name.eq_ignore_ascii_case(name) {
            other = Some(BString::from(entry.name));
        }
        if as_windows.is_none() && wanted.is_some() && upcased(entry.name.as_bstr()) == wanted {
            as_windows = Some(BString::from(entry.name));
        }
        ControlFlow::Continue(())
    })?;
    Ok(if exact { Some(name.to_owned()) } else { other.or(as_windows) })
}

/// The name in upper case by Windows' table, if it is UTF-8 and has more than ASCII.
fn upcased(name: &BStr) -> Option<Vec<u16>> {
    let text = name.to_str().ok().filter(|text| !text.is_ascii())?;
    Some(text.encode_utf16().map(hivex::upcase).collect())
}

//! The old way to name disks: `virt-x disk.img [disk.img ...] OPERAND`, without -a and -d.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::options::{Disk, no_libvirt};
use crate::{Error, Result};

/// Splits operands: if no disk was given with -a, all but the last one name disks.
///
/// # Errors
/// If there is no operand or no disk, or an operand can only be a libvirt guest: it has no slash, and no file has its
/// name.
pub(crate) fn split(
    mut disks: Vec<Disk>,
    operands: &[OsString],
    what: &str,
) -> Result<(Vec<Disk>, Vec<OsString>)> {
    let Some((last, first)) = operands.split_last() else {
        return Err(Error::bad_options(format!("no {what} is given")).hint("see --help"));
    };
    if !disks.is_empty() {
        return Ok((disks, operands.to_vec()));
    }
    for operand in first {
        if !operand.as_bytes().contains(&b'/') && !Path::new(operand).exists() {
            return Err(no_libvirt(operand));
        }
        disks.push(Disk { path: operand.into(), format: None, blocksize: None });
    }
    if disks.is_empty() {
        return Err(Error::bad_options("no disk is given").hint("add a disk image with -a FILE"));
    }
    Ok((disks, vec![last.clone()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(path: &str) -> Disk {
        Disk { path: path.into(), format: None, blocksize: None }
    }

    fn os(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn with_a_disk_all_operands_are_files() {
        let (disks, files) = split(vec![disk("d")], &os(&["/a", "/b"]), "file").unwrap();
        assert_eq!((disks, files), (vec![disk("d")], os(&["/a", "/b"])));
    }

    #[test]
    fn without_a_disk_all_operands_but_the_last_are_disks() {
        // The tests run in the package's directory.
        let (disks, files) = split(vec![], &os(&["./no", "Cargo.toml", "/b"]), "file").unwrap();
        assert_eq!((disks, files), (vec![disk("./no"), disk("Cargo.toml")], os(&["/b"])));
    }

    #[test]
    fn what_is_missing_is_said() {
        for (operands, status, text) in [
            (os(&[]), 2, "no file is given"),
            (os(&["/etc/passwd"]), 2, "no disk is given"),
            (os(&["fedora", "/etc/passwd"]), 1, "guest ‘fedora’: libvirt support is not built in yet"),
        ] {
            let error = split(vec![], &operands, "file").unwrap_err();
            assert_eq!((error.status(), error.to_string().as_str()), (status, text));
        }
    }
}

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
    disks: Vec<Disk>,
    operands: &[OsString],
    what: &str,
) -> Result<(Vec<Disk>, Vec<OsString>)> {
    let Some((last, first)) = operands.split_last() else {
        return Err(Error::bad_options(format!("no {what} is given")).hint("see --help"));
    };
    if !disks.is_empty() {
        return Ok((disks, operands.to_vec()));
    }
    let disks = named(first)?;
    if disks.is_empty() {
        return Err(Error::bad_options("no disk is given").hint("add a disk image with -a FILE"));
    }
    Ok((disks, vec![last.clone()]))
}

/// The disks of a tool whose operands can be nothing else.
///
/// # Errors
/// If there is none, if there are both some with -a and operands, or an operand can only be a libvirt guest.
pub fn disks(disks: Vec<Disk>, operands: &[OsString]) -> Result<Vec<Disk>> {
    match (disks.is_empty(), operands) {
        (true, []) => Err(Error::new("no disk is given, and libvirt support is not built in yet")
            .hint("add a disk image with -a FILE")),
        (true, operands) => named(operands),
        (false, []) => Ok(disks),
        (false, [first, ..]) => {
            Err(Error::bad_options(format!("{}: there are disks with -a already", first.display()))
                .hint("add each disk with -a"))
        }
    }
}

fn named(operands: &[OsString]) -> Result<Vec<Disk>> {
    let disk = |operand: &OsString| {
        if !operand.as_bytes().contains(&b'/') && !Path::new(operand).exists() {
            return Err(no_libvirt(operand));
        }
        Ok(Disk { path: operand.into(), format: None, blocksize: None })
    };
    operands.iter().map(disk).collect()
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
    fn operands_are_disks_where_no_disk_is_added() {
        assert_eq!(disks(vec![disk("d")], &[]).unwrap(), vec![disk("d")]);
        let named = disks(vec![], &os(&["./no", "Cargo.toml"])).unwrap();
        assert_eq!(named, vec![disk("./no"), disk("Cargo.toml")]);
        for (added, operands, status, text) in [
            (vec![], os(&[]), 1, "no disk is given"),
            (vec![], os(&["fedora"]), 1, "guest ‘fedora’"),
            (vec![disk("d")], os(&["Cargo.toml"]), 2, "Cargo.toml: there are disks with -a already"),
        ] {
            let error = disks(added, &operands).unwrap_err();
            assert_eq!(error.status(), status);
            assert!(error.to_string().starts_with(text), "{error}");
        }
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

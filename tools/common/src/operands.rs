//! The old way to name disks: `virt-x disk.img [disk.img ...] OPERAND`, or `virt-x GUEST OPERAND`, without -a and -d.

use std::ffi::OsString;

use clap::ArgMatches;

use crate::options::Disk;
use crate::{Error, Result, domains};

/// Splits operands: if no disk was given with -a or -d, all but the last one name disks, or guests of libvirt.
///
/// # Errors
/// If there is no operand or no disk, and what libvirt says against a guest.
pub(crate) fn split(
    disks: Vec<Disk>,
    operands: &[OsString],
    what: &str,
    matches: &ArgMatches,
) -> Result<(Vec<Disk>, Vec<OsString>)> {
    let Some((last, first)) = operands.split_last() else {
        return Err(Error::bad_options(format!("no {what} is given")).hint("see --help"));
    };
    if !disks.is_empty() {
        return Ok((disks, operands.to_vec()));
    }
    let disks = named(first, matches)?;
    if disks.is_empty() {
        return Err(Error::bad_options("no disk is given").hint("add a disk image with -a FILE"));
    }
    Ok((disks, vec![last.clone()]))
}

/// The disks of a tool whose operands can be nothing else.
///
/// # Errors
/// If there is none, if there are both some with -a and operands, and what libvirt says against a guest.
pub fn disks(disks: Vec<Disk>, operands: &[OsString], matches: &ArgMatches) -> Result<Vec<Disk>> {
    match (disks.is_empty(), operands) {
        (true, []) => Err(Error::bad_options("no disk is given").hint("add a disk image with -a FILE")),
        (true, operands) => named(operands, matches),
        (false, []) => Ok(disks),
        (false, [first, ..]) => {
            Err(Error::bad_options(format!("{}: there are disks with -a already", first.display()))
                .hint("add each disk with -a"))
        }
    }
}

/// The disks that operands name, one after the other.
///
/// # Errors
/// What libvirt says against a guest.
pub fn named(operands: &[OsString], matches: &ArgMatches) -> Result<Vec<Disk>> {
    let mut disks = Vec::new();
    for operand in operands {
        if domains::is_name(operand) {
            disks.extend(domains::disks(matches, operand)?);
        } else {
            disks.push(Disk::image(operand));
        }
    }
    Ok(disks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    /// What `-c` gives, which no libvirt has: asking it fails.
    fn matches() -> ArgMatches {
        clap::Command::new("virt-test")
            .arg(clap::Arg::new("connect").default_value("nowhere:///"))
            .get_matches_from(["virt-test"])
    }

    #[test]
    fn with_a_disk_all_operands_are_files() {
        let (disks, files) = split(vec![Disk::image("d")], &os(&["/a", "/b"]), "file", &matches()).unwrap();
        assert_eq!((disks, files), (vec![Disk::image("d")], os(&["/a", "/b"])));
    }

    #[test]
    fn without_a_disk_all_operands_but_the_last_are_disks() {
        // The tests run in the package's directory.
        let (disks, files) = split(vec![], &os(&["./no", "Cargo.toml", "/b"]), "file", &matches()).unwrap();
        assert_eq!((disks, files), (vec![Disk::image("./no"), Disk::image("Cargo.toml")], os(&["/b"])));
    }

    #[test]
    fn operands_are_disks_where_no_disk_is_added() {
        let matches = matches();
        assert_eq!(disks(vec![Disk::image("d")], &[], &matches).unwrap(), vec![Disk::image("d")]);
        let named = disks(vec![], &os(&["./no", "Cargo.toml"]), &matches).unwrap();
        assert_eq!(named, vec![Disk::image("./no"), Disk::image("Cargo.toml")]);
        for (added, operands, status, text) in [
            (vec![], os(&[]), 2, "no disk is given"),
            (vec![], os(&["fedora"]), 1, "libvirt"),
            (vec![Disk::image("d")], os(&["Cargo.toml"]), 2, "Cargo.toml: there are disks with -a already"),
        ] {
            let error = disks(added, &operands, &matches).unwrap_err();
            assert_eq!(error.status(), status);
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        for (operands, text) in [(os(&[]), "no file is given"), (os(&["/etc/passwd"]), "no disk is given")] {
            let error = split(vec![], &operands, "file", &matches()).unwrap_err();
            assert_eq!((error.status(), error.to_string().as_str()), (2, text));
        }
    }
}

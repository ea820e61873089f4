//! In which file of a guest a key of its registry is.
//!
//! ```text
//! HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft    SYSTEMROOT/System32/config/software    \Microsoft
//! HKEY_USERS\S-1-5-21-…-1000\Console       the profile that SOFTWARE has for it, and NTUSER.DAT in that
//! HKEY_USERS\alice\Console                 /Users/alice/NTUSER.DAT, or that below /Documents and Settings
//! ```
//!
//! Names of keys are taken in any case of letters, and so are those of files.

use bstr::{BStr, BString, ByteSlice};
use hivex::{Data, Options};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::about;
use crate::Guestfsd;
use crate::engine::Last;
use crate::error::refused;

/// Where profiles are listed within SOFTWARE, by SID, and the value that has each one's path.
const PROFILES: &str = "Microsoft\\Windows NT\\CurrentVersion\\ProfileList";
const PROFILE_PATH: &str = "ProfileImagePath";
/// Hives of HKEY_LOCAL_MACHINE that have files, all in System32\config.
const MACHINE_HIVES: [&str; 4] = ["SAM", "SECURITY", "SOFTWARE", "SYSTEM"];
/// Names that stand for users of the system itself.
const SERVICES: [(&str, &str); 3] =
    [("LocalSystem", "S-1-5-18"), ("LocalService", "S-1-5-19"), ("NetworkService", "S-1-5-20")];
/// Where Windows keeps profiles: since Vista, and before.
const PROFILE_DIRECTORIES: [&str; 2] = ["/Users", "/Documents and Settings"];
/// A user's hive within the profile.
const USER_HIVE: &str = "ntuser.dat";

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    /// The file, as the guest spells it.
    pub(super) hive: BString,
    /// What the paths of its keys begin with.
    pub(super) prefix: BString,
    /// The key's path in it, with a `\` before it.
    pub(super) key: BString,
}

impl Guestfsd {
    pub(crate) fn internal_registry_locate(&mut self, systemroot: &BStr, key: &BStr) -> Result<Vec<BString>> {
        let Located { hive, prefix, key } = self.locate(systemroot, key)?;
        Ok(vec![hive, prefix, key])
    }

    /// See the head of the file.
    pub(super) fn locate(&mut self, systemroot: &BStr, key: &BStr) -> Result<Located> {
        let bare = key.strip_prefix(b"\\").unwrap_or(key);
        let (root, below) = bare.split_once_str("\\").unwrap_or((bare, b""));
        let (name, rest) = match below.split_once_str("\\") {
            Some((name, rest)) => (name.as_bstr(), [b"\\", rest].concat()),
            None => (below.as_bstr(), b"\\".to_vec()),
        };
        let is = |text: &BStr, names: &[&str]| names.iter().any(|n| text.eq_ignore_ascii_case(n.as_bytes()));
        let config =
            |name: &str| BString::from(format!("{systemroot}/system32/config/{}", name.to_lowercase()));
        let (file, prefix) = if is(root.as_bstr(), &["HKEY_LOCAL_MACHINE", "HKLM"]) {
            let hive =
                MACHINE_HIVES.into_iter().find(|hive| is(name, &[hive])).ok_or_else(|| no_hive(key))?;
            (config(hive), format!("HKEY_LOCAL_MACHINE\\{hive}").into())
        } else if is(root.as_bstr(), &["HKEY_USERS", "HKU"]) && !name.is_empty() {
            if is(name, &[".DEFAULT"]) {
                // So it is in libguestfs, whose exports are merged again under this name.
                (config("default"), "HKEY_LOCAL_MACHINE\\.DEFAULT".into())
            } else {
                let service = SERVICES.into_iter().find(|(service, _)| is(name, &[service]));
                let user = service.map_or(name, |(_, sid)| BStr::new(sid));
                let directory =
                    if is_sid(user) { self.profile_of(systemroot, user)? } else { self.profile_named(user)? };
                let prefix = [b"HKEY_USERS\\", user.as_bytes()].concat();
                (BString::from(format!("{directory}/{USER_HIVE}")), prefix.into())
            }
        } else {
            return Err(no_hive(key));
        };
        let hive = self.case_sensitive_path(file.as_bstr())?;
        Ok(Located { hive, prefix, key: rest.into() })
    }

    /// The directory of a SID's profile.
    fn profile_of(&mut self, systemroot: &BStr, sid: &BStr) -> Result<BString> {
        let software =
            self.case_sensitive_path(BStr::new(&format!("{systemroot}/system32/config/software")))?;
        let hive = self.read_hive(software.as_bstr(), &[], Options::default())?.hive;
        let path = BString::from(format!("{PROFILES}\\{sid}"));
        let look = || {
            let Some(node) = hive.node_get_path(hive.root(), path.as_bstr())? else { return Ok(None) };
            let value = hive.node_get_value(node, BStr::new(PROFILE_PATH))?;
            value.map(|value| hive.value_data(value)).transpose()
        };
        match look().map_err(|error| about(path.as_bstr(), &error))? {
            Some(Data::Text(windows)) => guest_path(systemroot, windows.as_bstr()).ok_or_else(|| {
                refused(format!(
                    "{sid}: its profile is at {windows}, which is not on the drive of the system"
                ))
            }),
            _ => Err(Error::daemon(
                Errno::ENOENT,
                format!("{sid}: the registry knows no profile of this user"),
            )),
        }
    }

    /// The directory of the profile that has the user's name.
    fn profile_named(&mut self, user: &BStr) -> Result<BString> {
        if user.contains(&b'/') || user == "." || user == ".." {
            return Err(Error::daemon(Errno::EINVAL, format!("{user}: not the name of a user")));
        }
        for directory in PROFILE_DIRECTORIES {
            let hive = BString::from(format!("{directory}/{user}/{USER_HIVE}"));
            let found = self.case_sensitive_path(hive.as_bstr());
            if let Ok(path) = found
                && self.tree().status(path.as_bstr(), Last::Follow).is_ok()
                && let Some((profile, _)) = path.rsplit_once_str("/")
            {
                return Ok(profile.into());
            }
        }
        Err(Error::daemon(
            Errno::ENOENT,
            format!(
                "{user}: there is no user of this name with a registry: {USER_HIVE} was looked for in {}",
                PROFILE_DIRECTORIES.map(|directory| format!("{directory}/{user}")).join(" and ")
            ),
        ))
    }
}

/// `S-1-5-` and numbers with `-` between.
fn is_sid(name: &BStr) -> bool {
    let cut = name.split_at_checked("S-1-5-".len());
    cut.is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(b"S-1-5-")
            && !rest.is_empty()
            && rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-')
    })
}

/// The path in the guest of one that Windows has for a profile; `None` if that is on another drive.
fn guest_path(systemroot: &BStr, windows: &BStr) -> Option<BString> {
    let mut path = windows.replace("\\", "/");
    let drop = |path: &[u8], start: &str| {
        let cut = path.split_at_checked(start.len())?;
        cut.0.eq_ignore_ascii_case(start.as_bytes()).then(|| cut.1.to_vec())
    };
    if let Some(rest) = drop(&path, "%systemroot%") {
        path = [systemroot.as_bytes(), &rest].concat();
    }
    for start in ["%systemdrive%", "c:"] {
        if let Some(rest) = drop(&path, start) {
            path = rest;
        }
    }
    path.starts_with(b"/").then(|| path.trim_end_with(|c| c == '/').into())
}

fn no_hive(key: &BStr) -> Error {
    let what = format!(
        "{key}: no key of a hive that has a file: it begins with HKEY_LOCAL_MACHINE\\ and SAM, SECURITY, SOFTWARE or \
         SYSTEM, or with HKEY_USERS\\ and .DEFAULT, a SID or the name of a user"
    );
    Error::daemon(Errno::EINVAL, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_from_what_windows_calls_them() {
        for (windows, expected) in [
            ("C:\\Users\\alice", Some("/Users/alice")),
            ("%SystemDrive%\\Documents and Settings\\Bob\\", Some("/Documents and Settings/Bob")),
            ("%systemroot%\\system32\\config\\systemprofile", Some("/WINNT/system32/config/systemprofile")),
            ("D:\\Users\\alice", None),
            ("", None),
        ] {
            let found = guest_path(BStr::new("/WINNT"), BStr::new(windows));
            assert_eq!(found, expected.map(BString::from), "{windows}");
        }
    }

    #[test]
    fn sids_are_told_from_names() {
        for (name, expected) in [
            ("S-1-5-21-1-2-3-1000", true),
            ("s-1-5-18", true),
            ("S-1-5-", false),
            ("S-1-5-21_Classes", false),
        ] {
            assert_eq!(is_sid(BStr::new(name)), expected, "{name}");
        }
    }
}

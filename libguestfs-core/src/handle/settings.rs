//! What can be set on a handle before it is launched.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::{Error, Result};

/// Least memory of an appliance in MiB (guestfs(3), LIBGUESTFS_MEMSIZE).
const MEMSIZE_MIN: u32 = 128;

/// Settings of a handle. Those about qemu and appliances have no effect on the embedded backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Print what goes on inside.
    pub verbose: bool,
    /// Print each call and its result.
    pub trace: bool,
    /// Make the call `internal_autosync` before the daemon is stopped.
    pub autosync: bool,
    /// Which backend starts the daemon: `auto`, `embedded`, `unix:PATH`, `direct`, `uml`, `libvirt[:URI]`.
    pub backend: String,
    /// Backend settings: words, or `name=value`.
    pub backend_settings: Vec<String>,
    /// Directory for temporary files.
    pub tmpdir: PathBuf,
    /// Directory for appliances that are kept.
    pub cachedir: PathBuf,
    /// Directory for sockets, if not below `tmpdir`.
    pub sockdir: Option<PathBuf>,
    /// Where fixed appliances are looked for, colons between.
    pub path: Option<OsString>,
    /// The hypervisor to run.
    pub hv: Option<PathBuf>,
    /// Words to add to the appliance's kernel command line.
    pub append: Option<String>,
    /// Memory of the appliance in MiB.
    pub memsize: Option<u32>,
    /// Virtual processors of the appliance.
    pub smp: Option<u32>,
    /// Has the appliance a network?
    pub network: bool,
    /// The kernel for an appliance, instead of the newest one of the host.
    pub kernel: Option<PathBuf>,
    /// The directory of that kernel's modules.
    pub modules: Option<PathBuf>,
    /// Directories in which programs of the host are looked for, colons between (PATH).
    pub search_path: OsString,
    /// The terminal's type, which the appliance is told.
    pub term: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            verbose: false,
            trace: false,
            autosync: true,
            backend: "auto".into(),
            backend_settings: Vec::new(),
            tmpdir: "/tmp".into(),
            cachedir: "/var/tmp".into(),
            sockdir: None,
            path: None,
            hv: None,
            append: None,
            memsize: None,
            smp: None,
            network: false,
            kernel: None,
            modules: None,
            search_path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            term: None,
        }
    }
}

impl Settings {
    /// Sets the memory of the appliance in MiB.
    ///
    /// # Errors
    /// `Usage` if it is less than an appliance can run in.
    pub fn set_memsize(&mut self, mebibytes: u32) -> Result<()> {
        if mebibytes < MEMSIZE_MIN {
            return Err(Error::usage(format!(
                "memsize {mebibytes} is too small: at least {MEMSIZE_MIN} MiB are needed"
            )));
        }
        self.memsize = Some(mebibytes);
        Ok(())
    }

    /// Sets the number of virtual processors of the appliance.
    ///
    /// # Errors
    /// `Usage` if it is none.
    pub fn set_smp(&mut self, processors: u32) -> Result<()> {
        if processors == 0 {
            return Err(Error::usage("invalid smp parameter: an appliance has at least one processor"));
        }
        self.smp = Some(processors);
        Ok(())
    }

    /// The value of the backend setting `name`: `1` for a word alone, `None` if it is not given.
    pub fn backend_setting(&self, name: &str) -> Option<&str> {
        self.backend_settings.iter().find_map(|setting| match setting.split_once('=') {
            Some((n, value)) if n == name => Some(value),
            None if setting == name => Some("1"),
            _ => None,
        })
    }

    /// Is the backend setting `name` given as a word, or with a value that is not `0`?
    pub fn backend_flag(&self, name: &str) -> bool {
        self.backend_setting(name).is_some_and(|v| v != "0")
    }

    /// The values of all backend settings `name=value`, in order.
    pub fn backend_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.backend_settings
            .iter()
            .filter_map(move |s| s.split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_settings_are_words_or_names_with_values() {
        let settings = Settings {
            backend_settings: ["no_sandbox", "backing_dir=/a", "backing_dir=/b", "off=0"]
                .map(String::from)
                .into(),
            ..Settings::default()
        };
        assert!(
            settings.backend_flag("no_sandbox")
                && !settings.backend_flag("off")
                && !settings.backend_flag("x")
        );
        assert_eq!(settings.backend_values("backing_dir").collect::<Vec<_>>(), ["/a", "/b"]);
        assert_eq!(settings.backend_setting("backing_dir"), Some("/a"));
    }
}

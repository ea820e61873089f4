//! The one place that reads the process's environment: the variables of guestfs(3), as settings of a new handle.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::handle::Settings;
use crate::{Error, Result};

/// Settings from variables, found by `variable`.
///
/// # Errors
/// If one of them has a value that makes no sense.
pub(crate) fn settings_from(variable: impl Fn(&str) -> Option<OsString>) -> Result<Settings> {
    let mut settings = Settings::default();
    let text = |name: &str| -> Result<Option<String>> {
        variable(name)
            .map(|v| v.into_string().map_err(|_| Error::usage(format!("{name} is not valid UTF-8"))))
            .transpose()
    };
    if let Some(v) = text("LIBGUESTFS_DEBUG")? {
        settings.verbose = truth("LIBGUESTFS_DEBUG", &v)?;
    }
    if let Some(v) = text("LIBGUESTFS_TRACE")? {
        settings.trace = truth("LIBGUESTFS_TRACE", &v)?;
    }
    // LIBGUESTFS_TMPDIR and LIBGUESTFS_CACHEDIR win over TMPDIR.
    if let Some(v) = variable("LIBGUESTFS_TMPDIR").or_else(|| variable("TMPDIR")).filter(|v| !v.is_empty()) {
        settings.tmpdir = PathBuf::from(v);
    }
    if let Some(v) = variable("LIBGUESTFS_CACHEDIR").or_else(|| variable("TMPDIR")).filter(|v| !v.is_empty())
    {
        settings.cachedir = PathBuf::from(v);
    }
    settings.sockdir = variable("XDG_RUNTIME_DIR").filter(|v| !v.is_empty()).map(PathBuf::from);
    settings.path = variable("LIBGUESTFS_PATH").filter(|v| !v.is_empty());
    settings.hv = variable("LIBGUESTFS_HV")
        .or_else(|| variable("LIBGUESTFS_QEMU"))
        .filter(|v| !v.is_empty())
        .map(PathBuf::from);
    settings.kernel = variable("SUPERMIN_KERNEL").filter(|v| !v.is_empty()).map(PathBuf::from);
    settings.modules = variable("SUPERMIN_MODULES").filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(v) = variable("PATH").filter(|v| !v.is_empty()) {
        settings.search_path = v;
    }
    // A terminal type that is not text is none.
    settings.term = variable("TERM").and_then(|v| v.into_string().ok());
    settings.append = text("LIBGUESTFS_APPEND")?;
    if let Some(v) = text("LIBGUESTFS_MEMSIZE")? {
        settings.set_memsize(
            v.parse().map_err(|_| Error::usage(format!("LIBGUESTFS_MEMSIZE is not a number: {v}")))?,
        )?;
    }
    if let Some(v) =
        text("LIBGUESTFS_BACKEND")?.or(text("LIBGUESTFS_ATTACH_METHOD")?).filter(|v| !v.is_empty())
    {
        settings.backend = v;
    }
    if let Some(v) = text("LIBGUESTFS_BACKEND_SETTINGS")? {
        settings.backend_settings = v.split(':').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    }
    Ok(settings)
}

/// Settings from the environment of this process.
///
/// # Errors
/// As [`settings_from`].
pub(crate) fn from_environment() -> Result<Settings> {
    settings_from(|name| std::env::var_os(name))
}

/// The time that documents bear in place of the present one, so that they can be made again as they were: the variable
/// `SOURCE_DATE_EPOCH`, in seconds since 1970 (reproducible-builds.org's specification).
///
/// # Errors
/// If it has a value that is no number.
pub fn source_date_epoch() -> Result<Option<i64>> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    let Some(value) = std::env::var_os(NAME) else { return Ok(None) };
    let seconds = value.to_str().and_then(|value| value.parse().ok());
    seconds
        .map(Some)
        .ok_or_else(|| Error::usage(format!("{NAME} is no number of seconds: {}", value.display())))
}

/// The words that libguestfs takes for a truth value.
fn truth(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
        "" | "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err(Error::usage(format!("{name}={value}: expecting 1 or 0"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Settings> {
        settings_from(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
    }

    #[test]
    fn every_variable_reaches_its_setting() {
        let s = from(&[
            ("LIBGUESTFS_DEBUG", "1"),
            ("LIBGUESTFS_TRACE", "true"),
            ("LIBGUESTFS_TMPDIR", "/t"),
            ("TMPDIR", "/tt"),
            ("XDG_RUNTIME_DIR", "/run/user/0"),
            ("LIBGUESTFS_PATH", "/a:/b"),
            ("LIBGUESTFS_HV", "/usr/bin/qemu"),
            ("LIBGUESTFS_MEMSIZE", "700"),
            ("LIBGUESTFS_BACKEND", "direct"),
            ("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg:no_sandbox"),
        ])
        .unwrap();
        assert!(s.verbose && s.trace);
        assert_eq!(s.tmpdir, PathBuf::from("/t"));
        assert_eq!(s.cachedir, PathBuf::from("/tt"));
        assert_eq!(s.sockdir, Some(PathBuf::from("/run/user/0")));
        assert_eq!(s.path, Some("/a:/b".into()));
        assert_eq!(s.hv, Some(PathBuf::from("/usr/bin/qemu")));
        assert_eq!(s.memsize, Some(700));
        assert_eq!(s.backend, "direct");
        assert_eq!(s.backend_settings, ["force_tcg", "no_sandbox"]);
    }

    #[test]
    fn nothing_set_gives_the_defaults_and_nonsense_is_refused() {
        assert_eq!(from(&[]).unwrap(), Settings::default());
        for (name, value) in
            [("LIBGUESTFS_DEBUG", "maybe"), ("LIBGUESTFS_MEMSIZE", "lots"), ("LIBGUESTFS_MEMSIZE", "1")]
        {
            assert!(from(&[(name, value)]).is_err(), "{name}={value}");
        }
    }
}

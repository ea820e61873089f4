//! The argument of `-m`: `DEV[:MOUNTPOINT[:OPTIONS[:FSTYPE]]]`.

use std::str::FromStr;

/// A filesystem to mount by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Device or other mountable.
    pub device: String,
    /// Where.
    pub mountpoint: String,
    /// Mount options; all tools that take this only read, so `ro` if not given.
    pub options: Option<String>,
    /// Filesystem driver.
    pub fstype: Option<String>,
}

/// A mountable of this kind has a colon of its own: `btrfsvol:DEV/SUBVOLUME`.
const BTRFS_VOLUME: &str = "btrfsvol:";

impl FromStr for Mount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let prefix = if text.starts_with(BTRFS_VOLUME) { BTRFS_VOLUME } else { "" };
        let mut parts = text[prefix.len()..].splitn(4, ':');
        let device = parts.next().unwrap_or_default();
        if device.is_empty() {
            return Err("the device is missing".into());
        }
        let mut part = || parts.next().filter(|p| !p.is_empty()).map(str::to_owned);
        let mountpoint = part().unwrap_or_else(|| "/".into());
        if !mountpoint.starts_with('/') {
            return Err(format!("the mountpoint ‘{mountpoint}’ does not begin with a slash"));
        }
        Ok(Mount { device: format!("{prefix}{device}"), mountpoint, options: part(), fstype: part() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_may_be_missing_or_empty() {
        let mount = |device: &str, mountpoint: &str, options: Option<&str>, fstype: Option<&str>| Mount {
            device: device.into(),
            mountpoint: mountpoint.into(),
            options: options.map(Into::into),
            fstype: fstype.map(Into::into),
        };
        for (text, expected) in [
            ("/dev/sda1", mount("/dev/sda1", "/", None, None)),
            ("/dev/sda1:", mount("/dev/sda1", "/", None, None)),
            ("/dev/sda1:/boot", mount("/dev/sda1", "/boot", None, None)),
            ("/dev/sda1:/:ro,noatime", mount("/dev/sda1", "/", Some("ro,noatime"), None)),
            ("/dev/sda1:::ext4", mount("/dev/sda1", "/", None, Some("ext4"))),
            ("/dev/vg/lv:/:a:b:c", mount("/dev/vg/lv", "/", Some("a"), Some("b:c"))),
            ("btrfsvol:/dev/sda1/home:/home", mount("btrfsvol:/dev/sda1/home", "/home", None, None)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", ":/boot", "btrfsvol:", "/dev/sda1:boot"] {
            assert!(text.parse::<Mount>().is_err(), "{text}");
        }
    }
}

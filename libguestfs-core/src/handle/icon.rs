//! Logos of operating systems: `inspect_get_icon`, made of calls that read files, as in libguestfs.
//!
//! A logo is a PNG of the guest, handed out as it is: only its first bytes are looked at here. Those of Windows XP and 7 lie in
//! resources of its programs and are not read yet; CirrOS has one in text, which libguestfs draws and we do not.

use bstr::BString;

use crate::api::IsFileOpts;
use crate::{ErrorKind, Guestfs, Result};

/// Where web servers have one for browsers; in Fedora and its relatives the logo of the distribution.
const FAVICON: &str = "/etc/favicon.png";

/// Sides of a logo, in pixels.
const SIDES: std::ops::RangeInclusive<u64> = 16..=1024;

/// Bytes to which a PNG may be as large as its pixels are.
const BYTES_PER_PIXEL: u64 = 4;

/// What a PNG begins with, up to its sides: signature, length and type of the first chunk (PNG, 5.2 and 11.2.2).
const PNG_HEAD: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
/// Bytes to the end of its sides, which are two numbers of 32 bits.
const PNG_SIDES_END: i32 = 24;

/// Logos of a distribution.
struct Logos {
    distros: &'static [&'static str],
    /// Major versions that have them.
    versions: std::ops::Range<i32>,
    /// Are they of high quality?
    high_quality: bool,
    /// Paths, the best first.
    paths: &'static [&'static str],
    /// Most bytes of one; `None` for as many as its pixels have.
    max: Option<u64>,
}

/// What most have in common.
const PLAIN: Logos =
    Logos { distros: &[], versions: i32::MIN..i32::MAX, high_quality: true, paths: &[], max: None };
const RED_HAT: &[&str] =
    &["rhel", "redhat-based", "centos", "circle", "rocky", "scientificlinux", "oraclelinux"];

/// Where the distributions have their logos (libguestfs 1.61.1, lib/inspect-icon.c).
static LOGOS: &[Logos] = &[
    Logos {
        distros: &["fedora"],
        paths: &["/usr/share/icons/hicolor/96x96/apps/fedora-logo-icon.png"],
        ..PLAIN
    },
    Logos {
        distros: RED_HAT,
        versions: i32::MIN..7,
        paths: &["/usr/share/pixmaps/redhat/shadowman-transparent.png"],
        max: Some(102_400),
        ..PLAIN
    },
    Logos {
        distros: RED_HAT,
        versions: 7..i32::MAX,
        paths: &["/usr/share/icons/hicolor/96x96/apps/system-logo-icon.png"],
        max: Some(102_400),
        ..PLAIN
    },
    Logos { distros: &["debian"], paths: &["/usr/share/pixmaps/debian-logo.png"], max: Some(2048), ..PLAIN },
    Logos {
        distros: &["ubuntu"],
        high_quality: false,
        paths: &[
            "/usr/share/icons/gnome/24x24/places/ubuntu-logo.png",
            "/usr/share/help/C/ubuntu-help/figures/ubuntu-logo.png",
        ],
        max: Some(2048),
        ..PLAIN
    },
    Logos { distros: &["mageia"], paths: &["/usr/share/icons/mageia.png"], max: Some(10_240), ..PLAIN },
    Logos {
        distros: &["suse-based", "opensuse", "sles"],
        paths: &[
            "/usr/share/icons/hicolor/48x48/apps/distributor.png",
            "/usr/share/icons/hicolor/24x24/apps/distributor.png",
        ],
        max: Some(10_240),
        ..PLAIN
    },
    Logos {
        distros: &["voidlinux"],
        paths: &["/usr/share/void-artwork/void-logo.png"],
        max: Some(20_480),
        ..PLAIN
    },
    Logos {
        distros: &["altlinux"],
        paths: &["/usr/share/icons/hicolor/48x48/apps/altlinux.png"],
        max: Some(20_480),
        ..PLAIN
    },
    Logos {
        distros: &["gentoo"],
        paths: &["/usr/share/icons/gentoo/48x48/gentoo.png"],
        max: Some(10_240),
        ..PLAIN
    },
    Logos {
        distros: &["openmandriva"],
        paths: &["/usr/share/icons/large/mandriva.png", "/usr/share/icons/mandriva.png"],
        max: Some(10_240),
        ..PLAIN
    },
];

/// The logo of Windows 8, and most bytes of one.
const WINDOWS_8: &str = "/ProgramData/Microsoft/Windows Live/WLive48x48.png";
const WINDOWS_8_MAX: u64 = 8192;

/// What kind of icon is wanted.
#[derive(Debug, Clone, Default)]
pub struct InspectGetIconOpts {
    /// May it be the icon for browsers, which is not always the distribution's? Yes, if not said.
    pub favicon: Option<bool>,
    /// Must it be one of high quality, which rules the icon for browsers out? No, if not said.
    pub highquality: Option<bool>,
}

impl Guestfs {
    /// The logo of the operating system on `root`, which must be mounted: a PNG, or nothing if it has none that is known.
    ///
    /// # Errors
    /// As [`inspect_get_type`](Guestfs::inspect_get_type) and [`download`](Guestfs::download).
    pub fn inspect_get_icon(&self, root: impl AsRef<[u8]>, opts: &InspectGetIconOpts) -> Result<Vec<u8>> {
        let root = root.as_ref();
        let os_type = self.inspect_get_type(root)?;
        let high_quality = opts.highquality.unwrap_or(false);
        if os_type == "windows" && !high_quality {
            return self.windows_icon(root);
        }
        if os_type != "linux" && os_type != "hurd" {
            return Ok(Vec::new());
        }
        if opts.favicon.unwrap_or(true)
            && !high_quality
            && let Some(png) = self.png(FAVICON, None)?
        {
            return Ok(png);
        }
        let (distro, major) = (self.inspect_get_distro(root)?, self.inspect_get_major_version(root)?);
        let fitting = LOGOS.iter().filter(|logos| {
            let is_of = logos.distros.iter().any(|name| distro == *name);
            is_of && logos.versions.contains(&major) && (logos.high_quality || !high_quality)
        });
        for logos in fitting {
            for path in logos.paths {
                if let Some(png) = self.png(path, logos.max)? {
                    return Ok(png);
                }
            }
        }
        Ok(Vec::new())
    }

    fn windows_icon(&self, root: &[u8]) -> Result<Vec<u8>> {
        if (self.inspect_get_major_version(root)?, self.inspect_get_minor_version(root)?) != (6, 2) {
            return Ok(Vec::new());
        }
        match self.case_sensitive_path(WINDOWS_8) {
            Ok(path) => Ok(self.png(&path, Some(WINDOWS_8_MAX))?.unwrap_or_default()),
            Err(e) if e.kind() == ErrorKind::Daemon => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }

    /// The file at `path`, if it is a PNG of a logo's size.
    fn png(&self, path: impl AsRef<[u8]>, max: Option<u64>) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.file_at(path)? else { return Ok(None) };
        let head = self.pread(&file, PNG_SIDES_END, 0)?;
        let Some((width, height)) = sides(&head) else { return Ok(None) };
        if !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Ok(None);
        }
        let max = max.unwrap_or(width.saturating_mul(height).saturating_mul(BYTES_PER_PIXEL));
        if u64::try_from(self.filesize(&file)?).is_ok_and(|size| size <= max) {
            return self.read_file(&file).map(Some);
        }
        Ok(None)
    }

    /// The regular file that `path` leads to.
    fn file_at(&self, path: impl AsRef<[u8]>) -> Result<Option<BString>> {
        let path = path.as_ref();
        if !self.is_file(path, &IsFileOpts { followsymlinks: Some(true) })? {
            return Ok(None);
        }
        match self.realpath(path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == ErrorKind::Daemon => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Width and height of a PNG, by its first bytes.
fn sides(head: &[u8]) -> Option<(u64, u64)> {
    let (width, height) = head.strip_prefix(PNG_HEAD)?.split_at_checked(4)?;
    let number = |bytes: &[u8]| Some(u64::from(u32::from_be_bytes(bytes.try_into().ok()?)));
    Some((number(width)?, number(height.get(..4)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_those_of_a_png() {
        let png = [PNG_HEAD, &[0, 0, 0, 96, 0, 0, 1, 0]].concat();
        assert_eq!(sides(&png), Some((96, 256)));
        assert_eq!(sides(png.as_slice().get(..23).unwrap()), None);
        assert_eq!(sides(b"GIF89a"), None);
    }
}

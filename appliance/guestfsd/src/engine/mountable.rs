//! What can be mounted: a device, or a subvolume of a btrfs filesystem on one (`btrfsvol:/dev/sda1/home`).

use bstr::{BStr, BString, ByteSlice};

/// The text before a subvolume's device.
const BTRFS_VOLUME: &[u8] = b"btrfsvol:";

/// A parsed mountable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mountable {
    /// A block device by a name that the caller used.
    Device(BString),
    /// A subvolume of the btrfs filesystem on a device.
    BtrfsVolume {
        /// The device.
        device: BString,
        /// Path of the subvolume, without a leading slash.
        volume: BString,
    },
}

impl Mountable {
    /// Reads a mountable. Device names have two parts (`/dev/sda1`) or, for logical volumes and the like, three
    /// (`/dev/VG/LV`); which of them `btrfsvol:/dev/a/b/c` means is for `is_device` to say.
    ///
    /// `None` if the text is no mountable.
    pub fn parse(text: &BStr, mut is_device: impl FnMut(&BStr) -> bool) -> Option<Mountable> {
        let Some(rest) = text.strip_prefix(BTRFS_VOLUME) else {
            return text.starts_with(b"/").then(|| Mountable::Device(text.to_owned()));
        };
        let inside = rest.strip_prefix(b"/dev/")?;
        let ends = inside.find_iter(b"/").map(|at| at + b"/dev/".len());
        for end in ends {
            let (device, volume) = rest.split_at_checked(end)?;
            if is_device(device.as_bstr()) {
                let volume = volume.strip_prefix(b"/").unwrap_or(volume);
                return Some(Mountable::BtrfsVolume { device: device.into(), volume: volume.into() });
            }
        }
        None
    }

    /// Its text.
    pub fn to_name(&self) -> BString {
        match self {
            Mountable::Device(device) => device.clone(),
            Mountable::BtrfsVolume { device, volume } => {
                BString::from([BTRFS_VOLUME, device.as_slice(), b"/", volume.as_slice()].concat())
            }
        }
    }

    /// The device that holds it.
    pub fn device(&self) -> &BStr {
        match self {
            Mountable::Device(device) | Mountable::BtrfsVolume { device, .. } => device.as_bstr(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subvolume_begins_after_the_longest_needed_device_name() {
        let is_device = |name: &BStr| name == "/dev/sda1" || name == "/dev/vg/lv";
        let parse = |text: &str| Mountable::parse(BStr::new(text), is_device);
        let volume = |device: &str, volume: &str| {
            Some(Mountable::BtrfsVolume { device: device.into(), volume: volume.into() })
        };
        assert_eq!(parse("/dev/sda1"), Some(Mountable::Device("/dev/sda1".into())));
        assert_eq!(parse("btrfsvol:/dev/sda1/home/a"), volume("/dev/sda1", "home/a"));
        assert_eq!(parse("btrfsvol:/dev/vg/lv/@"), volume("/dev/vg/lv", "@"));
        for bad in ["", "sda1", "btrfsvol:", "btrfsvol:/dev/sdb1/x", "btrfsvol:/dev/sda1", "btrfsvol:sda1/x"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

//! What the kernel's command line says to the daemon of an appliance.

use std::path::PathBuf;

use bstr::{BStr, BString, ByteSlice};

use crate::engine::kernel::disk_number;
use crate::modules::fields;

/// The words that matter here; all others are the kernel's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CommandLine {
    /// `guestfs_channel=/dev/…`: where the protocol is spoken.
    pub(super) channel: Option<PathBuf>,
    /// `guestfs_window=MEMORY,LINE`: a device through which the stream goes, where the channel itself is slow, and the device
    /// or the name of the virtio port where the ends tell each other.
    pub(super) window: Option<(PathBuf, BString)>,
    /// `guestfs_verbose=1`.
    pub(super) verbose: bool,
    /// `guestfs_network=1`.
    pub(super) network: bool,
    /// `guestfs_disks=N`: how many of the disks are the guest's; those after them belong to the appliance.
    pub(super) disks: Option<usize>,
    /// `guestfs_label=sdX:LABEL`: labels of disks, by number.
    pub(super) labels: Vec<(usize, BString)>,
    /// `root=…` of libguestfs's own appliance: that disk is the appliance's.
    pub(super) root: Option<Root>,
}

/// A disk that is not the guest's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// `root=/dev/sdX`: by number.
    Disk(usize),
    /// `root=UUID=…`: what its filesystem has.
    Uuid(BString),
}

/// Reads a command line. What is not understood is ignored, as the kernel does; the last of equal words counts.
pub(super) fn parse(text: &BStr) -> CommandLine {
    let mut found = CommandLine::default();
    for word in fields(text) {
        let Some((name, value)) = word.split_once_str("=") else {
            found.verbose |= word == b"guestfs_verbose";
            continue;
        };
        match name {
            b"guestfs_channel" => found.channel = value.to_path().ok().map(PathBuf::from),
            b"guestfs_window" => {
                let parts = value.split_once_str(",");
                found.window =
                    parts.and_then(|(memory, line)| Some((memory.to_path().ok()?.to_owned(), line.into())));
            }
            b"guestfs_verbose" => found.verbose = value == b"1",
            b"guestfs_network" => found.network = value == b"1",
            b"guestfs_disks" => found.disks = value.to_str().ok().and_then(|v| v.parse().ok()),
            b"guestfs_label" => {
                if let Some((disk, label)) = value.split_once_str(":")
                    && let Some(number) = disk_number(disk)
                {
                    found.labels.push((number, label.into()));
                }
            }
            b"root" => {
                found.root = match value.strip_prefix(b"UUID=") {
                    Some(uuid) => Some(Root::Uuid(uuid.into())),
                    None => value.strip_prefix(b"/dev/").and_then(disk_number).map(Root::Disk),
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_or_ignored() {
        let line = "console=ttyS0 guestfs_channel=/dev/ttyS0 guestfs_window=/dev/m,/dev/l guestfs_verbose=1 guestfs_network=0 guestfs_disks=3 \
                    guestfs_label=sdb:data guestfs_label=x:y guestfs_label=sda:a:b TERM=linux root=/dev/sdd\n";
        let expected = CommandLine {
            channel: Some("/dev/ttyS0".into()),
            window: Some(("/dev/m".into(), "/dev/l".into())),
            verbose: true,
            network: false,
            disks: Some(3),
            labels: vec![(1, "data".into()), (0, "a:b".into())],
            root: Some(Root::Disk(3)),
        };
        assert_eq!(parse(BStr::new(line)), expected);
        assert_eq!(parse(BStr::new("root=UUID=1-2 quiet")).root, Some(Root::Uuid("1-2".into())));
        assert_eq!(
            parse(BStr::new("root=/dev/mapper/x guestfs_disks=-1 guestfs_verbos=1")),
            CommandLine::default()
        );
        assert!(parse(BStr::new("guestfs_verbose")).verbose);
    }
}

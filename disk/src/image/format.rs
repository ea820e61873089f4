//! Names of image formats, and detection by magic as qemu does it (the `bdrv_*_probe` functions of its block drivers:
//! facts only). Everything that no driver claims is raw.

use crate::bytes::Fields;
use crate::{Error, ReadAt, Result};

/// How many bytes of an image qemu looks at to find its format (`BLOCK_PROBE_BUF_SIZE`).
pub const PROBE_LEN: usize = 512;

/// Format of an image file. Only [`Raw`](Format::Raw) and [`Qcow2`](Format::Qcow2) can be read here.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The disk's bytes as they are.
    Raw,
    /// QEMU copy-on-write, versions 2 and 3.
    Qcow2,
    /// QEMU copy-on-write, version 1.
    Qcow,
    /// QEMU enhanced disk.
    Qed,
    /// VMware: sparse extents, stream-optimised, or a text descriptor.
    Vmdk,
    /// VirtualBox.
    Vdi,
    /// Hyper-V, second generation.
    Vhdx,
    /// Virtual PC and Hyper-V, first generation: dynamic, differencing. (Fixed ones end, not start, with their magic,
    /// and are taken for raw by qemu too.)
    Vpc,
    /// A raw disk wholly encrypted with LUKS version 1.
    Luks,
    /// Parallels.
    Parallels,
    /// Bochs, growing.
    Bochs,
    /// Linux compressed loop.
    Cloop,
    /// macOS disk image. Never detected: it has no magic at its start.
    Dmg,
}

/// Every format with its qemu name.
const NAMES: [(Format, &str); 13] = [
    (Format::Raw, "raw"),
    (Format::Qcow2, "qcow2"),
    (Format::Qcow, "qcow"),
    (Format::Qed, "qed"),
    (Format::Vmdk, "vmdk"),
    (Format::Vdi, "vdi"),
    (Format::Vhdx, "vhdx"),
    (Format::Vpc, "vpc"),
    (Format::Luks, "luks"),
    (Format::Parallels, "parallels"),
    (Format::Bochs, "bochs"),
    (Format::Cloop, "cloop"),
    (Format::Dmg, "dmg"),
];

impl Format {
    /// Name as qemu and libguestfs write it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(format, _)| *format == self).map_or("unknown", |(_, name)| name)
    }

    /// The format of that qemu name. As in qemu, the drivers for plain files and devices give their bytes as they are.
    pub fn from_name(name: &[u8]) -> Option<Format> {
        if matches!(name, b"file" | b"host_device") {
            return Some(Format::Raw);
        }
        NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(format, _)| *format)
    }

    /// Can images of this format be read here?
    ///
    /// # Errors
    /// `Unsupported`, naming the format and what to do.
    pub fn check_readable(self) -> Result<()> {
        match self {
            Format::Raw | Format::Qcow2 => Ok(()),
            Format::Luks => Err(Error::unsupported(
                "the image is encrypted as a whole (format luks): decrypt it with `qemu-img convert`, or use an appliance",
            )),
            other => Err(Error::unsupported(format!(
                "images of format {0} cannot be read directly: convert it with `qemu-img convert -f {0} -O qcow2`, \
                 or use an appliance",
                other.name()
            ))),
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Finds the format of the image in `file`.
///
/// # Errors
/// Only those of reading.
pub fn detect(file: &dyn ReadAt) -> Result<Format> {
    let mut head = [0; PROBE_LEN];
    let len = usize::try_from(file.len()).unwrap_or(usize::MAX).min(PROBE_LEN);
    let head = head.get_mut(..len).unwrap_or_default();
    file.read_at(0, head)?;
    Ok(detect_bytes(head))
}

/// Finds the format of an image of which `head` is the start: [`PROBE_LEN`] bytes, or the whole file if it is shorter.
pub fn detect_bytes(head: &[u8]) -> Format {
    let be32 = |offset: usize| head.be32(offset).unwrap_or(0);
    let le32 = |offset: usize| head.le32(offset).unwrap_or(0);
    // Version numbers: qcow 1, qcow2 from 2 on; LUKS 2 is left to the layers above; Parallels has only had 2.
    match head {
        [b'Q', b'F', b'I', 0xFB, ..] if be32(4) == 1 => Format::Qcow,
        [b'Q', b'F', b'I', 0xFB, ..] if be32(4) >= 2 => Format::Qcow2,
        [b'Q', b'E', b'D', 0, ..] => Format::Qed,
        [b'K', b'D', b'M', b'V', ..] | [b'C', b'O', b'W', b'D', ..] => Format::Vmdk,
        [b'L', b'U', b'K', b'S', 0xBA, 0xBE, 0, 1, ..] => Format::Luks,
        _ if le32(0x40) == 0xBEDA_107F => Format::Vdi,
        _ if head.starts_with(b"vhdxfile") => Format::Vhdx,
        _ if head.starts_with(b"conectix") => Format::Vpc,
        _ if head.starts_with(b"WithoutFreeSpace") && le32(16) == 2 => Format::Parallels,
        _ if head.starts_with(b"WithouFreSpacExt") && le32(16) == 2 => Format::Parallels,
        _ if head.starts_with(b"Bochs Virtual HD Image\0") => Format::Bochs,
        _ if head.starts_with(b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0") => Format::Cloop,
        _ if is_vmdk_descriptor(head) => Format::Vmdk,
        _ => Format::Raw,
    }
}

/// Is this the text that describes a VMDK: comments and blank lines, then a `version=` line?
fn is_vmdk_descriptor(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.find(|line| !line.starts_with(b"#") && !line.iter().all(|byte| *byte == b' '));
    matches!(first, Some(b"version=1" | b"version=2" | b"version=3"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, MemSource};

    #[test]
    fn formats_are_found_by_their_magic() {
        let mut vdi = vec![0; 512];
        vdi[0x40..0x44].copy_from_slice(&[0x7F, 0x10, 0xDA, 0xBE]);
        let cases: [(&[u8], Format); 18] = [
            (b"", Format::Raw),
            (b"QFI", Format::Raw),
            (b"QFI\xFB\0\0\0\0", Format::Raw),
            (b"QFI\xFB\0\0\0\x01", Format::Qcow),
            (b"QFI\xFB\0\0\0\x02", Format::Qcow2),
            (b"QFI\xFB\0\0\0\x03", Format::Qcow2),
            (b"QFI\xFB\0\0\0\x04", Format::Qcow2),
            (b"QED\0", Format::Qed),
            (b"KDMV\x01\0\0\0", Format::Vmdk),
            (b"# Disk DescriptorFile\r\n \nversion=1\r\n", Format::Vmdk),
            (b"# a script\nversion=4\n", Format::Raw),
            (b"LUKS\xBA\xBE\0\x01", Format::Luks),
            (b"LUKS\xBA\xBE\0\x02", Format::Raw),
            (&vdi, Format::Vdi),
            (b"vhdxfile", Format::Vhdx),
            (b"conectix", Format::Vpc),
            (b"WithoutFreeSpace\x02\0\0\0", Format::Parallels),
            (b"WithouFreSpacExt\x02\0\0\0", Format::Parallels),
        ];
        for (head, format) in cases {
            assert_eq!(detect(&MemSource::new(head)).unwrap(), format, "{head:?}");
        }
    }

    #[test]
    fn names_go_both_ways_and_unreadable_formats_are_named() {
        for (format, name) in NAMES {
            assert_eq!(format.name(), name);
            assert_eq!(Format::from_name(name.as_bytes()), Some(format));
            match format.check_readable() {
                Ok(()) => assert!(matches!(format, Format::Raw | Format::Qcow2)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    assert!(error.to_string().contains(name), "{error}");
                }
            }
        }
        assert_eq!(Format::from_name(b"host_device"), Some(Format::Raw));
        assert_eq!(Format::from_name(b"nbd"), None);
    }
}

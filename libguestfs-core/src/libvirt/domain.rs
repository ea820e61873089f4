//! The document that libvirt has of a guest (<https://libvirt.org/formatdomain.html>): name, state, and disks.
//!
//! Which disks a guest has is decided as libguestfs does: every `disk` that is a file, a block device or a volume of a pool,
//! CD-ROMs and floppies among them; drives with nothing in them and directories are passed over. A disk that is elsewhere on
//! the network can't be read, and a guest without one of its disks would be shown wrong: that is an error.

use std::path::PathBuf;

use oxml::tree::{Document, NodeId};

use crate::{Error, ErrorKind, Result};

/// A guest of libvirt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Is it running, paused, or in any other state in which it has its disks open?
    pub is_running: bool,
    /// Its disks, in order; one at least.
    pub disks: Vec<DomainDisk>,
}

/// A disk of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainDisk {
    /// Its image or block device.
    pub path: PathBuf,
    /// The image's format, if libvirt was told.
    pub format: Option<String>,
    /// Size in bytes of its logical sectors, if it is not the usual one.
    pub blocksize: Option<u32>,
    /// May the guest not write to it?
    pub readonly: bool,
}

impl Domain {
    /// Reads the document. `volume` gives the path of a volume, by its pool's name and its own.
    ///
    /// # Errors
    /// If the text is no such document, or a disk can't be read by a name in it.
    pub(super) fn parse(xml: &str, volume: impl Fn(&str, &str) -> Result<String>) -> Result<Domain> {
        let document = oxml::parse_bytes(xml.as_bytes())
            .map_err(|e| wrong(format!("libvirt's description can't be read: {e}")))?;
        let root = document.root_element().filter(|&root| is(&document, root, "domain"));
        let root = root.ok_or_else(|| wrong("libvirt's description is of no guest".into()))?;
        let text =
            |name: &str| child(&document, root, name).map(|node| document.text(node)).unwrap_or_default();
        let disks: Result<Vec<Option<DomainDisk>>> = child(&document, root, "devices")
            .into_iter()
            .flat_map(|devices| document.children(devices))
            .filter(|&&node| is(&document, node, "disk"))
            .map(|&disk| read_disk(&document, disk, &volume))
            .collect();
        let disks: Vec<DomainDisk> = disks?.into_iter().flatten().collect();
        if disks.is_empty() {
            return Err(wrong("it has no disks".into()));
        }
        // Only a guest that runs has a number.
        let is_running = document.attribute(root, "id").is_some();
        Ok(Domain { name: text("name"), uuid: text("uuid"), is_running, disks })
    }
}

/// A disk; `None` if there is nothing in it to read.
fn read_disk(
    document: &Document,
    disk: NodeId,
    volume: impl Fn(&str, &str) -> Result<String>,
) -> Result<Option<DomainDisk>> {
    let Some(source) = child(document, disk, "source") else { return Ok(None) };
    let attribute = |name: &str| document.attribute(source, name);
    let path = match document.attribute(disk, "type") {
        Some("file") | None => attribute("file").map(str::to_owned),
        Some("block") => attribute("dev").map(str::to_owned),
        Some("volume") => match (attribute("pool"), attribute("volume")) {
            (Some(pool), Some(name)) => Some(volume(pool, name)?),
            _ => None,
        },
        Some("dir") => None,
        Some(kind) => {
            let target = child(document, disk, "target").and_then(|target| document.attribute(target, "dev"));
            let protocol = attribute("protocol").map(|name| format!(" ({name})")).unwrap_or_default();
            let target = target.unwrap_or("?");
            return Err(wrong(format!(
                "its disk {target} is of the type {kind}{protocol}, which is not supported"
            )));
        }
    };
    let Some(path) = path else { return Ok(None) };
    let format = child(document, disk, "driver").and_then(|driver| document.attribute(driver, "type"));
    let size = child(document, disk, "blockio").and_then(|io| document.attribute(io, "logical_block_size"));
    Ok(Some(DomainDisk {
        path: path.into(),
        // A name that Xen's driver had for raw images.
        format: format.map(|format| if format == "aio" { "raw" } else { format }.to_owned()),
        blocksize: size.and_then(|size| size.parse().ok()),
        readonly: child(document, disk, "readonly").is_some(),
    }))
}

fn is(document: &Document, node: NodeId, name: &str) -> bool {
    document.element_name(node).is_some_and(|found| found.local == name)
}

fn child(document: &Document, node: NodeId, name: &str) -> Option<NodeId> {
    document.children(node).iter().copied().find(|&child| is(document, child, name))
}

fn wrong(text: String) -> Error {
    Error::new(ErrorKind::Usage, None, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(disks: &str) -> Result<Domain> {
        let xml = format!(
            "<domain type='kvm' id='3'><name>g &amp; h</name><uuid>u</uuid><devices><emulator/>{disks}</devices></domain>"
        );
        Domain::parse(&xml, |pool, volume| Ok(format!("/pools/{pool}/{volume}")))
    }

    #[test]
    fn disks_with_something_in_them_are_read() {
        let found = domain(
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/a b.qcow2' index='1'/>
               <backingStore type='file'><source file='/base'/></backingStore><target dev='vda'/></disk>
             <disk type='block' device='lun'><source dev='/dev/vg/lv'/><blockio logical_block_size='4096'/></disk>
             <disk type='volume' device='disk'><source pool='p' volume='v'/></disk>
             <disk device='cdrom'><driver type='aio'/><source file='/c.iso'/><readonly/></disk>
             <disk type='file' device='cdrom'><target dev='hdd'/></disk>
             <disk type='dir' device='floppy'><source dir='/tmp'/></disk>",
        )
        .unwrap();
        assert_eq!((found.name.as_str(), found.uuid.as_str(), found.is_running), ("g & h", "u", true));
        let disk = |path: &str, format: Option<&str>, blocksize, readonly| DomainDisk {
            path: path.into(),
            format: format.map(Into::into),
            blocksize,
            readonly,
        };
        assert_eq!(
            found.disks,
            [
                disk("/a b.qcow2", Some("qcow2"), None, false),
                disk("/dev/vg/lv", None, Some(4096), false),
                disk("/pools/p/v", None, None, false),
                disk("/c.iso", Some("raw"), None, true),
            ]
        );
    }

    #[test]
    fn what_can_not_be_read_is_an_error() {
        let net = "<disk type='network'><source protocol='rbd' name='x'/><target dev='vdb'/></disk>";
        for (disks, text) in [
            ("", "it has no disks"),
            (net, "its disk vdb is of the type network (rbd), which is not supported"),
            ("<disk type='nvme'><source/></disk>", "its disk ? is of the type nvme, which is not supported"),
            ("<disk>", "libvirt's description can't be read: "),
        ] {
            let error = domain(disks).unwrap_err();
            assert!(error.message().starts_with(text), "{error}");
        }
        let error = Domain::parse("<pool/>", |_, _| Ok(String::new())).unwrap_err();
        assert_eq!(error.message(), "libvirt's description is of no guest");
    }
}

//! Inspection: the fuzzer's bytes are the files of a guest.
//!
//! ```text
//! entry   = 0xFE path, then a file:  0xFD content
//!                      or a link:    0xFC target
//! ```
//!
//! None of the three bytes occurs in UTF-8; in the content of a binary, which may hold them, only its header counts.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice, ByteVec};
use libguestfs_core::inspect::{
    Disks, Entry, Filesystem, GptPartition, Guest, MbrPartition, Opened, Tag, Tree, inspect, osinfo,
    osinfo_of_windows,
};

/// Begins an entry.
pub(crate) const ENTRY: u8 = 0xFE;
/// Between a path and a file's content.
pub(crate) const CONTENT: u8 = 0xFD;
/// Between a path and a link's target.
pub(crate) const TARGET: u8 = 0xFC;
/// The device that the guest's files are on.
const ROOT: &str = "/dev/sda1";
/// Its UUID.
const ROOT_UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

#[derive(Debug)]
enum Node {
    File(Vec<u8>),
    Directory,
    Symlink(BString),
}

/// A filesystem of files and links; what else is on the way to them are directories.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<BString, Node>);

impl Files {
    fn parse(data: &[u8]) -> Self {
        let mut files = Files::default();
        files.0.insert("/".into(), Node::Directory);
        for entry in data.split(|byte| *byte == ENTRY) {
            let Some(at) = entry.iter().position(|byte| matches!(*byte, CONTENT | TARGET)) else { continue };
            let (path, rest) = (&entry[..at], entry[at + 1..].to_vec());
            if path != b"/" && is_plain(path.as_bstr()) {
                let node = if entry[at] == CONTENT { Node::File(rest) } else { Node::Symlink(rest.into()) };
                files.insert(path, node);
            }
        }
        files
    }

    /// These regular files.
    pub(crate) fn of<'a>(list: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut files = Files::default();
        files.0.insert("/".into(), Node::Directory);
        for (path, content) in list {
            files.insert(path.as_bytes(), Node::File(content.to_vec()));
        }
        files
    }

    fn insert(&mut self, path: &[u8], node: Node) {
        for (slash, _) in path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            let parent = self.0.entry(path[..slash].into()).or_insert(Node::Directory);
            if !matches!(parent, Node::Directory) {
                return;
            }
        }
        self.0.entry(path.into()).or_insert(node);
    }
}

/// Is it absolute, without `.`, `..`, empty elements and final slash?
fn is_plain(path: &BStr) -> bool {
    let mut elements = path.split(|byte| *byte == b'/');
    path == "/"
        || elements.next() == Some(b"") && elements.all(|element| !matches!(element, b"" | b"." | b".."))
}

impl Tree for &Files {
    type Error = String;

    fn entry(&mut self, path: &BStr) -> Result<Option<Entry>, String> {
        assert!(is_plain(path), "{path} is not as the trait says");
        for (slash, _) in path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            let parent = self.0.get(&path[..slash]);
            assert!(matches!(parent, Some(Node::Directory)), "{path} was not looked up step by step");
        }
        Ok(self.0.get(path).map(|node| match node {
            Node::File(content) => Entry::File(u64::try_from(content.len()).unwrap_or(u64::MAX)),
            Node::Directory => Entry::Directory,
            Node::Symlink(_) => Entry::Symlink,
        }))
    }

    fn read_link(&mut self, path: &BStr) -> Result<Option<BString>, String> {
        let Some(Node::Symlink(target)) = self.0.get(path) else { return Ok(None) };
        Ok(Some(target.clone()))
    }

    fn read(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<u8>>, String> {
        let Some(Node::File(content)) = self.0.get(path) else { return Ok(None) };
        Ok(Some(content[..content.len().min(max)].to_vec()))
    }

    fn find_nocase(&mut self, path: &BStr, name: &BStr) -> Result<Option<BString>, String> {
        let prefix = if path == "/" { BString::from("/") } else { BString::from(format!("{path}/")) };
        Ok(self.0.keys().find_map(|key| {
            let found = key.strip_prefix(prefix.as_slice())?;
            found.eq_ignore_ascii_case(name).then(|| found.into())
        }))
    }

    fn names(&mut self, path: &BStr, max: usize) -> Result<Option<Vec<BString>>, String> {
        assert!(matches!(self.0.get(path), Some(Node::Directory)), "{path} is no directory");
        let prefix = if path == "/" { BString::from("/") } else { BString::from(format!("{path}/")) };
        let below = self.0.keys().filter_map(|key| key.strip_prefix(prefix.as_slice()));
        let names = below.filter(|name| !name.is_empty() && !name.contains(&b'/'));
        Ok(Some(names.map(BString::from).take(max).collect()))
    }
}

/// Two disks of two partitions; the files are on the first one, in a filesystem of this kind.
pub(crate) struct Disk<'a>(pub(crate) &'a Files, pub(crate) &'static str);

/// The signature of the disk's MBR, where its first partition begins (bytes), and the GUID of a partition: a Windows has drive
/// letters of these.
pub(crate) const SIGNATURE: u32 = 0x1234_5678;
pub(crate) const START: u64 = 1 << 20;
pub(crate) const GUID: [u8; 16] = *b"a partition's ID";

/// Kinds of filesystem that inspection looks at differently. Of btrfs there is a subvolume with the same files.
const KINDS: [&str; 3] = ["ext4", "iso9660", "btrfs"];
/// That subvolume.
const SUBVOLUME: &str = "btrfsvol:/dev/sda1/@";
/// The types of the partitions: root, swap, /home and the EFI system partition (Discoverable Partitions Specification).
const TYPES: [(&str, &str, &str); 4] = [
    (ROOT, "/dev/sda", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"),
    ("/dev/sda2", "/dev/sda", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"),
    ("/dev/sda3", "/dev/sda", "933AC7E1-2EB4-4F13-B844-0E14E2AEF915"),
    ("/dev/sdb1", "/dev/sdb", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
];

impl<'a> Guest for Disk<'a> {
    type Error = String;
    type Tree = &'a Files;

    fn disks(&mut self) -> Result<Disks, String> {
        let mut kinds = vec![(ROOT, self.1), ("/dev/sda2", "swap"), ("/dev/sdb1", "unknown")];
        kinds.extend((self.1 == "btrfs").then_some((SUBVOLUME, "btrfs")));
        let partition = |(device, disk, kind): (&str, &str, &str)| GptPartition {
            device: device.into(),
            disk: disk.into(),
            kind: kind.into(),
            guid: GUID,
        };
        let filesystem =
            |(device, kind): (&str, &str)| Filesystem { mountable: device.into(), kind: kind.into() };
        Ok(Disks {
            devices: vec!["/dev/sda".into(), "/dev/sdb".into()],
            partitions: ["/dev/sda1", "/dev/sda2", "/dev/sdb1", "/dev/sdb2"].map(BString::from).to_vec(),
            gpt: TYPES.map(partition).to_vec(),
            mbr: vec![MbrPartition { device: ROOT.into(), signature: SIGNATURE, start: START }],
            filesystems: kinds.into_iter().map(filesystem).collect(),
            ..Disks::default()
        })
    }

    fn open(&mut self, filesystem: &Filesystem) -> Result<Opened<&'a Files>, String> {
        let is_there = filesystem.mountable == ROOT || filesystem.mountable == SUBVOLUME;
        Ok(if is_there { Opened::Tree(self.0) } else { Opened::Nothing })
    }

    fn find(&mut self, tag: Tag, value: &BStr) -> Result<Option<BString>, String> {
        Ok((tag == Tag::Uuid && value == ROOT_UUID).then(|| ROOT.into()))
    }

    fn subvolume(&mut self, _: &BStr, id: u64) -> Result<Option<BString>, String> {
        Ok((id == 256).then(|| "@".into()))
    }
}

/// A guest of any files: what inspection says of it is the same twice, and not longer than what it was read from.
pub(crate) fn guest(data: &[u8]) {
    let files = Files::parse(data);
    for kind in KINDS {
        guest_of_kind(data, &files, kind);
    }
}

fn guest_of_kind(data: &[u8], files: &Files, kind: &'static str) {
    let found = inspect(&mut Disk(files, kind));
    assert_eq!(found, inspect(&mut Disk(files, kind)), "the same guest, inspected twice");
    let Ok(inspection) = found else { return };
    let filesystems = if kind == "btrfs" { 2 } else { 1 };
    let systems = inspection.roots.len() + inspection.snapshots.len();
    assert!(systems <= filesystems, "one filesystem has one root at most");
    for snapshot in &inspection.snapshots {
        assert!(inspection.root(snapshot.of.as_bstr()).is_some(), "a snapshot is of a root");
    }
    for root in &inspection.roots {
        let (major, minor) = (root.major_version(), root.minor_version());
        assert!(major >= 0 && minor >= 0, "version {major}.{minor}");
        let distro = root.distro();
        osinfo(root.os_type().into(), distro.as_bstr(), major, minor);
        let (product, build) = (root.product_name(), root.build_id());
        osinfo_of_windows(major, minor, product.as_bstr(), "Server".into(), build.as_bstr());
        // Every mount and mapping comes from a line of its own, but for the root, which is always there. One line of
        // mdadm.conf may stand for several names of its array.
        let lines = data.lines().count() + 1 + TYPES.len();
        assert!(root.mountpoints().len() <= lines && root.filesystems().len() <= lines);
        let mut texts = vec![product, root.arch(), root.hostname(), build, root.deployment()];
        texts.extend(root.drive_mappings().into_iter().map(|(name, _)| name));
        for text in texts {
            // Some texts are put together of two, and "unknown" stands for an empty one.
            assert!(text.len() <= 2 * data.len() + 64, "{text} is longer than the guest");
        }
    }
}

/// The guests of `guests.txt`, which inspection's own tests take, each with a few files that all Linux guests have.
pub(crate) fn seeds(table: &str) -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = table.split("\n= ").skip(1).map(seed).collect();
    let mut devices = common();
    for (path, content) in [
        ("/etc/debian_version", "12.1\n"),
        ("/etc/crypttab", "luks-root UUID=01234567-89ab-cdef-0123-456789abcdef none luks\n"),
        ("/etc/mdadm.conf", "ARRAY /dev/md0 level=raid1 UUID=01234567:89abcdef:01234567:89abcdef\n"),
        (
            "/etc/mdadm/mdadm.conf",
            "ARRAY /dev/md/home metadata=1.2 UUID=01234567:89abcdef:01234567:89abcdef\n",
        ),
    ] {
        file(&mut devices, path, content.as_bytes());
    }
    seeds.push(devices);
    seeds.push(ostree());
    seeds.extend(MEDIA.iter().map(|files| {
        let mut medium = Vec::new();
        for (path, content) in *files {
            file(&mut medium, path, content.as_bytes());
        }
        medium
    }));
    seeds
}

/// Media to install from, by their files.
const MEDIA: &[&[(&str, &str)]] = &[
    &[
        ("/.disk/info", "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST\n"),
        ("/.disk/cd_type", "not_complete\n"),
    ],
    &[
        ("/.treeinfo", "[general]\narch = x86_64\nfamily = Fedora\nversion = 39\n"),
        ("/.discinfo", "1698865000.1\n39\nx86_64\n1,2\n"),
    ],
    &[("/media.1/media", "SUSE - x\nSLE-15-SP5-Full-x86_64-Build146.1\n2\n")],
    &[("/content", "LABEL openSUSE 11.4\nBASEARCHS i586 x86_64\n")],
    &[("/sources/install.wim", "MSWIM"), ("/bootmgr", "x"), ("/efi/boot/bootx64.efi", "MZ")],
    &[("/7.5/amd64/bsd.rd", "x")],
    &[("/LiveOS/squashfs.img", "hsqs"), ("/boot/grub2/grub.cfg", "menuentry 'Start Fedora-Live 39' {\n")],
    &[("/.alpine-release", "alpine-standard 3.19.1 240126\n"), ("/apks/x86_64/INDEX", "x")],
];

/// An ostree with a deployment, whose root has an enabled mount unit.
fn ostree() -> Vec<u8> {
    let mut data = Vec::new();
    let name = format!("{}.0", "a".repeat(64));
    let top = format!("/ostree/deploy/os/deploy/{name}");
    let link = "/ostree/boot.1/os/b/0";
    for (path, content) in [
        ("/ostree/repo/config", "[core]\n".to_owned()),
        (&format!("{top}/usr/lib/os-release"), "ID=fedora\nVERSION_ID=40\nPRETTY_NAME=Fedora\n".to_owned()),
        (
            &format!("{top}/etc/systemd/system/local-fs.target.wants/srv.mount"),
            "[Mount]\nWhat=/dev/sdb2\nWhere=/srv\nType=xfs\n".to_owned(),
        ),
        ("/boot/loader/entries/ostree-1.conf", format!("version 1\noptions ostree={link} rw\n")),
    ] {
        file(&mut data, path, content.as_bytes());
    }
    for (path, target) in [
        (format!("{top}/etc/os-release"), "../usr/lib/os-release".to_owned()),
        (link.to_owned(), format!("../../../deploy/os/deploy/{name}")),
    ] {
        data.push(ENTRY);
        data.push_str(path);
        data.push(TARGET);
        data.push_str(target);
    }
    data
}

/// Files that most guests have: an fstab of every kind of name, a host's name, a binary of x86-64.
fn common() -> Vec<u8> {
    let fstab = "UUID=01234567-89ab-cdef-0123-456789abcdef / ext4 errors=remount-ro 0 1\n\
        # a comment\nLABEL=home /home xfs defaults 0 2\nPARTUUID=\"0123\" /a\\040b auto noauto 0 0\n\
        /dev/hdb1 /old ext3 rw 0 0\n/dev/mapper/vg-root /usr ext4 rw\n/dev/md0 /srv ext4 rw 0 0\n\
        /dev/disk/by-id/ata-X-part2 /var btrfs subvol=@var 0 0\n/dev/sda2 none swap sw 0 0\n\
        /dev/vdb2 /data ext4 rw\n/dev/cciss/c0d0p1 /boot ext4 rw\n";
    let mut data = Vec::new();
    file(&mut data, "/etc/fstab", fstab.as_bytes());
    file(&mut data, "/etc/hostname", b"host.example\n");
    // e_ident of a little-endian ELF of 64 bits, e_type 2 (ET_EXEC), e_machine 62 (EM_X86_64): elf(5).
    let elf = b"\x7FELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3E\0\x01\0\0\0";
    file(&mut data, "/bin/ls", elf);
    data
}

fn file(data: &mut Vec<u8>, path: &str, content: &[u8]) {
    data.push(ENTRY);
    data.push_str(path);
    data.push(CONTENT);
    data.push_str(content);
}

/// One guest of the table.
fn seed(text: &str) -> Vec<u8> {
    let mut data = common();
    let mut lines = text.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        if let Some((path, target)) = line.split_once(" -> ") {
            data.push(ENTRY);
            data.push_str(path);
            data.push(TARGET);
            data.push_str(target);
        } else if line.starts_with('/') {
            let mut content = String::new();
            while let Some(text) = lines.next_if(|line| line.starts_with('|')) {
                content += text.strip_prefix("| ").unwrap_or_default();
                content.push('\n');
            }
            file(&mut data, line, content.as_bytes());
        }
    }
    data
}

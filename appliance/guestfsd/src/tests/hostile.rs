//! A filesystem that lies: directories within themselves, kinds that differ from what the directory says, names and
//! links meant to mislead.

use std::ops::ControlFlow;
use std::sync::Arc;

use bstr::{BString, ByteSlice};
use disk::fs::{
    DeviceNumber, DirEntry, FileData, FileType, Filesystem, FsStats, InodeId, Metadata, Timestamp, Xattr,
};
use disk::{Error, Result};
use libguestfs_core::api::{GlobExpandOpts, TarOutOpts};

use super::{b, refusal};
use crate::Guestfsd;
use crate::engine::native::Native;

/// Names of a directory with the inodes that they lead to.
type Names = &'static [(&'static [u8], u64)];

/// An inode: names of a directory, or the target of a link.
#[derive(Debug, Clone, Copy)]
enum Inode {
    Directory(Names),
    Link(&'static [u8]),
    Broken,
    Strange,
}

/// Inodes from 1 on; 1 is the root. Every directory entry claims to be a directory.
#[derive(Debug)]
struct Lies(&'static [Inode]);

impl Lies {
    fn inode(&self, id: InodeId) -> Result<Inode> {
        let index = usize::try_from(id.number).unwrap().wrapping_sub(1);
        match self.0.get(index) {
            Some(Inode::Broken) | None => Err(Error::corrupt(format!("inode {}", id.number))),
            Some(Inode::Strange) => Err(Error::unsupported(format!("inode {} is strange", id.number))),
            Some(inode) => Ok(*inode),
        }
    }

    fn names(&self, id: InodeId) -> Result<Names> {
        match self.inode(id)? {
            Inode::Directory(names) => Ok(names),
            _ => Err(Error::new(disk::ErrorKind::NotADirectory, "no directory")),
        }
    }
}

impl Filesystem for Lies {
    fn kind(&self) -> &'static str {
        "lies"
    }

    fn root(&self) -> InodeId {
        InodeId::new(1)
    }

    fn lookup(&self, dir: InodeId, name: &[u8]) -> Result<Option<InodeId>> {
        Ok(self.names(dir)?.iter().find(|(n, _)| *n == name).map(|(_, id)| InodeId::new(*id)))
    }

    fn read_dir(&self, dir: InodeId, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        for (name, id) in self.names(dir)? {
            let entry = DirEntry {
                name,
                inode: InodeId::new(*id),
                number: *id,
                file_type: Some(FileType::Directory),
            };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self, inode: InodeId) -> Result<Metadata> {
        let (file_type, size) = match self.inode(inode)? {
            Inode::Link(target) => (FileType::Symlink, target.len()),
            _ => (FileType::Directory, 0),
        };
        Ok(Metadata {
            number: inode.number,
            subvolume: 0,
            file_type,
            permissions: 0o755,
            links: 1,
            uid: 0,
            gid: 0,
            device: DeviceNumber::default(),
            size: u64::try_from(size).unwrap(),
            blocks: 1,
            block_size: 4096,
            accessed: Timestamp::default(),
            modified: Timestamp::default(),
            changed: Timestamp::default(),
            created: None,
        })
    }

    fn open(&self, inode: InodeId) -> Result<Box<dyn FileData + '_>> {
        Err(Error::corrupt(format!("inode {}", inode.number)))
    }

    fn read_link(&self, inode: InodeId) -> Result<BString> {
        match self.inode(inode)? {
            Inode::Link(target) => Ok(target.into()),
            _ => Err(Error::new(disk::ErrorKind::InvalidInput, "no link")),
        }
    }

    fn xattrs(&self, inode: InodeId) -> Result<Vec<Xattr>> {
        self.inode(inode).map(|_| Vec::new())
    }

    fn stat_fs(&self) -> Result<FsStats> {
        Err(Error::corrupt("superblock"))
    }
}

fn daemon(inodes: &'static [Inode]) -> Guestfsd {
    Guestfsd::new(Box::new(Native::with_root(Arc::new(Lies(inodes)))))
}

#[test]
fn a_directory_within_itself_ends_a_walk() {
    // Two names for each next directory: as a tree, 2^20 paths.
    static DOUBLED: [Inode; 4] = [
        Inode::Directory(&[(b"a", 2), (b"b", 2)]),
        Inode::Directory(&[(b"a", 3), (b"b", 3)]),
        Inode::Directory(&[(b"a", 4), (b"b", 4)]),
        Inode::Directory(&[]),
    ];
    static CIRCLE: [Inode; 2] = [Inode::Directory(&[(b"d", 2)]), Inode::Directory(&[(b"up", 1), (b"me", 2)])];
    for inodes in [&DOUBLED[..], &CIRCLE[..]] {
        let mut out = Vec::new();
        let mut d = daemon(inodes);
        assert!(
            refusal(d.find0(b("/"), &mut out)).ends_with(": this directory is in the tree more than once")
        );
        assert!(refusal(d.du(b("/"))).ends_with(": this directory is in the tree more than once"));
        assert!(refusal(d.checksums_out(b("md5"), b("/"), &mut out)).ends_with("more than once"));
    }
    // Paths through the circle still end, and have no links.
    let d = daemon(&CIRCLE);
    let path = format!("/d{}", "/up/d".repeat(200));
    assert_eq!(d.tree().canonical(b(&path)).unwrap(), path.as_str());
}

#[test]
fn damage_is_an_error_with_its_place_and_strangeness_calls_for_an_appliance() {
    static INODES: [Inode; 3] =
        [Inode::Directory(&[(b"broken", 2), (b"strange", 3), (b"far", 99)]), Inode::Broken, Inode::Strange];
    let mut d = daemon(&INODES);
    assert_eq!(refusal(d.lstatns(b("/broken"))), "/broken: /dev/test: inode 2");
    assert_eq!(refusal(d.lstatns(b("/far/x"))), "/far/x: /dev/test: inode 99");
    assert_eq!(
        refusal(d.lstatns(b("/strange"))),
        "needs an appliance: /strange: /dev/test: inode 3 is strange"
    );
    assert_eq!(refusal(d.statvfs(b("/"))), "statvfs: /: /dev/test: superblock");
    // Neither is taken for a name that is not there.
    assert!(d.exists(b("/broken")).is_err() && d.exists(b("/strange")).is_err());
    assert!(d.internal_lstatnslist(b("/"), &["broken".into()]).is_err());
    assert!(d.internal_lxattrlist(b("/"), &["strange".into()]).is_err());
    assert!(d.glob_expand(b("/*/x"), &GlobExpandOpts::default()).is_err());
    let mut out = Vec::new();
    assert!(d.find0(b("/"), &mut out).is_err());
}

#[test]
fn the_inode_says_what_it_is_not_the_directory() {
    static INODES: [Inode; 5] = [
        Inode::Directory(&[(b"link", 2), (b"empty", 3), (b"long", 4), (b"..", 5), (b"dir", 5)]),
        Inode::Link(b"/dir"),
        Inode::Link(b""),
        Inode::Link(&[b'/'; 5000]),
        Inode::Directory(&[]),
    ];
    let mut d = daemon(&INODES);
    assert_eq!(d.realpath(b("/link")).unwrap(), "/dir");
    assert!(d.is_symlink(b("/link")).unwrap());
    assert_eq!(refusal(d.realpath(b("/empty"))), "realpath: /empty: No such file or directory");
    assert_eq!(refusal(d.realpath(b("/long"))), "realpath: /long: File name too long");
    // A stored `..` is never looked up.
    assert_eq!(d.realpath(b("/dir/..")).unwrap(), "/");
    assert_eq!(d.lstatns(b("/..")).unwrap().st_ino, 1);
    // The walk trusts the directory's word as find(1) does, and finds out.
    let mut out = Vec::new();
    assert!(refusal(d.find0(b("/"), &mut out)).ends_with("Not a directory"), "{}", out.as_bstr());
}

#[test]
fn an_archive_goes_on_past_what_cannot_be_read() {
    static INODES: [Inode; 6] = [
        Inode::Directory(&[
            (b"broken", 2),
            (b"circle", 1),
            (b"link", 4),
            (b"strange", 5),
            (b"twice", 6),
            (b"twice", 4),
        ]),
        Inode::Broken,
        Inode::Directory(&[]),
        Inode::Link(b"/etc"),
        Inode::Strange,
        Inode::Directory(&[]),
    ];
    let mut out = Vec::new();
    let failed = refusal(daemon(&INODES).tar_out(b("/"), &mut out, &TarOutOpts::default()));
    assert_eq!(
        failed,
        "/circle: this directory is in the tree more than once (and 3 more could not be read)"
    );
    let archive = out.to_str_lossy();
    for remark in [
        "comment=guestfs:missing:./broken\0/broken: /dev/test: inode 2",
        "comment=guestfs:missing:./circle/\0/circle: this directory is in the tree more than once",
        "comment=guestfs:missing:./strange\0needs an appliance: /strange: /dev/test: inode 5 is strange",
    ] {
        assert!(archive.contains(remark), "{remark}");
    }
    assert!(archive.contains("./link") && archive.contains("./twice"));
    assert!(out.ends_with(&[0; 1024]) && out.len() % 512 == 0);
}

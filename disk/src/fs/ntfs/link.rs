//! What a file is that is neither plain nor a directory: reparse points and the special files of Interix.
//!
//! Targets of links are those that ntfs-3g gives when it is mounted at `/`: case is that of the names that are there, what
//! lies on another volume is below `/.NTFS-3G`, and what has no meaning here is a text that says so. What WOF compressed is
//! a file, as with ntfs-3g's plugin for it.
//!
//! Sources: Microsoft's "[MS-FSCC]: File System Control Codes", section 2.1.2 (reparse data buffers); the manual of ntfs-3g,
//! and what it shows, for targets and Interix's files.

use bstr::BString;

use super::inode::Inode;
use super::record::{Reference, Sizes, kind, units};
use super::{Ntfs, ROOT, index, text, wof};
use crate::Result;
use crate::bytes::Fields;
use crate::fs::{DeviceNumber, FileType, InodeId};

/// Largest reparse point in bytes.
const MAX_REPARSE: u64 = 16 << 10;
/// Bytes before a reparse point's data, and of the GUID of a tag that is not Microsoft's.
const HEADER: usize = 8;
const GUID: usize = 16;
const MICROSOFT: u32 = 0x8000_0000;
/// Tags of reparse points.
const MOUNT_POINT: u32 = 0xA000_0003;
const SYMLINK: u32 = 0xA000_000C;
const LX_SYMLINK: u32 = 0xA000_001D;
const AF_UNIX: u32 = 0x8000_0023;
const LX_FIFO: u32 = 0x8000_0024;
const LX_CHR: u32 = 0x8000_0025;
const LX_BLK: u32 = 0x8000_0026;
/// Flag of a symbolic link: its target is relative to the link, or to the volume.
const RELATIVE: u32 = 1;
/// The only kind of link of the Linux subsystem: its target is in UTF-8.
const LX_UTF8: u32 = 2;
/// Most components of a relative target that ntfs-3g looks at.
const MAX_COMPONENTS: usize = 32;
/// What a file of Interix starts with, and the longest that is one.
const INTERIX_LINK: &[u8; 8] = b"IntxLNK\x01";
const INTERIX_CHAR: &[u8; 8] = b"IntxCHR\0";
const INTERIX_BLOCK: &[u8; 8] = b"IntxBLK\0";
const MAX_INTERIX: u64 = 8 + 2 * 4096;
const INTERIX_DEVICE: usize = 24;
/// The extended attribute with a device number of the Linux subsystem: two 32-bit numbers.
const LX_DEVICE: &[u8] = b"$LXDEV";
/// Most bytes of extended attributes.
const MAX_EA: u64 = 64 << 10;
const BACKSLASH: u16 = 0x5C;
const SLASH: u16 = 0x2F;
const COLON: u16 = 0x3A;
const QUESTION: u16 = 0x3F;
const DOT: u16 = 0x2E;
/// Bits of a letter of ASCII that are the same in upper case.
const UPPER: u16 = 0xDF;
/// Prefix of Windows' own namespace.
const PREFIX: [u16; 4] = [BACKSLASH, QUESTION, QUESTION, BACKSLASH];
/// The name of a volume there, with a GUID and a separator after it.
const VOLUME_NAME: &str = "Volume{";
const VOLUME_NAME_LEN: usize = 45;
/// Where ntfs-3g expects other volumes.
const OTHER_VOLUMES: &str = "/.NTFS-3G/";
const FILE_NAME: u32 = 0x30;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Regular,
    Directory,
    Symlink(BString),
    Block(DeviceNumber),
    Char(DeviceNumber),
    Fifo,
    Socket,
}

impl Kind {
    pub(super) fn file_type(&self) -> FileType {
        match self {
            Kind::Regular => FileType::Regular,
            Kind::Directory => FileType::Directory,
            Kind::Symlink(_) => FileType::Symlink,
            Kind::Block(_) => FileType::BlockDevice,
            Kind::Char(_) => FileType::CharDevice,
            Kind::Fifo => FileType::Fifo,
            Kind::Socket => FileType::Socket,
        }
    }

    /// Is it a device, pipe or socket?
    pub(super) fn is_special(&self) -> bool {
        matches!(self, Kind::Block(_) | Kind::Char(_) | Kind::Fifo | Kind::Socket)
    }

    pub(super) fn device(&self) -> DeviceNumber {
        match self {
            Kind::Block(device) | Kind::Char(device) => *device,
            _ => DeviceNumber::default(),
        }
    }
}

/// A reparse point: who understands it, and what it says to that one.
#[derive(Debug)]
pub(super) struct Reparse {
    pub(super) tag: u32,
    pub(super) data: Vec<u8>,
}

impl Ntfs {
    /// What `inode` is.
    pub(super) fn kind_of(&self, inode: &Inode) -> Result<Kind> {
        if inode.standard.is_reparse_point() {
            return self.kind_of_reparse(inode);
        }
        if inode.record.is_directory {
            return Ok(Kind::Directory);
        }
        if inode.standard.is_system() {
            return self.kind_of_system(inode);
        }
        Ok(Kind::Regular)
    }

    /// What `lstat` shows as the sizes of `inode`, which is of that kind.
    pub(super) fn shown_sizes(&self, inode: &Inode, kind: &Kind) -> Result<Sizes> {
        let mut sizes = self.sizes(inode, kind::DATA, &[])?;
        if matches!(kind, Kind::Directory) && sizes.is_none() {
            sizes = self.sizes(inode, kind::INDEX_ALLOCATION, index::NAME)?;
        }
        let mut sizes = sizes.unwrap_or_default();
        if matches!(kind, Kind::Regular) && inode.standard.is_reparse_point() {
            let packed = self.sizes(inode, kind::DATA, &wof::stream_name())?;
            sizes.allocated = packed.unwrap_or_default().allocated;
        }
        if let Kind::Symlink(target) = kind {
            sizes.data = u64::try_from(target.len()).unwrap_or(u64::MAX);
        }
        Ok(sizes)
    }

    /// The attribute that makes `inode` a reparse point, as it is stored.
    pub(super) fn raw_reparse_point(&self, inode: &Inode) -> Result<Option<Vec<u8>>> {
        self.value(inode, kind::REPARSE_POINT, &[], MAX_REPARSE)
    }

    /// The reparse point of `inode`, if it has one that is right.
    pub(super) fn reparse_point(&self, inode: &Inode) -> Result<Option<Reparse>> {
        let Some(raw) = self.raw_reparse_point(inode)? else { return Ok(None) };
        let (Ok(tag), Ok(len)) = (raw.le32(0), raw.le16(4)) else { return Ok(None) };
        let guid = if tag & MICROSOFT != 0 { 0 } else { GUID };
        let data = raw.get(HEADER.saturating_add(guid)..).filter(|data| data.len() == usize::from(len));
        Ok(data.map(|data| Reparse { tag, data: data.to_vec() }))
    }

    fn kind_of_reparse(&self, inode: &Inode) -> Result<Kind> {
        let reparse = self.reparse_point(inode)?;
        let (tag, data) = reparse.as_ref().map_or((0, &[][..]), |point| (point.tag, &point.data));
        if tag == wof::TAG && !inode.record.is_directory {
            return Ok(Kind::Regular);
        }
        let target = match tag {
            MOUNT_POINT => match name_in(data, 8) {
                Some(name) => self.full(&name, inode)?,
                None => None,
            },
            SYMLINK => match name_in(data, 12) {
                Some(name) => self.symlink(&name, data.le32(8)? & RELATIVE != 0, inode)?,
                None => None,
            },
            LX_SYMLINK if data.le32(0).is_ok_and(|kind| kind == LX_UTF8) => data.get(4..).map(BString::from),
            AF_UNIX => return Ok(Kind::Socket),
            LX_FIFO => return Ok(Kind::Fifo),
            LX_CHR => return Ok(Kind::Char(self.lx_device(inode)?)),
            LX_BLK => return Ok(Kind::Block(self.lx_device(inode)?)),
            _ => None,
        };
        let target = target.filter(|target| !target.is_empty() && !target.contains(&0));
        let unknown = || BString::from(format!("unsupported reparse tag {tag:#010x}"));
        Ok(Kind::Symlink(target.unwrap_or_else(unknown)))
    }

    /// The target of a symbolic link to `name`.
    fn symlink(&self, name: &[u16], relative: bool, inode: &Inode) -> Result<Option<BString>> {
        let is_full = matches!(name, [BACKSLASH, BACKSLASH | QUESTION, ..]);
        match name {
            _ if is_full && !relative => self.full(name, inode),
            _ if is_full || !relative => Ok(None),
            [BACKSLASH, path @ ..] => Ok(self.absolute(path, inode)?.map(|path| rooted(&path))),
            [_, COLON, ..] => self.on_drive(name, inode),
            _ => self.relative(name, inode),
        }
    }

    /// The target of a link to a name with a prefix for Windows' own namespace.
    fn full(&self, name: &[u16], inode: &Inode) -> Result<Option<BString>> {
        let Some(rest) = name.strip_prefix(&PREFIX) else { return Ok(None) };
        if matches!(rest, [letter, COLON, BACKSLASH, ..] if is_letter(*letter)) {
            return self.on_drive(rest, inode);
        }
        let is_volume = rest.len() == VOLUME_NAME_LEN
            && rest.iter().copied().zip(VOLUME_NAME.encode_utf16()).all(|(a, b)| a == b);
        Ok(rest.strip_suffix(&[BACKSLASH]).filter(|_| is_volume).map(elsewhere))
    }

    /// The target of a link to a path on a drive: taken for this volume if there is such a path.
    fn on_drive(&self, name: &[u16], inode: &Inode) -> Result<Option<BString>> {
        let found = match name.get(3..) {
            Some(path) => self.absolute(path, inode)?,
            None => None,
        };
        let other = || {
            let mut name = name.to_vec();
            if let Some(letter) = name.first_mut().filter(|letter| is_letter(**letter)) {
                *letter &= UPPER;
            }
            elsewhere(&name)
        };
        Ok(Some(found.map_or_else(other, |path| rooted(&path))))
    }

    /// The path from the root that is meant by `path`, if there is one. It ends where another link begins.
    fn absolute(&self, path: &[u16], link: &Inode) -> Result<Option<Vec<u16>>> {
        let mut path = path.to_vec();
        let mut inode = self.inode(InodeId::new(ROOT))?;
        let mut at = 0usize;
        loop {
            let Some(file) = self.component(&inode, &mut path, &mut at)? else { return Ok(None) };
            inode = self.inode(InodeId::new(file.0))?;
            let is_link = inode.standard.is_reparse_point();
            if at >= path.len() || is_link || !inode.record.is_directory {
                let fits = is_link || inode.record.is_directory == link.record.is_directory;
                return Ok(Some(path).filter(|_| fits));
            }
        }
    }

    /// Finds the name from unit `at` of `path` in directory `inode`, gives it the case that it has there, and goes on
    /// behind the separator.
    fn component(&self, inode: &Inode, path: &mut [u16], at: &mut usize) -> Result<Option<Reference>> {
        let rest = path.get_mut(*at..).unwrap_or_default();
        let len = rest.iter().position(|unit| *unit == BACKSLASH).unwrap_or(rest.len());
        let (name, after) = rest.split_at_mut(len);
        if name.is_empty() || !inode.record.is_directory {
            return Ok(None);
        }
        let table = self.up_case()?;
        let mut found = self.find(inode, &|stored| table.collate(stored, name))?;
        if found.is_none() {
            found = self.find(inode, &|stored| table.compare(stored, name))?;
        }
        let Some((file, stored)) = found.filter(|(_, stored)| stored.len() == name.len()) else {
            return Ok(None);
        };
        name.copy_from_slice(&stored);
        *at = at.saturating_add(len);
        if let Some(separator) = after.first_mut() {
            *separator = SLASH;
            *at = at.saturating_add(1);
        }
        Ok(Some(file))
    }

    /// The path from where `link` lies that is meant by `path`, if there is one. Like ntfs-3g, this does not look for a name
    /// of a single unit at its end.
    fn relative(&self, path: &[u16], link: &Inode) -> Result<Option<BString>> {
        let mut path = path.to_vec();
        let Some(mut inode) = self.parent(link)? else { return Ok(None) };
        let mut at = 0usize;
        for _ in 0..MAX_COMPONENTS {
            if at.saturating_add(1) >= path.len() {
                return Ok(Some(shown(&path)));
            }
            match path.get_mut(at..).unwrap_or_default() {
                [DOT, separator @ BACKSLASH, ..] => {
                    *separator = SLASH;
                    at = at.saturating_add(2);
                }
                [DOT, DOT, separator @ BACKSLASH, ..] => {
                    *separator = SLASH;
                    at = at.saturating_add(3);
                    let Some(parent) = self.parent(&inode)? else { return Ok(None) };
                    inode = parent;
                }
                _ => {
                    let Some(file) = self.component(&inode, &mut path, &mut at)? else { return Ok(None) };
                    inode = self.inode(InodeId::new(file.0))?;
                    let is_link = inode.standard.is_reparse_point();
                    if at >= path.len() || is_link {
                        let fits = is_link || inode.record.is_directory == link.record.is_directory;
                        return Ok(fits.then(|| shown(&path)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The directory that `inode` lies in, by its first name; the root lies in none.
    fn parent(&self, inode: &Inode) -> Result<Option<Inode>> {
        if inode.reference.number() == ROOT {
            return Ok(None);
        }
        match self.value(inode, FILE_NAME, &[], MAX_REPARSE)? {
            Some(name) => self.inode(InodeId::new(name.le64(0)?)).map(Some),
            None => Ok(None),
        }
    }

    /// What a file is that Windows takes for one of its own.
    fn kind_of_system(&self, inode: &Inode) -> Result<Kind> {
        let Some(sizes) = self.sizes(inode, kind::DATA, &[])? else { return Ok(Kind::Regular) };
        if !inode.standard.is_hidden() && sizes.data < 2 {
            return Ok(if sizes.data == 0 { Kind::Fifo } else { Kind::Socket });
        }
        if sizes.data <= 8 || sizes.data > MAX_INTERIX {
            return Ok(Kind::Regular);
        }
        let Some(bytes) = self.value(inode, kind::DATA, &[], MAX_INTERIX)? else { return Ok(Kind::Regular) };
        let device = || -> Result<DeviceNumber> {
            let part = |at| Ok(u32::try_from(bytes.le64(at)?).unwrap_or(u32::MAX));
            Ok(DeviceNumber { major: part(8)?, minor: part(16)? })
        };
        let is_device = bytes.len() == INTERIX_DEVICE;
        Ok(match &bytes.array::<8>(0)? {
            INTERIX_BLOCK if is_device => Kind::Block(device()?),
            INTERIX_CHAR if is_device => Kind::Char(device()?),
            INTERIX_LINK => {
                let mut target = units(bytes.get(8..).unwrap_or_default());
                if let Some(end) = target.iter().position(|unit| *unit == 0) {
                    target.truncate(end);
                }
                Kind::Symlink(shown(&target))
            }
            _ => Kind::Regular,
        })
    }

    /// The device number that the Linux subsystem keeps in an extended attribute; 0:0 if there is none.
    fn lx_device(&self, inode: &Inode) -> Result<DeviceNumber> {
        let Some(all) = self.value(inode, kind::EA, &[], MAX_EA)? else { return Ok(DeviceNumber::default()) };
        let mut at = 0usize;
        // next entry, flags, length of the name and of the value, name, NUL, value
        while let Ok(next) = all.le32(at) {
            let name_len = usize::from(all.u8(at.saturating_add(5))?);
            let name_at = at.saturating_add(8);
            if all.slice(name_at, name_len)? == LX_DEVICE {
                let value = name_at.saturating_add(name_len).saturating_add(1);
                let (major, minor) = (all.le32(value)?, all.le32(value.saturating_add(4))?);
                return Ok(DeviceNumber { major, minor });
            }
            if next == 0 {
                break;
            }
            at = at.saturating_add(crate::bytes::index(next));
        }
        Ok(DeviceNumber::default())
    }
}

/// The name that a link leads to, in UTF-16; `names` is where names begin in the data.
fn name_in(data: &[u8], names: usize) -> Option<Vec<u16>> {
    let (at, len) = (usize::from(data.le16(0).ok()?), usize::from(data.le16(2).ok()?));
    data.slice(names.saturating_add(at), len).ok().map(units)
}

fn is_letter(unit: u16) -> bool {
    u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphabetic())
}

fn shown(path: &[u16]) -> BString {
    let mut bytes = Vec::new();
    text::push_text(path, &mut bytes);
    bytes.into()
}

/// A path from the volume's root.
fn rooted(path: &[u16]) -> BString {
    let mut bytes = vec![b'/'];
    text::push_text(path, &mut bytes);
    bytes.into()
}

/// A path on another volume, from its drive or name on.
fn elsewhere(path: &[u16]) -> BString {
    let path: Vec<u16> = path.iter().map(|unit| if *unit == BACKSLASH { SLASH } else { *unit }).collect();
    let mut bytes = OTHER_VOLUMES.as_bytes().to_vec();
    text::push_text(&path, &mut bytes);
    bytes.into()
}

//! New hives.

use crate::Result;
use crate::bins::{BIN_HEADER, MAGIC, PAGE};
use crate::bytes::{Fields, index};
use crate::edit::{keys, security};
use crate::header;
use crate::hive::{Hive, Options};
use crate::key::{HIVE_ENTRY, NO_DELETE};
use crate::name::Wanted;

/// The version that Windows XP and later give most hives.
const VERSION: (u32, u32) = (1, 5);
/// What Windows calls the root key of a new hive begins so; a GUID follows there.
const ROOT_NAME: &str = "CMI-CreateHive{00000000-0000-0000-0000-000000000000}";
/// Full access to keys (`KEY_ALL_ACCESS`), for the key and all below it (`CONTAINER_INHERIT_ACE`).
const ACE: [u8; 8] = [0, 2, 0, 0, 0x3F, 0, 0x0F, 0];
/// The local system, S-1-5-18, and the administrators, S-1-5-32-544 (MS-DTYP 2.4.2.4).
const SYSTEM: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
const ADMINISTRATORS: [u8; 16] = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];

impl Hive {
    /// A new hive with a root key and nothing else, which the system and administrators have full access to.
    ///
    /// # Errors
    /// None that depend on the options.
    pub fn create(options: Options) -> Result<Self> {
        let mut image = vec![0; header::LENGTH];
        let (major, minor) = VERSION;
        image.put(0, header::MAGIC)?;
        let fields = [
            (header::SEQUENCE_1, 1),
            (header::SEQUENCE_2, 1),
            (header::MAJOR, major),
            (header::MINOR, minor),
            (header::FORMAT, 1),
            (header::ROOT, BIN_HEADER),
            (header::BINS, PAGE),
            (header::CLUSTERING, 1),
        ];
        for (field, number) in fields {
            image.put32(field, number)?;
        }
        let mut bin = vec![0; index(PAGE)];
        bin.put(0, MAGIC)?;
        bin.put32(8, PAGE)?;

        let now = options.time.unwrap_or_else(|| crate::FileTime::from_system(std::time::SystemTime::now()));
        image.put64(header::WRITTEN, now.0)?;
        bin.put64(20, now.0)?;
        header::seal(&mut image)?;
        let name = Wanted::new(ROOT_NAME.into())?;
        let mut security = security::content(&descriptor()?, 1)?;
        let mut root = keys::content(&name, HIVE_ENTRY | NO_DELETE, crate::key::NONE, 0, now)?;
        // The root key first, its security next, and what is left is free.
        let lens = [root.len(), security.len()].map(|len| len.saturating_add(4).next_multiple_of(8));
        let [root_len, security_len] = lens;
        let first = index(BIN_HEADER);
        let second = first.saturating_add(root_len);
        let third = second.saturating_add(security_len);
        let at = crate::bytes::len32(second)?;
        root.put32(crate::key::SECURITY, at)?;
        // A ring of one.
        security.put32(4, at)?;
        security.put32(8, at)?;
        let free = bin.len().saturating_sub(third);
        for (at, len, used) in [(first, root_len, true), (second, security_len, true), (third, free, false)] {
            let len = i32::try_from(len).unwrap_or_default();
            bin.put(at, &if used { len.wrapping_neg() } else { len }.to_le_bytes())?;
        }
        bin.put(first.saturating_add(4), &root)?;
        bin.put(second.saturating_add(4), &security)?;
        image.extend_from_slice(&bin);
        Hive::open(image, options)
    }
}

/// A self-relative security descriptor (MS-DTYP 2.4.6): owner, group, and who may do what.
fn descriptor() -> Result<Vec<u8>> {
    // Revision 1; a self-relative descriptor with a DACL.
    let mut descriptor = vec![1, 0, 0x04, 0x80];
    let (owner, header) = (20usize, 20usize);
    let group = owner.saturating_add(ADMINISTRATORS.len());
    let list = group.saturating_add(SYSTEM.len());
    let list_len = [ADMINISTRATORS.len(), SYSTEM.len()]
        .iter()
        .fold(8usize, |sum, sid| sum.saturating_add(ACE.len()).saturating_add(*sid));
    descriptor.resize(header, 0);
    for (field, at) in [(4, owner), (8, group), (16, list)] {
        descriptor.put32(field, crate::bytes::len32(at)?)?;
    }
    descriptor.extend_from_slice(&ADMINISTRATORS);
    descriptor.extend_from_slice(&SYSTEM);
    // Revision 2 of an ACL, its length, two entries.
    descriptor.extend_from_slice(&[2, 0]);
    descriptor.extend_from_slice(&u16::try_from(list_len).unwrap_or_default().to_le_bytes());
    descriptor.extend_from_slice(&[2, 0, 0, 0]);
    for sid in [ADMINISTRATORS.as_slice(), &SYSTEM] {
        let mut ace = ACE;
        let len = ACE.len().saturating_add(sid.len());
        ace.put16(2, u16::try_from(len).unwrap_or_default())?;
        descriptor.extend_from_slice(&ace);
        descriptor.extend_from_slice(sid);
    }
    Ok(descriptor)
}

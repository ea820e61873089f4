//! LUKS devices: headers and keyslots, with the checksum of a second version's header made right again.

use std::sync::Arc;

use disk::volume::luks::{Luks, Work};
use disk::{ErrorKind, ReadAt};
use sha2::{Digest, Sha256};

use crate::source::Padded;

/// The key of the seeds.
pub(crate) const KEY: &str = "key";
/// Size of the device that holds the input, with zeros behind it (bytes).
const DEVICE: u64 = 1 << 20;
/// What a key may cost: more than that of the seeds, and no more than is soon done.
const WORK: Work = Work { argon2_memory: 256, argon2_blocks: 1024, pbkdf2_rounds: 20_000 };
/// Where a copy of a header of version 2 may lie, its length, and where its checksum (SHA-256) stands, in bytes.
const COPIES: [usize; 2] = [0, HEADER];
const HEADER: usize = 0x4000;
const CHECKSUM: std::ops::Range<usize> = 448..512;

/// What was opened lies within the device, reads the same twice, and is opened again by the same key.
pub(crate) fn luks(data: &[u8]) {
    let mut data = data.to_vec();
    for copy in COPIES {
        seal(data.get_mut(copy..copy + HEADER).unwrap_or_default());
    }
    let device: Arc<dyn ReadAt> = Arc::new(Padded { data, len: DEVICE });
    let Ok(luks) = Luks::open(Arc::clone(&device)) else { return };
    assert!([1, 2].contains(&luks.version) && luks.uuid.len() <= 40);
    let opened = luks.unlock(KEY.as_bytes(), WORK);
    let again = Luks::open(device).and_then(|luks| luks.unlock(KEY.as_bytes(), WORK));
    assert_eq!(summary(&opened), summary(&again));
    if let Ok(Some(opened)) = opened {
        crate::tables::read_ends(&opened);
    }
}

/// How much was opened, or why nothing was.
fn summary(opened: &disk::Result<Option<Arc<dyn ReadAt>>>) -> Result<Option<u64>, ErrorKind> {
    match opened {
        Ok(opened) => Ok(opened.as_ref().map(disk::ReadAt::len)),
        Err(e) => Err(e.kind()),
    }
}

/// Makes the checksum of a copy right.
fn seal(copy: &mut [u8]) {
    let Some(place) = copy.get_mut(CHECKSUM) else { return };
    place.fill(0);
    let digest = Sha256::digest(&*copy);
    copy[CHECKSUM][..digest.len()].copy_from_slice(&digest);
}

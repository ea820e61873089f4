//! Volume descriptors: which root directory counts, and in which way its names are read.
//!
//! Source: ECMA-119 (ISO 9660), section 8; Microsoft's Joliet specification. Which of several descriptors counts is
//! decided as in Linux, on a device that knows no sessions: those of the first session.

use crate::bytes::Fields;
use crate::{Error, ReadAt, Result};

/// First descriptor, and size of each (bytes).
const FIRST: u64 = 16 * 2048;
const SIZE: usize = 2048;
/// Most descriptors that are looked at.
const MOST: usize = 84;
/// What each starts with, after its type; the same in the format's predecessor, after 8 more bytes.
const NAME: &[u8] = b"CD001";
const HIGH_SIERRA: &[u8] = b"CDROM";
/// Types of descriptors.
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;
/// Where a supplementary descriptor says which characters its names have, and how it starts for UCS-2.
const ESCAPES: usize = 88;
const UCS2: &[u8] = b"%/";
/// Ends of that for the three levels of Joliet.
const LEVELS: &[u8] = b"@CE";
/// Where the record of the root directory is.
const ROOT: usize = 156;

/// What the descriptors say.
#[derive(Debug)]
pub(super) struct Volume {
    /// Bytes of a logical block.
    pub(super) block_size: u32,
    /// How many there are.
    pub(super) blocks: u32,
    /// Block where the root directory starts; and the one with Joliet's names, if there is one.
    pub(super) root: u32,
    pub(super) joliet_root: Option<u32>,
}

impl Volume {
    /// Reads and checks the descriptors of `source`.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self> {
        let mut primary: Option<Vec<u8>> = None;
        let mut joliet: Option<Vec<u8>> = None;
        let mut at = FIRST;
        for _ in 0..MOST {
            let mut bytes = vec![0; SIZE];
            source.read_at(at, &mut bytes)?;
            at = at.saturating_add(u64::try_from(SIZE).unwrap_or(u64::MAX));
            if bytes.slice(9, HIGH_SIERRA.len())? == HIGH_SIERRA {
                return Err(Error::unsupported("a CD-ROM of the High Sierra format"));
            }
            if bytes.slice(1, NAME.len())? != NAME {
                continue;
            }
            match bytes.u8(0)? {
                TERMINATOR => break,
                PRIMARY if primary.is_none() => primary = Some(bytes),
                SUPPLEMENTARY if bytes.slice(ESCAPES, 2)? == UCS2 => {
                    if LEVELS.contains(&bytes.u8(ESCAPES + 2)?) {
                        joliet = Some(bytes);
                    }
                    break;
                }
                _ => {}
            }
        }
        let Some(first) = primary.as_ref().or(joliet.as_ref()) else {
            return Err(Error::corrupt("an ISO 9660 without a volume descriptor"));
        };
        let block_size = u32::from(first.le16(128)?);
        if !matches!(block_size, 512 | 1024 | 2048) || block_size < source.sector_size() {
            return Err(Error::corrupt(format!("an ISO 9660 with blocks of {block_size} bytes")));
        }
        let root = |descriptor: &Vec<u8>| -> Result<u32> {
            let attributes = u32::from(descriptor.u8(ROOT + 1)?);
            Ok(descriptor.le32(ROOT + 2)?.saturating_add(attributes))
        };
        Ok(Volume {
            block_size,
            blocks: first.le32(80)?,
            root: root(first)?,
            joliet_root: joliet.as_ref().map(root).transpose()?,
        })
    }
}

//! Swap space, and the images of hibernated systems in it (Linux's `include/linux/swap.h`).

use super::{Details, Magic, Prober, Reader, Usage, label, magic, uuid};
use crate::Result;
use crate::bytes::Fields;

/// The mark stands in the last 10 bytes of the first page; pages are of 4, 8, 16, 32 or 64 KiB.
const SWAP: &[Magic] = &[
    magic(0xff6, b"SWAP-SPACE"),
    magic(0xff6, b"SWAPSPACE2"),
    magic(0x1ff6, b"SWAP-SPACE"),
    magic(0x1ff6, b"SWAPSPACE2"),
    magic(0x3ff6, b"SWAP-SPACE"),
    magic(0x3ff6, b"SWAPSPACE2"),
    magic(0x7ff6, b"SWAP-SPACE"),
    magic(0x7ff6, b"SWAPSPACE2"),
    magic(0xfff6, b"SWAP-SPACE"),
    magic(0xfff6, b"SWAPSPACE2"),
];

/// Marks of hibernated systems, which replace the swap space's own: of the kernel, of uswsusp, of LINHIB and of
/// TuxOnIce (which is 8 bytes long).
macro_rules! suspend_magics {
    ($($at:expr),*) => {
        &[$(
            magic($at, b"S1SUSPEND"),
            magic($at, b"S2SUSPEND"),
            magic($at, b"ULSUSPEND"),
            magic($at, b"LINHIB0001"),
            magic($at, b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c"),
        )*]
    };
}
const SUSPEND: &[Magic] = suspend_magics!(0xff6, 0x1ff6, 0x3ff6, 0x7ff6, 0xfff6);

/// Where version, last page, UUID and label stand, and how much of that there is (bytes).
const HEADER: (u64, usize) = (1024, 44 + 2 * 4 + 4);
/// Mark of TuxOnIce in that place: an image, not swap space.
const TUX_ON_ICE: &[u8] = b"TuxOnIce";

pub(super) const PROBERS: &[Prober] = &[
    Prober::new("swsuspend", Usage::Other, SUSPEND, |reader, _| details(reader, "s1suspend")),
    Prober::new("swap", Usage::Other, SWAP, swap),
];

fn swap(reader: &mut Reader<'_>, found: &Magic) -> Result<Option<Details>> {
    if reader.bytes(HEADER.0, TUX_ON_ICE.len())? == TUX_ON_ICE {
        return Ok(None);
    }
    if found.bytes.ends_with(b"2") {
        details(reader, "1")
    } else {
        // The first format has neither UUID nor label.
        Ok(Some(Details { version: Some("0".to_owned()), ..Details::default() }))
    }
}

fn details(reader: &mut Reader<'_>, version: &str) -> Result<Option<Details>> {
    let header = reader.bytes(HEADER.0, HEADER.1)?;
    // The header is in the byte order of the machine that wrote it.
    let last_page = match (header.le32(0)?, header.be32(0)?) {
        (1, _) => header.le32(4)?,
        (_, 1) => header.be32(4)?,
        _ => return Ok(None),
    };
    if last_page == 0 {
        return Ok(None);
    }
    let mut details = Details { version: Some(version.to_owned()), ..Details::default() };
    // Padding follows the label: where it is not empty, neither is meant.
    if header.slice(44, 8)?.iter().all(|&byte| byte == 0) {
        details.uuid = uuid(&header, 12)?;
        details.label = label(header.slice(28, 16)?);
    }
    Ok(Some(details))
}

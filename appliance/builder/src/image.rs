//! The kernel inside a kernel image: what virtual machines can start without a boot loader's work.
//!
//! A bzImage unpacks itself: under emulation that takes longer than all the rest of the kernel's start (3 s of 5 s for
//! Debian's, which is compressed by xz). Here it is unpacked once. qemu starts what comes out by its PVH entry, if it has
//! one: a note in the ELF file. Header: Documentation/arch/x86/boot.rst of Linux.

use std::io::Read;

use elf::ElfBytes;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::note::Note;

use crate::elf::without_sections;

/// Where `HdrS` is.
const MAGIC_AT: usize = 0x202;
const MAGIC: &[u8] = b"HdrS";
/// Sectors of the part that runs in real mode, but for the first; 0 means [`SETUP_SECTORS`].
const SETUP_SECTORS_AT: usize = 0x1f1;
const SETUP_SECTORS: usize = 4;
const SECTOR: usize = 512;
/// Where the compressed kernel begins in the other part, and its length.
const PAYLOAD_AT: usize = 0x248;
const PAYLOAD_LEN_AT: usize = 0x24c;
/// The largest kernel that is unpacked; Debian's has 63 MiB.
const KERNEL_MAX: u64 = 512 << 20;
/// The note with the PVH entry (xen/include/public/elfnote.h: XEN_ELFNOTE_PHYS32_ENTRY).
const PVH_OWNER: &str = "Xen";
const PVH_NOTE: u64 = 18;

/// Where a program header has the length of its segment in the file (elf(5), `Elf64_Phdr`).
const FILE_SIZE_AT: u64 = 0x20;

/// The ELF file in a bzImage, if it can be unpacked here and has a PVH entry.
pub(crate) fn unpacked(image: &[u8]) -> Option<Vec<u8>> {
    let payload = payload(image)?;
    let mut kernel = Vec::new();
    // What comes after the stream, as the length that some forms append, is not looked at.
    match payload {
        [0x1f, 0x8b, ..] => {
            flate2::read::GzDecoder::new(payload).take(KERNEL_MAX).read_to_end(&mut kernel).ok()?
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            lzma_rust2::XzReader::new(payload, false).take(KERNEL_MAX).read_to_end(&mut kernel).ok()?
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ruzstd::decoding::StreamingDecoder::new(payload)
            .ok()?
            .take(KERNEL_MAX)
            .read_to_end(&mut kernel)
            .ok()?,
        _ => return None,
    };
    has_pvh_entry(&kernel).then(|| without_zeros(kernel))
}

fn payload(image: &[u8]) -> Option<&[u8]> {
    if !image.get(MAGIC_AT..)?.starts_with(MAGIC) {
        return None;
    }
    let sectors = match usize::from(*image.get(SETUP_SECTORS_AT)?) {
        0 => SETUP_SECTORS,
        sectors => sectors,
    };
    let number = |at: usize| {
        let bytes: [u8; 4] = image.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let start = sectors.checked_add(1)?.checked_mul(SECTOR)?.checked_add(number(PAYLOAD_AT)?)?;
    image.get(start..start.checked_add(number(PAYLOAD_LEN_AT)?)?)
}

fn has_pvh_entry(kernel: &[u8]) -> bool {
    let Ok(file) = ElfBytes::<LittleEndian>::minimal_parse(kernel) else { return false };
    let Some(segments) = file.segments() else { return false };
    segments.iter().filter(|segment| segment.p_type == abi::PT_NOTE).any(|segment| {
        file.segment_data_as_notes(&segment).is_ok_and(|mut notes| {
            notes.any(|note| match note {
                Note::Unknown(note) => {
                    note.n_type == PVH_NOTE && note.name_str().is_ok_and(|name| name == PVH_OWNER)
                }
                _ => false,
            })
        })
    })
}

/// The file without the zeros at the ends of its segments, and without what comes after the last. To a loader this is the
/// same, but qemu keeps all of the file in memory that it loads: Debian's kernel has 21 MB of zeros.
fn without_zeros(mut kernel: Vec<u8>) -> Vec<u8> {
    let Ok(file) = ElfBytes::<LittleEndian>::minimal_parse(&kernel) else { return kernel };
    let (Some(segments), Class::ELF64) = (file.segments(), file.ehdr.class) else { return kernel };
    let mut cuts = Vec::new();
    for (number, segment) in (0u64..).zip(segments) {
        let Ok(content) = file.segment_data(&segment) else { return kernel };
        let zeros = content.iter().rev().take_while(|byte| **byte == 0).count();
        let kept = if segment.p_type == abi::PT_LOAD { content.len() - zeros } else { content.len() };
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        let header = u64::from(file.ehdr.e_phentsize).saturating_mul(number);
        cuts.push((file.ehdr.e_phoff.saturating_add(header).saturating_add(FILE_SIZE_AT), kept));
    }
    for (at, kept) in cuts {
        let field = usize::try_from(at).ok().and_then(|at| kernel.get_mut(at..)?.first_chunk_mut());
        if let Some(field) = field {
            *field = kept.to_le_bytes();
        }
    }
    without_sections(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// An ELF file with nothing but a note.
    fn kernel(owner: &[u8; 4], kind: u32) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        for (value, len) in [
            (2, 2),
            (62, 2),
            (1, 4),
            (0, 8),
            (64, 8),
            (0, 8),
            (0, 4),
            (64, 2),
            (56, 2),
            (1, 2),
            (0, 2),
            (0, 2),
            (0, 2),
        ] {
            file.extend_from_slice(&u64::to_le_bytes(value)[..len]);
        }
        // PT_NOTE at 120, 20 bytes.
        for (value, len) in [(4, 4), (4, 4), (120, 8), (0, 8), (0, 8), (20, 8), (20, 8), (4, 8)] {
            file.extend_from_slice(&u64::to_le_bytes(value)[..len]);
        }
        for word in [4, 4, kind] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(owner);
        file.extend_from_slice(&[0; 4]);
        file
    }

    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 2 * SECTOR + 16];
        image[SETUP_SECTORS_AT] = 1;
        image[MAGIC_AT..MAGIC_AT + 4].copy_from_slice(MAGIC);
        image[PAYLOAD_AT] = 16;
        image[PAYLOAD_LEN_AT..PAYLOAD_LEN_AT + 4]
            .copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        image.extend_from_slice(payload);
        image
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn only_a_kernel_that_qemu_can_enter_is_taken() {
        let good = kernel(b"Xen\0", 18);
        let mut appended = gzip(&good);
        appended.extend_from_slice(&[1, 2, 3, 4]);
        assert_eq!(unpacked(&image(&appended)), Some(good.clone()));
        // Zeros after its last segment are no part of it; those of a segment that is loaded are left out.
        let mut padded = good.clone();
        padded[64] = 1;
        padded.extend_from_slice(&[0; 100]);
        padded[64 + 0x20] += 100;
        let cut = without_zeros(padded);
        assert_eq!((cut.len(), cut[64 + 0x20]), (120 + 15, 15));
        for (what, bytes) in [
            ("another note", image(&gzip(&kernel(b"Xen\0", 17)))),
            ("another owner", image(&gzip(&kernel(b"GNU\0", 18)))),
            ("not compressed", image(&good)),
            ("cut off", image(&appended)[..1100].to_vec()),
            ("damaged", image(&[&appended[..40], &[0; 60]].concat())),
            ("no image", good.clone()),
            ("nothing", vec![]),
        ] {
            assert_eq!(unpacked(&bytes), None, "{what}");
        }
    }
}

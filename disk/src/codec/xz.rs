//! XZ streams (the .xz file format 1.2.1).

use std::io::{ErrorKind, Read};

use lzma_rust2::XzReader;

use crate::{Error, Result};

/// Memory in KiB that a decoder may take before it has seen any data: twice that of the largest dictionary that squashfs
/// has, 1.5 MiB.
const MAX_MEMORY_KIB: u32 = 3 << 10;

/// Decompresses the one stream that `input` is to the front of `output`, and says how many bytes that gave.
///
/// # Errors
/// `Corrupt` if `input` is no stream, or gives more than `output` can hold; `Unsupported` if it needs too much memory or
/// filters that are not known.
pub(crate) fn decompress(input: &[u8], output: &mut [u8]) -> Result<usize> {
    let mut reader = XzReader::new_mem_limit(input, false, MAX_MEMORY_KIB);
    let mut written = 0_usize;
    let mut after = [0];
    loop {
        let rest = output.get_mut(written..).unwrap_or_default();
        let full = rest.is_empty();
        // The check at the end is only made by a read that could give something.
        let count =
            reader.read(if full { &mut after } else { rest }).map_err(|error| match error.kind() {
                ErrorKind::Unsupported | ErrorKind::OutOfMemory => {
                    Error::unsupported(format!("an XZ stream: {error}"))
                }
                _ => Error::corrupt(format!("an XZ stream: {error}")),
            })?;
        match (count, full) {
            (0, _) => return Ok(written),
            (_, true) => return Err(Error::corrupt("an XZ stream gives more than it should")),
            (count, false) => written = written.saturating_add(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// What `printf 'hello, hello, hello' | xz --check=crc32 --x86 --lzma2=dict=4KiB` gives.
    const STREAM: &[u8] = &[
        0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00, 0x00, 0x01, 0x69, 0x22, 0xDE, 0x36, 0x02, 0x01, 0x04, 0x00, 0x21,
        0x01, 0x00, 0x00, 0xDA, 0x33, 0xAD, 0x03, 0xE0, 0x00, 0x12, 0x00, 0x0C, 0x5D, 0x00, 0x34, 0x19, 0x49,
        0xEE, 0x8D, 0xEF, 0x8C, 0x87, 0x31, 0xEF, 0x90, 0x00, 0x00, 0x9F, 0xA1, 0xCA, 0x09, 0x00, 0x01, 0x24,
        0x13, 0x53, 0x15, 0xD0, 0x55, 0x90, 0x42, 0x99, 0x0D, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5A,
    ];

    #[test]
    fn a_stream_must_fit_and_be_whole() {
        let bytes = b"hello, hello, hello";
        for len in [bytes.len(), bytes.len() + 10] {
            let mut output = vec![0; len];
            assert_eq!(decompress(STREAM, &mut output).unwrap(), bytes.len());
            assert_eq!(&output[..bytes.len()], bytes);
        }
        for len in 0..bytes.len() {
            let error = decompress(STREAM, &mut vec![0; len]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
        for len in 0..STREAM.len() {
            let error = decompress(&STREAM[..len], &mut [0; 100]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{len}");
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        for at in 0..STREAM.len() {
            let mut stream = STREAM.to_vec();
            stream[at] ^= 1;
            decompress(&stream, &mut [0; 100]).unwrap_err();
        }
    }
}

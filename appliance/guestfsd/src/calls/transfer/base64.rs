//! base64 in both directions, as base64(1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bstr::BStr;
use disk::fs::FileType;
use libguestfs_core::Result;
use rustix::fs::OFlags;

use crate::Guestfsd;
use crate::calls::sink::{Gather, Sink, Source};
use crate::calls::writing::data::write_all_at;
use crate::engine::Last;
use crate::error::{At, refused};

/// Bytes in a line: 76 characters.
const LINE: usize = 57;
/// Characters that stand for three bytes.
const GROUP: usize = 4;

/// A decoder of pieces of any size. Line breaks are skipped; anything else that is not of the alphabet ends it.
#[derive(Debug, Default)]
struct Decoder {
    /// Characters whose group is not whole yet.
    rest: Vec<u8>,
}

impl Decoder {
    /// Decodes more characters; `None` if they are not base64.
    fn decode(&mut self, characters: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
        self.rest.extend(characters.iter().filter(|c| **c != b'\n'));
        let whole = self.rest.len() / GROUP * GROUP;
        let mut groups = self.rest.get(..whole)?;
        // After padding, another text can begin.
        while let Some(padding) = groups.iter().position(|c| *c == b'=') {
            let (text, next) = groups.split_at_checked((padding / GROUP + 1) * GROUP)?;
            STANDARD.decode_vec(text, bytes).ok()?;
            groups = next;
        }
        STANDARD.decode_vec(groups, bytes).ok()?;
        self.rest.drain(..whole);
        Some(())
    }

    fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Guestfsd {
    pub(crate) fn base64_in(&mut self, source: &mut dyn Source, path: &BStr) -> Result<()> {
        let target = self.open_any("base64_in", path, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
        let wrong = || refused(format!("{path}: what was sent is not base64"));
        let mut decoder = Decoder::default();
        let mut bytes = Vec::new();
        let mut at = 0;
        while let Some(characters) = source.next()? {
            bytes.clear();
            decoder.decode(characters, &mut bytes).ok_or_else(wrong)?;
            write_all_at(&target, &bytes, at).at(format_args!("write: {path}"))?;
            at = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
        if decoder.is_whole() { Ok(()) } else { Err(wrong()) }
    }

    pub(crate) fn base64_out(&mut self, path: &BStr, out: &mut dyn Sink) -> Result<()> {
        let status = self.tree().status(path, Last::Follow).at(format_args!("stat: {path}"))?;
        if status.metadata.file_type == FileType::Directory {
            return Err(refused(format!("{path}: is a directory")));
        }
        let mut content = self.content(path).at(path)?;
        let mut out = Gather::new(out);
        let mut line = [0; LINE.div_ceil(3) * GROUP + 1];
        let mut send = |bytes: &[u8]| {
            let length = STANDARD.encode_slice(bytes, &mut line).unwrap_or(0);
            if let Some(end) = line.get_mut(length) {
                *end = b'\n';
            }
            out.write(line.get(..=length).unwrap_or_default())
        };
        // The end of one piece whose line goes on in the next.
        let mut rest: Vec<u8> = Vec::with_capacity(LINE);
        let length = content.len();
        content.pass(path, 0, length, &mut |mut bytes| {
            if !rest.is_empty() {
                let (first, others) = bytes.split_at(bytes.len().min(LINE.saturating_sub(rest.len())));
                rest.extend_from_slice(first);
                bytes = others;
                if rest.len() == LINE {
                    send(&rest)?;
                    rest.clear();
                }
            }
            let lines = bytes.chunks_exact(LINE);
            rest.extend_from_slice(lines.remainder());
            lines.into_iter().try_for_each(&mut send)
        })?;
        if !rest.is_empty() {
            send(&rest)?;
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_are_decoded() {
        let decoded = |text: &str, size: usize| {
            let (mut decoder, mut bytes) = (Decoder::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                decoder.decode(piece, &mut bytes)?;
            }
            decoder.is_whole().then(|| String::from_utf8(bytes).unwrap())
        };
        for size in [1, 2, 3, 5, 100] {
            assert_eq!(decoded("aGVs\nbG8=\n", size).as_deref(), Some("hello"));
            assert_eq!(decoded("YQ==YmM=", size).as_deref(), Some("abc"));
            assert_eq!(decoded("", size).as_deref(), Some(""));
            for wrong in ["aGVsbG8", "aGVs bG8=", "not!", "====", "a===", "aG=s"] {
                assert_eq!(decoded(wrong, size), None, "{wrong}");
            }
        }
    }
}

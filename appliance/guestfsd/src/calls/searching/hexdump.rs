//! `hexdump`, as `hexdump -C` shows a file.

use std::fmt::Write;

use bstr::{BStr, BString};
use libguestfs_core::Result;

use crate::Guestfsd;
use crate::calls::account;
use crate::error::At;

/// Bytes in a line.
const LINE: usize = 16;
/// Length of a line of text at most.
const TEXT: usize = 79;

/// Lines being made. Of several equal ones in a row, the first is shown and a `*`.
#[derive(Debug, Default)]
struct Dump {
    text: String,
    offset: u64,
    last: Option<Vec<u8>>,
    repeated: bool,
    size: usize,
}

impl Dump {
    fn line(&mut self, bytes: &[u8]) -> Result<()> {
        let offset = self.offset;
        self.offset = self.offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.last.as_deref() == Some(bytes) {
            if !self.repeated {
                self.text.push_str("*\n");
            }
            self.repeated = true;
            return Ok(());
        }
        account(&mut self.size, TEXT)?;
        self.repeated = false;
        self.last = Some(bytes.to_vec());
        let _infallible = write!(self.text, "{offset:08x}");
        for at in 0..LINE {
            self.text.push_str(if at % 8 == 0 { "  " } else { " " });
            match bytes.get(at) {
                Some(byte) => _ = write!(self.text, "{byte:02x}"),
                None => self.text.push_str("  "),
            }
        }
        self.text.push_str("  |");
        self.text.extend(
            bytes.iter().map(|&byte| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' }),
        );
        self.text.push_str("|\n");
        Ok(())
    }

    fn finish(mut self) -> String {
        if self.offset > 0 {
            let _infallible = writeln!(self.text, "{:08x}", self.offset);
        }
        self.text
    }
}

impl Guestfsd {
    pub(crate) fn hexdump(&mut self, path: &BStr) -> Result<BString> {
        let mut content = self.content(path).at(path)?;
        let mut dump = Dump::default();
        let mut rest: Vec<u8> = Vec::with_capacity(LINE);
        let length = content.len();
        content.pass(path, 0, length, &mut |mut bytes| {
            if !rest.is_empty() {
                let (first, others) = bytes.split_at(bytes.len().min(LINE.saturating_sub(rest.len())));
                rest.extend_from_slice(first);
                bytes = others;
                if rest.len() < LINE {
                    return Ok(());
                }
                dump.line(&rest)?;
                rest.clear();
            }
            let lines = bytes.chunks_exact(LINE);
            rest.extend_from_slice(lines.remainder());
            lines.into_iter().try_for_each(|line| dump.line(line))
        })?;
        if !rest.is_empty() {
            dump.line(&rest)?;
        }
        Ok(dump.finish().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_are_shown_once() {
        let mut dump = Dump::default();
        for line in [&b"hello\nworld\nHell"[..], &[0; 16], &[0; 16], &[0; 16], b"o again\n"] {
            dump.line(line).unwrap();
        }
        assert_eq!(
            dump.finish(),
            "00000000  68 65 6c 6c 6f 0a 77 6f  72 6c 64 0a 48 65 6c 6c  |hello.world.Hell|\n\
             00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n\
             *\n\
             00000040  6f 20 61 67 61 69 6e 0a                           |o again.|\n\
             00000048\n"
        );
        assert_eq!(Dump::default().finish(), "");
    }
}

//! `strings`: runs of characters that print, as strings(1) of binutils finds them.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;

use crate::Guestfsd;
use crate::calls::{MAX_RESULT, account};
use crate::error::{At, refused};

/// Shortest run that is shown.
const SHORTEST: usize = 4;

/// How characters are stored.
#[derive(Debug, Clone, Copy)]
struct Encoding {
    /// Bytes of a character.
    width: usize,
    big_endian: bool,
    /// Do bytes from 128 on print?
    eight_bits: bool,
}

impl Encoding {
    fn named(name: &BStr) -> Option<Encoding> {
        let (width, big_endian, eight_bits) = match name.as_bytes() {
            b"s" => (1, false, false),
            b"S" => (1, false, true),
            b"b" => (2, true, false),
            b"l" => (2, false, false),
            b"B" => (4, true, false),
            b"L" => (4, false, false),
            _ => return None,
        };
        Some(Encoding { width, big_endian, eight_bits })
    }

    /// The character that `bytes` begin with, if it prints.
    fn printing(self, bytes: &[u8]) -> Option<u8> {
        let (zeros, byte) = if self.big_endian {
            let (byte, zeros) = bytes.split_last()?;
            (zeros, byte)
        } else {
            let (byte, zeros) = bytes.split_first()?;
            (zeros, byte)
        };
        let prints = matches!(byte, b'\t' | b' '..=b'~') || (self.eight_bits && *byte >= 0x80);
        (prints && zeros.iter().all(|zero| *zero == 0)).then_some(*byte)
    }
}

/// Runs being found.
struct Finder {
    encoding: Encoding,
    run: Vec<u8>,
    found: Vec<BString>,
    size: usize,
}

impl Finder {
    /// Looks through `bytes` and says how many it has taken: not a character that is not whole.
    fn take(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut at = 0usize;
        while let Some(character) = bytes.get(at..at.saturating_add(self.encoding.width)) {
            match self.encoding.printing(character) {
                Some(byte) => {
                    // A result can't be longer than a message, so neither can a run.
                    if self.run.len() >= MAX_RESULT {
                        self.end_run()?;
                    }
                    self.run.push(byte);
                    at = at.saturating_add(self.encoding.width);
                }
                None => {
                    self.end_run()?;
                    // The next character can begin at any byte.
                    at = at.saturating_add(1);
                }
            }
        }
        Ok(at)
    }

    fn end_run(&mut self) -> Result<()> {
        if self.run.len() >= SHORTEST {
            account(&mut self.size, self.run.len())?;
            self.found.push(std::mem::take(&mut self.run).into());
        }
        self.run.clear();
        Ok(())
    }
}

impl Guestfsd {
    pub(crate) fn strings(&mut self, path: &BStr) -> Result<Vec<BString>> {
        self.strings_e("s".into(), path)
    }

    pub(crate) fn strings_e(&mut self, encoding: &BStr, path: &BStr) -> Result<Vec<BString>> {
        let encoding =
            Encoding::named(encoding).ok_or_else(|| refused(format!("{encoding}: invalid encoding")))?;
        let mut content = self.content(path).at(path)?;
        let mut finder = Finder { encoding, run: Vec::new(), found: Vec::new(), size: 0 };
        let mut rest: Vec<u8> = Vec::new();
        let length = content.len();
        content.pass(path, 0, length, &mut |bytes| {
            rest.extend_from_slice(bytes);
            let taken = finder.take(&rest)?;
            rest.drain(..taken);
            Ok(())
        })?;
        finder.end_run()?;
        Ok(finder.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_in_each_encoding() {
        let found = |encoding: &str, bytes: &[u8]| {
            let encoding = Encoding::named(encoding.into()).unwrap();
            let mut finder = Finder { encoding, run: Vec::new(), found: Vec::new(), size: 0 };
            finder.take(bytes).unwrap();
            finder.end_run().unwrap();
            bstr::join("|", finder.found)
        };
        // As Debian's daemon found them.
        let bytes = b"a\0bcde\0\x01fghi\njkl mno\tpq\n\0\xff";
        assert_eq!(found("s", bytes), b"bcde|fghi|jkl mno\tpq");
        assert_eq!(found("b", bytes), b"");
        assert_eq!(found("l", b"w\0i\0d\0e\0l\0o\0n\0g\0"), b"widelong");
        assert_eq!(found("l", b"xxxw\0i\0d\0e\0"), b"wide");
        assert_eq!(found("b", b"\0w\0i\0d\0e"), b"wide");
        assert_eq!(found("L", b"w\0\0\0i\0\0\0d\0\0\0e\0\0\0f\0"), b"wide");
        assert_eq!(found("s", b"abc\xe9d"), b"");
        assert_eq!(found("S", b"abc\xe9d"), b"abc\xe9d");
        assert!(Encoding::named("x".into()).is_none());
    }
}

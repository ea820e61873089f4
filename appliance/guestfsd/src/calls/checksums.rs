//! Checksums, as the programs of coreutils print them.

use bstr::{BStr, BString, ByteSlice};
use disk::fs::FileType;
use libguestfs_core::Result;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::content::Content;
use super::sink::{Gather, Sink};
use super::walk::walk;
use crate::Guestfsd;
use crate::error::{At, refused};

/// One sum being made.
trait Sum {
    fn update(&mut self, bytes: &[u8]);
    /// The sum as it is printed.
    fn finish(self: Box<Self>) -> String;
}

impl<D: Digest> Sum for D {
    fn update(&mut self, bytes: &[u8]) {
        Digest::update(self, bytes);
    }

    fn finish(self: Box<Self>) -> String {
        self.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The sum of cksum(1): POSIX's CRC, over the bytes and then their number.
struct Crc {
    state: u32,
    count: u64,
}

/// The generator of POSIX's cksum.
const CRC_POLYNOMIAL: u32 = 0x04c1_1db7;

/// The effect of each top byte on the state, then of that byte followed by one to three zero bytes.
static CRC_TABLES: [[u32; 256]; 4] = crc_tables();

const fn crc_tables() -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut value = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 { value << 1 } else { (value << 1) ^ CRC_POLYNOMIAL };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut further = 1;
    while further < 4 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[further - 1][byte];
            tables[further][byte] = (before << 8) ^ tables[0][(before >> 24) as usize];
            byte += 1;
        }
        further += 1;
    }
    tables
}

impl Crc {
    fn byte(&mut self, byte: u8) {
        let [top, ..] = self.state.to_be_bytes();
        self.state = (self.state << 8) ^ CRC_TABLES[0][usize::from(top ^ byte)];
    }
}

impl Sum for Crc {
    fn update(&mut self, bytes: &[u8]) {
        self.count = self.count.wrapping_add(u64::try_from(bytes.len()).unwrap_or(0));
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            let [a, b, c, d] = (self.state ^ u32::from_be_bytes(*word)).to_be_bytes().map(usize::from);
            self.state = CRC_TABLES[3][a] ^ CRC_TABLES[2][b] ^ CRC_TABLES[1][c] ^ CRC_TABLES[0][d];
        }
        for &byte in rest {
            self.byte(byte);
        }
    }

    fn finish(mut self: Box<Self>) -> String {
        // The number goes in with its lowest byte first, without leading zeros.
        let mut count = self.count;
        while count != 0 {
            let [lowest, ..] = count.to_le_bytes();
            self.byte(lowest);
            count >>= 8;
        }
        (!self.state).to_string()
    }
}

/// Starts a sum, with the name of the program that makes it.
fn start(kind: &BStr) -> Result<(Box<dyn Sum>, &'static str)> {
    Ok(match kind.as_bytes() {
        b"crc" => (Box::new(Crc { state: 0, count: 0 }), "cksum"),
        b"md5" => (Box::new(Md5::new()), "md5sum"),
        b"sha1" => (Box::new(Sha1::new()), "sha1sum"),
        b"sha224" => (Box::new(Sha224::new()), "sha224sum"),
        b"sha256" => (Box::new(Sha256::new()), "sha256sum"),
        b"sha384" => (Box::new(Sha384::new()), "sha384sum"),
        b"sha512" => (Box::new(Sha512::new()), "sha512sum"),
        _ => {
            return Err(refused("unknown checksum type, expecting crc|md5|sha1|sha224|sha256|sha384|sha512"));
        }
    })
}

fn sum(mut sum: Box<dyn Sum>, content: &mut Content<'_>, place: &BStr) -> Result<String> {
    let len = content.len();
    content.pass(place, 0, len, &mut |bytes| {
        sum.update(bytes);
        Ok(())
    })?;
    Ok(sum.finish())
}

impl Guestfsd {
    pub(crate) fn checksum(&mut self, kind: &BStr, path: &BStr) -> Result<BString> {
        let (empty, program) = start(kind)?;
        let mut content = self.standard_input(path, program, &format!("{program}: -"))?;
        Ok(sum(empty, &mut content, path)?.into())
    }

    pub(crate) fn checksum_device(&mut self, kind: &BStr, device: &BStr) -> Result<BString> {
        let (empty, _) = start(kind)?;
        Ok(sum(empty, &mut self.device_content(device)?, device)?.into())
    }

    pub(crate) fn checksums_out(&mut self, kind: &BStr, directory: &BStr, out: &mut dyn Sink) -> Result<()> {
        start(kind)?;
        let mut out = Gather::new(out);
        walk(self.tree(), directory, &mut |visit| {
            if visit.file_type != FileType::Regular {
                return Ok(());
            }
            let mut content = Content::File(visit.directory.open(visit.name).at(visit.path)?);
            let len = content.len();
            let sum = sum(start(kind)?.0, &mut content, visit.path)?;
            out.write(&sum_line(kind, &sum, len, visit.path))
        })?;
        out.flush()
    }
}

/// A line of the output of `md5sum` or `cksum` for the file `./path`.
fn sum_line(kind: &BStr, sum: &str, len: u64, path: &BStr) -> Vec<u8> {
    let mut line = Vec::new();
    if kind == "crc" {
        line.extend_from_slice(format!("{sum} {len} ./").as_bytes());
        line.extend_from_slice(path);
        line.push(b'\n');
        return line;
    }
    // A name with a backslash or line break is escaped, and the line says so by a backslash in front.
    let special = path.iter().any(|b| matches!(b, b'\\' | b'\n' | b'\r'));
    if special {
        line.push(b'\\');
    }
    line.extend_from_slice(format!("{sum}  ./").as_bytes());
    for &byte in path.iter() {
        match byte {
            b'\\' => line.extend_from_slice(br"\\"),
            b'\n' => line.extend_from_slice(br"\n"),
            b'\r' => line.extend_from_slice(br"\r"),
            byte => line.push(byte),
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_coreutils() {
        let made = |kind: &str, bytes: &[u8]| {
            let (mut sum, _) = start(kind.into()).unwrap();
            // In two parts of odd sizes, as files may come.
            let (a, b) = bytes.split_at(bytes.len().min(3));
            sum.update(a);
            sum.update(b);
            sum.finish()
        };
        assert_eq!(made("crc", b""), "4294967295");
        assert_eq!(made("crc", b"hello\n"), "3015617425");
        assert_eq!(made("crc", &[7; 1000]), "1612108470");
        assert_eq!(made("md5", b"hello\n"), "b1946ac92492d2347c6235b4d2611184");
        assert_eq!(made("sha1", b"hello\n"), "f572d396fae9206628714fb2ce00f72e94f2258f");
        assert_eq!(
            made("sha256", b"hello\n"),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(made("sha224", b""), "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f");
        assert!(start("gost".into()).is_err());
    }

    #[test]
    fn names_that_would_break_the_list_are_escaped() {
        let line =
            |kind: &str, path: &str| String::from_utf8(sum_line(kind.into(), "00", 5, path.into())).unwrap();
        assert_eq!(line("md5", "a b"), "00  ./a b\n");
        assert_eq!(line("md5", "a\nb\\"), "\\00  ./a\\nb\\\\\n");
        assert_eq!(line("crc", "a\nb"), "00 5 ./a\nb\n");
    }
}

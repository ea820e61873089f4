//! Tar archives, as a handle reads them from a daemon and a daemon from its caller.

use std::io::{self, Write};
use std::ops::Range;

use libguestfs_core::tar::{BLOCK, END, Entry, Kind, MAX_PIECES, Parser, Receive, Remark, encode, padding};

/// What a parser told: data by its place only.
#[derive(Debug, Default, PartialEq)]
struct Told {
    entries: Vec<Entry>,
    data: Vec<(usize, Range<u64>)>,
    remarks: usize,
    bytes: usize,
}

impl Receive for Told {
    fn entry(&mut self, entry: Entry) -> io::Result<()> {
        assert!(!entry.path.contains(&0) && !entry.link.contains(&0), "names have no NUL");
        assert!(entry.pieces.as_ref().is_none_or(|pieces| pieces.len() <= MAX_PIECES));
        self.entries.push(entry);
        Ok(())
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = offset.saturating_add(length);
        let size = self.entries.last().map(|entry| entry.size);
        assert!(size.is_some_and(|size| end <= size), "data lies past the end of its file, or is of none");
        self.bytes += bytes.len();
        let number = self.entries.len();
        match self.data.last_mut() {
            // Where one piece ends is up to the input's own pieces.
            Some((of, range)) if *of == number && range.end == offset => range.end = end,
            Some((of, range)) if *of == number => {
                assert!(range.end < offset, "pieces come in ascending order");
                self.data.push((number, offset..end));
            }
            _ => self.data.push((number, offset..end)),
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn remark(&mut self, _: Remark) -> io::Result<()> {
        self.remarks += 1;
        Ok(())
    }
}

fn parse(data: &[u8], piece: usize) -> (Told, bool, bool) {
    let mut parser = Parser::new(Told::default());
    let accepted = data.chunks(piece).all(|piece| parser.write_all(piece).is_ok());
    let complete = parser.is_complete();
    (parser.into_receiver(), accepted, complete)
}

/// An archive gives the same in whatever pieces it comes, and nothing that it does not hold.
pub(crate) fn archive(data: &[u8]) {
    let whole = parse(data, data.len().max(1));
    assert!(whole.0.bytes <= data.len(), "more data than the archive holds");
    assert_eq!(parse(data, 61), whole, "what comes depends on the pieces that the archive is cut into");
}

/// A small archive with several kinds of entries.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let file = Entry { size: 700, ..Entry::new("directory/file", Kind::Regular) };
    let long = Entry { link: "t".repeat(150).into(), ..Entry::new("n".repeat(200), Kind::Symlink) };
    let sparse = Entry {
        size: 1 << 20,
        pieces: Some(vec![4096..4200, 8192..8500]),
        xattrs: vec![("user.x".into(), b"value\n".to_vec())],
        ..Entry::new("sparse", Kind::Regular)
    };
    let mut bytes = Vec::new();
    for entry in [Entry::new("directory", Kind::Directory), file, long, sparse] {
        if encode(&entry, &mut bytes).is_err() {
            continue;
        }
        let length = entry.data_len();
        let end = bytes.len() + usize::try_from(length).unwrap_or(0);
        bytes.resize(end, b'd');
        bytes.resize(end + padding(length), 0);
    }
    debug_assert_eq!(bytes.len() % BLOCK, 0);
    bytes.extend_from_slice(&END);
    vec![bytes]
}

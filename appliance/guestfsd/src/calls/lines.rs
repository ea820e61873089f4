//! Lines and words of text files: head, tail, wc.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::{Error, Result};
use nix::errno::Errno;

use super::account;
use super::content::{BUFFER, Content};
use crate::Guestfsd;
use crate::error::{At, strerror};

/// Lines that head and tail give when no number is asked for.
const DEFAULT_LINES: i32 = 10;

/// Which lines of a file.
#[derive(Debug, Clone, Copy)]
enum Lines {
    First(u64),
    AllButLast(u64),
    Last(u64),
    From(u64),
}

impl Guestfsd {
    pub(crate) fn head(&mut self, path: &BStr) -> Result<Vec<BString>> {
        self.head_n(DEFAULT_LINES, path)
    }

    pub(crate) fn head_n(&mut self, nrlines: i32, path: &BStr) -> Result<Vec<BString>> {
        let count = u64::from(nrlines.unsigned_abs());
        self.lines(path, "head", if nrlines < 0 { Lines::AllButLast(count) } else { Lines::First(count) })
    }

    pub(crate) fn tail(&mut self, path: &BStr) -> Result<Vec<BString>> {
        self.tail_n(DEFAULT_LINES, path)
    }

    pub(crate) fn tail_n(&mut self, nrlines: i32, path: &BStr) -> Result<Vec<BString>> {
        let count = u64::from(nrlines.unsigned_abs());
        self.lines(path, "tail", if nrlines < 0 { Lines::From(count) } else { Lines::Last(count) })
    }

    /// Opens `path` for a program that would read it on its standard input.
    pub(super) fn standard_input(&self, path: &BStr, program: &str, message: &str) -> Result<Content<'_>> {
        self.content(path).map_err(|failure| match failure.errno() {
            Errno::EISDIR => {
                Error::daemon(Errno::EISDIR, format!("{program}: {message}: {}", strerror(Errno::EISDIR)))
            }
            _ => failure.at(path),
        })
    }

    fn lines(&self, path: &BStr, program: &str, which: Lines) -> Result<Vec<BString>> {
        let mut content =
            self.standard_input(path, program, &format!("{program}: error reading 'standard input'"))?;
        let total = match which {
            Lines::First(count) => return collect(&mut content, path, 0, count),
            Lines::From(first) => return collect(&mut content, path, first.saturating_sub(1), u64::MAX),
            // These count from the end: first all lines are counted, then the wanted ones read.
            Lines::AllButLast(_) | Lines::Last(_) => count_lines(&mut content, path)?,
        };
        match which {
            Lines::AllButLast(count) => collect(&mut content, path, 0, total.saturating_sub(count)),
            Lines::Last(count) => collect(&mut content, path, total.saturating_sub(count), count),
            Lines::First(_) | Lines::From(_) => Ok(Vec::new()),
        }
    }

    pub(crate) fn wc_l(&mut self, path: &BStr) -> Result<i32> {
        let mut lines = 0u64;
        self.words(path, "wc -l", &mut |bytes| lines += count_newlines(bytes))?;
        Ok(as_int(lines))
    }

    /// Words as wc counts them in the C locale: a run of characters that print, ended by a space.
    pub(crate) fn wc_w(&mut self, path: &BStr) -> Result<i32> {
        let mut words = 0u64;
        let mut in_word = false;
        self.words(path, "wc -w", &mut |bytes| {
            for &byte in bytes {
                if byte.is_ascii_whitespace() || byte == 0x0b {
                    words += u64::from(in_word);
                    in_word = false;
                } else if byte.is_ascii_graphic() {
                    in_word = true;
                }
            }
        })?;
        Ok(as_int(words + u64::from(in_word)))
    }

    pub(crate) fn wc_c(&mut self, path: &BStr) -> Result<i32> {
        let message = "wc: 'standard input'";
        Ok(as_int(self.standard_input(path, "wc -c", message)?.len()))
    }

    fn words(&self, path: &BStr, program: &str, each: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut content = self.standard_input(path, program, "wc: 'standard input'")?;
        let len = content.len();
        content.pass(path, 0, len, &mut |bytes| {
            each(bytes);
            Ok(())
        })
    }
}

fn as_int(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn count_newlines(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.find_iter(b"\n").count()).unwrap_or(u64::MAX)
}

/// How many lines there are; an unfinished last one counts.
fn count_lines(content: &mut Content<'_>, path: &BStr) -> Result<u64> {
    let mut lines = 0;
    let mut finished = true;
    let len = content.len();
    content.pass(path, 0, len, &mut |bytes| {
        lines += count_newlines(bytes);
        finished = bytes.last().is_none_or(|&last| last == b'\n');
        Ok(())
    })?;
    Ok(lines + u64::from(!finished))
}

/// The lines from number `first` (from 0) on, at most `count`.
fn collect(content: &mut Content<'_>, path: &BStr, first: u64, count: u64) -> Result<Vec<BString>> {
    let mut lines = Vec::new();
    if count == 0 {
        return Ok(lines);
    }
    let mut size = 0;
    let mut line = BString::default();
    let mut number = 0u64;
    let mut at = 0u64;
    let mut buf = vec![0; BUFFER.min(usize::try_from(content.len()).unwrap_or(usize::MAX)).max(1)];
    loop {
        let read = content.read(at, &mut buf).at(path)?;
        if read == 0 {
            break;
        }
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        for piece in buf.get(..read).unwrap_or_default().split_inclusive(|&b| b == b'\n') {
            let ended = piece.ends_with(b"\n");
            if number >= first {
                let text = if ended { piece.strip_suffix(b"\n").unwrap_or(piece) } else { piece };
                account(&mut size, text.len())?;
                line.extend_from_slice(text);
            }
            if ended {
                if number >= first {
                    lines.push(std::mem::take(&mut line));
                    if u64::try_from(lines.len()).unwrap_or(u64::MAX) == count {
                        return Ok(lines);
                    }
                }
                number += 1;
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    Ok(lines)
}

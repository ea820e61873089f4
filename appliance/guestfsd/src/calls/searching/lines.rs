//! grep and its relatives: the lines of a file that match.

use std::io::{self, Read, Write};

use bstr::{BStr, BString, ByteSlice};
use flate2::bufread::MultiGzDecoder;
use libguestfs_core::api::GrepOpts;
use libguestfs_core::{Error, Result};
use regex::bytes::{Regex, RegexBuilder};

use super::Bytes;
use super::decompress::{Ahead, Form, MAGIC_LEN, form};
use super::pattern::{Syntax, translate};
use crate::Guestfsd;
use crate::calls::account;
use crate::error::refused;
use crate::program::Program;

/// Bytes read at a time: what GNU grep 3.8 reads, which looks for a NUL in each of these parts.
const BUFFER: usize = 96 << 10;
/// Longest line. One that matches could not be sent if it were longer.
const MAX_LINE: usize = 64 << 20;

/// What is looked for, and how.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    pattern: &'a BStr,
    syntax: Syntax,
    insensitive: bool,
    compressed: bool,
}

impl Guestfsd {
    pub(crate) fn grep(&mut self, regex: &BStr, path: &BStr, opts: &GrepOpts) -> Result<Vec<BString>> {
        let on = |option: Option<bool>| option.unwrap_or(false);
        let syntax = match (on(opts.extended), on(opts.fixed)) {
            (true, true) => return Err(refused("can't use 'extended' and 'fixed' flags at the same time")),
            (true, false) => Syntax::Extended,
            (false, true) => Syntax::Fixed,
            (false, false) => Syntax::Basic,
        };
        let (insensitive, compressed) = (on(opts.insensitive), on(opts.compressed));
        self.matching(path, Wanted { pattern: regex, syntax, insensitive, compressed })
    }

    fn matching(&self, path: &BStr, wanted: Wanted<'_>) -> Result<Vec<BString>> {
        let content =
            self.standard_input(path, wanted.pattern.to_str_lossy().as_ref(), "grep: (standard input)")?;
        let mut from = Ahead::new(Bytes::new(content, path));
        let start = if wanted.compressed { from.peek(MAGIC_LEN).map(form) } else { Ok(Form::Plain) };
        let found = match start {
            Ok(Form::Gzip) => self.search(&mut MultiGzDecoder::new(&mut from), path, wanted),
            Ok(Form::Foreign("compress")) => {
                Err(Error::needs_appliance(format!("{path}: a file of compress(1)")))
            }
            // zgrep takes anything else as it is.
            Ok(_) => self.search(&mut from, path, wanted),
            Err(e) => Err(Error::io(path.to_string(), e)),
        };
        match from.into_inner().failure {
            Some(failure) => Err(failure),
            None => found,
        }
    }

    fn search(&self, from: &mut dyn Read, path: &BStr, wanted: Wanted<'_>) -> Result<Vec<BString>> {
        let regex = translate(wanted.pattern, wanted.syntax)
            .and_then(|text| RegexBuilder::new(&text).case_insensitive(wanted.insensitive).build().ok());
        match regex {
            Some(regex) => in_lines(from, &regex, path),
            None if self.engine.kernel().is_none() => {
                let why = format!("{}: a regular expression for grep(1)", wanted.pattern);
                Err(Error::needs_appliance(why))
            }
            None => by_program(from, wanted),
        }
    }
}

/// The lines that match. As grep(1), none from where a NUL shows that this is no text.
fn in_lines(from: &mut dyn Read, regex: &Regex, path: &BStr) -> Result<Vec<BString>> {
    let mut found = Vec::new();
    let mut size = 0;
    let mut take = |line: &[u8]| -> Result<()> {
        if regex.is_match(line) {
            account(&mut size, line.len())?;
            found.push(line.into());
        }
        Ok(())
    };
    let mut rest: Vec<u8> = Vec::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(refused(format!("{path}: {e}"))),
        };
        let read = buffer.get(..count).unwrap_or_default();
        if count == 0 {
            if !rest.is_empty() {
                take(&rest)?;
            }
            return Ok(found);
        }
        if read.contains(&0) {
            return Ok(found);
        }
        let Some(last) = read.rfind_byte(b'\n') else {
            rest.extend_from_slice(read);
            if rest.len() > MAX_LINE {
                return Err(refused(format!("{path}: a line is longer than {MAX_LINE} bytes")));
            }
            continue;
        };
        let (whole, begun) = read.split_at(last);
        for line in whole.split(|byte| *byte == b'\n') {
            if rest.is_empty() {
                take(line)?;
            } else {
                rest.extend_from_slice(line);
                take(&rest)?;
                rest.clear();
            }
        }
        rest.extend_from_slice(begun.get(1..).unwrap_or_default());
    }
}

fn by_program(from: &mut dyn Read, wanted: Wanted<'_>) -> Result<Vec<BString>> {
    let syntax = match wanted.syntax {
        Syntax::Basic => "-G",
        Syntax::Extended => "-E",
        Syntax::Fixed => "-F",
    };
    let mut grep = Program::new("grep").arg(syntax);
    if wanted.insensitive {
        grep = grep.arg("-i");
    }
    let mut printed = Vec::new();
    let mut size = 0;
    let feed = |to: &mut (dyn Write + Send)| match io::copy(from, to) {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::io("reading", e)),
    };
    let take = |bytes: &[u8]| {
        account(&mut size, bytes.len())?;
        printed.extend_from_slice(bytes);
        Ok(())
    };
    let ended = grep.arg("-e").arg(wanted.pattern).between(wanted.pattern, feed, take)?;
    // 1 says that nothing matches.
    if !matches!(ended.status.code(), Some(0 | 1)) {
        return Err(ended.error(wanted.pattern, "grep"));
    }
    Ok(printed.lines().map(BString::from).collect())
}

/// The calls that are older than `grep` with options: name, form, without regard to case, decompressed.
macro_rules! relatives {
    ($($call:ident: $syntax:ident, $insensitive:literal, $compressed:literal;)*) => {
        impl Guestfsd {
            $(pub(crate) fn $call(&mut self, pattern: &BStr, path: &BStr) -> Result<Vec<BString>> {
                let (insensitive, compressed) = ($insensitive, $compressed);
                self.matching(path, Wanted { pattern, syntax: Syntax::$syntax, insensitive, compressed })
            })*
        }
    };
}

relatives! {
    egrep: Extended, false, false;
    fgrep: Fixed, false, false;
    grepi: Basic, true, false;
    egrepi: Extended, true, false;
    fgrepi: Fixed, true, false;
    zgrep: Basic, false, true;
    zegrep: Extended, false, true;
    zfgrep: Fixed, false, true;
    zgrepi: Basic, true, true;
    zegrepi: Extended, true, true;
    zfgrepi: Fixed, true, true;
}

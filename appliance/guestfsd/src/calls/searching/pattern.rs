//! POSIX's regular expressions, with GNU's additions, in the form of the regex crate.
//!
//! Bytes are characters, as grep(1) has it in the C locale of the daemon. Only what is surely understood is translated: for
//! anything else (references back, mistakes, what POSIX leaves undefined) the answer is `None`, and grep itself is asked.
//!
//! Source: POSIX.1-2017 chapter 9; the manual of GNU grep, "Regular Expressions".

use std::fmt::Write;

/// Longest count of repetitions: `RE_DUP_MAX` of POSIX. The regex crate bounds what a pattern may take.
const MAX_REPETITIONS: u32 = 255;

/// The two forms, and none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Basic,
    Extended,
    Fixed,
}

/// A branch or group that is being read.
#[derive(Debug, Default)]
struct Level {
    /// Branches before this one, each ended by `|`.
    before: String,
    /// Atoms of this branch with what repeats them.
    atoms: Vec<String>,
    /// Can the last atom be repeated?
    repeatable: bool,
}

impl Level {
    fn push(&mut self, atom: String) {
        self.atoms.push(atom);
        self.repeatable = true;
    }

    fn anchor(&mut self, anchor: &str) {
        self.atoms.push(anchor.to_owned());
        self.repeatable = false;
    }

    fn repeat(&mut self, how: &str) -> Option<()> {
        if !self.repeatable {
            return None;
        }
        let atom = self.atoms.pop()?;
        self.atoms.push(format!("(?:{atom}){how}"));
        Some(())
    }

    fn next_branch(&mut self) {
        let atoms = std::mem::take(&mut self.atoms);
        self.before.extend(atoms);
        self.before.push('|');
        self.repeatable = false;
    }

    fn whole(self) -> String {
        let mut text = self.before;
        text.extend(self.atoms);
        text
    }
}

/// One byte as itself.
fn literal(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!(r"\x{byte:02x}") }
}

/// A pattern as the regex crate takes it. Newlines separate patterns of which any may match.
pub(super) fn translate(pattern: &[u8], syntax: Syntax) -> Option<String> {
    let mut all = Vec::new();
    for line in pattern.split(|byte| *byte == b'\n') {
        all.push(match syntax {
            Syntax::Fixed => line.iter().copied().map(literal).collect(),
            _ => Reader { rest: line, extended: syntax == Syntax::Extended, levels: vec![Level::default()] }
                .read()?,
        });
    }
    Some(format!("(?-u:{})", all.join("|")))
}

struct Reader<'p> {
    rest: &'p [u8],
    extended: bool,
    levels: Vec<Level>,
}

/// What a character means, with or without a backslash before it.
#[derive(Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Or,
    Repeat(&'static str),
    Interval,
    Byte(u8),
    Start,
    End,
    Any,
    Bracket,
    /// In the words of the regex crate: of a character, or between two.
    Class(&'static str),
    Boundary(&'static str),
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn token(&mut self) -> Option<Token> {
        let byte = self.next()?;
        let (escaped, byte) = if byte == b'\\' { (true, self.next()?) } else { (false, byte) };
        // In a basic expression these are special with a backslash, in an extended one without.
        let special = escaped != self.extended;
        Some(match byte {
            b'(' if special => Token::Open,
            b')' if special => Token::Close,
            b'|' if special => Token::Or,
            b'+' if special => Token::Repeat("+"),
            b'?' if special => Token::Repeat("?"),
            b'{' if special => Token::Interval,
            b'*' if !escaped => Token::Repeat("*"),
            b'^' if !escaped => Token::Start,
            b'$' if !escaped => Token::End,
            b'.' if !escaped => Token::Any,
            b'[' if !escaped => Token::Bracket,
            byte if !escaped => Token::Byte(byte),
            b'w' => Token::Class(r"\w"),
            b'W' => Token::Class(r"\W"),
            b's' => Token::Class(r"\s"),
            b'S' => Token::Class(r"\S"),
            b'b' => Token::Boundary(r"\b"),
            b'B' => Token::Boundary(r"\B"),
            b'<' => Token::Boundary(r"\b{start}"),
            b'>' => Token::Boundary(r"\b{end}"),
            byte if byte.is_ascii_punctuation() => Token::Byte(byte),
            // A reference back, or a backslash without a meaning.
            _ => return None,
        })
    }

    fn read(mut self) -> Option<String> {
        while !self.rest.is_empty() {
            let token = self.token()?;
            let at_start = self.levels.last()?.atoms.is_empty();
            let at_end =
                self.rest.is_empty() || (!self.extended && matches!(self.rest, [b'\\', b')' | b'|', ..]));
            match token {
                Token::Open => self.levels.push(Level::default()),
                Token::Close => {
                    let inner = self.levels.pop()?.whole();
                    self.levels.last_mut()?.push(format!("(?:{inner})"));
                }
                Token::Or => self.levels.last_mut()?.next_branch(),
                // A literal at the start of a basic expression; undefined in an extended one.
                Token::Repeat("*") if !self.extended && self.starts() => {
                    self.levels.last_mut()?.push(literal(b'*'));
                }
                Token::Repeat(how) => self.levels.last_mut()?.repeat(how)?,
                Token::Interval => {
                    let how = self.interval()?;
                    self.levels.last_mut()?.repeat(&how)?;
                }
                Token::Start if self.extended || at_start => self.levels.last_mut()?.anchor("^"),
                Token::End if self.extended || at_end => self.levels.last_mut()?.anchor("$"),
                Token::Start => self.levels.last_mut()?.push(literal(b'^')),
                Token::End => self.levels.last_mut()?.push(literal(b'$')),
                Token::Any => self.levels.last_mut()?.push(".".to_owned()),
                Token::Bracket => {
                    let class = self.bracket()?;
                    self.levels.last_mut()?.push(class);
                }
                Token::Class(class) => self.levels.last_mut()?.push(class.to_owned()),
                Token::Boundary(boundary) => self.levels.last_mut()?.anchor(boundary),
                Token::Byte(byte) => self.levels.last_mut()?.push(literal(byte)),
            }
        }
        let whole = self.levels.pop()?.whole();
        // A group that has no end.
        self.levels.is_empty().then_some(whole)
    }

    /// Is there nothing yet in this branch but an anchor?
    fn starts(&self) -> bool {
        self.levels.last().is_some_and(|level| level.atoms.iter().all(|atom| atom == "^"))
    }

    /// `{2}`, `{2,}`, `{,3}` or `{2,3}`, after the brace.
    fn interval(&mut self) -> Option<String> {
        let end: &[u8] = if self.extended { b"}" } else { br"\}" };
        let length = self.rest.windows(end.len()).position(|part| part == end)?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest.get(end.len()..)?;
        let text = str::from_utf8(text).ok()?;
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse().ok())?.filter(|number: &u32| *number <= MAX_REPETITIONS)
        };
        let (low, high) = match text.split_once(',') {
            None => (number(text)?, Some(number(text)?)),
            Some((low, "")) => (number(low)?, None),
            Some(("", high)) => (0, Some(number(high)?)),
            Some((low, high)) => (number(low)?, Some(number(high)?)),
        };
        match high {
            Some(high) if high < low => None,
            Some(high) => Some(format!("{{{low},{high}}}")),
            None => Some(format!("{{{low},}}")),
        }
    }

    /// A bracket expression, after the bracket: the bytes that it matches.
    fn bracket(&mut self) -> Option<String> {
        let negated = self.rest.first() == Some(&b'^');
        if negated {
            self.next()?;
        }
        let mut set = [false; 256];
        let mut first = true;
        loop {
            let byte = self.next()?;
            if byte == b']' && !first {
                break;
            }
            first = false;
            if byte == b'[' && matches!(self.rest.first(), Some(b'.' | b'=')) {
                return None;
            }
            if byte == b'[' && self.rest.first() == Some(&b':') {
                let length = self.rest.windows(2).position(|part| part == b":]")?;
                let matches = class(self.rest.get(1..length)?)?;
                self.rest = self.rest.get(length.checked_add(2)?..)?;
                for byte in 0..=u8::MAX {
                    set[usize::from(byte)] |= matches(&byte);
                }
                continue;
            }
            let last = match self.rest {
                [b'-', last, ..] if *last != b']' => {
                    let last = *last;
                    self.rest = self.rest.get(2..)?;
                    // What the end of a range in brackets is, is another thing.
                    if last == b'[' && matches!(self.rest.first(), Some(b'.' | b'=' | b':')) {
                        return None;
                    }
                    last
                }
                _ => byte,
            };
            if last < byte {
                return None;
            }
            for byte in byte..=last {
                set[usize::from(byte)] = true;
            }
        }
        let mut text = String::from("[");
        for byte in 0..=u8::MAX {
            if set[usize::from(byte)] != negated {
                let _infallible = write!(text, r"\x{byte:02x}");
            }
        }
        text.push(']');
        // A set of nothing matches nothing; no file has such a line.
        (text.len() > 2).then_some(text)
    }
}

/// The classes of characters that POSIX names, in the C locale.
fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"upper" => u8::is_ascii_uppercase,
        b"lower" => u8::is_ascii_lowercase,
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"punct" => u8::is_ascii_punctuation,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"graph" => u8::is_ascii_graphic,
        b"cntrl" => u8::is_ascii_control,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// Which of the lines grep(1) finds.
    fn grep(option: &str, pattern: &[u8], lines: &[&[u8]]) -> Vec<bool> {
        use std::os::unix::ffi::OsStrExt;
        let mut child = Command::new("grep")
            .args([option, "-n", "-a", "-e"])
            .arg(std::ffi::OsStr::from_bytes(pattern))
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&[&lines.join(&b'\n')[..], b"\n"].concat()).unwrap();
        let found = child.wait_with_output().unwrap().stdout;
        let number = |line: &[u8]| {
            str::from_utf8(line.split(|byte| *byte == b':').next().unwrap())
                .unwrap()
                .parse::<usize>()
                .unwrap()
        };
        let numbers: Vec<_> =
            found.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(number).collect();
        (1..=lines.len()).map(|line| numbers.contains(&line)).collect()
    }

    #[test]
    fn what_is_translated_matches_what_grep_matches() {
        let lines: &[&[u8]] = &[
            b"",
            b"a",
            b"ab",
            b"abab",
            b"aab",
            b"b",
            b"a*b",
            b"*",
            b"^a",
            b"a$",
            b"a^b",
            b"(a)",
            b"a|b",
            b"a+",
            b"a{2}",
            b"foo bar",
            b"foobar",
            b"x1_y",
            b"A",
            b"]",
            b"-",
            b"[",
            b"\\",
            b"a.b",
            b"\xe9t\xe9",
            b"tab\there",
            b"a\\b",
        ];
        let patterns: &[&[u8]] = &[
            b"",
            b"a",
            b"^a",
            b"a$",
            b"^$",
            b"a*b",
            b"*",
            b"^*",
            br"\(*a\)",
            b"a^b",
            b"a$b",
            b"^a$",
            br"\(a\)",
            b"(a)",
            br"\(ab\)*",
            br"\(ab\)\{2\}",
            br"a\{2\}",
            b"a{2}",
            br"a\|b",
            b"a|b",
            br"a\+",
            b"a+",
            br"a\?b",
            b"a?b",
            b".",
            b"..",
            br"a\.b",
            b"[ab]",
            b"[^ab]",
            b"[]]",
            b"[^]]",
            b"[a-]",
            b"[]-]",
            b"[[:alpha:]]",
            b"[[:digit:]_]",
            b"[[:space:]]",
            br"\w",
            br"\W",
            br"\s",
            br"\bfoo\b",
            br"\<bar",
            br"foo\>",
            br"\Bar",
            b"(a|b)+",
            b"(ab){2}",
            b"(ab){1,}",
            b"a{,2}b",
            b"^(a|ab)$",
            b"a**",
            br"\(^a\)",
            br"\(a$\)",
            b"x^",
            b"(^a|b$)",
            b"()",
            b"a||b",
            b"\xe9",
            b"[\xe8-\xea]",
            b"[\\]",
            br"\\",
            b"a\nb",
            br"\$",
            br"\^",
            br"\*",
            br"\[",
            br"\-",
            b"a{0}b",
            b"[[:alpha:][:digit:]]$",
            b"[a-c]b",
            b"]",
            b"}",
            br"\}",
        ];
        let mut translated = 0;
        for (syntax, option) in [(Syntax::Basic, "-G"), (Syntax::Extended, "-E"), (Syntax::Fixed, "-F")] {
            for pattern in patterns {
                let Some(text) = translate(pattern, syntax) else { continue };
                translated += 1;
                let regex = regex::bytes::Regex::new(&text).unwrap();
                let ours: Vec<bool> = lines.iter().map(|line| regex.is_match(line)).collect();
                assert_eq!(ours, grep(option, pattern, lines), "{option} {}: {text}", pattern.escape_ascii());
            }
        }
        assert!(translated > patterns.len() * 5 / 2, "{translated}");
    }

    #[test]
    fn what_is_not_understood_is_left_to_grep() {
        for (syntax, pattern) in [
            (Syntax::Basic, &br"\(a\)\1"[..]),
            (Syntax::Basic, br"\("),
            (Syntax::Basic, br"a\{1"),
            (Syntax::Basic, b"["),
            (Syntax::Basic, b"[b-a]"),
            (Syntax::Basic, b"[[.a.]]"),
            (Syntax::Basic, b"[[:foo:]]"),
            (Syntax::Basic, br"\d"),
            (Syntax::Basic, b"a\\"),
            (Syntax::Extended, b"("),
            (Syntax::Extended, b"a)"),
            (Syntax::Extended, b"+"),
            (Syntax::Extended, b"a{2,1}"),
            (Syntax::Extended, b"a{1000}"),
            (Syntax::Extended, b"a|*b"),
        ] {
            assert_eq!(translate(pattern, syntax), None, "{}", pattern.escape_ascii());
        }
    }
}

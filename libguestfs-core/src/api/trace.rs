//! How arguments and results look in a trace line: `mount_ro "/dev/sda1" "/"` and `mount_ro = 0`.

use bstr::{BStr, BString};
use std::fmt::Write;

use super::{Char, Hashtable, Uuid};

/// Longest part of a buffer or text that a trace shows, in bytes.
const SHOWN_MAX: usize = 256;

/// A value that a trace line can show.
pub(crate) trait Trace {
    /// Appends the value as it stands after a call's name or `=`.
    fn trace(&self, line: &mut String);
}

/// Writes `bytes` in double quotes, with everything that is not printable ASCII escaped.
pub(crate) fn quoted(bytes: &[u8], line: &mut String) {
    let shown = bytes.get(..SHOWN_MAX).unwrap_or(bytes);
    line.push('"');
    for &b in shown {
        match b {
            b'"' | b'\\' => line.extend(['\\', char::from(b)]),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            0x20..=0x7e => line.push(char::from(b)),
            _ => {
                let _ = write!(line, "\\x{b:02x}");
            }
        }
    }
    line.push('"');
    if shown.len() < bytes.len() {
        let _ = write!(line, "<truncated, original size {} bytes>", bytes.len());
    }
}

impl Trace for () {
    fn trace(&self, line: &mut String) {
        line.push('0');
    }
}

impl Trace for bool {
    fn trace(&self, line: &mut String) {
        line.push(if *self { '1' } else { '0' });
    }
}

macro_rules! shown {
    ($($t:ty),*) => {$(
        impl Trace for $t {
            fn trace(&self, line: &mut String) {
                let _ = write!(line, "{self}");
            }
        }
    )*};
}
shown!(i32, u32, i64, u64, f32);

impl Trace for Char {
    fn trace(&self, line: &mut String) {
        line.push(char::from(self.0));
    }
}

impl Trace for Uuid {
    fn trace(&self, line: &mut String) {
        line.extend(self.0.iter().map(|&b| char::from(b)));
    }
}

impl Trace for BStr {
    fn trace(&self, line: &mut String) {
        quoted(self, line);
    }
}

impl Trace for BString {
    fn trace(&self, line: &mut String) {
        quoted(self, line);
    }
}

impl Trace for Vec<u8> {
    fn trace(&self, line: &mut String) {
        quoted(self, line);
    }
}

impl<T: Trace> Trace for Vec<T> {
    fn trace(&self, line: &mut String) {
        line.push('[');
        for (i, item) in self.iter().enumerate() {
            if i > 0 {
                line.push_str(", ");
            }
            item.trace(line);
        }
        line.push(']');
    }
}

impl Trace for Hashtable {
    fn trace(&self, line: &mut String) {
        let flat: Vec<BString> = self.0.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect();
        flat.trace(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_look_as_in_a_trace_of_libguestfs() {
        let line = |value: &dyn Trace| {
            let mut line = String::new();
            value.trace(&mut line);
            line
        };
        assert_eq!(line(&()), "0");
        assert_eq!(line(&true), "1");
        assert_eq!(line(&BString::from("a\"b\n\u{e9}")), r#""a\"b\n\xc3\xa9""#);
        assert_eq!(line(&vec![BString::from("a"), BString::from("b")]), r#"["a", "b"]"#);
        assert_eq!(line(&Hashtable(vec![("/".into(), "/dev/sda1".into())])), r#"["/", "/dev/sda1"]"#);
        assert_eq!(
            line(&vec![b'x'; 300]),
            format!("\"{}\"<truncated, original size 300 bytes>", "x".repeat(256))
        );
    }
}

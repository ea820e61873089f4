//! Which paths a caller does not want, as `tar --exclude` understands patterns: wildcards match slashes too, and a
//! pattern fits a path from any of its components on. What lies below an excluded directory is never looked at.

use bstr::{BString, ByteSlice};

use super::super::glob::matches;

/// The patterns of a call.
pub(super) struct Excludes<'a>(&'a [BString]);

impl<'a> Excludes<'a> {
    pub(super) fn new(patterns: &'a [BString]) -> Self {
        Excludes(patterns)
    }

    /// Is `path`, as the archive would have it, unwanted?
    pub(super) fn fit(&self, path: &[u8]) -> bool {
        let whole = path.trim_end_with(|c| c == '/');
        self.0.iter().any(|pattern| {
            let starts = whole
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'/')
                .map(|(at, _)| at.saturating_add(1));
            std::iter::once(0).chain(starts).any(|at| matches(pattern, whole.get(at..).unwrap_or_default()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_those_of_tar() {
        let fit = |pattern: &str, path: &str| Excludes(&[pattern.into()]).fit(path.as_bytes());
        for (pattern, path) in [
            ("*.log", "./var/log/a.log"),
            ("var/log", "./var/log"),
            ("log", "./var/log"),
            ("./var", "./var/"),
            ("v*g", "./var/log"),
            ("[ab]?", "./x/b1"),
            ("a\\*", "./a*"),
        ] {
            assert!(fit(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("var", "./var/log"), ("og", "./var/log"), ("/var", "./var"), ("a\\*", "./ab"), ("", "./a")]
        {
            assert!(!fit(pattern, path), "{pattern} {path}");
        }
        assert!(!Excludes(&[]).fit(b"./a"));
    }
}

//! Error numbers by name, as they travel on the wire: `EINVAL`, `ENOENT`…

use nix::errno::Errno;

/// Largest errno value of Linux (include/uapi/asm-generic/errno.h ends at 133).
const LARGEST: i32 = 133;

/// The name of `errno`, or an empty string for a value without one.
pub fn name(errno: Errno) -> String {
    match errno {
        Errno::UnknownErrno => String::new(),
        known => format!("{known:?}"),
    }
}

/// The errno called `name`. An unknown name counts as `EINVAL`, as libguestfs has it; the empty one as "none".
pub fn from_name(name: &[u8]) -> Option<Errno> {
    if name.is_empty() {
        return None;
    }
    // Two names of the same number: the wire may carry either.
    let name: &[u8] = match name {
        b"EWOULDBLOCK" => b"EAGAIN",
        b"ENOTSUP" => b"EOPNOTSUPP",
        b"EDEADLOCK" => b"EDEADLK",
        other => other,
    };
    let found = (1..=LARGEST).map(Errno::from_raw).find(|e| format!("{e:?}").as_bytes() == name);
    Some(found.unwrap_or(Errno::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_in_both_directions() {
        for (errno, text) in
            [(Errno::ENOENT, "ENOENT"), (Errno::EUCLEAN, "EUCLEAN"), (Errno::EHWPOISON, "EHWPOISON")]
        {
            assert_eq!(name(errno), text);
            assert_eq!(from_name(text.as_bytes()), Some(errno));
        }
        assert_eq!(from_name(b"ENOTSUP"), Some(Errno::EOPNOTSUPP));
        assert_eq!(from_name(b"ENOSUCHNAME"), Some(Errno::EINVAL));
        assert_eq!(from_name(b""), None);
    }
}

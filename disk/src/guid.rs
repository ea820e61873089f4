//! Globally unique identifiers in the mixed byte order of GPT and NTFS-era formats (UEFI specification, appendix A).

use std::fmt;

/// A GUID as it lies on disk: the first three groups are little-endian.
///
/// Shown in lower case, as `blkid` does; `{:X}` shows upper case, as `sgdisk` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(pub [u8; 16]);

/// Where each shown byte lies on disk.
const SHOWN_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
/// Shown bytes before which a hyphen stands.
const HYPHENS: [usize; 4] = [4, 6, 8, 10];

impl Guid {
    /// All zeros: "unused".
    pub const NIL: Guid = Guid([0; 16]);

    /// Is it all zeros?
    pub fn is_nil(&self) -> bool {
        *self == Guid::NIL
    }

    fn shown_bytes(&self) -> impl Iterator<Item = (&'static str, u8)> + '_ {
        SHOWN_ORDER.iter().enumerate().map(|(position, &at)| {
            let hyphen = if HYPHENS.contains(&position) { "-" } else { "" };
            (hyphen, self.0.get(at).copied().unwrap_or_default())
        })
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown_bytes().try_for_each(|(hyphen, byte)| write!(f, "{hyphen}{byte:02x}"))
    }
}

impl fmt::UpperHex for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown_bytes().try_for_each(|(hyphen, byte)| write!(f, "{hyphen}{byte:02X}"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows 16 bytes as a UUID in plain byte order (RFC 9562), in lower case: what Linux filesystems use.
pub(crate) fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (position, byte) in bytes.iter().enumerate() {
        if HYPHENS.contains(&position) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The 16 bytes that `text` shows in the form of [`uuid`], in either case; `None` if it is not of that form.
pub(crate) fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let mut rest = text;
    for (position, byte) in bytes.iter_mut().enumerate() {
        if HYPHENS.contains(&position) {
            rest = rest.strip_prefix(b"-")?;
        }
        let (pair, later) = rest.split_first_chunk::<2>()?;
        let digits = pair.map(|c| char::from(c).to_digit(16));
        let [Some(high), Some(low)] = digits else { return None };
        *byte = u8::try_from(high << 4 | low).ok()?;
        rest = later;
    }
    rest.is_empty().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_uuids_are_read_in_plain_order() {
        let text = "28732ac1-1ff8-d211-ba4b-00a0c93ec93b";
        assert_eq!(parse_uuid(text.as_bytes()).map(|raw| uuid(&raw)).as_deref(), Some(text));
        assert!(parse_uuid(text.to_uppercase().as_bytes()).is_some());
        for bad in [
            "",
            "28732ac1",
            "28732ac1-1ff8-d211-ba4b-00a0c93ec93b0",
            "28732ac11-ff8-d211-ba4b-00a0c93ec93b",
            "+8732ac1-1ff8-d211-ba4b-00a0c93ec93b",
        ] {
            assert_eq!(parse_uuid(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn the_first_three_groups_are_little_endian() {
        let esp = Guid(*b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b");
        assert_eq!(esp.to_string(), "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
        assert_eq!(format!("{esp:X}"), "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
        assert_eq!(uuid(&esp.0), "28732ac1-1ff8-d211-ba4b-00a0c93ec93b");
    }
}

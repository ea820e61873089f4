//! XDR (RFC 4506), as far as the protocol uses it: big-endian, every item padded to a multiple of 4 bytes.
//!
//! | Rust | XDR |
//! |---|---|
//! | `bool`, `i32`, `u32`, `f32`, [`Char`] | 4 bytes |
//! | `i64`, `u64` | 8 bytes |
//! | `BString`, `&BStr` | string: length, bytes, padding (no NUL) |
//! | `Vec<u8>`, `&[u8]` as [`Bytes`] | opaque, as a string |
//! | [`Uuid`] | 32 bytes without length |
//! | `Vec<T>` | count, items |
//! | `Option<T>` | 0, or 1 and the value |
//! | [`Hashtable`] | list of strings: key, value, key, value… |

use bstr::{BStr, BString, ByteSlice};

/// Why bytes are not the XDR that was expected. The text says which item at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(String);

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

impl DecodeError {
    pub(crate) fn new(what: String) -> Self {
        DecodeError(what)
    }

    pub(crate) fn unknown_packet(tag: u32) -> Self {
        DecodeError(format!("there is no packet of kind {tag}"))
    }
}

/// A value that can be written as XDR.
pub trait Encode {
    /// Appends the value to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A value that can be read from XDR. It may borrow from the input.
pub trait Decode<'a>: Sized {
    /// Takes the value off the front of `input`.
    ///
    /// # Errors
    /// If the input ends before the value, or holds something that the type does not allow.
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

/// Takes items off the front of a byte slice. Nothing it returns is larger than what is left of the input, so memory
/// is bounded by the message.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, whole: bytes.len() }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Decodes one value.
    ///
    /// # Errors
    /// As [`Decode::decode`].
    pub fn value<T: Decode<'a>>(&mut self) -> Result<T, DecodeError> {
        T::decode(self)
    }

    /// Fails if bytes are left over.
    ///
    /// # Errors
    /// If the input is longer than the values read.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            n => Err(DecodeError(format!("{n} bytes left over at byte {}", self.whole.saturating_sub(n)))),
        }
    }

    /// All that is left, as it stands.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.short(N))?;
        self.rest = rest;
        Ok(*head)
    }

    /// `len` bytes and their padding.
    fn opaque(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let padded = len.checked_next_multiple_of(4).ok_or_else(|| self.short(len))?;
        let (item, rest) = self.rest.split_at_checked(padded).ok_or_else(|| self.short(len))?;
        self.rest = rest;
        Ok(item.get(..len).unwrap_or_default())
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let n = u32::from_be_bytes(self.array()?);
        usize::try_from(n).map_err(|_| self.short(usize::MAX))
    }

    #[cold]
    fn short(&self, wanted: usize) -> DecodeError {
        let at = self.whole.saturating_sub(self.rest.len());
        DecodeError(format!("an item of {wanted} bytes at byte {at} of {} does not fit", self.whole))
    }
}

macro_rules! numbers {
    ($($t:ty),*) => {$(
        impl Encode for $t {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
        impl<'a> Decode<'a> for $t {
            fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
                input.array().map(<$t>::from_be_bytes)
            }
        }
    )*};
}
numbers!(i32, u32, i64, u64, f32);

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        u32::from(*self).encode(out);
    }
}

impl<'a> Decode<'a> for bool {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match u32::decode(input)? {
            0 => Ok(false),
            1 => Ok(true),
            n => Err(DecodeError(format!("a truth value is 0 or 1, not {n}"))),
        }
    }
}

/// A character of C: 8 bits in 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Char(pub u8);

impl Encode for Char {
    fn encode(&self, out: &mut Vec<u8>) {
        u32::from(self.0).encode(out);
    }
}

impl<'a> Decode<'a> for Char {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // Debian's daemon sends a C `char`, which is sign-extended: the low 8 bits count.
        let [.., low] = u32::decode(input)?.to_be_bytes();
        Ok(Char(low))
    }
}

/// 32 characters of an LVM UUID without its dashes, sent without a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uuid(pub [u8; 32]);

impl Encode for Uuid {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl<'a> Decode<'a> for Uuid {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        input.array().map(Uuid)
    }
}

/// Borrowed bytes that travel as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<'a>(pub &'a [u8]);

fn encode_opaque(bytes: &[u8], out: &mut Vec<u8>) {
    encode_count(bytes.len(), out);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// A count is an unsigned 32-bit number. More items than that do not fit into a message; the message's own limit,
/// checked before it is sent, catches them.
fn encode_count(count: usize, out: &mut Vec<u8>) {
    u32::try_from(count).unwrap_or(u32::MAX).encode(out);
}

impl Encode for Bytes<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_opaque(self.0, out);
    }
}

impl<'a> Decode<'a> for Bytes<'a> {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let len = input.length()?;
        input.opaque(len).map(Bytes)
    }
}

impl Encode for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_opaque(self, out);
    }
}

impl<'a> Decode<'a> for Vec<u8> {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Bytes::decode(input).map(|b| b.0.to_vec())
    }
}

impl Encode for &BStr {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_opaque(self, out);
    }
}

impl<'a> Decode<'a> for &'a BStr {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let Bytes(text) = Bytes::decode(input)?;
        // C strings on the other side: a NUL inside would cut the text short there.
        if text.contains(&0) {
            Err(DecodeError("a string has a NUL inside".into()))
        } else {
            Ok(text.as_bstr())
        }
    }
}

impl Encode for BString {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_opaque(self, out);
    }
}

impl<'a> Decode<'a> for BString {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        <&BStr>::decode(input).map(BStr::to_owned)
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.len(), out);
        for item in self {
            item.encode(out);
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = input.length()?;
        // Every item takes at least 4 bytes: a larger count is a lie, found before memory is taken.
        if count > input.remaining() / 4 {
            return Err(DecodeError(format!("a list of {count} items in {} bytes", input.remaining())));
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(T::decode(input)?);
        }
        Ok(items)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<T> {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if bool::decode(input)? { T::decode(input).map(Some) } else { Ok(None) }
    }
}

/// Keys and values, in the order in which the daemon sent them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hashtable(pub Vec<(BString, BString)>);

impl Encode for Hashtable {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.0.len().saturating_mul(2), out);
        for (key, value) in &self.0 {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<'a> Decode<'a> for Hashtable {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut strings = Vec::<BString>::decode(input)?.into_iter();
        let mut pairs = Vec::with_capacity(strings.len() / 2);
        while let Some(key) = strings.next() {
            let value =
                strings.next().ok_or_else(|| DecodeError("a table has a key without a value".into()))?;
            pairs.push((key, value));
        }
        Ok(Hashtable(pairs))
    }
}

impl Encode for () {
    fn encode(&self, _: &mut Vec<u8>) {}
}

impl<'a> Decode<'a> for () {
    fn decode(_: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<T: Encode>(value: T) -> Vec<u8> {
        let mut out = Vec::new();
        value.encode(&mut out);
        out
    }

    #[test]
    fn values_have_the_bytes_that_rfc_4506_gives() {
        assert_eq!(bytes(true), [0, 0, 0, 1]);
        assert_eq!(bytes(-2i32), [0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(bytes(0x0102_0304_0506_0708i64), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes(-1.0f32), [0xbf, 0x80, 0, 0]);
        assert_eq!(bytes(BString::from("sda1x")), [0, 0, 0, 5, b's', b'd', b'a', b'1', b'x', 0, 0, 0]);
        assert_eq!(bytes(BString::from("")), [0, 0, 0, 0]);
        assert_eq!(bytes(vec![1u8, 2, 3, 4]), [0, 0, 0, 4, 1, 2, 3, 4]);
        assert_eq!(bytes(vec![1i32, 2]), [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(bytes(None::<BString>), [0, 0, 0, 0]);
        assert_eq!(bytes(Some(BString::from("a"))), [0, 0, 0, 1, 0, 0, 0, 1, b'a', 0, 0, 0]);
        assert_eq!(bytes(Char(b'd')), [0, 0, 0, b'd']);
        assert_eq!(bytes(Uuid([b'u'; 32])), [b'u'; 32]);
        assert_eq!(
            bytes(Hashtable(vec![("/".into(), "x".into())])),
            [0, 0, 0, 2, 0, 0, 0, 1, b'/', 0, 0, 0, 0, 0, 0, 1, b'x', 0, 0, 0]
        );
    }

    #[test]
    fn what_was_encoded_decodes_to_the_same() {
        let mut out = Vec::new();
        vec![BString::from("a"), BString::from("\u{e9}\u{4e2d}")].encode(&mut out);
        Some(7i64).encode(&mut out);
        let mut input = Reader::new(&out);
        assert_eq!(input.value::<Vec<BString>>().unwrap(), ["a", "\u{e9}\u{4e2d}"]);
        assert_eq!(input.value::<Option<i64>>().unwrap(), Some(7));
        input.finish().unwrap();
    }

    #[test]
    fn hostile_lengths_are_refused_before_memory_is_taken() {
        for hostile in [
            &[0xff, 0xff, 0xff, 0xff][..],
            &[0x7f, 0xff, 0xff, 0xfc, 0, 0, 0, 0],
            &[0, 0, 0, 5, 1, 2, 3, 4],
            &[0, 0, 0, 1, 1],
            &[0, 0],
        ] {
            assert!(Reader::new(hostile).value::<Vec<u8>>().is_err(), "{hostile:?}");
            assert!(Reader::new(hostile).value::<BString>().is_err(), "{hostile:?}");
            assert!(Reader::new(hostile).value::<Vec<BString>>().is_err(), "{hostile:?}");
        }
        assert!(Reader::new(&[0, 0, 0, 2]).value::<bool>().is_err());
        assert!(Reader::new(&[0, 0, 0, 1, 0, 0, 0, 0]).value::<BString>().is_err(), "NUL inside");
        assert!(Reader::new(&[0, 0, 0, 1, 0, 0, 0, 0]).value::<Hashtable>().is_err(), "odd table");
        let mut left_over = Reader::new(&[0, 0, 0, 1, 9]);
        left_over.value::<u32>().unwrap();
        assert!(left_over.finish().is_err());
    }
}

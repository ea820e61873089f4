//! A call on its way out: its arguments in XDR and, if traced, as text. Filled by the methods that the API's
//! definition generates.

use std::fmt;

use bstr::{BStr, ByteSlice};

use zeroize::Zeroize;

use crate::api::{CallInfo, Trace};
use crate::client::EncodedArguments;
use crate::wire::xdr::{Bytes, Encode};

/// Room in bytes for what follows a key in a call: names and options of cryptsetup.
const AFTER_KEY: usize = 4096;

/// The arguments of one call.
pub(crate) struct Request {
    pub(crate) info: &'static CallInfo,
    pub(crate) arguments: EncodedArguments,
    pub(crate) trace: Option<String>,
    /// May the handle start an appliance for it?
    pub(crate) falls_back: bool,
    next_bit: u32,
}

/// Without the arguments, which may hold a key.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("name", &self.info.name).finish_non_exhaustive()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.info.takes_key() {
            self.arguments.bytes.zeroize();
        }
    }
}

impl crate::Guestfs {
    /// Begins a call.
    pub(crate) fn request(&self, info: &'static CallInfo) -> Request {
        Request::new(info, self.settings().trace)
    }
}

impl Request {
    pub(crate) fn new(info: &'static CallInfo, traced: bool) -> Request {
        Request {
            info,
            arguments: EncodedArguments::default(),
            trace: traced.then(|| info.name.to_string()),
            falls_back: true,
            next_bit: 0,
        }
    }

    fn show(&mut self, value: impl FnOnce(&mut String)) {
        if let Some(line) = &mut self.trace {
            line.push(' ');
            value(line);
        }
    }

    /// A text of any kind but a key.
    pub(crate) fn text(&mut self, value: &[u8]) {
        value.as_bstr().encode(&mut self.arguments.bytes);
        self.show(|line| value.as_bstr().trace(line));
    }

    /// A key: sent, never shown, and wiped with the request.
    pub(crate) fn secret(&mut self, value: &[u8]) {
        // Memory that a vector grows out of is not wiped, so it moves by hand: what follows a key is short.
        let room = self.arguments.bytes.len().saturating_add(value.len()).saturating_add(AFTER_KEY);
        let mut moved = Vec::with_capacity(room);
        moved.extend_from_slice(&self.arguments.bytes);
        self.arguments.bytes.zeroize();
        self.arguments.bytes = moved;
        value.as_bstr().encode(&mut self.arguments.bytes);
        self.show(|line| line.push_str("\"***\""));
    }

    /// A list of texts.
    pub(crate) fn list<T: AsRef<[u8]>>(&mut self, values: &[T]) {
        let texts: Vec<&BStr> = values.iter().map(|v| v.as_ref().as_bstr()).collect();
        texts.encode(&mut self.arguments.bytes);
        self.show(|line| bstr::join(" ", &texts).as_bstr().trace(line));
    }

    /// A text that may be missing.
    pub(crate) fn optional_text(&mut self, value: Option<&[u8]>) {
        value.map(ByteSlice::as_bstr).encode(&mut self.arguments.bytes);
        self.show(|line| match value {
            Some(text) => text.as_bstr().trace(line),
            None => line.push_str("null"),
        });
    }

    /// A number or truth value.
    pub(crate) fn number<T: Encode + Trace>(&mut self, value: T) {
        value.encode(&mut self.arguments.bytes);
        self.show(|line| value.trace(line));
    }

    /// Bytes.
    pub(crate) fn buffer(&mut self, value: &[u8]) {
        Bytes(value).encode(&mut self.arguments.bytes);
        self.show(|line| value.as_bstr().trace(line));
    }

    /// A file: not among the arguments, but shown in its place.
    pub(crate) fn file(&mut self) {
        self.show(|line| line.push_str("\"-\""));
    }

    /// The next optional argument. One that is not given is sent as an empty value with its bit clear.
    pub(crate) fn optional<T: Encode + Default + Trace>(&mut self, name: &str, value: Option<&T>) {
        match value {
            Some(value) => {
                self.arguments.given |= 1u64.checked_shl(self.next_bit).unwrap_or(0);
                value.encode(&mut self.arguments.bytes);
                self.show(|line| {
                    let mut text = String::new();
                    value.trace(&mut text);
                    let text = text.trim_matches('"');
                    line.push_str(&format!("\"{name}:{text}\""));
                });
            }
            None => T::default().encode(&mut self.arguments.bytes),
        }
        self.next_bit += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::call_named;

    #[test]
    fn arguments_are_encoded_and_traced_in_their_order() {
        let mut request = Request::new(call_named("is_file").unwrap(), true);
        request.text(b"/etc");
        request.optional("followsymlinks", Some(&true));
        assert_eq!(request.arguments.bytes, [0, 0, 0, 4, b'/', b'e', b't', b'c', 0, 0, 0, 1]);
        assert_eq!(request.arguments.given, 1);
        assert_eq!(request.trace.as_deref().unwrap(), r#"is_file "/etc" "followsymlinks:1""#);

        let mut request = Request::new(call_named("is_file").unwrap(), true);
        request.secret(b"hunter2");
        request.optional::<bool>("followsymlinks", None);
        assert_eq!(request.arguments.bytes[11..], [0, 0, 0, 0, 0]);
        assert_eq!(request.arguments.given, 0);
        assert!(!request.trace.as_deref().unwrap().contains("hunter2"));
    }
}

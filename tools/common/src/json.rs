//! Names and other texts of a guest, in JSON.
//!
//! JSON strings are Unicode and a guest's names are bytes. A name that is valid UTF-8 is a string under its own key. One
//! that is not is there twice: readable under its key, with U+FFFD for what is not UTF-8, and exact under
//! `KEY_base64`. A program that must not lose anything looks for the second key first.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;

/// Puts the text `bytes` into `map` under `key`.
///
/// # Errors
/// The serializer's.
pub fn text<M: SerializeMap>(map: &mut M, key: &str, bytes: &[u8]) -> Result<(), M::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => map.serialize_entry(key, text),
        Err(_) => {
            map.serialize_entry(key, &String::from_utf8_lossy(bytes))?;
            map.serialize_entry(&format!("{key}_base64"), &STANDARD.encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serializer;

    fn json(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut out);
        let mut map = serializer.serialize_map(None).unwrap();
        text(&mut map, "name", bytes).unwrap();
        map.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_name_loses_anything() {
        assert_eq!(json("é\n\"".as_bytes()), r#"{"name":"é\n\""}"#);
        assert_eq!(json(b"caf\xe9"), "{\"name\":\"caf\u{fffd}\",\"name_base64\":\"Y2Fm6Q==\"}");
    }
}

//! The JSON of a LUKS2 header, as it stands there (the specification's chapter 3). Members that are not named here are passed
//! over: tokens above all.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// The whole.
#[derive(Debug, Deserialize)]
pub(super) struct Json {
    pub(super) keyslots: BTreeMap<Number, JsonKeyslot>,
    pub(super) segments: BTreeMap<Number, JsonSegment>,
    pub(super) digests: BTreeMap<Number, JsonDigest>,
    pub(super) config: JsonConfig,
}

/// The name of an object: a number as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(pub(super) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map(Number).map_err(|_| serde::de::Error::custom("a number as text was expected"))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonKeyslot {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) key_size: u32,
    /// 0: only if it is asked for by its number; 1: as others; 2: before others.
    pub(super) priority: Option<i64>,
    pub(super) af: Option<JsonSplitter>,
    pub(super) area: JsonArea,
    pub(super) kdf: Option<JsonKdf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonSplitter {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) stripes: u32,
    pub(super) hash: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonArea {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) offset: Number,
    pub(super) size: Number,
    pub(super) encryption: Option<String>,
    pub(super) key_size: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonKdf {
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Base64.
    pub(super) salt: String,
    pub(super) hash: Option<String>,
    pub(super) iterations: Option<u32>,
    pub(super) time: Option<u32>,
    /// KiB.
    pub(super) memory: Option<u32>,
    pub(super) cpus: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonSegment {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) offset: Number,
    /// A number as text, or `dynamic`: up to the end of the device.
    pub(super) size: String,
    pub(super) iv_tweak: Option<Number>,
    pub(super) encryption: Option<String>,
    pub(super) sector_size: Option<u32>,
    pub(super) integrity: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(super) flags: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonDigest {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) keyslots: Vec<Number>,
    pub(super) segments: Vec<Number>,
    pub(super) hash: Option<String>,
    pub(super) iterations: Option<u32>,
    pub(super) salt: String,
    pub(super) digest: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonConfig {
    pub(super) requirements: Option<JsonRequirements>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JsonRequirements {
    #[serde(default)]
    pub(super) mandatory: Vec<String>,
}

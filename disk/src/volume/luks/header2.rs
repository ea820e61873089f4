//! The header of version 2: two copies, each a binary part with a checksum and an area of JSON.
//!
//! ```text
//! │ binary │ JSON … │ binary │ JSON … │ keyslots │ segments
//! 0        4096     header's size, which the first copy states
//! ```
//!
//! Of two sound copies the one that was written last counts. Where the second one lies if the first is damaged is found by
//! looking at all sizes that a header can have.

use std::sync::Arc;

use argon2::Algorithm;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bstr::{BString, ByteSlice};

use super::cipher::CipherSpec;
use super::decrypting::{Coding, Segment};
use super::hash::Hash;
use super::json::{Json, JsonDigest, JsonKdf, JsonKeyslot, JsonSegment, Number};
use super::kdf::Kdf;
use super::keyslot::{KeyDigest, Keyslot};
use super::{Contents, MAGIC, Slot, UUID, name, text, version};
use crate::bytes::{Fields, index};
use crate::volume::refusal::Refusal;
use crate::{Error, ErrorKind, ReadAt, Result};

/// What a second copy begins with.
const SECOND_MAGIC: &[u8] = b"SKUL\xba\xbe";
const VERSION: u16 = 2;
/// Where fields of the binary part stand, and the lengths of texts (the specification's figure 2).
const SIZE: usize = 8;
const SEQUENCE: usize = 16;
const CHECKSUM_HASH: (usize, usize) = (72, 32);
const OWN_OFFSET: usize = 256;
const CHECKSUM: (usize, usize) = (448, 64);
/// Bytes of the binary part.
const BINARY: u32 = 4096;
/// Sizes that a copy can have, in bytes (chapter 2.2): where a second copy can lie.
const SIZES: [u32; 9] =
    [0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000, 0x20_0000, 0x40_0000];
/// Most keyslots, and most segments that are put together. cryptsetup's limit is 32 for both.
const OBJECTS_MAX: usize = 32;

/// A sound copy.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) uuid: BString,
    sequence: u64,
    json: Json,
}

/// The copy that counts.
pub(super) fn read(device: &Arc<dyn ReadAt>) -> Result<Header> {
    let first = copy(device, 0, MAGIC);
    let second = match &first {
        Ok((_, size)) => copy(device, u64::from(*size), SECOND_MAGIC),
        Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
            let found = SIZES.into_iter().map(|at| copy(device, u64::from(at), SECOND_MAGIC));
            let mut sound = found.filter(|copy| !matches!(copy, Err(e) if e.kind() != ErrorKind::Io));
            sound.next().unwrap_or_else(|| Err(Error::corrupt("no second LUKS2 header")))
        }
        Err(_) => Err(Error::corrupt("not looked for")),
    };
    match (first, second) {
        (Ok((first, _)), Ok((second, _))) if second.sequence > first.sequence => Ok(second),
        (_, Err(e)) if e.kind() == ErrorKind::Io => Err(e),
        (Ok((first, _)), _) => Ok(first),
        (Err(e), Ok((second, _))) if e.kind() != ErrorKind::Io => Ok(second),
        (Err(e), _) => Err(e),
    }
}

/// The copy at `offset`, and its size.
fn copy(device: &Arc<dyn ReadAt>, offset: u64, magic: &[u8]) -> Result<(Header, u32)> {
    let missing = || Error::new(ErrorKind::NotFound, "no LUKS header");
    if offset.checked_add(u64::from(BINARY)).is_none_or(|end| end > device.len()) {
        return Err(missing());
    }
    let mut binary = vec![0; index(BINARY)];
    device.read_at(offset, &mut binary)?;
    if !binary.starts_with(magic) {
        return Err(missing());
    }
    let (found, size) = (version(&binary)?, binary.be64(SIZE)?);
    let Some(size) = SIZES.into_iter().find(|known| u64::from(*known) == size) else {
        return Err(Error::corrupt(format!("a LUKS{found} header of {size} bytes")));
    };
    if found != VERSION || binary.be64(OWN_OFFSET)? != offset {
        return Err(Error::corrupt(format!("a LUKS header of version {found} in another one's place")));
    }
    if offset.checked_add(u64::from(size)).is_none_or(|end| end > device.len()) {
        return Err(Error::corrupt("a LUKS2 header that runs past the end of its device"));
    }
    let mut area = vec![0; index(size.saturating_sub(BINARY))];
    device.read_at(offset.saturating_add(u64::from(BINARY)), &mut area)?;
    check(&binary, &area)?;
    let json = area.split(|byte| *byte == 0).next().unwrap_or_default();
    let json = serde_json::from_slice(json).map_err(|e| Error::corrupt(format!("LUKS2 header: {e}")))?;
    let uuid = text(&binary, UUID)?.into();
    Ok((Header { uuid, sequence: binary.be64(SEQUENCE)?, json }, size))
}

/// Is the checksum right? It is that of the whole copy, with zeros in its own place.
fn check(binary: &[u8], area: &[u8]) -> Result<()> {
    let hash = Hash::named(name(binary, CHECKSUM_HASH)?)?;
    let (at, length) = CHECKSUM;
    let after = at.saturating_add(length);
    let (before, rest) = (binary.slice(0, at)?, binary.slice(after, index(BINARY).saturating_sub(after))?);
    let digest = hash.digest(&[before, &[0; CHECKSUM.1], rest, area]);
    if !binary.slice(at, length)?.starts_with(&digest) {
        return Err(Error::corrupt("a LUKS2 header with a wrong checksum"));
    }
    Ok(())
}

/// What a header says of a device of `len` bytes.
pub(super) fn contents(header: &Header, len: u64) -> Result<Contents> {
    let json = &header.json;
    let required = json.config.requirements.iter().flat_map(|requirements| &requirements.mandatory);
    if let Some(what) = required.into_iter().next() {
        return Err(Error::unsupported(format!("LUKS2 with the requirement {what:?}")));
    }
    if json.keyslots.len() > OBJECTS_MAX || json.segments.len() > OBJECTS_MAX {
        return Err(Error::unsupported("LUKS2 with very many keyslots or segments"));
    }
    let shown: Vec<(Number, &JsonSegment)> = json
        .segments
        .iter()
        .filter(|(_, segment)| !segment.flags.iter().any(|flag| flag.starts_with("backup-")))
        .map(|(number, segment)| (*number, segment))
        .collect();
    let segments =
        shown.iter().map(|(_, segment)| self::segment(segment, len)).collect::<Result<Vec<_>>>()?;
    if segments.is_empty() {
        return Err(Error::corrupt("LUKS2 without segments"));
    }
    let encrypted: Vec<Number> =
        shown.iter().filter(|(_, segment)| segment.kind != "linear").map(|(number, _)| *number).collect();

    let mut slots: Vec<(i64, Result<Slot, Refusal>)> = Vec::new();
    for (number, keyslot) in &json.keyslots {
        let priority = keyslot.priority.unwrap_or(1);
        let of_it = |digest: &&JsonDigest| digest.keyslots.contains(number);
        let Some(digest) = json.digests.values().find(of_it) else { continue };
        // One whose key is of no segment opens nothing.
        if priority == 0 || !encrypted.iter().any(|segment| digest.segments.contains(segment)) {
            continue;
        }
        let slot = if encrypted.iter().all(|segment| digest.segments.contains(segment)) {
            slot(keyslot, digest)
        } else {
            Err(Error::unsupported("LUKS2 segments with different keys"))
        };
        slots.push((priority, slot.map_err(Refusal::from)));
    }
    // Sorting keeps the order of numbers.
    slots.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
    Ok(Contents { slots: slots.into_iter().map(|(_, slot)| slot).collect(), segments })
}

fn segment(json: &JsonSegment, len: u64) -> Result<Segment> {
    let offset = json.offset.0;
    let size = match json.size.as_str() {
        "dynamic" => len.checked_sub(offset),
        number => number.parse().ok(),
    };
    let size = size.ok_or_else(|| Error::corrupt(format!("a LUKS2 segment of {:?} bytes", json.size)))?;
    if offset == 0 && json.kind == "crypt" {
        return Err(Error::unsupported("a detached LUKS header"));
    }
    if json.integrity.is_some() {
        return Err(Error::unsupported("LUKS2 with dm-integrity"));
    }
    let coding = match json.kind.as_str() {
        "linear" => Coding::Linear,
        "crypt" => Coding::Crypt {
            cipher: CipherSpec::parse(given(json.encryption.as_deref(), "encryption")?)?,
            first_sector: given(json.iv_tweak, "iv_tweak")?.0,
            sector_size: given(json.sector_size, "sector_size")?,
        },
        other => return Err(Error::unsupported(format!("a LUKS2 segment of type {other:?}"))),
    };
    if offset.checked_add(size).is_none_or(|end| end > len) {
        return Err(Error::corrupt("a LUKS2 segment that runs past the end of its device"));
    }
    Ok(Segment { offset, len: size, coding })
}

fn slot(json: &JsonKeyslot, digest: &JsonDigest) -> Result<Slot> {
    let area = &json.area;
    let (Some(splitter), Some(kdf)) = (&json.af, &json.kdf) else {
        return Err(Error::unsupported(format!("a LUKS2 keyslot of type {:?}", json.kind)));
    };
    for (what, kind, known) in [
        ("keyslot", &json.kind, "luks2"),
        ("area", &area.kind, "raw"),
        ("splitter", &splitter.kind, "luks1"),
        ("digest", &digest.kind, "pbkdf2"),
    ] {
        if kind != known {
            return Err(Error::unsupported(format!("a LUKS2 {what} of type {kind:?}")));
        }
    }
    let keyslot = Keyslot {
        kdf: self::kdf(kdf)?,
        offset: area.offset.0,
        cipher: CipherSpec::parse(given(area.encryption.as_deref(), "encryption")?)?,
        area_key: index(given(area.key_size, "key_size")?),
        stripes: splitter.stripes,
        hash: Hash::named(&splitter.hash)?,
        volume_key: index(json.key_size),
    };
    keyslot.check()?;
    let needed = u64::from(json.key_size).saturating_mul(u64::from(splitter.stripes));
    if needed > area.size.0 {
        return Err(Error::corrupt("a LUKS2 keyslot that is larger than its area"));
    }
    let digest = KeyDigest {
        hash: Hash::named(given(digest.hash.as_deref(), "hash")?)?,
        iterations: given(digest.iterations, "iterations")?,
        salt: binary(&digest.salt)?,
        digest: binary(&digest.digest)?,
    };
    Ok(Slot { keyslot, digest })
}

fn kdf(json: &JsonKdf) -> Result<Kdf> {
    let salt = binary(&json.salt)?;
    let kind = match json.kind.as_str() {
        "pbkdf2" => {
            return Ok(Kdf::Pbkdf2 {
                hash: Hash::named(given(json.hash.as_deref(), "hash")?)?,
                iterations: given(json.iterations, "iterations")?,
                salt,
            });
        }
        "argon2i" => Algorithm::Argon2i,
        "argon2id" => Algorithm::Argon2id,
        other => return Err(Error::unsupported(format!("LUKS2 with the key derivation {other:?}"))),
    };
    Ok(Kdf::Argon2 {
        kind,
        time: given(json.time, "time")?,
        memory_kib: given(json.memory, "memory")?,
        lanes: given(json.cpus, "cpus")?,
        salt,
    })
}

/// A member that must be there.
fn given<T>(member: Option<T>, name: &str) -> Result<T> {
    member.ok_or_else(|| Error::corrupt(format!("a LUKS2 header without {name:?}")))
}

fn binary(base64: &str) -> Result<Vec<u8>> {
    let text = base64.as_bytes().trim_end_with(|c| c == '\n');
    STANDARD.decode(text).map_err(|e| Error::corrupt(format!("a LUKS2 header with bad base64: {e}")))
}

//! Registry hives: the fuzzer's bytes are a hive, or its length (4 bytes), a hive and its log.
//!
//! Reading ends, gives nothing that is larger than the hive, and gives the same when it is strict, or refuses. A change
//! that succeeds, and one that fails, leaves a hive that can be opened, with bins as sound as before.

use std::collections::BTreeSet;

use hivex::{Error, Hive, NewValue, Node, Options, Value, ValueType, Visitor};

/// How many keys a run changes something of.
const CHANGED: usize = 6;
/// Begins a hive.
const MAGIC: &[u8] = b"regf";
/// How long the base block of a log is, and the header of an entry.
const SECTOR: usize = 512;
const ENTRY: usize = 40;

/// All that is read of a hive.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    nodes: Vec<Node>,
    names: usize,
    values: usize,
    data: usize,
    /// Damaged data ends the walk.
    strict: bool,
}

impl Visitor for Seen {
    type Error = Error;

    fn node_start(&mut self, hive: &Hive, node: Node, _: usize) -> Result<bool, Error> {
        self.nodes.push(node);
        self.names += hive.node_name(node)?.to_bstring().len();
        assert_eq!(hive.node(node.handle()).as_ref(), Ok(&node));
        // What these say may be damaged, and must not harm.
        let _ = (hive.node_parent(node), hive.node_class(node), hive.node_security(node));
        Ok(true)
    }

    fn value(&mut self, hive: &Hive, node: Node, value: Value) -> Result<(), Error> {
        self.values += 1;
        let data = match hive.value_value(value) {
            Ok(data) => data,
            Err(error) if self.strict => return Err(error),
            Err(_) => return Ok(()),
        };
        assert!(data.len() <= hive.image().len(), "{} bytes of data", data.len());
        self.data += data.len();
        let _ = (hive.value_data(value)?, hive.value_data_cell_offset(value));
        let name = hive.value_key(value)?.to_bstring();
        assert!(hive.node_get_value(node, name.as_ref())?.is_some(), "{name} is not found again");
        Ok(())
    }
}

/// What a hive has. A key that is damaged ends the walk.
fn see(hive: &Hive, strict: bool) -> Result<Seen, Error> {
    let mut seen = Seen { strict, ..Seen::default() };
    hive.visit(hive.root(), &mut seen)?;
    seen.strict = false;
    let distinct: BTreeSet<Node> = seen.nodes.iter().copied().collect();
    assert_eq!(distinct.len(), seen.nodes.len(), "a key was visited twice");
    // No cell of a key is shorter than 80 bytes, and none of a value than 24.
    assert!(seen.nodes.len() <= hive.image().len() / 80 + 1);
    Ok(seen)
}

/// Notes of bins and cells that can't be told apart.
fn unsound(hive: &Hive) -> bool {
    hive.notes()
        .iter()
        .any(|note| note.what.contains("no bin begins") || note.what.contains("no cell can begin"))
}

fn options(strict: bool) -> Options {
    Options { strict, write: true, time: Some(hivex::FileTime(1)) }
}

/// A hive of any bytes.
pub(crate) fn hive(data: &[u8]) {
    let (image, log) = split(data);
    let logs: &[&[u8]] = if log.is_empty() { &[] } else { &[&log] };
    let Ok(hive) = Hive::open_with_logs(image.to_vec(), logs, options(false)) else { return };
    assert!(
        hive.image().len() <= image.len().max(4096) + log.len(),
        "a log made it {} bytes",
        hive.image().len()
    );
    let image = hive.image().to_vec();
    let was_unsound = unsound(&hive);
    let seen = see(&hive, false);
    assert!(seen == see(&hive, false), "read twice, not the same");
    let strict = Hive::open(image.clone(), options(true));
    let clean = strict.and_then(|hive| see(&hive, true)).inspect(|strict| {
        assert!(Ok(strict) == seen.as_ref(), "read strictly, not the same");
    });
    let Ok(seen) = seen else { return };
    change(image, &seen, was_unsound, clean.is_ok());
}

/// Changes some keys of a hive, and opens it after each change.
fn change(image: Vec<u8>, seen: &Seen, was_unsound: bool, was_clean: bool) {
    let Ok(mut hive) = Hive::open(image, options(was_clean)) else { return };
    let step = seen.nodes.len() / CHANGED + 1;
    for (number, node) in seen.nodes.iter().step_by(step).enumerate() {
        let node = *node;
        if hive.node(node.handle()).is_err() {
            continue;
        }
        let children = hive.node_children(node).unwrap_or_default();
        let values = hive.node_values(node).unwrap_or_default();
        // What is refused is refused: the hive is as good as before.
        let _ = hive.node_add_child(node, "a new key".into());
        let _ = hive.node_set_value(node, "a new value".into(), ValueType::BINARY, &[7; 100]);
        let _ = hive.node_set_value(node, "long".into(), ValueType::BINARY, &vec![8; 40_000]);
        if let Some(value) = values.last()
            && let Ok(name) = hive.value_key(*value).map(|name| name.to_bstring())
        {
            let _ = hive.node_set_value(node, name.as_ref(), ValueType::DWORD, &[1, 2, 3, 4]);
            let _ = hive.node_delete_value(node, name.as_ref());
        }
        if let Some(child) = children.get(number % 3) {
            let _ = hive.node_delete_child(*child);
        }
        if number % 2 == 1 {
            let value = NewValue { key: "only".into(), kind: ValueType::SZ, data: b"x\0\0\0".to_vec() };
            let _ = hive.node_set_values(node, &[value]);
        }
        let committed = hive.commit().is_ok();
        let again = Hive::open(hive.image().to_vec(), options(false));
        assert!(again.is_ok(), "a hive that was changed does not open: {again:?}");
        let Ok(again) = again else { return };
        assert!(was_unsound || !unsound(&again), "a change broke the bins");
        let walked = see(&again, false);
        if was_clean && committed {
            assert!(walked.is_ok(), "a sound hive is not readable after a change: {:?}", walked.err());
            assert_eq!(again.notes(), [], "a sound hive was damaged by a change");
        }
    }
}

/// The hive and the log, whose entries get the hashes that they should have.
fn split(data: &[u8]) -> (&[u8], Vec<u8>) {
    if data.starts_with(MAGIC) {
        return (data, Vec::new());
    }
    let Some((len, rest)) = data.split_first_chunk::<4>() else { return (data, Vec::new()) };
    let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
    let (image, log) = rest.split_at(len.min(rest.len()));
    let mut log = log.to_vec();
    seal(&mut log);
    (image, log)
}

fn word(bytes: &[u8], at: usize) -> usize {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    usize::try_from(u32::from_le_bytes(word)).unwrap_or(usize::MAX)
}

fn seal(log: &mut [u8]) {
    if log.len() < SECTOR {
        return;
    }
    let sum = log[..508]
        .chunks_exact(4)
        .fold(0, |sum, word| sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    log[508..512].copy_from_slice(&sum.to_le_bytes());
    let mut at = SECTOR;
    while at + ENTRY <= log.len() {
        let len = word(log, at + 4);
        if len < ENTRY || len > log.len() - at {
            return;
        }
        let hash = marvin(&log[at + ENTRY..at + len]);
        log[at + 24..at + 32].copy_from_slice(&hash.to_le_bytes());
        let hash = marvin(&log[at..at + 32]);
        log[at + 32..at + 40].copy_from_slice(&hash.to_le_bytes());
        at += len;
    }
}

/// Marvin32 of whole words, by the registry's seed.
fn marvin(data: &[u8]) -> u64 {
    let (mut low, mut high) = (0x7A4E_55C5u32, 0x82EF_4D88u32);
    let words = data.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    for word in words.chain([0x80, 0]) {
        low = low.wrapping_add(word);
        high ^= low;
        low = low.rotate_left(20).wrapping_add(high);
        high = high.rotate_left(9) ^ low;
        low = low.rotate_left(27).wrapping_add(high);
        high = high.rotate_left(19);
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Hives with every kind of list and data, and one with a log.
pub(crate) fn seeds() -> Result<Vec<Vec<u8>>, Error> {
    let mut seeds = Vec::new();
    // Minor versions 2, 3 and 5 have lists of three kinds; the sum is then wrong, which is noted and no more.
    for minor in [2, 3, 5] {
        let mut image = Hive::create(options(true))?.into_image();
        image[24] = minor;
        let mut hive = Hive::open(image, options(false))?;
        fill(&mut hive, 20)?;
        hive.commit()?;
        seeds.push(hive.into_image());
    }
    let mut hive = Hive::create(options(true))?;
    fill(&mut hive, 600)?;
    hive.commit()?;
    let before = hive.image().to_vec();
    seeds.push(before.clone());
    let root = hive.root();
    hive.node_set_value(root, "later".into(), ValueType::BINARY, &vec![3; 9000])?;
    hive.commit()?;
    seeds.push(with_log(before, hive.image())?);
    Ok(seeds)
}

/// Keys and values below the root.
fn fill(hive: &mut Hive, keys: usize) -> Result<(), Error> {
    let root = hive.root();
    for number in 0..keys {
        hive.node_add_child(root, format!("key {number}").as_str().into())?;
    }
    let deep = hive.node_add_child(root, "\u{20ac}".into())?;
    let deeper = hive.node_add_child(deep, "deeper".into())?;
    for (name, kind, data) in [
        ("", ValueType::SZ, b"d\0e\0f\0\0\0".to_vec()),
        ("number", ValueType::DWORD, vec![1, 0, 0, 0]),
        ("\u{416}", ValueType::MULTI_SZ, b"a\0\0\0b\0\0\0\0\0".to_vec()),
        ("long", ValueType::BINARY, vec![9; 20_000]),
        ("none", ValueType::NONE, vec![]),
    ] {
        hive.node_set_value(deeper, name.into(), kind, &data)?;
    }
    Ok(())
}

/// The hive as it was, dirty, and a log with what makes it the later one.
fn with_log(mut before: Vec<u8>, after: &[u8]) -> Result<Vec<u8>, Error> {
    let bins = after.len() - 4096;
    let count = |len: usize| u32::try_from(len).unwrap_or(0).to_le_bytes();
    let sequence = u32::try_from(word(after, 8)).unwrap_or(0);
    let mut log = after[..SECTOR].to_vec();
    log[28] = 6;
    let mut entry = b"HvLE".to_vec();
    let len = (ENTRY + 8 + bins).next_multiple_of(SECTOR);
    entry.extend([count(len), [0; 4], sequence.to_le_bytes(), count(bins), count(1)].concat());
    entry.resize(ENTRY, 0);
    entry.extend([[0; 4], count(bins)].concat());
    entry.extend(&after[4096..]);
    entry.resize(len, 0);
    log.extend(entry);
    // The second sequence number stays behind the first.
    before[4..8].copy_from_slice(&sequence.to_le_bytes());
    seal(&mut log);
    let mut seed = count(before.len()).to_vec();
    seed.extend(before);
    let hive = Hive::open_with_logs(seed[4..].to_vec(), &[&log], options(false))?;
    assert_eq!(hive.replay().applied.len(), 1, "the log of the seed is applied");
    seed.extend(log);
    Ok(seed)
}

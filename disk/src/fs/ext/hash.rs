//! Hashes of names in directory indexes: "legacy", half MD4 and TEA, each with signed or unsigned characters.
//!
//! Source: kernel.org, "ext4 Data Structures and Algorithms", section "Hash Tree Directories"; MD4 is RFC 1320, TEA is
//! Wheeler and Needham, "TEA, a Tiny Encryption Algorithm" (1994).

/// The hash that marks the end of a directory for `readdir`: names get the one before.
const END: u32 = 0x7FFF_FFFF << 1;
/// What both block hashes start from if the filesystem has no seed of its own: that of MD4.
const DEFAULT_SEED: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Legacy,
    HalfMd4,
    Tea,
}

/// How names are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithm {
    kind: Kind,
    signed: bool,
}

impl Algorithm {
    /// The algorithm of `version` in the root of an index. `signed`: what the superblock says of characters. `None` if
    /// the version is unknown, or if it depends on that and the superblock does not say.
    pub(super) fn new(version: u8, signed: Option<bool>) -> Option<Self> {
        Some(match version {
            0 => Algorithm { kind: Kind::Legacy, signed: signed? },
            1 => Algorithm { kind: Kind::HalfMd4, signed: signed? },
            2 => Algorithm { kind: Kind::Tea, signed: signed? },
            3 => Algorithm { kind: Kind::Legacy, signed: false },
            4 => Algorithm { kind: Kind::HalfMd4, signed: false },
            5 => Algorithm { kind: Kind::Tea, signed: false },
            // 6 is SipHash, of directories that are encrypted and ignore case.
            _ => return None,
        })
    }
}

/// The hash of a name. They compare as the kernel's lists are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hash {
    /// The part that an index has: the lowest bit is always 0.
    pub(super) major: u32,
    /// What orders names of the same `major`; 0 for all names under the legacy algorithm.
    pub(super) minor: u32,
}

/// The hash of `name`.
pub(super) fn of(name: &[u8], algorithm: Algorithm, seed: [u32; 4]) -> Hash {
    let seed = if seed == [0; 4] { DEFAULT_SEED } else { seed };
    let (major, minor) = match algorithm.kind {
        Kind::Legacy => (legacy(name, algorithm.signed), 0),
        Kind::HalfMd4 => {
            let [_, major, minor, _] = rounds(name, algorithm.signed, seed, half_md4);
            (major, minor)
        }
        Kind::Tea => {
            let [major, minor, ..] = rounds(name, algorithm.signed, seed, tea);
            (major, minor)
        }
    };
    let major = major & !1;
    Hash { major: if major == END { END.wrapping_sub(2) } else { major }, minor }
}

/// A character of a name as a number.
fn character(c: u8, signed: bool) -> u32 {
    if signed { i32::from(c.cast_signed()).cast_unsigned() } else { c.into() }
}

fn legacy(name: &[u8], signed: bool) -> u32 {
    let (mut last, mut before): (u32, u32) = (0x12A3_FE2D, 0x37AB_E8F9);
    for c in name {
        let mut next = before.wrapping_add(last ^ character(*c, signed).wrapping_mul(7_152_373));
        if next & 0x8000_0000 != 0 {
            next = next.wrapping_sub(0x7FFF_FFFF);
        }
        (last, before) = (next, last);
    }
    last << 1
}

/// Runs `transform` over the name, `N` words at a time.
fn rounds<const N: usize>(
    name: &[u8],
    signed: bool,
    mut state: [u32; 4],
    transform: fn([u32; 4], &[u32; N]) -> [u32; 4],
) -> [u32; 4] {
    let mut rest = name;
    while !rest.is_empty() {
        state = transform(state, &words(rest, signed));
        rest = rest.get(N.saturating_mul(4)..).unwrap_or_default();
    }
    state
}

/// The first `N` words of what is left of a name, filled up with its length.
fn words<const N: usize>(rest: &[u8], signed: bool) -> [u32; N] {
    let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let padding = (len | (len << 8)).wrapping_mul(0x0001_0001);
    let mut words = [padding; N];
    for (word, chunk) in words.iter_mut().zip(rest.chunks(4)) {
        *word = chunk.iter().fold(padding, |word, c| (word << 8).wrapping_add(character(*c, signed)));
    }
    words
}

/// Half of MD4: three rounds of eight steps.
fn half_md4(state: [u32; 4], words: &[u32; 8]) -> [u32; 4] {
    /// Which word each step adds, by round.
    const ORDER: [[usize; 8]; 3] =
        [[0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7, 0, 2, 4, 6], [3, 7, 2, 6, 1, 5, 0, 4]];
    /// How far each step rotates, by round; the four repeat.
    const ROTATE: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    /// What each step adds, by round: nothing, and the square roots of 2 and 3 as in MD4.
    const ADD: [u32; 3] = [0, 0x5A82_7999, 0x6ED9_EBA1];
    /// The functions of MD4's rounds.
    const MIX: [fn(u32, u32, u32) -> u32; 3] =
        [|x, y, z| z ^ (x & (y ^ z)), |x, y, z| (x & y).wrapping_add((x ^ y) & z), |x, y, z| x ^ y ^ z];

    let [mut a, mut b, mut c, mut d] = state;
    for (((order, rotate), add), mix) in ORDER.iter().zip(ROTATE).zip(ADD).zip(MIX) {
        for (word, by) in order.iter().zip(rotate.iter().cycle()) {
            let word = words.get(*word).copied().unwrap_or_default();
            let next = a.wrapping_add(mix(b, c, d)).wrapping_add(word).wrapping_add(add).rotate_left(*by);
            (a, b, c, d) = (d, next, b, c);
        }
    }
    add(state, [a, b, c, d])
}

/// TEA as a hash: the name's words are the key.
fn tea(state: [u32; 4], words: &[u32; 4]) -> [u32; 4] {
    /// The golden ratio.
    const DELTA: u32 = 0x9E37_79B9;
    const ROUNDS: u32 = 16;

    let [a, b, c, d] = *words;
    let [mut x, mut y, ..] = state;
    let mut sum: u32 = 0;
    let step = |v: u32, left: u32, right: u32, sum: u32| {
        (v << 4).wrapping_add(left) ^ v.wrapping_add(sum) ^ (v >> 5).wrapping_add(right)
    };
    for _ in 0..ROUNDS {
        sum = sum.wrapping_add(DELTA);
        x = x.wrapping_add(step(y, a, b, sum));
        y = y.wrapping_add(step(x, c, d, sum));
    }
    add(state, [x, y, 0, 0])
}

fn add(a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
    let mut sum = a;
    for (sum, b) in sum.iter_mut().zip(b) {
        *sum = sum.wrapping_add(b);
    }
    sum
}

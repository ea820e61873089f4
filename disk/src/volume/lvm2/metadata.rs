//! The metadata of a volume group: the text's sections as types, with every reference checked.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString, ByteSlice};

use super::Uuid;
use super::text::{Section, Value};
use crate::{Context, Error, Result};

/// Longest name that LVM2 gives (`NAME_LEN` less its end).
const MAX_NAME: usize = 127;
/// Bytes that names have besides letters and digits.
const NAME_PUNCTUATION: &[u8] = b"._-+";

/// A volume group as one text describes it.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    pub(super) name: BString,
    pub(super) uuid: Uuid,
    pub(super) seqno: u64,
    pub(super) flags: Flags,
    /// Host that owns the group, or empty.
    pub(super) system_id: BString,
    /// Lock manager of a group shared between hosts, or empty.
    pub(super) lock_type: BString,
    /// Sectors.
    pub(super) extent_size: u64,
    pub(super) max_lv: u64,
    pub(super) max_pv: u64,
    pub(super) allocation: Allocation,
    pub(super) tags: Vec<BString>,
    pub(super) pvs: Vec<Pv>,
    pub(super) lvs: Vec<Lv>,
    /// Where each physical volume stands in `pvs`, by its key.
    pv_index: BTreeMap<BString, usize>,
    /// Where each logical volume stands in `lvs`, by its name.
    lv_index: BTreeMap<BString, usize>,
    /// How logical volumes are referred to in a way that changes what they hold, or what shows that they are used.
    uses: BTreeMap<BString, Vec<Use>>,
}

/// A reference from a segment to a logical volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    /// What the segment calls the volume: `origin`, `cow_store`, `thin_pool`, `pool`…
    pub(super) role: BString,
    /// Type of the segment.
    pub(super) kind: BString,
    /// Volume that the segment belongs to.
    pub(super) by: BString,
    /// Is a snapshot being merged back into its origin?
    pub(super) merging: bool,
}

/// The words of `status` and `flags`.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags(Vec<BString>);

impl Flags {
    fn read(section: &Section<'_>) -> Result<Flags> {
        let mut words = owned(section.texts("status")?);
        words.extend(owned(section.texts("flags")?));
        Ok(Flags(words))
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|w| w == word)
    }

    /// The first flag that is not among `known`.
    pub(super) fn other_than(&self, known: &[&str]) -> Option<&BString> {
        self.0.iter().find(|flag| !known.iter().any(|k| *flag == k))
    }
}

/// How LVM2 chooses extents, as far as attributes show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allocation {
    Contiguous,
    Cling,
    Normal,
    Anywhere,
    Inherit,
}

impl Allocation {
    fn read(section: &Section<'_>, default: Allocation) -> Result<Allocation> {
        let Some(policy) = section.text("allocation_policy")? else { return Ok(default) };
        Ok(match policy.as_bytes() {
            b"contiguous" => Allocation::Contiguous,
            b"cling" | b"cling_by_tags" => Allocation::Cling,
            b"normal" => Allocation::Normal,
            b"anywhere" => Allocation::Anywhere,
            b"inherit" => Allocation::Inherit,
            other => return Err(Error::unsupported(format!("LVM2 allocation policy {}", other.as_bstr()))),
        })
    }

    /// The letter that stands for it in attributes.
    pub(super) fn letter(self) -> char {
        match self {
            Allocation::Contiguous => 'c',
            Allocation::Cling => 'l',
            Allocation::Normal => 'n',
            Allocation::Anywhere => 'a',
            Allocation::Inherit => 'i',
        }
    }
}

/// A physical volume as its group's metadata describes it.
#[derive(Debug, Clone)]
pub(super) struct Pv {
    /// Name within the metadata: `pv0`.
    pub(super) key: BString,
    pub(super) uuid: Uuid,
    pub(super) flags: Flags,
    pub(super) tags: Vec<BString>,
    /// Sectors.
    pub(super) device_size: u64,
    /// Sectors.
    pub(super) start: u64,
    /// Extents.
    pub(super) extents: u64,
}

/// A logical volume, hidden ones included.
#[derive(Debug, Clone)]
pub(super) struct Lv {
    pub(super) name: BString,
    pub(super) uuid: Uuid,
    pub(super) flags: Flags,
    pub(super) allocation: Allocation,
    pub(super) tags: Vec<BString>,
    /// Device number that the volume must have, if any.
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) segments: Vec<Segment>,
}

impl Lv {
    /// Size in extents.
    pub(super) fn extents(&self) -> u64 {
        self.segments.last().map_or(0, |s| s.start.saturating_add(s.extents))
    }
}

/// A run of a logical volume's extents.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    /// First extent within the volume: the sum of the sizes of the segments before.
    pub(super) start: u64,
    /// Extents.
    pub(super) extents: u64,
    /// `type`, without what may follow a `+`.
    pub(super) kind: BString,
    /// Words that follow the type after `+` signs.
    pub(super) kind_flags: Vec<BString>,
    /// For the type `striped`: what it is made of.
    pub(super) stripes: Vec<Area>,
    /// For the type `mirror`: what has its copies, each as large as the segment.
    pub(super) mirrors: Vec<Area>,
    /// For the types of RAID: names of the logical volumes that it is made of, in pairs of superblock and column but for `raid0`.
    pub(super) raids: Vec<BString>,
    /// Sectors; meaningful with two stripes and more.
    pub(super) stripe_size: u64,
    /// Names of logical volumes that the segment refers to, by what it calls them: `origin`, `cow_store`, `thin_pool`…
    pub(super) volumes: Vec<(BString, BString)>,
    /// Numbers of the segment: `chunk_size`, `device_id`, `zero_new_blocks`…
    pub(super) numbers: Vec<(BString, u64)>,
}

impl Segment {
    /// The logical volume that the segment calls `role`.
    pub(super) fn volume(&self, role: &str) -> Option<&BString> {
        self.volumes.iter().find(|(r, _)| r == role).map(|(_, name)| name)
    }

    /// The segment's number `name`.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.numbers.iter().find(|(n, _)| n == name).map(|&(_, number)| number)
    }
}

/// Part of another volume that a segment lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    /// Key of a physical volume, or name of a logical one.
    pub(super) volume: BString,
    /// First extent in it.
    pub(super) start: u64,
}

fn owned(texts: Vec<&BStr>) -> Vec<BString> {
    texts.into_iter().map(BStr::to_owned).collect()
}

/// Tags, in the order in which reports give them.
fn tags(section: &Section<'_>) -> Result<Vec<BString>> {
    let mut tags = owned(section.texts("tags")?);
    tags.sort();
    Ok(tags)
}

/// A name that can stand in a path under /dev, as LVM2 checks it.
fn name(name: &BStr) -> Result<BString> {
    let legal = !name.is_empty()
        && name.len() <= MAX_NAME
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || NAME_PUNCTUATION.contains(&c))
        && !name.starts_with(b"-")
        && name != "."
        && name != "..";
    if legal { Ok(name.to_owned()) } else { Err(Error::corrupt(format!("LVM2 name {name:?}"))) }
}

impl Metadata {
    /// Reads the text of a metadata area.
    pub(super) fn parse(text: &[u8]) -> Result<Metadata> {
        let root = Section::parse(text)?;
        // Beside the group, which is named by its own name, stand only values.
        let (group, section) =
            root.sections().next().ok_or_else(|| Error::corrupt("LVM2 metadata without a volume group"))?;
        Metadata::read(group, section).context(|| format!("volume group {group:?}"))
    }

    fn read(group: &BStr, section: &Section<'_>) -> Result<Metadata> {
        if let Some(format) = section.text("format")?.filter(|format| *format != "lvm2") {
            return Err(Error::unsupported(format!("LVM metadata of format {format}")));
        }
        let extent_size = section.need_number("extent_size")?;
        if extent_size == 0 {
            return Err(Error::corrupt("extents of no size"));
        }
        let text = |name| section.text(name).map(|text| text.unwrap_or_default().to_owned());
        let mut metadata = Metadata {
            name: name(group)?,
            uuid: Uuid::parse(section.need_text("id")?)?,
            seqno: section.need_number("seqno")?,
            flags: Flags::read(section)?,
            system_id: text("system_id")?,
            lock_type: text("lock_type")?,
            extent_size,
            max_lv: section.number("max_lv")?.unwrap_or(0),
            max_pv: section.number("max_pv")?.unwrap_or(0),
            allocation: Allocation::read(section, Allocation::Normal)?,
            tags: tags(section)?,
            pvs: Vec::new(),
            lvs: Vec::new(),
            pv_index: BTreeMap::new(),
            lv_index: BTreeMap::new(),
            uses: BTreeMap::new(),
        };
        let mut seen = BTreeSet::new();
        for (key, section) in section.section("physical_volumes").into_iter().flat_map(Section::sections) {
            if !seen.insert(key) {
                return Err(Error::corrupt(format!("two physical volumes {key:?}")));
            }
            metadata.pvs.push(Pv::read(key, section).context(|| format!("physical volume {key:?}"))?);
        }
        let mut seen = BTreeSet::new();
        for (key, section) in section.section("logical_volumes").into_iter().flat_map(Section::sections) {
            if !seen.insert(key) {
                return Err(Error::corrupt(format!("two logical volumes {key:?}")));
            }
            metadata.lvs.push(Lv::read(key, section).context(|| format!("logical volume {key:?}"))?);
        }
        metadata.index();
        Ok(metadata)
    }

    fn index(&mut self) {
        self.pv_index =
            self.pvs.iter().enumerate().map(|(position, pv)| (pv.key.clone(), position)).collect();
        self.lv_index =
            self.lvs.iter().enumerate().map(|(position, lv)| (lv.name.clone(), position)).collect();
        for lv in &self.lvs {
            for segment in &lv.segments {
                for (role, volume) in segment.volumes.iter().filter(|(role, _)| role != "type") {
                    self.uses.entry(volume.clone()).or_default().push(Use {
                        role: role.clone(),
                        kind: segment.kind.clone(),
                        by: lv.name.clone(),
                        merging: segment.volume("merging_store").is_some(),
                    });
                }
            }
        }
    }

    /// The physical volume that the metadata calls `key`.
    pub(super) fn pv(&self, key: &BString) -> Option<(usize, &Pv)> {
        let position = *self.pv_index.get(key)?;
        Some((position, self.pvs.get(position)?))
    }

    /// The logical volume `name`.
    pub(super) fn lv(&self, name: &BString) -> Option<&Lv> {
        self.lvs.get(*self.lv_index.get(name)?)
    }

    /// Is a volume one that reports list? The metadata marks them, but for snapshots: it marks the volume that ties
    /// origin and changes together, and reports list the one with the changes.
    pub(super) fn is_visible(&self, lv: &Lv) -> bool {
        if lv.segments.first().is_some_and(|segment| segment.kind == "snapshot") {
            return false;
        }
        match self.uses(&lv.name).iter().find(|other| other.role == "cow_store") {
            Some(_) => true,
            None => lv.flags.has("VISIBLE"),
        }
    }

    /// The references of segments to the logical volume `name`.
    pub(super) fn uses(&self, name: &BString) -> &[Use] {
        self.uses.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Pv {
    fn read(key: &BStr, section: &Section<'_>) -> Result<Pv> {
        Ok(Pv {
            key: key.to_owned(),
            uuid: Uuid::parse(section.need_text("id")?)?,
            flags: Flags::read(section)?,
            tags: tags(section)?,
            device_size: section.number("dev_size")?.unwrap_or(0),
            start: section.need_number("pe_start")?,
            extents: section.need_number("pe_count")?,
        })
    }
}

impl Lv {
    fn read(key: &BStr, section: &Section<'_>) -> Result<Lv> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut next: u64 = 0;
        for number in 1..=section.need_number("segment_count")? {
            // Ends with the first number that has no section: the loop is as short as the text.
            let segment = section
                .section(&format!("segment{number}"))
                .ok_or_else(|| Error::corrupt(format!("no segment {number}")))
                .and_then(Segment::read)
                .context(|| format!("segment {number}"))?;
            if segment.start != next {
                return Err(Error::corrupt(format!(
                    "segment {number} starts at {} and not {next}",
                    segment.start
                )));
            }
            next = next.checked_add(segment.extents).ok_or_else(|| Error::corrupt("too many extents"))?;
            segments.push(segment);
        }
        Ok(Lv {
            name: name(key)?,
            uuid: Uuid::parse(section.need_text("id")?)?,
            flags: Flags::read(section)?,
            allocation: Allocation::read(section, Allocation::Inherit)?,
            tags: tags(section)?,
            major: section.number("major")?,
            minor: section.number("minor")?,
            segments,
        })
    }
}

impl Segment {
    fn read(section: &Section<'_>) -> Result<Segment> {
        let mut words = section.need_text("type")?.split_str("+").map(BString::from);
        let kind = words.next().unwrap_or_default();
        let areas = |name| match section.value(name) {
            Some(Value::List(values)) => areas(values),
            _ => Ok(Vec::new()),
        };
        let stripes = areas("stripes")?;
        // Other types count other lists by the same name.
        let count = section.number("stripe_count")?;
        if kind == "striped" && count.is_some_and(|count| u64::try_from(stripes.len()).ok() != Some(count)) {
            return Err(Error::corrupt("stripes do not agree with their count"));
        }
        let mut volumes = Vec::new();
        let mut numbers = Vec::new();
        for (name, value) in section.values() {
            match value {
                Value::Text(text) => volumes.push((name.to_owned(), BString::from(text.as_ref()))),
                Value::Int(n) => numbers.extend(u64::try_from(*n).ok().map(|n| (name.to_owned(), n))),
                Value::List(_) | Value::Other => {}
            }
        }
        Ok(Segment {
            start: section.need_number("start_extent")?,
            extents: section.need_number("extent_count")?,
            kind,
            kind_flags: words.collect(),
            stripes,
            mirrors: areas("mirrors")?,
            raids: [owned(section.texts("raids")?), owned(section.texts("raid0_lvs")?)].concat(),
            stripe_size: section.number("stripe_size")?.unwrap_or(0),
            volumes,
            numbers,
        })
    }
}

/// A list of names and first extents by turns.
fn areas(values: &[Value<'_>]) -> Result<Vec<Area>> {
    let (pairs, rest) = values.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::corrupt("an area without its first extent"));
    }
    pairs
        .iter()
        .map(|pair| match pair {
            [Value::Text(volume), Value::Int(start)] => Ok(Area {
                volume: BString::from(volume.as_ref()),
                start: u64::try_from(*start).map_err(|_| Error::corrupt("an area before extent 0"))?,
            }),
            _ => Err(Error::corrupt("an area is a name and a number")),
        })
        .collect()
}

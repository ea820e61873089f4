//! Linux software RAID: mdadm makes and stops arrays, /proc/mdstat tells of those that run; where there is no kernel, their
//! superblocks tell the same.

use bstr::{BStr, BString, ByteSlice};
use disk::volume::md::{Member, Role};
use libguestfs_core::Result;
use libguestfs_core::api::{Hashtable, MdCreateOpts, Mdstat};

use super::tool::Tool;
use crate::Guestfsd;
use crate::engine::RunningArray;
use crate::error::{At, refused};

/// Major number of arrays (Linux Documentation/admin-guide/devices.txt).
pub(crate) const ARRAY_MAJOR: u32 = 9;
/// What `level` may be, as mdadm(8) has it.
const LEVELS: [&str; 15] = [
    "linear", "raid0", "0", "stripe", "raid1", "1", "mirror", "raid4", "4", "raid5", "5", "raid6", "6",
    "raid10", "10",
];
/// Level of an array if none is asked for.
const DEFAULT_LEVEL: &str = "raid1";
/// mdadm takes sizes of chunks in KiB.
const KIB: i64 = 1024;
/// What mdadm is given for a device that is not there.
const MISSING: &[u8] = b"missing";
/// Where the kernel tells of arrays.
const STATUS_FILE: &str = "/proc/mdstat";
/// What `mdadm --export` puts before a name.
const PREFIX: &[u8] = b"MD_";
/// What it names a member's properties after: `MD_DEVICE_dev_sda_ROLE=0`.
const MEMBER_PREFIX: &[u8] = b"device_";

impl Guestfsd {
    pub(crate) fn md_create(&mut self, name: &BStr, devices: &[BString], opts: &MdCreateOpts) -> Result<()> {
        let kernel = self.kernel("md_create")?;
        let plan = Plan::new(devices.len(), opts)?;
        let tool = Tool::new(kernel, "mdadm").args(["--create", "--run"]).arg(name).args(plan.arguments());
        let places = plan.places(self.canonical_devices(devices)?);
        let tool = places.into_iter().try_fold(tool, |tool, place| match place {
            Some(device) => tool.device(device.as_bstr()),
            None => Ok(tool.arg(MISSING)),
        })?;
        self.after_change(tool.run())
    }

    pub(crate) fn md_stop(&mut self, md: &BStr) -> Result<()> {
        let kernel = self.kernel("md_stop")?;
        let tool = Tool::new(kernel, "mdadm").arg("--stop").device(self.device(md)?.as_bstr())?;
        self.after_change(tool.run())
    }

    pub(crate) fn md_detail(&mut self, md: &BStr) -> Result<Hashtable> {
        if let Some(pairs) = self.assembled_array(md, detail_of)? {
            return Ok(Hashtable(pairs));
        }
        let kernel = self.kernel("md_detail")?;
        let tool = Tool::new(kernel, "mdadm").args(["--detail", "--export"]);
        let text = tool.device(self.device(md)?.as_bstr())?.run_with_status()?;
        Ok(Hashtable(detail(&text, |node| kernel.canonical(node))))
    }

    /// What is to be told of an array that the engine put together itself; `None` where a kernel does.
    fn assembled_array<T>(&self, md: &BStr, tell: impl FnOnce(&RunningArray) -> T) -> Result<Option<T>> {
        if self.engine.kernel().is_some() {
            return Ok(None);
        }
        let device = self.device(md)?;
        let arrays = self.engine.assembled().at(&device)?;
        let array = arrays.of_device(device.as_bstr());
        array
            .map(tell)
            .map(Some)
            .ok_or_else(|| refused(format!("{device} does not appear to be an md device")))
    }

    pub(crate) fn md_stat(&mut self, md: &BStr) -> Result<Vec<Mdstat>> {
        if let Some(members) = self.assembled_array(md, members_of)? {
            return Ok(members);
        }
        let kernel = self.kernel("md_stat")?;
        let device = self.device(md)?;
        let text = std::fs::read(STATUS_FILE).map_err(|e| refused(format!("{STATUS_FILE}: {e}")))?;
        let name = device.strip_prefix(b"/dev/").unwrap_or(&device).as_bstr();
        members(&text, name, |node| kernel.canonical(node))
            .ok_or_else(|| refused(format!("{name}: MD device not found")))
    }
}

/// What an array is to be made of.
#[derive(Debug)]
struct Plan {
    level: String,
    active: usize,
    spare: usize,
    chunk: Option<i64>,
    missing: u64,
}

impl Plan {
    /// Checks the arguments of `md_create`, with the original's words.
    fn new(devices: usize, opts: &MdCreateOpts) -> Result<Self> {
        let missing = opts.missingbitmap.unwrap_or(0).cast_unsigned();
        let bits = usize::try_from(missing.count_ones()).unwrap_or(usize::MAX);
        let spare =
            usize::try_from(opts.spare.unwrap_or(0)).map_err(|_| refused("spare must not be negative"))?;
        let active = match opts.nrdevices {
            Some(number) => usize::try_from(number).ok().filter(|&number| number >= 2),
            None => Some(devices.saturating_add(bits).saturating_sub(spare)),
        };
        let active = active.ok_or_else(|| refused("nrdevices is less than 2"))?;
        let level = opts.level.as_ref().map_or(DEFAULT_LEVEL.into(), ToString::to_string);
        if !LEVELS.contains(&level.as_str()) {
            return Err(refused(format!("unknown level parameter: {level}")));
        }
        if opts.chunk.is_some_and(|chunk| chunk % KIB != 0) {
            return Err(refused("chunk size must be a multiple of 1024 bytes"));
        }
        if devices.saturating_add(bits) != active.saturating_add(spare) {
            return Err(refused(format!(
                "devices ({devices}) + bits set in missingbitmap ({bits}) is not equal to nrdevices ({active}) + \
                 spare ({spare})"
            )));
        }
        Ok(Plan { level, active, spare, chunk: opts.chunk, missing })
    }

    /// Options of mdadm.
    fn arguments(&self) -> Vec<String> {
        let mut list = vec!["--level".into(), self.level.clone()];
        list.extend(["--raid-devices".into(), self.active.to_string()]);
        if self.spare > 0 {
            list.extend(["--spare-devices".into(), self.spare.to_string()]);
        }
        if let Some(chunk) = self.chunk {
            list.extend(["--chunk".into(), (chunk / KIB).to_string()]);
        }
        list
    }

    /// The places of the array in order: devices, and `None` where bit n of the bitmap says that place n is empty.
    fn places(&self, devices: Vec<BString>) -> Vec<Option<BString>> {
        let mut devices = devices.into_iter();
        let mut places = Vec::new();
        for place in 0..self.active.saturating_add(self.spare) {
            let missing =
                u32::try_from(place).is_ok_and(|bit| self.missing.checked_shr(bit).unwrap_or(0) & 1 == 1);
            places.push(if missing { None } else { devices.next() });
        }
        places
    }
}

/// The lines of `mdadm --detail --export`, names in lower case and without `MD_`, members by their canonical names.
fn detail(text: &[u8], canonical: impl Fn(&BStr) -> BString) -> Vec<(BString, BString)> {
    let mut pairs: Vec<(BString, BString)> = text
        .lines()
        .filter_map(|line| line.split_once_str("="))
        .map(|(key, value)| {
            let key = key.strip_prefix(PREFIX).unwrap_or(key);
            (key.to_ascii_lowercase().into(), value.into())
        })
        .collect();
    // device_dev_vda_dev=/dev/vda, device_dev_vda_role=0
    let members: Vec<(Vec<u8>, BString)> = pairs
        .iter()
        .filter(|(key, _)| key.starts_with(MEMBER_PREFIX) && key.ends_with(b"_dev"))
        .filter_map(|(key, node)| Some((key.strip_suffix(b"dev")?.to_vec(), canonical(node.as_bstr()))))
        .collect();
    for (key, value) in &mut pairs {
        for (member, device) in &members {
            let Some(property) = key.strip_prefix(member.as_slice()) else { continue };
            if property == b"dev" {
                *value = device.clone();
            }
            let name = device.strip_prefix(b"/").unwrap_or(device).replace("/", "_");
            *key = [MEMBER_PREFIX, name.as_slice(), b"_", property].concat().into();
            break;
        }
    }
    pairs
}

/// A member's role as mdadm shows it.
fn shown_role(role: Role) -> BString {
    match role {
        Role::Active(place) | Role::Recovering(place) | Role::Replacing(place) => place.to_string().into(),
        _ => "spare".into(),
    }
}

/// The same of an array that no kernel runs.
fn detail_of(running: &RunningArray) -> Vec<(BString, BString)> {
    let array = &running.array;
    let words: Vec<String> =
        array.uuid.chunks(4).map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    let mut pairs: Vec<(BString, BString)> = vec![
        ("level".into(), array.level_name().into()),
        ("devices".into(), array.raid_disks.to_string().into()),
        ("metadata".into(), array.version.to_string().into()),
        ("uuid".into(), words.join(":").into()),
    ];
    if !array.name.is_empty() {
        // With nothing that says otherwise, arrays go by their names.
        pairs.push(("devname".into(), array.name.clone()));
        pairs.push(("name".into(), array.name.clone()));
    }
    for (member, role) in current(running) {
        let name = member.device.strip_prefix(b"/").unwrap_or(&member.device).replace("/", "_");
        let key = |property: &[u8]| BString::from([MEMBER_PREFIX, name.as_slice(), b"_", property].concat());
        pairs.push((key(b"role"), shown_role(role)));
        pairs.push((key(b"dev"), member.device.clone()));
    }
    pairs
}

/// The members that take part in an array, as the kernel lists them after mdadm gave it one after the other: the first place
/// first, then from the last to the second.
fn current(running: &RunningArray) -> Vec<(&Member, Role)> {
    let order = |role: &Role| match role {
        Role::Active(place) => (*place, 0),
        Role::Recovering(place) | Role::Replacing(place) => (*place, 1),
        _ => (u32::MAX, 0),
    };
    let members = running.array.members.iter().filter_map(|member| Some((member, member.role?)));
    let mut members: Vec<_> = members.filter(|(_, role)| *role != Role::Faulty).collect();
    members.sort_by_key(|(_, role)| order(role));
    if let [_, others @ ..] = members.as_mut_slice() {
        others.reverse();
    }
    members
}

/// What `/proc/mdstat` would have of an array that no kernel runs.
fn members_of(running: &RunningArray) -> Vec<Mdstat> {
    let described = |(member, role): (&Member, Role)| {
        let mut flags = BString::default();
        if member.write_mostly {
            flags.push(b'W');
        }
        match role {
            Role::Spare => flags.push(b'S'),
            Role::Journal => flags.push(b'J'),
            Role::Replacing(_) => flags.push(b'R'),
            _ => {}
        }
        Mdstat {
            mdstat_device: member.device.clone(),
            mdstat_index: i32::try_from(member.number).unwrap_or(i32::MAX),
            mdstat_flags: flags,
        }
    };
    current(running).into_iter().map(described).collect()
}

/// The members of array `name` in the text of /proc/mdstat: `md0 : active raid1 sdb[1] sda[0](S)`. `None` if there is no
/// such array.
fn members(text: &[u8], name: &BStr, canonical: impl Fn(&BStr) -> BString) -> Option<Vec<Mdstat>> {
    let line = text.lines().find_map(|line| {
        let (array, rest) = line.split_once_str(" : ")?;
        (array == name.as_bytes()).then_some(rest)
    })?;
    let member = |word: &[u8]| {
        let (device, rest) = word.split_once_str("[")?;
        let (index, flags) = rest.split_once_str("]")?;
        let index = index.to_str().ok()?.parse().ok()?;
        let flags: Vec<u8> = flags.iter().copied().filter(u8::is_ascii_alphabetic).collect();
        let node = BString::from([b"/dev/", device].concat());
        Some(Mdstat {
            mdstat_device: canonical(node.as_bstr()),
            mdstat_index: index,
            mdstat_flags: flags.into(),
        })
    };
    Some(line.fields_with(|c| c.is_ascii_whitespace()).filter_map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(node: &BStr) -> BString {
        node.replace("/dev/vd", "/dev/sd").into()
    }

    #[test]
    fn plans_that_do_not_add_up_are_refused_in_the_originals_words() {
        let none = MdCreateOpts::default;
        for (devices, opts, expected) in [
            (1, MdCreateOpts { level: Some("foo".into()), ..none() }, "unknown level parameter: foo"),
            (2, MdCreateOpts { nrdevices: Some(1), ..none() }, "nrdevices is less than 2"),
            (
                2,
                MdCreateOpts { nrdevices: Some(3), ..none() },
                "devices (2) + bits set in missingbitmap (0) is not equal to nrdevices (3) + spare (0)",
            ),
            (2, MdCreateOpts { chunk: Some(1000), ..none() }, "chunk size must be a multiple of 1024 bytes"),
            (2, MdCreateOpts { spare: Some(-1), ..none() }, "spare must not be negative"),
        ] {
            assert_eq!(Plan::new(devices, &opts).unwrap_err().message(), expected);
        }
    }

    #[test]
    fn each_set_bit_is_an_empty_place() {
        let opts = MdCreateOpts {
            missingbitmap: Some(0b101),
            chunk: Some(65536),
            level: Some("5".into()),
            ..MdCreateOpts::default()
        };
        let plan = Plan::new(2, &opts).unwrap();
        assert_eq!(plan.arguments(), ["--level", "5", "--raid-devices", "4", "--chunk", "64"]);
        let places = plan.places(vec!["a".into(), "b".into()]);
        assert_eq!(places, [None, Some("a".into()), None, Some("b".into())]);
    }

    /// As mdadm 4.2 prints it.
    #[test]
    fn the_details_name_the_guests_devices() {
        let text =
            b"MD_LEVEL=raid1\nMD_DEVICES=2\nMD_UUID=9e38bdbe:cc971944:0945db44:cb372e12\nMD_DEVNAME=r1\n\
            MD_DEVICE_dev_vda_ROLE=1\nMD_DEVICE_dev_vda_DEV=/dev/vda\n";
        let pairs = detail(text, guest);
        let expected = [
            ("level", "raid1"),
            ("devices", "2"),
            ("uuid", "9e38bdbe:cc971944:0945db44:cb372e12"),
            ("devname", "r1"),
            ("device_dev_sda_role", "1"),
            ("device_dev_sda_dev", "/dev/sda"),
        ];
        assert_eq!(pairs, expected.map(|(key, value)| (key.into(), value.into())));
    }

    /// As Linux 6.1 prints it.
    #[test]
    fn members_of_an_array_are_read_from_the_kernels_status() {
        let text = b"Personalities : [raid1] [raid6] [raid5] [raid4] \n\
            md127 : active raid5 vdc[3](S) vdb[1](F) vda[0]\n      126976 blocks super 1.2 level 5 [2/2] [UU]\n      \n\
            md126 : active (auto-read-only) raid1 vde[0](W)\n      63424 blocks super 1.2 [2/1] [U_]\n\
            unused devices: <none>\n";
        let list = |name: &str| {
            let members = members(text, BStr::new(name), guest)?;
            let show = |m: Mdstat| format!("{} {} {}", m.mdstat_device, m.mdstat_index, m.mdstat_flags);
            Some(members.into_iter().map(show).collect::<Vec<_>>())
        };
        assert_eq!(list("md127").unwrap(), ["/dev/sdc 3 S", "/dev/sdb 1 F", "/dev/sda 0 "]);
        assert_eq!(list("md126").unwrap(), ["/dev/sde 0 W"]);
        assert_eq!(list("md12"), None);
    }
}

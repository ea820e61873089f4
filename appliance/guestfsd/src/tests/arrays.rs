//! Software RAID over members of the disk crate's tests: the devices that libguestfs shows, and what mdadm says of them.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use disk::{MemSource, partition};
use libguestfs_core::api::{Hashtable, Mdstat};

use super::{b, refusal};
use crate::Guestfsd;
use crate::engine::native::{Drive, Native};

/// Size of the first of the disks that are packed together (bytes).
const FIRST_DISK: usize = 50_397_184;
/// Sizes of the disks grow by that much.
const GROWTH: usize = 64 << 10;

/// Size of the drives that are made of members: larger than a floppy, which is no member of anything to blkid.
const DRIVE: usize = 2 << 20;

/// Partition `number` of the first `count` disks, each as a disk of its own.
fn members(images: &[u8], number: u32, count: usize) -> Vec<Drive> {
    let mut rest = images;
    let mut drives = Vec::new();
    for disk in 0..count {
        let (image, later) = rest.split_at(FIRST_DISK + disk * GROWTH);
        rest = later;
        let table = partition::read(&MemSource::new(image)).unwrap().unwrap();
        let entry = table.partition(number).unwrap();
        let mut content = image[entry.start as usize..][..entry.len as usize].to_vec();
        content.resize(DRIVE, 0);
        drives.push(Drive { source: Arc::new(MemSource::new(content)), read_only: true, label: None });
    }
    drives
}

fn images() -> Vec<u8> {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../disk/tests/data/md/disks.img.xz");
    let output = Command::new("xz").arg("-dc").arg(packed).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn daemon(drives: Vec<Drive>) -> Guestfsd {
    Guestfsd::new(Box::new(Native::new(drives)))
}

/// Texts as guestfish prints hash tables.
fn lines(Hashtable(pairs): Hashtable) -> Vec<String> {
    pairs.into_iter().map(|(key, value)| format!("{key}: {value}")).collect()
}

fn shown(members: Vec<Mdstat>) -> Vec<String> {
    let one = |m: Mdstat| format!("{}[{}]{}", m.mdstat_device, m.mdstat_index, m.mdstat_flags);
    members.into_iter().map(one).collect()
}

/// What `mdadm --detail --export` and /proc/mdstat had of these arrays, the devices' names aside.
#[test]
fn arrays_are_described_as_mdadm_does() {
    let images = images();
    // Line 50 of arrays.txt: spare5; 54: replace5.
    let drives = [members(&images, 50, 4), members(&images, 54, 4)].concat();
    let mut d = daemon(drives);
    assert_eq!(d.list_md_devices().unwrap(), ["/dev/md126", "/dev/md127"]);
    // The array of the last disk is the first that is put together.
    let [replace, spare] = ["/dev/md127", "/dev/md126"].map(b);
    assert_eq!(
        shown(d.md_stat(spare).unwrap()),
        ["/dev/sda[0]", "/dev/sdd[3]S", "/dev/sdc[2]", "/dev/sdb[1]"]
    );
    assert_eq!(
        shown(d.md_stat(replace).unwrap()),
        ["/dev/sde[0]", "/dev/sdg[2]", "/dev/sdf[1]", "/dev/sdh[3]R"]
    );
    let detail = lines(d.md_detail(spare).unwrap());
    assert_eq!(detail[..3], ["level: raid5", "devices: 3", "metadata: 1.2"]);
    assert!(detail[3].starts_with("uuid: ") && detail[3].split(':').count() == 5, "{detail:?}");
    assert_eq!(
        detail[4..],
        [
            "devname: host:spare5",
            "name: host:spare5",
            "device_dev_sda_role: 0",
            "device_dev_sda_dev: /dev/sda",
            "device_dev_sdd_role: spare",
            "device_dev_sdd_dev: /dev/sdd",
            "device_dev_sdc_role: 2",
            "device_dev_sdc_dev: /dev/sdc",
            "device_dev_sdb_role: 1",
            "device_dev_sdb_dev: /dev/sdb",
        ]
    );
    let detail = lines(d.md_detail(replace).unwrap());
    assert_eq!(detail.iter().filter(|line| line.ends_with("_role: 0")).count(), 2, "{detail:?}");
    assert_eq!(d.blockdev_getsize64(spare).unwrap(), 1_179_648);
    assert_eq!(d.list_partitions().unwrap().len(), 0);
    let listed = lines(d.list_filesystems().unwrap());
    assert_eq!(listed, ["/dev/md126: unknown", "/dev/md127: unknown"]);
    assert_eq!(refusal(d.md_detail(b("/dev/sda"))), "/dev/sda does not appear to be an md device");
    assert!(d.md_stat(b("/dev/md1")).is_err());
}

#[test]
fn arrays_that_can_t_be_read_are_left_out_or_left_to_an_appliance() {
    let images = images();
    // raid5la without two of its three members: no kernel starts it either.
    let mut d = daemon(members(&images, 16, 1));
    assert!(d.list_md_devices().unwrap().is_empty());
    assert!(d.inspect_os().unwrap().is_empty());
    // It does without one.
    let mut d = daemon(members(&images, 16, 2));
    assert_eq!(d.list_md_devices().unwrap(), ["/dev/md127"]);
    // journal5
    let mut d = daemon(members(&images, 57, 4));
    let why = "needs an appliance: /dev/sda: array host:journal5: it has a journal of writes";
    assert_eq!(refusal(d.list_md_devices()), why);
    let inspection = refusal(d.inspect_os());
    assert!(
        inspection.starts_with(&why.replace("/dev/sda: ", "/dev/sda: linux_raid_member: ")),
        "{inspection}"
    );
}

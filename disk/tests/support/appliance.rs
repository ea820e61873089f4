//! Debian's kernel as the oracle where the kernel here does not know a filesystem: what it showed in guestfish's
//! appliance was recorded (`scripts/appliance_view.sh`), and is compared here.
//!
//! What probing says of an image is compared with blkid. The filesystem's ID is left out: it is the device's number.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in tests only")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use disk::{ReadAt, fs};

use crate::listing;

#[path = "blkid.rs"]
mod blkid;

/// What a listing has where the kernel refuses to mount.
const NO_MOUNT: &str = "no mount\n";
/// End of the name of an image that lies on a disk with sectors of 4096 bytes.
const LARGE: &str = ".4k";

/// Records what the kernel shows of the images in the directory `images`.
pub(crate) fn record(images: &Path, listings: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/appliance_view.sh");
    let status = Command::new(script).args([images, listings]).status().unwrap();
    assert!(status.success(), "{status}");
}

/// A source on a disk with sectors of 4096 bytes.
#[derive(Debug)]
struct Large(Arc<dyn ReadAt>);

impl ReadAt for Large {
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
        self.0.read_at(offset, buf)
    }
    fn sector_size(&self) -> u32 {
        4096
    }
}

/// Compares what is shown of the image `name` with what was recorded; `same` changes lines of both listings before they
/// are compared.
pub(crate) fn compare_but(name: &str, image: &Path, listings: &Path, same: impl Fn(String) -> String) {
    let recorded = std::fs::read_to_string(listings.join(format!("{name}.listing"))).unwrap();
    let file: Arc<dyn ReadAt> = listing::Image::open(image).unwrap();
    let probed = disk::probe::probe(&file).unwrap();
    let probed = probed.as_ref().map(blkid::tags).unwrap_or_default();
    assert_eq!(blkid::differences(name, &probed, &blkid::blkid(image)), Vec::<String>::new());
    let source: Arc<dyn ReadAt> = if name.ends_with(LARGE) { Arc::new(Large(file)) } else { file };
    let shown = fs::open(source).and_then(|fs| listing::of_filesystem(&*fs));
    let shown = match (shown, recorded == NO_MOUNT) {
        (Ok(shown), false) => shown,
        (Err(_), true) => return,
        (Ok(_), true) => panic!("{name} is shown, and the kernel refuses it"),
        (Err(error), false) => {
            let mut text = String::new();
            let mut next: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = next {
                text.push_str(&format!(": {error}"));
                next = error.source();
            }
            panic!("{name}{text}")
        }
    };
    let lines = |text: &str| text.lines().map(|line| same(without_id(line))).collect::<Vec<_>>();
    let (shown, recorded) = (lines(&shown), lines(&recorded));
    for (shown, recorded) in shown.iter().zip(&recorded) {
        assert_eq!(shown, recorded, "{name}");
    }
    assert_eq!(shown.len(), recorded.len(), "{name}");
}

/// The first line without the ID.
fn without_id(line: &str) -> String {
    const ID: usize = 8;
    if !line.starts_with("statvfs ") {
        return line.to_owned();
    }
    let fields = line.split(' ').enumerate().filter(|(nr, _)| *nr != ID);
    fields.map(|(_, field)| field).collect::<Vec<_>>().join(" ")
}

/// Any other line without some of its fields.
pub(crate) fn without(line: &str, left_out: &[usize]) -> String {
    if line.starts_with("statvfs ") {
        return line.to_owned();
    }
    let fields = line.split('\t').enumerate().filter(|(nr, _)| !left_out.contains(nr));
    fields.map(|(_, field)| field).collect::<Vec<_>>().join("\t")
}

/// Is this the line of the root?
pub(crate) fn is_root(line: &str) -> bool {
    line.starts_with("/\t")
}

/// Fields of a line: inode number; times of access, of change of content and inode, of creation.
pub(crate) const INODE: usize = 3;
pub(crate) const TIMES: [usize; 4] = [11, 12, 13, 14];

//! NTFS beside ntfs-3g's mount: a walk, large files in one piece and in many, and each of the ways in which Windows compresses.
//!
//! Needs ntfs-3g, wimtools and FUSE.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Bench;
use super::measure::row;
use crate::run;

/// The image, in the directory of fixtures, and its bytes.
const IMAGE: &str = "ntfs.raw";
const SIZE: u64 = 3 << 30;
/// Fills the volume mounted at `$1`, with programs of the disk crate's tests in `$2`: 50,000 files in 500 directories, a GiB in
/// one piece, half of that in pieces of 64 KiB, and 64 MiB of this machine's libraries in every form of compression.
const FILL: &str = r#"
    python3 - "$1" "$2" <<'EOF'
import glob, os, random, struct, sys
sys.path.insert(0, sys.argv[2])
import wof_ntfs
os.chdir(sys.argv[1])
random.seed(1)
piece = random.randbytes(1 << 20)
with open('big', 'wb', buffering=0) as file:
    for _ in range(1024):
        file.write(piece)
with open('pieces', 'wb', buffering=0) as file, open('between', 'wb', buffering=0) as between:
    for _ in range(8192):
        file.write(piece[:65536])
        between.write(piece[:4096])
os.unlink('between')
data = bytearray()
for path in sorted(glob.glob('/usr/lib/x86_64-linux-gnu/*.so*')):
    if os.path.isfile(path) and not os.path.islink(path):
        data += open(path, 'rb').read()
data = bytes((data * (1 + (64 << 20) // len(data)))[:64 << 20])
os.mkdir('lznt1')
os.setxattr('lznt1', 'system.ntfs_attrib', struct.pack('<I', 0x800))
open('lznt1/file', 'wb').write(data)
for name, number, method, chunk in wof_ntfs.METHODS:
    os.mkdir(name)
    wof_ntfs.write(f'{name}/file', len(data), wof_ntfs.resources([data], method, chunk)[0], number)
os.mkdir('tree')
for directory in range(500):
    os.mkdir(f'tree/directory {directory}')
    for i in range(100):
        with open(f'tree/directory {directory}/File number {i}.txt', 'wb', buffering=0) as file:
            file.write(piece[:i * 37 % 2000])
EOF"#;

/// Makes the image, unless it is there.
fn make(image: &Path) -> Result<()> {
    if image.exists() {
        return Ok(());
    }
    println!("building {}", image.display());
    // Only what is complete gets its name.
    let new = image.with_extension("new");
    File::create(&new)?.set_len(SIZE)?;
    let sizes = ["-q", "-F", "-Q", "-p", "0", "-H", "255", "-S", "63"];
    run::output("mkntfs", sizes.iter().map(AsRef::as_ref).chain([new.as_os_str()]))?;
    let point = tempfile::tempdir()?;
    let options = "streams_interface=windows,compression,noatime,big_writes";
    run::output("ntfs-3g", ["-o".as_ref(), options.as_ref(), new.as_os_str(), point.path().as_os_str()])?;
    let programs = run::repository().join("disk/tests/support");
    let filled = run::shell(FILL, &[point.path(), &programs]);
    run::output("umount", [point.path()])?;
    filled?;
    std::fs::rename(new, image)?;
    Ok(())
}

impl Bench {
    /// NTFS: ours, ntfs-3g on a fresh mount (FUSE keeps what it has shown), Debian's tools.
    pub(super) fn ntfs(&self) -> Result<()> {
        let path: PathBuf = self.fixtures.join(IMAGE);
        std::fs::create_dir_all(&self.fixtures)?;
        make(&path)?;
        let image = self.file(IMAGE)?;
        let (ls, cat, xtask) = (self.ours("virt-ls"), self.ours("virt-cat"), self.ours("xtask"));
        let point = tempfile::tempdir()?;
        let point = point.path().to_string_lossy();
        let mounted = |command: &str| {
            format!("ntfs-3g -o ro {image} {point} && {command}; status=$?; umount {point}; exit $status")
        };
        let find = mounted(&format!("find {point} -ls"));
        let rows = vec![
            row("virt-ls -lR /", &[&ls, "-a", &image, "-m", "/dev/sda", "-lR", "/"]),
            row("the engine", &[&xtask, "read-tree", "--names", &image]),
            row("find -ls on ntfs-3g's mount", &["sh", "-c", &find]),
            row("Debian's virt-ls (TCG)", &["/usr/bin/virt-ls", "-a", &image, "-m", "/dev/sda", "-lR", "/"]),
        ];
        self.table("50,000 files, names, sizes and times, NTFS", rows, 5)?;

        for (title, file) in [("1 GiB in one piece", "big"), ("512 MiB in 8192 pieces", "pieces")] {
            let (ours, theirs) = (format!("/{file}"), mounted(&format!("cat {point}/{file}")));
            let rows = vec![
                row("virt-cat", &[&cat, "-a", &image, "-m", "/dev/sda", &ours]),
                row("cat on ntfs-3g's mount", &["sh", "-c", &theirs]),
                row("Debian's virt-cat (TCG)", &["/usr/bin/virt-cat", "-a", &image, "-m", "/dev/sda", &ours]),
            ];
            self.table(&format!("{title}, NTFS"), rows, 5)?;
        }

        // ntfs-3g reads what WOF compressed by a plugin that Debian does not have.
        let theirs = mounted(&format!("cat {point}/lznt1/file"));
        let ours = |name: &str| {
            row(
                &format!("virt-cat, {name}"),
                &[&cat, "-a", &image, "-m", "/dev/sda", &format!("/{name}/file")],
            )
        };
        let mut rows = vec![ours("lznt1"), row("cat of that on ntfs-3g's mount", &["sh", "-c", &theirs])];
        rows.extend(["xpress4k", "xpress8k", "xpress16k", "lzx"].map(ours));
        self.table("64 MiB of libraries, compressed, NTFS", rows, 5)
    }
}

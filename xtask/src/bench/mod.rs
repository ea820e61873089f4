//! `cargo xtask bench`: one table of time and memory, ours and of other programs, on the same guests in one run.
//!
//! All files are in the page cache before anything is measured. Time is the median of several runs, with the output read
//! through a pipe; memory is from one more run, the sum of what all processes of the program had resident at most (pages
//! that they share count several times; for appliances once). A program that is not there is a row that says so.

mod appliances;
mod measure;
mod ntfs;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use self::measure::{Row, row, table};
use crate::fixtures::{self, debian, disk, filesystems};
use crate::run;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Runs of each program that takes less than a second; the others run once
    #[arg(long, default_value_t = 21)]
    runs: usize,
    /// Leave out the programs that boot an appliance
    #[arg(long)]
    quick: bool,
    /// Measure only these: cat, ls, big-file, trees, df, inspector, copy-out, ntfs, launch, transfer or win-reg
    only: Vec<String>,
}

/// What is measured with: our tools, the fixtures, and how often.
struct Bench {
    tools: PathBuf,
    fixtures: PathBuf,
    /// Most runs of each program.
    runs: usize,
    /// Leave out what boots an appliance.
    quick: bool,
}

impl Bench {
    /// One of our tools.
    fn ours(&self, name: &str) -> String {
        self.tools.join(name).to_string_lossy().into_owned()
    }

    /// A fixture, which is in the page cache then.
    fn file(&self, name: &str) -> Result<String> {
        let path = self.fixtures.join(name);
        ensure!(path.exists(), "no {}: run `cargo xtask fixtures --full` first", path.display());
        run::shell(r#"cat "$1" > /dev/null"#, &[&path])?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Prints a table, without the programs that the options leave out.
    fn table(&self, title: &str, rows: Vec<Row>, most_runs: usize) -> Result<()> {
        let wanted = |row: &Row| !(self.quick && row.name.starts_with("Debian"));
        let rows: Vec<_> = rows.into_iter().filter(wanted).collect();
        table(title, &rows, self.runs.min(most_runs)).map(drop)
    }

    fn cat(&self) -> Result<()> {
        let (cat, qcow2) = (self.ours("virt-cat"), self.file("debian-zlib.qcow2")?);
        let rows = vec![
            row("virt-cat", &[&cat, "-a", &qcow2, "/etc/hostname"]),
            row("Debian's virt-cat (TCG)", &["/usr/bin/virt-cat", "-a", &qcow2, "/etc/hostname"]),
            row("dissect's target-fs", &["target-fs", "-q", &qcow2, "cat", "/etc/hostname"]),
        ];
        self.table("/etc/hostname of a Debian 12, qcow2 with zlib", rows, usize::MAX)
    }

    fn ls(&self) -> Result<()> {
        let (ls, raw) = (self.ours("virt-ls"), self.file("debian.raw")?);
        let mounted = debian::mount_read_only(&self.fixtures)?;
        let root = mounted.path().to_string_lossy().into_owned();
        let rows = vec![
            row("virt-ls -lR /", &[&ls, "-a", &raw, "-lR", "/"]),
            row("find / -ls on the kernel's mount", &["find", &root, "-ls"]),
            row("Debian's virt-ls -lR / (TCG)", &["/usr/bin/virt-ls", "-a", &raw, "-lR", "/"]),
        ];
        self.table("all 41,000 entries of a Debian 12, raw", rows, 5)?;
        mounted.unmount()
    }

    fn big_file(&self) -> Result<()> {
        let cat = self.ours("virt-cat");
        let (big, big_zlib) = (self.file("big-file.raw")?, self.file("big-file-zlib.qcow2")?);
        let mounted = disk::Mounted::read_only(&[(&disk::whole(Path::new(&big))?, "/")])?;
        let mounted_file = mounted.path().join("big").to_string_lossy().into_owned();
        let rows = vec![
            row("virt-cat, raw", &[&cat, "-a", &big, "/big"]),
            row("cat on the kernel's mount, raw", &["cat", &mounted_file]),
            row("virt-cat, qcow2 with zlib", &[&cat, "-a", &big_zlib, "/big"]),
            row("Debian's virt-cat (TCG), raw", &["/usr/bin/virt-cat", "-a", &big, "/big"]),
            row("dissect's target-fs, raw", &["target-fs", "-q", &big, "cat", "/big"]),
        ];
        self.table("one file of 1 GiB", rows, 5)?;
        mounted.unmount()
    }

    /// The same tree of a gigabyte in every filesystem: names, status and content of all files. A fresh mount has to find
    /// everything in the image (which is in the page cache), as we do; one that was read before has it all at hand.
    fn trees(&self) -> Result<()> {
        let xtask = self.ours("xtask");
        let point = tempfile::tempdir()?;
        let point = point.path().to_string_lossy();
        for name in filesystems::tree_names() {
            let image = self.file(&format!("trees/{name}.raw"))?;
            let fresh = format!(
                "mount -o ro,loop {image} {point} && {xtask} read-tree {point}; status=$?; umount {point}; exit $status"
            );
            let title = format!("41,000 entries, 1 GB, on {name}");
            let rows = vec![
                row("the engine", &[&xtask, "read-tree", &image]),
                row("the kernel, freshly mounted", &["sh", "-c", &fresh]),
            ];
            self.table(&title, rows, 3)?;
            let Ok(mounted) = disk::Mounted::read_only(&[(&disk::whole(Path::new(&image))?, "/")]) else {
                continue;
            };
            let root = mounted.path().to_string_lossy().into_owned();
            let rows = vec![
                row("the engine", &[&xtask, "read-tree", &image]),
                row("the kernel, all of it cached", &[&xtask, "read-tree", &root]),
            ];
            self.table(&title, rows, 3)?;
            mounted.unmount()?;
        }
        Ok(())
    }

    fn df(&self) -> Result<()> {
        let (df, qcow2) = (self.ours("virt-df"), self.file("debian-zlib.qcow2")?);
        let rows = vec![
            row("virt-df", &[&df, "-a", &qcow2]),
            row("Debian's virt-df (TCG)", &["/usr/bin/virt-df", "-a", &qcow2]),
        ];
        self.table("disk usage of a Debian 12, qcow2 with zlib", rows, usize::MAX)?;
        let guests = ["-a", qcow2.as_str()].repeat(100);
        let hundred = [&[df.as_str(), "--separate"], &guests[..]].concat();
        self.table("disk usage of a hundred guests", vec![row("virt-df", &hundred)], 3)
    }

    /// Everything that is said of guests with packages of dpkg (223) and of rpm (502); and of a hundred of them.
    fn inspector(&self) -> Result<()> {
        let (inspector, qcow2) = (self.ours("virt-inspector"), self.file("debian-zlib.qcow2")?);
        let rows = vec![
            row("virt-inspector", &[&inspector, "-a", &qcow2]),
            row("virt-inspector --sbom cyclonedx", &[&inspector, "--sbom", "cyclonedx", "-a", &qcow2]),
            row("virt-inspector --fields hostname", &[&inspector, "--fields", "hostname", "-a", &qcow2]),
            row("Debian's virt-inspector (TCG)", &["/usr/bin/virt-inspector", "-a", &qcow2]),
        ];
        self.table("report on a Debian 12, qcow2 with zlib", rows, usize::MAX)?;
        let rpm = run::repository().join("tests/data/golden/rpm.qcow2").to_string_lossy().into_owned();
        let rows = vec![
            row("virt-inspector", &[&inspector, "-a", &rpm]),
            row("virt-inspector --sbom spdx", &[&inspector, "--sbom", "spdx", "-a", &rpm]),
            row("Debian's virt-inspector (TCG)", &["/usr/bin/virt-inspector", "-a", &rpm]),
        ];
        self.table("report on a guest with 500 packages of rpm", rows, usize::MAX)?;
        let guests = [qcow2.as_str()].repeat(100);
        let hundred = |threads| [&[inspector.as_str(), "--json", "-P", threads], &guests[..]].concat();
        let rows = vec![
            row("virt-inspector, all processors", &hundred("0")),
            row("virt-inspector, one at a time", &hundred("1")),
        ];
        self.table("report on a hundred guests", rows, 3)
    }

    /// Copies that start from nothing each time.
    fn copy_out(&self) -> Result<()> {
        let (copy, raw) = (self.ours("virt-copy-out"), self.file("debian.raw")?);
        let target = tempfile::tempdir_in(&self.fixtures)?;
        let target = target.path().to_string_lossy().into_owned();
        let into = |command: &str| format!("rm -rf {target}/*; {command} {target}");
        let mounted = debian::mount_read_only(&self.fixtures)?;
        let root = mounted.path().to_string_lossy().into_owned();
        let (ours, kernels) = (into(&format!("{copy} -a {raw} /usr")), into(&format!("cp -a {root}/usr")));
        let debians = into(&format!("/usr/bin/virt-copy-out -a {raw} /usr"));
        let rows = vec![
            row("virt-copy-out /usr", &["sh", "-c", &ours]),
            row("cp -a from the kernel's mount", &["sh", "-c", &kernels]),
            row("Debian's virt-copy-out (TCG)", &["sh", "-c", &debians]),
        ];
        self.table(
            "/usr of a Debian 12, raw: 38,000 entries, 760 MB (removal of the last copy included)",
            rows,
            3,
        )?;
        mounted.unmount()?;

        let sparse = self.file("sparse-file.raw")?;
        let mounted = disk::Mounted::read_only(&[(&disk::whole(Path::new(&sparse))?, "/")])?;
        let root = mounted.path().to_string_lossy().into_owned();
        let ours = into(&format!("{copy} -a {sparse} -m /dev/sda:/ /sparse"));
        let kernels = into(&format!("cp -a {root}/sparse"));
        let rows = vec![
            row("virt-copy-out", &["sh", "-c", &ours]),
            row("cp -a from the kernel's mount", &["sh", "-c", &kernels]),
        ];
        self.table("a file of 5 GB, 2 GB of it data in pieces of 4 MB", rows, 3)?;
        mounted.unmount()
    }
}

impl Bench {
    /// The registry: of a small guest, and a hive of 12 MB without one.
    fn win_reg(&self) -> Result<()> {
        let (win_reg, key) = (self.ours("virt-win-reg"), "HKLM\\SYSTEM");
        let guest = run::repository().join("tests/data/windows/win10.qcow2").to_string_lossy().into_owned();
        let rows = vec![
            row("virt-win-reg", &[&win_reg, &guest, key]),
            row("Debian's virt-win-reg (TCG)", &["/usr/bin/virt-win-reg", &guest, key]),
        ];
        self.table("HKLM\\SYSTEM of a guest like a Windows 10", rows, usize::MAX)?;

        let directory = tempfile::tempdir()?;
        let archive = run::repository().join("hivex-rs/tests/data/hives.tar.xz");
        run::shell(r#"tar -C "$1" -xJf "$2" SYSTEM"#, &[directory.path(), &archive])?;
        let hive = directory.path().join("SYSTEM").to_string_lossy().into_owned();
        let rows = vec![
            row("virt-win-reg --hive", &[&win_reg, "--hive", &hive]),
            row("virt-win-reg --hive --json", &[&win_reg, "--hive", &hive, "--json"]),
            row("hivexregedit --export", &["hivexregedit", "--export", &hive, "\\"]),
        ];
        self.table("all 30,000 keys of a SYSTEM hive of Windows 7", rows, 5)
    }
}

/// One comparison, or several that belong together.
type Table = fn(&Bench) -> Result<()>;

/// All of them: name, the packages whose programs are measured.
const TABLES: &[(&str, &str, Table)] = &[
    ("cat", "virt-cat", Bench::cat),
    ("ls", "virt-ls", Bench::ls),
    ("big-file", "virt-cat", Bench::big_file),
    ("trees", "xtask", Bench::trees),
    ("df", "virt-df", Bench::df),
    ("inspector", "virt-inspector", Bench::inspector),
    ("copy-out", "virt-copy-out", Bench::copy_out),
    ("ntfs", "virt-cat virt-ls xtask", Bench::ntfs),
    ("launch", "virt-ls", Bench::launch),
    ("transfer", "xtask", Bench::transfer),
    ("win-reg", "virt-win-reg", Bench::win_reg),
];

/// Measures everything, or what is asked for.
pub(crate) fn run(options: &Options) -> Result<()> {
    for only in &options.only {
        ensure!(TABLES.iter().any(|(name, ..)| name == only), "there is no table ‘{only}’");
    }
    let is_wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let wanted: Vec<_> = TABLES.iter().filter(|(name, ..)| is_wanted(name)).collect();
    let packages: BTreeSet<&str> = wanted.iter().flat_map(|(_, packages, _)| packages.split(' ')).collect();
    let mut build = vec!["build".into(), "--quiet".into(), "--release".into(), "--manifest-path".into()];
    build.push(run::repository().join("Cargo.toml").into_os_string());
    build.extend(packages.into_iter().flat_map(|package| ["-p".into(), package.into()]));
    run::output("cargo", build)?;
    let tools = run::repository().join("target/release");
    let bench = Bench { tools, fixtures: fixtures::directory(), runs: options.runs, quick: options.quick };
    wanted.into_iter().try_for_each(|(_, _, measure)| measure(&bench))
}

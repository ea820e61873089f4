//! Encrypted guests, read by the tools as users read them: LUKS on partitions, LVM in LUKS, LUKS on a logical volume.
//!
//! `cargo test -p guestfs-tests --test encrypted -- NAME…` checks some of them: kernel, partitions, terminal, lvm-in-luks,
//! luks-on-volume.
//!
//! The embedded daemon reads all of them by itself. What it reads is what a kernel reads, whole devices of every kind of LUKS.
//!
//! Encrypted partitions are formatted by the host's cryptsetup, and filled by our own appliance. (Has a main function of
//! its own, because the backends start the running program again.)

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use guestfs_tests::{Ended, clean, launched, must, tool};
use libguestfs_core::Guestfs;
use libguestfs_core::api::CryptsetupOpenOpts;

/// The backend that makes the guests.
const MAKER: &str = "uml";
/// The backend that reads them.
const EMBEDDED: &str = "embedded";
/// Size of a guest's disk in bytes, and its partitions: first and last sector.
const DISK: u64 = 192 << 20;
const PARTITIONS: [(u64, u64); 2] = [(2048, 264_191), (264_192, 391_167)];
const SECTOR: u64 = 512;
/// The passphrases of the first and of the second device.
const KEYS: [&str; 2] = ["correct horse", "battery:staple"];
const NOTE: &str = "in the second device\n";

/// A guest on one disk, with the files that hold its keys.
struct Guest {
    directory: tempfile::TempDir,
    uuids: Vec<String>,
}

impl Guest {
    /// A disk with `encrypted` LUKS partitions and one that is none, and what `fill` makes of them.
    fn new(encrypted: &[&[&str]], fill: impl FnOnce(&Guestfs) -> Result<()>) -> Result<Guest> {
        let directory = tempfile::tempdir()?;
        for (number, key) in KEYS.iter().enumerate() {
            fs::write(directory.path().join(format!("key{number}")), format!("{key}\n"))?;
        }
        let mut guest = Guest { directory, uuids: Vec::new() };
        File::create(guest.disk())?.set_len(DISK)?;
        for (number, options) in encrypted.iter().enumerate() {
            guest.format(number, options)?;
        }
        let g = launched(MAKER, &[guest.disk()], false)?;
        g.part_init("/dev/sda", "gpt")?;
        for (first, last) in PARTITIONS {
            g.part_add("/dev/sda", "p", i64::try_from(first)?, i64::try_from(last)?)?;
        }
        fill(&g)?;
        g.shutdown()?;
        Ok(guest)
    }

    fn disk(&self) -> PathBuf {
        self.directory.path().join("disk.img")
    }

    /// `ID:file:` and the file of a key.
    fn key(&self, id: &str, number: usize) -> String {
        format!("{id}:file:{}", self.directory.path().join(format!("key{number}")).display())
    }

    /// Makes a partition a LUKS device: its header is made in a file, by the program that guests' headers are made by.
    fn format(&mut self, number: usize, options: &[&str]) -> Result<()> {
        let header = self.directory.path().join("header");
        let (first, last) = PARTITIONS[number];
        File::create(&header)?.set_len((last - first + 1) * SECTOR)?;
        let key = self.directory.path().join("key");
        fs::write(&key, KEYS[number])?;
        let (header_name, key_name) = (header.to_string_lossy(), key.to_string_lossy());
        let words = ["luksFormat", "--batch-mode", "--key-file", &key_name];
        must("cryptsetup", words.iter().chain(&ROUNDS).chain(options).chain(&[&header_name as &str]))?;
        let uuid = must("cryptsetup", ["luksUUID", &header_name])?;
        self.uuids.push(String::from_utf8(uuid)?.trim().to_owned());
        let mut made = Vec::new();
        File::open(&header)?.take(32 << 20).read_to_end(&mut made)?;
        let mut disk = File::options().write(true).open(self.disk())?;
        disk.seek(SeekFrom::Start(first * SECTOR))?;
        disk.write_all(&made)?;
        Ok(())
    }

    /// Runs a tool on the guest, without a terminal and without an appliance.
    fn run(&self, program: &str, words: &[&str]) -> Result<Ended> {
        self.run_with_input(program, words, "")
    }

    fn run_with_input(&self, program: &str, words: &[&str], input: &str) -> Result<Ended> {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(tool(program)?).arg("-a").arg(self.disk()).args(words);
        let mut child = clean(command.env("LIBGUESTFS_BACKEND", EMBEDDED))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("no pipe")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        for key in KEYS {
            ensure!(!stderr.contains(key), "{words:?}: a key was printed: {stderr}");
        }
        Ok(Ended { status: output.status.code(), stdout: output.stdout, stderr })
    }

    /// What virt-cat prints of a file; it has to succeed, in silence.
    fn reads(&self, words: &[&str], input: &str, expected: &str) -> Result<()> {
        let out = self.run_with_input("virt-cat", words, input)?;
        let expected = Ended { status: Some(0), stdout: expected.into(), stderr: String::new() };
        ensure!(out == expected, "{words:?}: {out:?}");
        Ok(())
    }

    /// virt-cat fails, and the first line of what it says is this.
    fn fails(&self, words: &[&str], expected: &str) -> Result<()> {
        let out = self.run("virt-cat", words)?;
        ensure!(out.status == Some(1) && out.stdout.is_empty(), "{words:?}: {out:?}");
        ensure!(out.stderr.lines().next() == Some(expected), "{words:?}: {}", out.stderr);
        Ok(())
    }
}

/// Few rounds: how long a key takes is not what is tested.
const ROUNDS: [&str; 4] = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];

fn open(g: &Guestfs, device: &str, key: usize, name: &str) -> Result<()> {
    Ok(g.cryptsetup_open(device, KEYS[key], name, &CryptsetupOpenOpts::default())?)
}

/// Devices of all kinds: cryptsetup's options beside the type.
const KINDS: [(&str, &str); 20] = [
    ("luks1", "--cipher aes-xts-plain64 --key-size 256 --hash sha1"),
    ("luks1", "--cipher aes-xts-plain64 --key-size 256 --hash sha256"),
    ("luks1", "--cipher aes-xts-plain64 --key-size 512 --hash sha512"),
    ("luks1", "--cipher aes-xts-plain --key-size 512 --hash ripemd160"),
    ("luks1", "--cipher aes-xts-plain64 --key-size 512 --hash whirlpool"),
    ("luks1", "--cipher aes-cbc-essiv:sha256 --key-size 128 --hash sha1"),
    ("luks1", "--cipher aes-cbc-essiv:sha256 --key-size 256 --hash sha256"),
    ("luks1", "--cipher aes-cbc-essiv:sha256 --key-size 256 --hash sha512"),
    ("luks1", "--cipher aes-cbc-plain64 --key-size 192 --hash sha1"),
    ("luks1", "--cipher aes-cbc-plain64 --key-size 256 --hash sha256"),
    ("luks1", "--cipher aes-cbc-plain --key-size 256 --hash sha512"),
    ("luks2", "--sector-size 512"),
    ("luks2", "--sector-size 1024 --cipher aes-cbc-essiv:sha256 --key-size 256"),
    ("luks2", "--sector-size 2048 --key-size 256 --hash sha512"),
    ("luks2", "--sector-size 4096 --cipher aes-cbc-plain64be --key-size 256"),
    ("luks2", "--sector-size 4096"),
    (
        "luks2",
        "--sector-size 512 --pbkdf argon2i --pbkdf-memory 64 --pbkdf-force-iterations 4 --pbkdf-parallel 1",
    ),
    (
        "luks2",
        "--sector-size 4096 --pbkdf argon2i --pbkdf-memory 2000 --pbkdf-force-iterations 5 --pbkdf-parallel 3",
    ),
    (
        "luks2",
        "--sector-size 512 --pbkdf argon2id --pbkdf-memory 1024 --pbkdf-force-iterations 4 --pbkdf-parallel 4",
    ),
    (
        "luks2",
        "--sector-size 4096 --pbkdf argon2id --pbkdf-memory 333 --pbkdf-force-iterations 9 --pbkdf-parallel 2",
    ),
];
/// Sectors of a partition with one of them, and where its data is at the latest, by options.
const KIND_SECTORS: u64 = 6144;
const KIND_OPTIONS: [&str; 6] =
    ["--offset", "4096", "--luks2-metadata-size", "16k", "--luks2-keyslots-size", "512k"];

/// What a backend reads of a disk with [`KINDS`], call by call.
fn seen(g: &Guestfs) -> Result<Vec<String>> {
    let mut said = vec![format!("{:?}", g.list_filesystems()?.0)];
    let text = |result: libguestfs_core::Result<()>| result.map_or_else(|e| e.to_string(), |()| "ok".into());
    let read_only = CryptsetupOpenOpts { readonly: Some(true), ..CryptsetupOpenOpts::default() };
    for number in 1..=KINDS.len() {
        let (device, name) = (format!("/dev/sda{number}"), format!("kind-{number}"));
        let mapped = format!("/dev/mapper/{name}");
        let wrong = g.cryptsetup_open(&device, KEYS[1], &name, &read_only);
        said.push(format!("{} {}", g.luks_uuid(&device)?, text(wrong)));
        match number % 3 {
            0 => g.cryptsetup_open(&device, KEYS[0], &name, &read_only)?,
            1 => g.luks_open_ro(&device, KEYS[0], &name)?,
            _ => g.luks_open(&device, KEYS[0], &name)?,
        }
        said.push(format!(
            "{mapped} {} {} {}",
            g.blockdev_getsize64(&mapped)?,
            g.blockdev_getss(&mapped)?,
            g.checksum_device("sha256", &mapped)?
        ));
    }
    said.push(format!("{:?} {:?}", g.list_dm_devices()?, g.list_filesystems()?.0));
    // What can't be opened twice, is not there, or is none.
    let of_version_1 = CryptsetupOpenOpts { crypttype: Some("luks1".into()), ..read_only.clone() };
    said.push(text(g.cryptsetup_open("/dev/sda1", KEYS[0], "kind-1", &read_only)));
    said.push(text(g.cryptsetup_open("/dev/sda2", KEYS[0], "..", &read_only)));
    said.push(text(g.cryptsetup_open("/dev/mapper/kind-1", KEYS[0], "within", &read_only)));
    said.push(text(g.cryptsetup_open("/dev/sda20", KEYS[0], "of-version-2", &of_version_1)));
    said.push(text(g.luks_close("/dev/sda1")));
    for number in 1..=KINDS.len() {
        g.cryptsetup_close(format!("/dev/mapper/kind-{number}"))?;
    }
    said.push(text(g.luks_close("/dev/mapper/kind-1")));
    said.push(format!("{:?}", g.list_dm_devices()?));
    Ok(said)
}

/// Every byte of every kind of device is what a kernel reads there, and every answer an appliance's. The devices are random: so is
/// what they decrypt to.
fn check_kernel() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (disk, header, key) =
        (directory.path().join("disk.img"), directory.path().join("header"), directory.path().join("key"));
    fs::write(&key, KEYS[0])?;
    let count = u64::try_from(KINDS.len())?;
    let mut content = Vec::new();
    File::open("/dev/urandom")?
        .take((2048 + count * KIND_SECTORS + 2048) * SECTOR)
        .read_to_end(&mut content)?;
    let mut script = String::from("label: gpt\n");
    for (number, (kind, options)) in (0..).zip(KINDS) {
        let first = 2048 + number * KIND_SECTORS;
        script.push_str(&format!("start={first}, size={KIND_SECTORS}\n"));
        File::create(&header)?.set_len(KIND_SECTORS * SECTOR)?;
        let mut words = vec!["luksFormat", "--batch-mode", "--type", kind];
        words.extend(options.split(' '));
        // Those that name a derivation have its costs.
        words.extend(if options.contains("--pbkdf") { &[][..] } else { &ROUNDS });
        words.extend(if kind == "luks2" { &KIND_OPTIONS[..] } else { &[] });
        let (key, header_name) = (key.to_string_lossy(), header.to_string_lossy());
        must("cryptsetup", words.iter().chain(&["--key-file", &key, &header_name as &str]))?;
        let mut made = fs::read(&header)?;
        made.truncate(2 << 20);
        let start = usize::try_from(first * SECTOR)?;
        content[start..start + made.len()].copy_from_slice(&made);
    }
    // Nothing may be taken for a table.
    content[..4096].fill(0);
    fs::write(&disk, &content)?;
    let mut sfdisk = Command::new("sfdisk")
        .args(["--quiet", "--wipe", "never"])
        .arg(&disk)
        .stdin(Stdio::piped())
        .spawn()?;
    sfdisk.stdin.take().context("no pipe")?.write_all(script.as_bytes())?;
    ensure!(sfdisk.wait()?.success(), "sfdisk");

    let embedded = seen(&launched(EMBEDDED, &[&disk], true)?).context(EMBEDDED)?;
    let kernel = seen(&launched(MAKER, &[&disk], true)?).context(MAKER)?;
    for (ours, theirs) in embedded.iter().zip(&kernel) {
        ensure!(ours == theirs, "{EMBEDDED}: {ours}\n{MAKER}: {theirs}");
    }
    ensure!(embedded.len() == kernel.len(), "{} and {} answers", embedded.len(), kernel.len());
    Ok(())
}

/// A small Linux on `root`, with a separate /home.
fn install(g: &Guestfs, root: &str, home: &str, fstab: &str, crypttab: &str) -> Result<()> {
    for device in [root, home] {
        g.mkfs("ext4", device, &Default::default())?;
    }
    g.mount(root, "/")?;
    for directory in ["/bin", "/etc", "/home", "/usr", "/var"] {
        g.mkdir(directory)?;
    }
    g.mount(home, "/home")?;
    for (path, text) in [
        ("/etc/fstab", fstab),
        ("/etc/crypttab", crypttab),
        ("/etc/hostname", "vault\n"),
        ("/etc/os-release", "ID=debian\nNAME=Debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian 12\"\n"),
        ("/home/note", NOTE),
    ] {
        g.internal_write(path, text.as_bytes())?;
    }
    Ok(g.umount_all()?)
}

/// Two LUKS partitions with keys of their own, of both versions: the root, which crypttab calls by its UUID, and /home, by
/// its device.
fn two_partitions() -> Result<Guest> {
    let guest = Guest::new(&[&["--type", "luks2"], &["--type", "luks1"]], |g| {
        open(g, "/dev/sda1", 0, "a")?;
        open(g, "/dev/sda2", 1, "b")?;
        let fstab = "/dev/mapper/root_crypt / ext4\n/dev/mapper/home_crypt /home ext4\n";
        let crypttab =
            format!("root_crypt UUID={} none luks\nhome_crypt /dev/sda2 none\n", g.luks_uuid("/dev/sda1")?);
        install(g, "/dev/mapper/a", "/dev/mapper/b", fstab, &crypttab)
    })?;
    Ok(guest)
}

fn check_two_partitions() -> Result<()> {
    let guest = two_partitions().context("making the guest")?;
    let before = must("sha256sum", [guest.disk()])?;
    let (first, second) = (guest.key("/dev/sda1", 0), guest.key(&guest.uuids[1], 1));
    let (all_0, all_1) = (guest.key("all", 0), guest.key("all", 1));
    let wrong = guest.key("/dev/sda1", 1);
    let files = ["/etc/hostname", "/home/note"];
    let both = format!("vault\n{NOTE}");

    // By device and UUID; every key on every device; a passphrase on the command line, in a trace.
    guest.reads(&["--key", &first, "--key", &second, files[0], files[1]], "", &both)?;
    guest.reads(&["--key", &all_1, "--key", &all_0, files[0], files[1]], "", &both)?;
    // One by option, the other one from standard input.
    let second_line = format!("{}\nnot read\n", KEYS[1]);
    guest.reads(&["--key", &first, "--keys-from-stdin", files[1]], &second_line, NOTE)?;

    let traced = guest.run("virt-cat", &["-x", "--key", &first, "--key", &second, files[0]])?;
    let call = "cryptsetup_open \"/dev/sda1\" \"***\" ";
    ensure!(traced.status == Some(0) && traced.stderr.contains(call), "{traced:?}");

    // The second one stays locked: its files are missing, and that is said.
    let partly = guest.run("virt-cat", &["--key", &first, files[0], files[1]])?;
    ensure!(partly.status == Some(1) && partly.stdout == b"vault\n", "{partly:?}");
    for said in
        ["warning: /dev/sda2 is encrypted, and there is no key for it\n", "--key /dev/sda2:file:FILENAME"]
    {
        ensure!(partly.stderr.contains(said), "{}", partly.stderr);
    }

    guest.fails(
        &[files[0]],
        "virt-cat: no operating system was found: /dev/sda1 is encrypted, and there is no key for it",
    )?;
    guest.fails(
        &["--key", &wrong, files[0]],
        "virt-cat: could not find key to open LUKS encrypted /dev/sda1: cryptsetup_open: cryptsetup exited with status 2: \
         No key available with this passphrase.",
    )?;
    guest.fails(
        &["--key", "all:file:/nowhere/key", files[0]],
        "virt-cat: /nowhere/key: No such file or directory",
    )?;
    // Clevis asks a server, or the machine's TPM: a job of an appliance.
    let clevis = guest.run("virt-cat", &["--key", "/dev/sda1:clevis", files[0]])?;
    ensure!(
        clevis.status == Some(1) && clevis.stderr.contains("clevis_luks_unlock: needs an appliance"),
        "{clevis:?}"
    );

    other_tools(&guest, &[&first, &second])?;
    // The name of an encrypted device stands for what is in it.
    guest.reads(&["--key", &second, "-m", "/dev/sda2", "/note"], "", NOTE)?;
    ensure!(must("sha256sum", [guest.disk()])? == before, "the disk was changed by reading it");
    Ok(())
}

fn other_tools(guest: &Guest, keys: &[&str; 2]) -> Result<()> {
    let keys = ["--key", keys[0], "--key", keys[1]];
    let listed = guest.run("virt-ls", &[&keys[..], &["/home"]].concat())?;
    ensure!(listed.status == Some(0) && listed.stdout == b"lost+found\nnote\n", "{listed:?}");

    let target = tempfile::tempdir()?;
    let to = target.path().to_string_lossy();
    let copied = guest.run("virt-copy-out", &[&keys[..], &["/home/note", &to]].concat())?;
    ensure!(copied.status == Some(0), "{copied:?}");
    ensure!(fs::read_to_string(target.path().join("note"))? == NOTE, "the copy is another one");

    let shown = guest.run("virt-df", &[&keys[..], &["--csv"]].concat())?;
    ensure!(shown.status == Some(0), "{shown:?}");
    let table = String::from_utf8(shown.stdout)?;
    for uuid in &guest.uuids {
        ensure!(table.contains(&format!("disk.img,/dev/mapper/luks-{uuid},")), "{table}");
    }
    let report = guest.run("virt-inspector", &[&keys[..], &["--json", "--no-applications"]].concat())?;
    ensure!(report.status == Some(0) && report.stderr.is_empty(), "{report:?}");
    let report: serde_json::Value = serde_json::from_slice(&report.stdout)?;
    let system = &report["operating_systems"][0];
    ensure!(system["hostname"] == "vault" && system["distro"] == "debian", "{report}");
    let [root, home] = [0, 1].map(|number| format!("/dev/mapper/luks-{}", guest.uuids[number]));
    ensure!(system["root"] == root && system["mountpoints"][1]["device"] == home, "{report}");
    // Without a key there is no system to report, which is said.
    let without = guest.run("virt-inspector", &[])?;
    ensure!(without.status == Some(1), "{without:?}");
    ensure!(without.stderr.contains("/dev/sda1 is encrypted, and there is no key for it"), "{without:?}");

    // Without a key, what is left is shown.
    let without = guest.run("virt-df", &["--csv"])?;
    ensure!(without.status == Some(0) && without.stderr.is_empty(), "{without:?}");
    Ok(())
}

/// A passphrase that is typed: asked for by the name of the device, not shown, and what was there before is restored.
fn check_terminal() -> Result<()> {
    let guest = two_partitions().context("making the guest")?;
    let program = tool("virt-cat")?;
    let file = guest.disk();
    let line = format!("{} -a {} /etc/hostname; stty -a", program.display(), file.display());
    // script(1) gives the command a terminal, and what was typed there to us.
    let mut command = Command::new("timeout");
    command
        .args(["120", "script"])
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("LIBGUESTFS_BACKEND", "auto");
    let mut child =
        clean(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("script")?;
    let (mut keyboard, mut screen) =
        (child.stdin.take().context("pipe")?, child.stdout.take().context("pipe")?);
    let mut seen = Vec::new();
    let mut until = |end: &str, screen: &mut std::process::ChildStdout| -> Result<String> {
        let mut byte = [0];
        loop {
            ensure!(screen.read(&mut byte)? == 1, "the screen ended: {}", String::from_utf8_lossy(&seen));
            seen.extend(byte);
            if seen.ends_with(end.as_bytes()) {
                break;
            }
        }
        Ok(String::from_utf8_lossy(&seen).into_owned())
    };
    // The first one is wrong, and may be typed again.
    for typed in ["wrong", KEYS[0]] {
        until("Enter key or passphrase (\"/dev/sda1\"): ", &mut screen)?;
        seen_soon();
        writeln!(keyboard, "{typed}")?;
    }
    until("Enter key or passphrase (\"/dev/sda2\"): ", &mut screen)?;
    seen_soon();
    writeln!(keyboard)?;
    let shown = until("-extproc", &mut screen)?;
    drop(keyboard);
    child.wait()?;
    ensure!(
        shown.contains("vault\r\n") && shown.contains(" echo ") && shown.contains("isig icanon"),
        "{shown}"
    );
    ensure!(!shown.contains(KEYS[0]) && !shown.contains("wrong"), "what was typed is shown: {shown}");
    Ok(())
}

/// Typing begins a moment after a question: by then the terminal does not show it.
fn seen_soon() {
    std::thread::sleep(std::time::Duration::from_millis(500));
}

/// A volume group in a LUKS partition.
fn check_lvm_in_luks() -> Result<()> {
    let guest = Guest::new(&[&["--type", "luks2", "--sector-size", "4096"]], |g| {
        open(g, "/dev/sda1", 0, "a")?;
        g.pvcreate("/dev/mapper/a")?;
        g.vgcreate("vg-1", &["/dev/mapper/a"])?;
        g.lvcreate("root", "vg-1", 32)?;
        g.lvcreate("home", "vg-1", 32)?;
        let fstab = "/dev/mapper/vg--1-root / ext4\n/dev/vg-1/home /home ext4\n";
        install(g, "/dev/vg-1/root", "/dev/vg-1/home", fstab, "")
    })
    .context("making the guest")?;
    let (device, uuid) = (guest.key("/dev/sda1", 0), guest.key(&guest.uuids[0].to_uppercase(), 0));
    guest.reads(&["--key", &device, "/etc/hostname", "/home/note"], "", &format!("vault\n{NOTE}"))?;
    guest.reads(&["--key", &uuid, "-m", "/dev/vg-1/home", "/note"], "", NOTE)?;
    guest.fails(
        &["--key", &guest.key("/dev/sda2", 0), "/etc/hostname"],
        "virt-cat: no operating system was found: /dev/sda1 is encrypted, and there is no key for it",
    )?;
    let uuid = &guest.uuids[0];
    let embedded = volumes(&launched(EMBEDDED, &[guest.disk()], true)?, uuid).context(EMBEDDED)?;
    let kernel = volumes(&launched(MAKER, &[guest.disk()], true)?, uuid).context(MAKER)?;
    for (ours, theirs) in embedded.iter().zip(&kernel) {
        ensure!(ours == theirs, "{EMBEDDED}: {ours}\n{MAKER}: {theirs}");
    }
    check_takeover(&guest.disk()).context("takeover")
}

/// What a backend knows of the devices of the guest with LVM in LUKS.
fn volumes(g: &Guestfs, uuid: &str) -> Result<Vec<String>> {
    let text = |result: libguestfs_core::Result<()>| result.map_or_else(|e| e.to_string(), |()| "ok".into());
    let mut said = vec![format!("{:?} {:?}", g.list_filesystems()?.0, g.lvs()?)];
    let name = format!("luks-{uuid}");
    let mapped = format!("/dev/mapper/{name}");
    g.cryptsetup_open("/dev/sda1", KEYS[0], &name, &CryptsetupOpenOpts::default())?;
    g.lvm_scan(true)?;
    said.push(format!("{:?} {:?}", g.list_filesystems()?.0, g.list_dm_devices()?));
    said.push(format!("{:?} {:?} {:?} {:?}", g.pvs()?, g.vgs()?, g.lvs()?, g.lvs_full()?));
    said.push(format!("{} {}", g.vfs_type(&mapped)?, g.vfs_uuid("/dev/vg-1/root")?));
    g.mount_ro("/dev/vg-1/root", "/")?;
    g.mount_ro("/dev/vg-1/home", "/home")?;
    for path in ["/etc/hostname", "/home/note"] {
        said.push(format!("{path} {} {}", g.lstatns(path)?.st_dev, g.checksum("sha256", path)?));
    }
    said.push(text(g.cryptsetup_close(&mapped)));
    g.umount_all()?;
    // Its volumes still use it.
    said.push(text(g.cryptsetup_close(&mapped)));
    Ok(said)
}

/// The backend that chooses for itself opens a device and mounts what is in it; then something is written, which an appliance
/// does: it knows the key, and what was mounted.
fn check_takeover(disk: &Path) -> Result<()> {
    let g = launched("auto", &[disk], true)?;
    g.cryptsetup_open("/dev/sda1", KEYS[0], "opened", &CryptsetupOpenOpts::default())?;
    g.lvm_scan(true)?;
    g.mount("/dev/vg-1/root", "/")?;
    ensure!(g.checksum("crc", "/etc/hostname")?.len() > 4, "no checksum");
    g.internal_write("/etc/hostname", b"written\n")?;
    ensure!(g.read_lines("/etc/hostname")? == ["written"], "what was written is not there");
    ensure!(g.list_dm_devices()? == ["/dev/mapper/opened"], "{:?}", g.list_dm_devices()?);
    Ok(g.shutdown()?)
}

/// LUKS on a logical volume, made by our appliance with what cryptsetup chooses by itself; /home is not encrypted.
fn check_luks_on_volume() -> Result<()> {
    let guest = Guest::new(&[], |g| {
        g.pvcreate("/dev/sda1")?;
        g.vgcreate("vg", &["/dev/sda1"])?;
        g.lvcreate("in-side", "vg", 64)?;
        g.luks_format("/dev/vg/in-side", KEYS[0], 0)?;
        open(g, "/dev/vg/in-side", 0, "a")?;
        let fstab = "/dev/mapper/c / ext4\n/dev/sda2 /home ext4\n";
        install(g, "/dev/mapper/a", "/dev/sda2", fstab, "c /dev/mapper/vg-in--side none\n")
    })
    .context("making the guest")?;
    let expected = format!("vault\n{NOTE}");
    let (device, mapper) = (guest.key("/dev/vg/in-side", 0), guest.key("/dev/mapper/vg-in--side", 0));
    guest.reads(&["--key", &device, "/etc/hostname", "/home/note"], "", &expected)?;
    guest.reads(&["--key", &mapper, "/home/note"], "", NOTE)
}

fn run() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let checks = [
        ("kernel", check_kernel as fn() -> Result<()>),
        ("partitions", check_two_partitions),
        ("terminal", check_terminal),
        ("lvm-in-luks", check_lvm_in_luks),
        ("luks-on-volume", check_luks_on_volume),
    ];
    for (name, check) in checks {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            check().context(name)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let (status, said) = match run() {
        Ok(()) => (ExitCode::SUCCESS, "encrypted: ok".to_owned()),
        Err(e) => (ExitCode::FAILURE, format!("encrypted: {e:#}")),
    };
    let _ = writeln!(std::io::stderr(), "{said}");
    status
}

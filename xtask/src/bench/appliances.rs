//! Appliances, ours and Debian's: how long a launch takes and how much memory all of its processes have, and how fast a file is
//! sent there and back. All emulate their processor, or run in User-Mode Linux.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::Bench;
use super::measure::{row, table};
use crate::run;

/// Bytes of the file that is sent.
const BYTES: u64 = 1 << 30;
/// Bytes of a disk with a filesystem.
const DISK: u64 = 16 << 20;
/// Runs of each program.
const RUNS: usize = 3;
/// Debian's own commands for the time: launch, then each transfer, which is compared with what was sent.
const DEBIAN: &str = r#"
    cat > "$3/commands" <<END
    add "$1" format:raw
    run
    time upload-offset $2 /dev/sda 0
    time download-offset /dev/sda $3/back 0 $4
END
    guestfish < "$3/commands"; cmp "$2" "$3/back"
"#;

impl Bench {
    /// From start to the first answer of an appliance and its end, each in a run that finds it made already. Debian's is only
    /// launched; ours mounts a disk and lists its root, with a tool that is as large as any.
    pub(super) fn launch(&self) -> Result<()> {
        let directory = tempfile::tempdir()?;
        let disk = directory.path().join("disk");
        File::create(&disk)?.set_len(DISK)?;
        let disk = disk.to_string_lossy().into_owned();
        run::output("mkfs.ext2", ["-q", "-F", &disk])?;
        let ls = self.ours("virt-ls");
        let ours = |name: &str, backend: &str| {
            let backend = format!("LIBGUESTFS_BACKEND={backend}");
            let command = ["env", &backend, &ls, "--format=raw", "-a", &disk, "-m", "/dev/sda", "/"];
            // The first run makes the appliance.
            run::output("env", ["LIBGUESTFS_BACKEND_SETTINGS=force_tcg"].iter().chain(&command))?;
            Ok::<_, anyhow::Error>(row(name, &command).proportional())
        };
        let mut rows = vec![ours("virt-ls, uml", "uml")?, ours("virt-ls, direct (TCG)", "direct")?];
        if !self.quick {
            let guestfish = ["/usr/bin/guestfish", "-a", "/dev/null", "run"];
            rows.push(row("Debian's guestfish run (TCG)", &guestfish).proportional());
        }
        let measured = table("launch of an appliance, to its first answer", &rows, self.runs.min(RUNS))?;
        for (name, measured) in &measured {
            println!("  {name:34} {:10.2} s of processors", measured.cpu.as_secs_f64());
        }
        if let [ours @ .., (_, debian)] = measured.as_slice()
            && measured.len() == rows.len()
            && !self.quick
        {
            for (name, ours) in ours {
                println!(
                    "  {name:34} {:10.1}x as fast as Debian's, {:.2} of its memory",
                    debian.time.as_secs_f64() / ours.time.as_secs_f64(),
                    ours.memory_kib as f64 / debian.memory_kib as f64
                );
            }
        }
        Ok(())
    }

    /// A file of a gigabyte to a disk and back; the rates are what each program says.
    pub(super) fn transfer(&self) -> Result<()> {
        println!("\n1 GiB sent to a disk of an appliance, and back");
        let directory = tempfile::tempdir_in("/dev/shm")?;
        let disk = directory.path().join("disk");
        File::create(&disk)?.set_len(2 * BYTES)?;
        let bytes = BYTES.to_string();
        for backend in ["uml", "direct"] {
            let mut command = Command::new(self.ours("xtask"));
            command.args(["appliance", backend, "--transfer", &bytes, "--disk"]).arg(&disk);
            print!("  {backend:34} {}", said(&mut command)?);
        }
        if self.quick {
            return Ok(());
        }
        let file = directory.path().join("file");
        run::shell(r#"head -c "$2" /dev/zero | tr '\0' U > "$1""#, &[&file, Path::new(&bytes)])?;
        let mut command = Command::new("sh");
        command.args(["-ec", DEBIAN, "sh"]).args([&disk, &file]).arg(directory.path()).arg(&bytes);
        let mut rates = Vec::new();
        for line in said(&mut command)?.lines().filter_map(|line| line.strip_prefix("elapsed time: ")) {
            let seconds: f64 = line.split_whitespace().next().context("no time")?.parse()?;
            rates.push(format!("{:.0} MB/s", BYTES as f64 / 1e6 / seconds));
        }
        let [up, down] = rates.as_slice() else { bail!("Debian's guestfish did not say how long it took") };
        println!("  {:34} up {up}, down {down}", "Debian's guestfish (TCG)");
        Ok(())
    }
}

/// What a program prints that launches an appliance, with an emulated processor if there is one.
fn said(command: &mut Command) -> Result<String> {
    let output = command.env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg").output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    Ok(String::from_utf8(output.stdout)?)
}

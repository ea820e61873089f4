//! `cargo xtask appliance`: launches an appliance and makes a first call; with `--transfer`, sends a file there and back. One
//! half of comparisons in `bench`.

use std::io::{self, Read, Write};
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use libguestfs_core::client::Upload;
use libguestfs_core::{AddDriveOpts, Guestfs};

/// What to start, and what to do then.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Backend that starts it
    backend: String,
    /// Send so many bytes to a disk of it, and back
    #[arg(long)]
    transfer: Option<u64>,
    /// The disk, an image that is overwritten
    #[arg(long, default_value = "/dev/null")]
    disk: std::path::PathBuf,
}

/// A file of zeros and ones, of any length, that takes no time to make.
struct Pattern(u64);

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.0).unwrap_or(usize::MAX).min(buffer.len());
        buffer[..count].fill(0x55);
        self.0 -= count as u64;
        Ok(count)
    }
}

/// Counts what it is given, and looks for what was not sent.
#[derive(Default)]
struct Check(u64);

impl Write for Check {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if buffer.iter().any(|byte| *byte != 0x55) {
            return Err(io::Error::other("the file came back changed"));
        }
        self.0 += buffer.len() as u64;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let g = Guestfs::new()?;
    g.settings().backend.clone_from(&options.backend);
    g.add_drive(&options.disk, &AddDriveOpts { format: Some("raw".into()), ..AddDriveOpts::default() })?;
    g.launch()?;
    g.ping_daemon()?;
    if let Some(bytes) = options.transfer {
        let start = Instant::now();
        g.upload_offset(Upload { content: &mut Pattern(bytes), size: Some(bytes) }, "/dev/sda", 0)?;
        let sent = start.elapsed();
        let (start, mut back) = (Instant::now(), Check::default());
        g.download_offset("/dev/sda", &mut back, 0, i64::try_from(bytes)?)?;
        let rate = |time: std::time::Duration| bytes as f64 / 1e6 / time.as_secs_f64();
        println!("up {:.0} MB/s, down {:.0} MB/s", rate(sent), rate(start.elapsed()));
        anyhow::ensure!(back.0 == bytes, "only {} bytes came back", back.0);
    }
    Ok(g.shutdown()?)
}

//! `cargo xtask diff`: the filesystems of every feature set, read by the disk crate and by the kernel: every path, mode,
//! owner, size, time, link target, attribute and content has to be the same.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::fixtures::{self, disk};
use crate::run;

/// Writes the listing that the example `walk` of the disk crate makes of `place` to `listing`.
fn walk(what: &str, place: &Path, listing: &Path) -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .current_dir(run::repository())
        .args(["run", "--quiet", "--release", "--package", "disk", "--example", "walk", "--", what])
        .arg(place)
        .stdout(File::create(listing)?)
        .status()?;
    ensure!(status.success(), "walk {what} {}: {status}", place.display());
    Ok(())
}

/// What to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Compare only the images whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

/// Compares the images.
pub(crate) fn run(options: &Options) -> Result<()> {
    let directory = fixtures::directory().join("filesystems");
    let mut images: Vec<_> = fs::read_dir(&directory)
        .with_context(|| format!("no {}: run `cargo xtask fixtures --full` first", directory.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    images.retain(|path| path.extension().is_some_and(|extension| extension == "img"));
    let name_of = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    images.retain(|path| name_of(path).contains(&options.only));
    images.sort();
    ensure!(
        !images.is_empty(),
        "no images in {}: run `cargo xtask fixtures --full` first",
        directory.display()
    );
    let scratch = tempfile::tempdir()?;
    let (ours, kernels) = (scratch.path().join("ours"), scratch.path().join("kernel"));
    let mut failed = Vec::new();
    for image in &images {
        let name = name_of(image);
        let mounted = disk::Mounted::read_only(&[(&disk::whole(image)?, "/")])?;
        let walked = walk("image", image, &ours);
        walk("mounted", mounted.path(), &kernels)?;
        mounted.unmount()?;
        if let Err(error) = walked {
            println!("{name:16} {error:#}");
            failed.push(name);
            continue;
        }
        let (ours, kernels) = (fs::read_to_string(&ours)?, fs::read_to_string(&kernels)?);
        let differing: Vec<_> = differences(&ours, &kernels);
        println!("{name:16} {} entries, {} differ", kernels.lines().count(), differing.len());
        for (ours, kernel) in differing.iter().take(3) {
            println!("    ours   {ours}\n    kernel {kernel}");
        }
        if !differing.is_empty() {
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("different: {}", failed.join(", ")) }
}

/// The lines that differ, side by side; a listing that ends early differs in all that it lacks.
fn differences<'a>(ours: &'a str, kernels: &'a str) -> Vec<(&'a str, &'a str)> {
    let (mut ours, mut kernels) = (ours.lines(), kernels.lines());
    let mut differing = Vec::new();
    loop {
        match (ours.next(), kernels.next()) {
            (None, None) => return differing,
            (one, other) if one == other => {}
            (one, other) => differing.push((one.unwrap_or(""), other.unwrap_or(""))),
        }
    }
}

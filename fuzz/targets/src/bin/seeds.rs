//! Writes the seeds of every fuzz target below a directory, one directory for each: `seeds DIRECTORY`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use fuzz_targets::{TARGETS, seeds};

fn main() -> Result<()> {
    let directory = PathBuf::from(env::args_os().nth(1).context("usage: seeds DIRECTORY")?);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    for (name, _) in TARGETS {
        fs::create_dir_all(directory.join(name))?;
        for (number, seed) in seeds(name, &data)?.iter().enumerate() {
            fs::write(directory.join(name).join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}

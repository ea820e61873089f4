//! The worker process: reads mutants one after the other, and reports on each.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use disk::{Error, ErrorKind, ReadAt};
use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::time::TimeValLike;

use super::checksums::{self, Repair};
use super::fixtures::Fixture;
use super::mutate::{Mutant, Random, Recorder, SECTOR};
use super::stack::{self, Found};

/// Address space that a worker may take, in bytes.
const MEMORY: u64 = 256 << 20;

/// One mutant in so many keeps wrong checksums.
const UNREPAIRED: u64 = 5;
/// How many bytes of a change are printed.
const SHOWN: usize = 16;

/// An image file.
#[derive(Debug)]
struct Image {
    file: File,
    len: u64,
}

impl ReadAt for Image {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> disk::Result<()> {
        self.file.read_exact_at(buf, offset).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Error::new(ErrorKind::Corrupt, "past the end of the image"),
            _ => Error::io("reading the image", e),
        })
    }
}

fn images(fixture: &Fixture, dir: &Path) -> Result<VecDeque<Arc<dyn ReadAt>>> {
    let open = |path: std::path::PathBuf| -> Result<Arc<dyn ReadAt>> {
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        let len = file.metadata()?.len();
        Ok(Arc::new(Image { file, len }))
    };
    fixture.images(dir).into_iter().map(open).collect()
}

/// A fixture, and where it may be changed: only its first image is.
struct Subject {
    name: &'static str,
    repair: Option<Repair>,
    tries: u32,
    images: VecDeque<Arc<dyn ReadAt>>,
    sectors: Vec<u64>,
}

impl Subject {
    fn new(fixture: &Fixture, dir: &Path) -> Result<Self> {
        let images = images(fixture, dir)?;
        let first = images.front().context("a fixture without images")?;
        let recorder = Arc::new(Recorder::new(Arc::clone(first)));
        let mut recorded: Vec<_> = images.iter().cloned().collect();
        if let Some(first) = recorded.first_mut() {
            *first = Arc::clone(&recorder) as _;
        }
        stack::read(recorded, false);
        let mut sectors = recorder.sectors();
        if fixture.is_ntfs() {
            sectors = checksums::ntfs::weigh(first, &sectors)?;
        }
        Ok(Subject { name: fixture.name, repair: fixture.repair(), tries: fixture.tries(), images, sectors })
    }

    fn mutant(&self, number: u64) -> (Arc<Mutant>, Vec<Arc<dyn ReadAt>>) {
        let mut images = self.images.clone();
        let first = images.pop_front().unwrap_or_else(|| Arc::new(disk::MemSource::new(Vec::new())));
        let mut random = Random::new(self.name, number);
        let mut mutant = Mutant::new(first, &self.sectors, self.tries, &mut random);
        if let Some(repair) = self.repair
            && random.below(UNREPAIRED) != 0
        {
            mutant.repair(repair);
        }
        let mutant = Arc::new(mutant);
        images.push_front(Arc::clone(&mutant) as _);
        (mutant, images.into())
    }
}

/// Makes sure that a fixture's checksums, computed anew, are those that it has.
pub(super) fn check_repair(fixture: &Fixture, dir: &Path) -> Result<()> {
    let Some(repair) = fixture.repair() else { return Ok(()) };
    let subject = Subject::new(fixture, dir)?;
    let image = subject.images.front().context("no image")?;
    let sectors: BTreeSet<_> = subject.sectors.iter().collect();
    for sector in sectors {
        for patch in repair(image, image, sector * SECTOR)? {
            let mut bytes = vec![0; patch.bytes.len()];
            image.read_at(patch.offset, &mut bytes)?;
            ensure!(
                bytes == patch.bytes,
                "the checksum at {:#x} is another than that computed",
                patch.offset
            );
        }
    }
    Ok(())
}

fn outcome(found: &Found) -> &'static str {
    match (found.names, &found.first_error) {
        (0, Some(e)) if e.kind() == ErrorKind::Unsupported => "refused",
        (0, Some(_)) => "damaged",
        (0, None) => "empty",
        (_, Some(_)) => "read in part",
        (_, None) => "read",
    }
}

fn cpu_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(Duration::from_micros((usage.user_time() + usage.system_time()).num_microseconds().try_into()?))
}

/// Reads mutants `first..first + count`.
pub(super) fn run(fixture: &Fixture, dir: &Path, first: u64, count: u64) -> Result<()> {
    setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let subject = Subject::new(fixture, dir)?;
    let mut out = io::stdout();
    for number in first..first + count {
        let start = cpu_time()?;
        let found = stack::read(subject.mutant(number).1, true);
        let took = cpu_time()?.saturating_sub(start);
        writeln!(out, "{}\t{}", outcome(&found), took.as_millis())?;
        out.flush()?;
    }
    Ok(())
}

/// Says what mutant `number` changes, and what comes of it.
pub(super) fn explain(fixture: &Fixture, dir: &Path, number: u64) -> Result<()> {
    let subject = Subject::new(fixture, dir)?;
    let (mutant, images) = subject.mutant(number);
    println!("{}: mutant {number}, of {} sectors that are read", fixture.name, subject.sectors.len());
    for patch in &mutant.patches {
        let mut before = vec![0; patch.bytes.len()];
        subject.images.front().context("no image")?.read_at(patch.offset, &mut before)?;
        let shown = patch.bytes.len().min(SHOWN);
        println!(
            "    {} bytes at {:#x}: {:02x?} -> {:02x?}",
            patch.bytes.len(),
            patch.offset,
            &before[..shown],
            &patch.bytes[..shown]
        );
    }
    setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY)?;
    let start = cpu_time()?;
    let found = stack::read(images, true);
    let took = cpu_time()?.saturating_sub(start);
    println!(
        "    {}: {} names, {} errors, {} ms",
        outcome(&found),
        found.names,
        found.errors,
        took.as_millis()
    );
    if let Some(error) = found.first_error {
        println!("    first error: {:#}", anyhow::Error::from(error));
    }
    Ok(())
}

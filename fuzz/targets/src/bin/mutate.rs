//! Runs the fuzz targets on mutated seeds with an ordinary compiler: `mutate SECONDS [TARGET...]`.
//!
//! No coverage guides it, so it does not replace `cargo fuzz`; it finds at every commit what a few hundred thousand
//! blind changes find. An input that makes a target panic is kept in `fuzz/artifacts` and named.
#![expect(clippy::print_stdout, reason = "a program that reports on its standard output")]

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, panic};

use anyhow::{Context, Result, bail};
use fuzz_targets::{TARGETS, Target, seeds};

/// No input may take longer.
const SLOW: Duration = Duration::from_secs(2);

/// xorshift64* (Vigna 2016): small, and the same sequence everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 11).unwrap_or(0) % bound.max(1)
    }
}

/// Changes one to eight places: bits, bytes, numbers at the edge of their range, copied or cut pieces.
fn mutate(input: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(8) {
        // Structures are mostly near the start.
        let bound = if random.below(2) == 0 { input.len().min(4096) } else { input.len() };
        let at = random.below(bound);
        match random.below(6) {
            0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.next().to_le_bytes()[0]),
            2 => input.iter_mut().skip(at).take(1 << random.below(4)).for_each(|byte| *byte = 0xff),
            3 => input.iter_mut().skip(at).take(1 << random.below(4)).for_each(|byte| *byte = 0),
            4 => {
                let from = random.below(input.len());
                let piece: Vec<u8> = input.iter().skip(from).take(random.below(64)).copied().collect();
                for (to, byte) in input.iter_mut().skip(at).zip(piece) {
                    *to = byte;
                }
            }
            _ => {
                if random.below(16) == 0 {
                    input.truncate(at);
                }
            }
        }
    }
}

fn run((name, target): Target, data: &Path, artifacts: &Path, time: Duration) -> Result<()> {
    let seeds = seeds(name, data)?;
    for seed in &seeds {
        target(seed);
    }
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let start = Instant::now();
    let mut runs = 0u64;
    let mut slowest = Duration::ZERO;
    while start.elapsed() < time {
        let mut input = seeds[random.below(seeds.len())].clone();
        mutate(&mut input, &mut random);
        let began = Instant::now();
        let result = panic::catch_unwind(|| target(&input));
        slowest = slowest.max(began.elapsed());
        if result.is_err() || began.elapsed() > SLOW {
            fs::create_dir_all(artifacts)?;
            let file = artifacts.join(format!("{name}-{runs}"));
            fs::write(&file, &input)?;
            bail!(
                "{name}: panic or more than {SLOW:?} after {runs} inputs; the input is in {}",
                file.display()
            );
        }
        runs += 1;
    }
    println!("{name:12} {} seeds, {runs} mutants, slowest {slowest:?}", seeds.len());
    Ok(())
}

fn main() -> Result<()> {
    let mut words = env::args().skip(1);
    let seconds: u64 = words.next().context("usage: mutate SECONDS [TARGET...]")?.parse()?;
    let wanted: Vec<String> = words.collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for target in TARGETS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name)) {
        run(*target, &root.join("tests/data"), &root.join("fuzz/artifacts"), Duration::from_secs(seconds))?;
    }
    Ok(())
}

//! `cargo xtask ci`: everything that has to pass before a change goes in, in the order of how soon it fails.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::run;

/// Seconds for each fuzz target.
const FUZZ_SECONDS: &str = "4";

/// Mutants of each small disk; `cargo xtask mutants` alone makes more.
const MUTANTS: &str = "200";

/// One thing that has to pass.
struct Step {
    name: &'static str,
    /// A variable that it sets, and its value.
    variable: Option<(&'static str, &'static str)>,
    /// What it asks of cargo.
    arguments: &'static [&'static str],
}

const STEPS: &[Step] = &[
    Step { name: "format", variable: None, arguments: &["fmt", "--all", "--check"] },
    Step {
        name: "lints",
        variable: None,
        arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    },
    Step {
        name: "documentation",
        variable: Some(("RUSTDOCFLAGS", "-D warnings")),
        arguments: &["doc", "--workspace", "--no-deps", "--document-private-items"],
    },
    Step { name: "tests", variable: None, arguments: &["test", "--workspace", "--no-fail-fast"] },
    Step {
        name: "fuzz targets",
        variable: None,
        arguments: &["run", "--release", "--package", "fuzz-targets", "--bin", "mutate", FUZZ_SECONDS],
    },
    Step { name: "mutants", variable: None, arguments: &["xtask", "mutants", "--count", MUTANTS] },
];

/// Runs all steps; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    for Step { name, variable, arguments } in STEPS {
        println!("== {name}: cargo {}", arguments.join(" "));
        let begun = Instant::now();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(run::repository()).args(*arguments).envs(*variable);
        let status = cargo.status().context("cannot run cargo")?;
        ensure!(status.success(), "{name}: {status}");
        println!("== {name}: passed in {} s", begun.elapsed().as_secs());
    }
    println!("all passed in {} s", start.elapsed().as_secs());
    Ok(())
}

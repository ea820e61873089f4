//! Developer tasks, one per module: `cargo xtask --help` lists them.
#![expect(clippy::print_stdout, reason = "a developer task reports on its standard output")]

mod appliance;
mod bench;
mod calls;
mod ci;
mod diff;
mod fixtures;
mod fuzz;
mod man;
mod mutants;
mod read_tree;
mod run;
mod sys;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build real guests and filesystem images (as root, on Debian).
    Fixtures(fixtures::Options),
    /// Compare the filesystems of `fixtures --full` with the kernel's mounts of them (as root).
    Diff(diff::Options),
    /// Measure time and memory against other programs, on the guests of `fixtures --full` (as root).
    Bench(bench::Options),
    /// Run the fuzz targets.
    Fuzz(fuzz::Options),
    /// Run everything that has to pass before a change goes in.
    Ci,
    /// Make the manual pages and shell completions in man/ from the tools' options.
    Man,
    /// List the calls that are missing, in ARCHITECTURE.md.
    Calls,
    /// Walk a tree and read all of it, as one half of a comparison in `bench`.
    #[command(hide = true)]
    ReadTree(read_tree::Options),
    /// Launch an appliance, as one half of a comparison in `bench`.
    #[command(hide = true)]
    Appliance(appliance::Options),
    /// Read damaged copies of small disks; nothing may crash, hang or take much memory (as root, on Debian).
    Mutants(mutants::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    // `cargo xtask appliance` starts this program again.
    if let Some(status) = guestfsd::run_if_daemon() {
        return Ok(status);
    }
    match Cli::parse().task {
        Task::Fixtures(options) => fixtures::run(&options),
        Task::Diff(options) => diff::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Ci => ci::run(),
        Task::Man => man::run(),
        Task::Calls => calls::run(),
        Task::ReadTree(options) => read_tree::run(&options),
        Task::Appliance(options) => appliance::run(&options),
        Task::Mutants(options) => mutants::run(&options),
    }?;
    Ok(ExitCode::SUCCESS)
}

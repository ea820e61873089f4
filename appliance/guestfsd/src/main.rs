//! `guestfsd`: the daemon of an appliance, or of a running system.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Answers libguestfs calls about the disks of this machine on a Unix socket (backend unix:PATH).
#[derive(Debug, Parser)]
#[command(name = "guestfsd", version)]
struct Options {
    /// Listen on a Unix socket of that path
    #[arg(long, value_name = "PATH")]
    listen: PathBuf,
    /// A disk to serve, in the order given: /dev/sda, /dev/sdb… to callers [default: all of the machine]
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<PathBuf>,
    /// The guest's tree is that directory [default: an empty one, in which callers mount]
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
    /// Log more
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let Options { listen: socket, devices, sysroot: root, verbose } = Options::parse();
    match guestfsd::listen(&guestfsd::Listen { socket, devices, root, verbose }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            guestfsd::log_error(&e);
            ExitCode::FAILURE
        }
    }
}

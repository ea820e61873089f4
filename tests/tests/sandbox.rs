//! The embedded daemon is made to try what its sandbox must stop. (Has a main function of its own, because the backend
//! starts the running program again as the daemon.)

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use guestfs_tests::data;
use libguestfs_core::{AddDriveOpts, Event, EventSet, Guestfs};

/// What `debug sandbox` can try and the filter of system calls must not let through.
const FORBIDDEN: &[&str] = &["create", "exec", "kill", "open", "ptrace", "socket"];

/// Launches a daemon with these backend settings, and returns the warnings too.
fn launch(settings: &[&str]) -> Result<(Guestfs, Vec<String>)> {
    let handle = Guestfs::new()?;
    handle.settings().backend_settings = settings.iter().map(ToString::to_string).collect();
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = warnings.clone();
    handle.set_event_callback(EventSet::WARNING, move |event| {
        if let (Event::Warning(text), Ok(mut sink)) = (event, sink.lock()) {
            sink.push(text.to_string());
        }
    });
    let options = AddDriveOpts { readonly: Some(true), ..AddDriveOpts::default() };
    handle.add_drive(data("bare-ext4.qcow2"), &options)?;
    handle.launch()?;
    let warnings = warnings.lock().map(|list| list.clone()).unwrap_or_default();
    Ok((handle, warnings))
}

fn what_is_forbidden_ends_the_daemon() -> Result<()> {
    for attempt in FORBIDDEN {
        let (handle, warnings) = launch(&[])?;
        ensure!(warnings.is_empty(), "warned of {warnings:?}");
        let Err(error) = handle.debug("sandbox", &[*attempt]) else {
            anyhow::bail!("the sandbox let the daemon try to {attempt}");
        };
        let said = format!("{:#}", anyhow::Error::from(error));
        ensure!(said.contains("sandbox"), "{attempt}: {said}");
        ensure!(handle.ping_daemon().is_err(), "{attempt}: the daemon lives on");
    }
    Ok(())
}

fn memory_is_limited() -> Result<()> {
    let (handle, _) = launch(&[])?;
    let said = handle.debug("sandbox", &["memory"])?;
    ensure!(said != "allowed", "the sandbox let the daemon take a terabyte");
    Ok(handle.ping_daemon()?)
}

fn without_a_sandbox_there_is_a_warning_and_the_attempts_work() -> Result<()> {
    let (handle, warnings) = launch(&["no_sandbox"])?;
    ensure!(warnings.len() == 1 && warnings[0].contains("without a sandbox"), "warned of {warnings:?}");
    // If they did not work without the sandbox, the first test would show nothing.
    for attempt in ["open", "socket"] {
        let said = handle.debug("sandbox", &[attempt])?;
        ensure!(said == "allowed", "{attempt}: {said}");
    }
    Ok(())
}

fn main() -> Result<ExitCode> {
    if let Some(status) = guestfsd::run_if_daemon() {
        return Ok(status);
    }
    what_is_forbidden_ends_the_daemon()?;
    memory_is_limited()?;
    without_a_sandbox_there_is_a_warning_and_the_attempts_work()?;
    Ok(ExitCode::SUCCESS)
}

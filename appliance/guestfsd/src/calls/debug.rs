//! `debug`: looks into the daemon and its machine, for tests and developers.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bstr::{BStr, BString, ByteSlice, ByteVec};
use libguestfs_core::Result;

use super::sandbox;
use crate::Guestfsd;
use crate::error::refused;
use crate::program::Program;

/// Subcommands that every daemon has.
const EVERYWHERE: &str = "error help last_error print sandbox";
/// Those of an appliance: the programs and files are its own, not the guest's.
const IN_APPLIANCE: &str = "env fds ldd ll ls sh";
/// Longest text of an error that `debug error` makes (bytes): the protocol's limit.
const ERROR_MAX: usize = 64 << 10;
/// Descriptors that this process has open.
const DESCRIPTORS: &str = "/proc/self/fd";
/// Environment that this process was started with.
const ENVIRONMENT: &str = "/proc/self/environ";

impl Guestfsd {
    pub(crate) fn debug(&mut self, subcommand: &BStr, arguments: &[BString]) -> Result<BString> {
        let kernel = self.engine.kernel().is_some();
        match subcommand.as_bytes() {
            b"help" if kernel => Ok(format!("Commands supported: {EVERYWHERE} {IN_APPLIANCE}\n").into()),
            b"help" => Ok(format!("Commands supported: {EVERYWHERE}\n").into()),
            b"sandbox" => sandbox::attempt(arguments),
            b"last_error" => Ok(std::mem::take(&mut self.last_failure)),
            b"print" => Ok("ok".into()),
            b"error" => error_of_length(arguments),
            b"env" if kernel => environment(),
            b"fds" if kernel => descriptors(),
            b"ls" if kernel => output(Program::new("ls").arg("-a").arg("--").args(arguments)),
            b"ll" if kernel => output(Program::new("ls").arg("-la").arg("--").args(arguments)),
            b"ldd" if kernel => output(Program::new("ldd").arg("-r").arg("--").args(arguments)),
            b"sh" if kernel => {
                if arguments.is_empty() {
                    return Err(refused("sh: expecting a command to run"));
                }
                output(Program::new("sh").arg("-c").arg(bstr::join(" ", arguments)))
            }
            _ => Err(refused("unknown debug subcommand, try 'help'")),
        }
    }
}

/// What a program prints, without the end of its last line.
fn output(program: Program) -> Result<BString> {
    let mut text = super::command::c_string(program.run("debug")?);
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    Ok(text)
}

fn error_of_length(arguments: &[BString]) -> Result<BString> {
    let length = match arguments {
        [length] => length.to_str().ok().and_then(|length| length.parse().ok()),
        _ => None,
    };
    let length: usize =
        length.ok_or_else(|| refused("debug error: expecting one arg: length of error message"))?;
    Err(refused("a".repeat(length.min(ERROR_MAX))))
}

fn environment() -> Result<BString> {
    let mut text = std::fs::read(ENVIRONMENT).map_err(|e| refused(format!("{ENVIRONMENT}: {e}")))?;
    text.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'\n');
    Ok(text.into())
}

/// Descriptors with what they are: one a line.
fn descriptors() -> Result<BString> {
    let broken = |e: std::io::Error| refused(format!("{DESCRIPTORS}: {e}"));
    let mut list = Vec::new();
    for entry in std::fs::read_dir(DESCRIPTORS).map_err(broken)? {
        let name = entry.map_err(broken)?.file_name();
        // The one that the list is read by is gone afterwards.
        let Ok(target) = std::fs::read_link(Path::new(DESCRIPTORS).join(&name)) else { continue };
        let number: u32 = name.to_str().and_then(|name| name.parse().ok()).unwrap_or_default();
        list.push((number, BString::from(target.as_os_str().as_bytes())));
    }
    list.sort();
    let mut text = BString::default();
    for (number, target) in list {
        text.push_str(format!("{number:2} {target}\n"));
    }
    Ok(text)
}

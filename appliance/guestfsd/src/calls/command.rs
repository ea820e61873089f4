//! Programs of the guest, run in the guest's tree: see [`guest_program`].

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::server::FileOut;

use super::account;
use crate::Guestfsd;
use crate::error::refused;
use crate::guest_program;
use crate::program::Program;

/// Where the kernel shows what it was told at its start.
const COMMAND_LINE: &str = "/proc/cmdline";
/// The word that gives an appliance the network.
const NETWORK: &[u8] = b"guestfs_network=1";
/// The guest's shell.
const SHELL: [&[u8]; 2] = [b"/bin/sh", b"-c"];

impl Guestfsd {
    fn guest_program(&self, call: &str, words: &[BString]) -> Result<Program> {
        let kernel = self.kernel(call)?;
        self.need_root(call)?;
        if words.is_empty() {
            return Err(refused("passed an empty list"));
        }
        let network = std::fs::read(COMMAND_LINE)
            .is_ok_and(|line| line.split(u8::is_ascii_whitespace).any(|word| word == NETWORK));
        Ok(guest_program::within(kernel.sysroot().path(), network, words))
    }

    /// Runs it, and gives its output. What it complains of is the error, without a place.
    fn run_in_guest(&self, call: &str, words: &[BString]) -> Result<Vec<u8>> {
        let ended = self.guest_program(call, words)?.end(call)?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        let name = words.first().map(|word| word.to_str_lossy()).unwrap_or_default();
        Err(refused(ended.complaint(&name)))
    }

    pub(crate) fn command(&mut self, arguments: &[BString]) -> Result<BString> {
        self.run_in_guest("command", arguments).map(c_string)
    }

    pub(crate) fn command_lines(&mut self, arguments: &[BString]) -> Result<Vec<BString>> {
        lines(&self.run_in_guest("command_lines", arguments)?)
    }

    pub(crate) fn command_out(&mut self, arguments: &[BString], output: &mut FileOut<'_>) -> Result<()> {
        let place = arguments.first().cloned().unwrap_or_default();
        self.guest_program("command_out", arguments)?.pour(place, output)
    }

    pub(crate) fn sh(&mut self, command: &BStr) -> Result<BString> {
        self.run_in_guest("sh", &shell(command)).map(c_string)
    }

    pub(crate) fn sh_lines(&mut self, command: &BStr) -> Result<Vec<BString>> {
        lines(&self.run_in_guest("sh_lines", &shell(command))?)
    }

    pub(crate) fn sh_out(&mut self, command: &BStr, output: &mut FileOut<'_>) -> Result<()> {
        self.guest_program("sh_out", &shell(command))?.pour("/bin/sh", output)
    }
}

fn shell(command: &BStr) -> Vec<BString> {
    SHELL.iter().map(|word| BString::from(*word)).chain([command.to_owned()]).collect()
}

/// Texts of the protocol end at a NUL.
pub(super) fn c_string(mut output: Vec<u8>) -> BString {
    if let Some(end) = output.find_byte(0) {
        output.truncate(end);
    }
    output.into()
}

fn lines(output: &[u8]) -> Result<Vec<BString>> {
    let mut total = 0;
    let mut list = Vec::new();
    for line in output.lines() {
        let line = c_string(line.to_vec());
        account(&mut total, line.len())?;
        list.push(line);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_lines_without_what_the_protocol_can_not_carry() {
        assert_eq!(lines(b"a\nb c\n\nd").unwrap(), ["a", "b c", "", "d"]);
        assert_eq!(lines(b"x\0y\n").unwrap(), ["x"]);
        assert_eq!(c_string(b"out\nput\n\0rest".to_vec()), "out\nput\n");
    }
}

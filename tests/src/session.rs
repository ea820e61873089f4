//! Sessions: commands of guestfish with what they print, made by handles of ours on any daemon, or by Debian's guestfish.
//!
//! A transcript has each command after `> `, then what it printed, or `error: ` and the message. A command after `! ` must
//! fail; its message, which a program's version words, is not part of the transcript.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use bstr::{BString, ByteSlice};
use libguestfs_core::{Guestfs, Value};

/// The commands of a session's file: every line but empty ones and comments; `$T` becomes `directory`.
pub fn commands(text: &str, directory: &Path) -> Vec<String> {
    let directory = directory.display().to_string();
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.replace("$T", &directory))
        .collect()
}

/// Plays a session on a launched handle, and returns the transcript.
///
/// # Errors
/// If the daemon is gone; an error of a command is part of the transcript.
pub fn play(handle: &Guestfs, commands: &[String]) -> Result<String> {
    let mut transcript = String::new();
    for command in commands {
        writeln!(transcript, "> {command}")?;
        match answer(handle, bare(command)) {
            Ok(printed) => transcript.push_str(&printed),
            Err(e) => {
                ensure!(handle.is_ready(), "{command}: {e:#}");
                writeln!(transcript, "error: {e}")?;
            }
        }
    }
    Ok(normalized(&transcript, commands))
}

/// Has Debian's guestfish play a session; `arguments` add the disks.
///
/// # Errors
/// If it can't be run, or ends in another way than at the end of the session.
pub fn guestfish<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    environment: &[(&str, &OsStr)],
    commands: &[String],
) -> Result<String> {
    let mut script = String::from("run\n");
    for command in commands {
        let shown = command.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(script, "echo \"> {shown}\"\n-{}", bare(command))?;
    }
    // Its standard output has to keep its place between the errors.
    let mut guestfish = Command::new("stdbuf");
    guestfish.args(["-oL", "sh", "-c", "exec guestfish \"$@\" 2>&1", "sh"]).args(arguments);
    guestfish.envs(environment.iter().copied());
    let mut child = guestfish.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("guestfish")?;
    child.stdin.take().context("no standard input")?.write_all(script.as_bytes())?;
    let output = child.wait_with_output()?;
    let transcript = output.stdout.to_str_lossy();
    ensure!(output.status.success(), "guestfish ended with {}: {transcript}", output.status);
    Ok(normalized(&transcript, commands))
}

/// The command without the mark that it must fail.
fn bare(command: &str) -> &str {
    command.strip_prefix("! ").unwrap_or(command)
}

/// The transcript without guestfish's numbers of lines, and without the messages of commands that must fail.
fn normalized(transcript: &str, commands: &[String]) -> String {
    let begins = |text: &str| text.strip_prefix("> ").is_some_and(|rest| commands.iter().any(|c| c == rest));
    let mut text = String::new();
    let mut must_fail = false;
    for line in transcript.lines() {
        // An output that does not end in a line break has the next command on its last line.
        let place = line.match_indices("> ").map(|(at, _)| at).find(|at| begins(&line[*at..]));
        let (before, line) = place.map_or(("", line), |at| line.split_at(at));
        let line = match line.split_once("libguestfs: error: ") {
            Some((place, message)) if place.is_empty() || place.starts_with("*stdin*:") => {
                format!("error: {message}")
            }
            _ => line.to_owned(),
        };
        if begins(&line) {
            must_fail = line.starts_with("> ! ");
            if !before.is_empty() {
                text.push_str(before);
                text.push('\n');
            }
        } else if must_fail {
            if line.starts_with("error: ") {
                text.push_str("fails\n");
            }
            continue;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// What guestfish prints for a command.
///
/// # Errors
/// What the call answered.
pub fn answer(handle: &Guestfs, command: &str) -> Result<String> {
    let words = words(command)?;
    let (name, arguments) = words.split_first().context("an empty command")?;
    let one = || arguments.first().context("an argument is missing");
    let lines = |list: Vec<BString>| list.iter().map(|line| format!("{line}\n")).collect::<String>();
    Ok(match name.to_str()? {
        // Those that the library makes of others.
        "cat" => format!("{}\n", handle.cat(one()?)?.as_bstr()),
        "ls" => lines(handle.ls(one()?)?),
        "find" => lines(handle.find(one()?)?),
        "stat" | "lstat" => {
            let stat = if name == "stat" { handle.stat(one()?)? } else { handle.lstat(one()?)? };
            [
                ("dev", stat.dev),
                ("ino", stat.ino),
                ("mode", stat.mode),
                ("nlink", stat.nlink),
                ("uid", stat.uid),
                ("gid", stat.gid),
                ("rdev", stat.rdev),
                ("size", stat.size),
                ("blksize", stat.blksize),
                ("blocks", stat.blocks),
                ("atime", stat.atime),
                ("mtime", stat.mtime),
                ("ctime", stat.ctime),
            ]
            .map(|(name, value)| format!("{name}: {value}\n"))
            .concat()
        }
        "mountable-device" => format!("{}\n", handle.mountable_device(one()?)?),
        _ => {
            let mut output = Vec::new();
            let call = match name.to_str()? {
                "write" => "internal_write",
                "write-append" => "internal_write_append",
                call => call,
            };
            let value = handle.call_by_name(call, arguments, &mut output)?;
            let mut printed = output.to_str_lossy().into_owned();
            match (call, value) {
                ("umask" | "get-umask", Value::Number(mask)) => writeln!(printed, "0{mask:02o}")?,
                ("part-get-mbr-id", Value::Number(id)) => writeln!(printed, "{id:#x}")?,
                // The next command would stand on its last line.
                (_, Value::Bytes(bytes)) => writeln!(printed, "{}", bytes.as_bstr())?,
                (_, value) => printed.push_str(&value.to_string()),
            }
            printed
        }
    })
}

/// The words of a command: separated by spaces; what is in double quotes may hold some, and escapes.
fn words(command: &str) -> Result<Vec<BString>> {
    let mut words = Vec::new();
    // None between two words.
    let mut word: Option<String> = None;
    let mut in_quotes = false;
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                in_quotes = !in_quotes;
                word.get_or_insert_default();
            }
            ' ' if !in_quotes => words.extend(word.take().map(BString::from)),
            '\\' if in_quotes => word.get_or_insert_default().push(match letters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(other) => other,
                None => bail!("{command}: ends in a backslash"),
            }),
            other => word.get_or_insert_default().push(other),
        }
    }
    ensure!(!in_quotes, "{command}: a quote is not closed");
    words.extend(word.map(BString::from));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_guestfish() {
        for (command, expected) in [
            ("ls /", vec!["ls", "/"]),
            (r#"write /f "a \"b\"\n"  x"#, vec!["write", "/f", "a \"b\"\n", "x"]),
            (
                r#"tar-out / - excludes:"a b" xattrs:true"#,
                vec!["tar-out", "/", "-", "excludes:a b", "xattrs:true"],
            ),
            (r#"md-create x "/dev/sda /dev/sdb""#, vec!["md-create", "x", "/dev/sda /dev/sdb"]),
        ] {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }
        assert!(words("echo \"a").is_err());
    }
}

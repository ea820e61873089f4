//! The command line of virt-win-reg: which disks or which file, and what is to be done with them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use bstr::BString;
use clap::{ArgMatches, Command, CommandFactory, Parser};
use virt_common::options::{CommonOptions, Disk, finish};
use virt_common::{DiskOptions, Error, KeyOptions, Result, operands};

/// The command line of virt-win-reg.
#[derive(Debug, Parser)]
#[command(
    name = "virt-win-reg",
    version,
    about = "Export and merge the registry of a Windows guest",
    override_usage = "virt-win-reg [OPTIONS] DISK KEY [VALUE]\n       virt-win-reg [OPTIONS] -a DISK [-a DISK]... KEY [VALUE]\n       virt-win-reg [OPTIONS] --hive FILE [KEY [VALUE]]\n       virt-win-reg --merge [OPTIONS] DISK [REGFILE]...\n       virt-win-reg --merge [OPTIONS] -a DISK [-a DISK]... [REGFILE]...\n       virt-win-reg --merge [OPTIONS] --hive FILE [REGFILE]..."
)]
pub struct Options {
    #[command(flatten)]
    disks: DiskOptions,

    #[command(flatten)]
    pub(crate) keys: KeyOptions,

    #[command(flatten)]
    pub(crate) common: CommonOptions,

    /// The same as -v
    #[arg(long)]
    debug: bool,

    /// Keep the old hive and its logs when a merge writes a new one
    ///
    /// They stay beside it, under the hive's name and SUFFIX, .bak if none is given; a file that has that name already is not
    /// touched, and nothing is merged then.
    #[arg(long, value_name = "SUFFIX", num_args = 0..=1, require_equals = true, default_missing_value = ".bak", value_parser = suffix, requires = "merge")]
    backup: Option<String>,

    /// How strings are stored by a merge
    ///
    /// Windows stores strings as UTF-16LE, which is the default; ASCII is for programs that store a byte for each character.
    #[arg(long, value_name = "UTF-16LE|ASCII", value_parser = encoding, requires = "merge")]
    encoding: Option<String>,

    /// Work on a hive file, with no guest around it
    ///
    /// The logs of the hive are those files beside it that are called as it is and end in .LOG, .LOG1 or .LOG2, in any
    /// case. KEY is then a path within the hive, all of it if there is none.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["add", "blocksize", "domain", "format", "root"])]
    pub(crate) hive: Option<PathBuf>,

    /// Print JSON
    ///
    /// See JSON below for what is in it.
    #[arg(long, conflicts_with = "unsafe_printable_strings")]
    pub(crate) json: bool,

    /// Print at most so many levels of keys
    ///
    /// 1 is the key itself with its values. Without this option all that is below the key is printed.
    #[arg(long, value_name = "LEVELS", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) max_depth: Option<i32>,

    /// What keys of the hive file of --hive begin with
    ///
    /// A hive does not know where in the registry it belongs. PREFIX, such as HKEY_LOCAL_MACHINE\SOFTWARE, is printed
    /// before the path of each key, and taken off KEY, if that begins so.
    #[arg(long, value_name = "PREFIX", requires = "hive")]
    pub(crate) prefix: Option<String>,

    /// Merge .reg files into the registry
    ///
    /// The operands after the disk are files in the form of Windows' registry editor, UTF-16 or UTF-8; without any, or for
    /// "-", standard input is read. See MERGING below. The virtual machine must not be running.
    #[arg(long, conflicts_with_all = ["json", "max_depth", "unsafe_printable_strings"])]
    pub(crate) merge: bool,

    /// Which system, if there are several with Windows
    ///
    /// DEVICE is the device of its system root, as virt-inspector shows it.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) root: Option<String>,

    /// Print strings as text, not in hexadecimal
    ///
    /// What is printed so can't be merged again: whether a string ends in a NUL is lost, and so is what is not UTF-16. The
    /// type of a value does not say what is in it either: programs store strings that are none.
    #[arg(long)]
    pub(crate) unsafe_printable_strings: bool,

    /// The disk, if there is no -a; the key; the value
    #[arg(value_name = "KEY", hide = true)]
    operands: Vec<OsString>,
}

/// What the command line names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A guest, by its disks.
    Guest(Vec<Disk>),
    /// A hive file.
    File(PathBuf),
}

/// A key, or one of its values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) key: BString,
    /// The value's name, empty for the default value.
    pub(crate) value: Option<BString>,
}

impl Options {
    /// What is worked on, and the operands after it.
    ///
    /// # Errors
    /// If it makes no sense, and what libvirt says against a guest.
    pub(crate) fn target(&self, matches: &ArgMatches) -> Result<(Target, &[OsString])> {
        if let Some(file) = &self.hive {
            return Ok((Target::File(file.clone()), &self.operands));
        }
        if !self.disks.add.is_empty() || !self.disks.domain.is_empty() {
            return Ok((Target::Guest(Disk::from_matches(matches)?), &self.operands));
        }
        let Some((disk, rest)) = self.operands.split_first() else {
            return Err(Error::bad_options("no disk is given").hint("add a disk image with -a FILE"));
        };
        let mut disks = operands::disks(Vec::new(), std::slice::from_ref(disk), matches)?;
        for disk in disks.iter_mut().filter(|disk| disk.owner.is_none()) {
            disk.format = self.disks.format.last().cloned().filter(|format| !format.is_empty());
            disk.blocksize = self.disks.blocksize.last().and_then(|size| size.0);
        }
        Ok((Target::Guest(disks), rest))
    }

    /// The key and value that `operands` name.
    ///
    /// # Errors
    /// If there are none, or too many.
    pub(crate) fn wanted(&self, operands: &[OsString]) -> Result<Wanted> {
        let text = |operand: &OsString| BString::from(operand.as_bytes());
        let (key, value) = match operands {
            [] if self.hive.is_some() => ("\\".into(), None),
            [] => return Err(Error::bad_options("no key is given").hint("see --help")),
            [key] => (text(key), None),
            [key, value] => (text(key), Some(text(value))),
            [_, _, more, ..] => {
                return Err(Error::bad_options(format!(
                    "{}: there is a key and a value already",
                    more.display()
                )));
            }
        };
        // "@" is the default value, as in a .reg file; no name at all asks for the key, as Debian's program has it.
        let value = value.filter(|value| !value.is_empty());
        Ok(Wanted { key, value: value.map(|value| if value == "@" { BString::default() } else { value }) })
    }

    /// How strings are stored.
    pub(crate) fn encoding(&self) -> &str {
        self.encoding.as_deref().unwrap_or("UTF-16LE")
    }

    /// What the names of copies of old hives have after that of the hive; empty if there are to be none.
    pub(crate) fn backup(&self) -> &str {
        self.backup.as_deref().unwrap_or_default()
    }

    /// The options of all tools, with --debug.
    pub(crate) fn common(&self) -> CommonOptions {
        let mut common = self.common.clone();
        common.verbose = common.verbose.saturating_add(self.debug.into());
        common
    }
}

fn suffix(text: &str) -> Result<String, String> {
    match text {
        "" => Err("a suffix has to have a character".into()),
        text if text.contains('/') => Err("a suffix can't have a slash".into()),
        text => Ok(text.into()),
    }
}

fn encoding(text: &str) -> Result<String, String> {
    let known = ["UTF-16LE", "ASCII"].into_iter().find(|known| known.eq_ignore_ascii_case(text));
    known.map(str::to_owned).ok_or_else(|| "strings are stored as UTF-16LE or ASCII".into())
}

/// The command, with all that its manual and completions are made from.
pub fn command() -> Command {
    // As of old: `--format raw` needs its value, and takes it as the next word too.
    finish(Options::command().mut_arg("format", |arg| arg.num_args(1).require_equals(false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;
    use virt_common::options::{long_options, short_options};

    fn parsed(arguments: &[&str]) -> Result<(Target, Wanted)> {
        let matches = command().try_get_matches_from([&["virt-win-reg"], arguments].concat()).unwrap();
        let options = Options::from_arg_matches(&matches).unwrap();
        let (target, rest) = options.target(&matches)?;
        let wanted = options.wanted(rest)?;
        Ok((target, wanted))
    }

    fn guest(path: &str, format: Option<&str>) -> Target {
        Target::Guest(vec![Disk { format: format.map(Into::into), ..Disk::image(path) }])
    }

    fn wanted(key: &str, value: Option<&str>) -> Wanted {
        Wanted { key: key.into(), value: value.map(Into::into) }
    }

    #[test]
    fn the_first_operand_is_the_disk_if_there_is_no_other() {
        for (arguments, expected) in [
            (&["./a", "HKLM\\SAM"][..], (guest("./a", None), wanted("HKLM\\SAM", None))),
            (&["--format", "raw", "./a", "K", "@"], (guest("./a", Some("raw")), wanted("K", Some("")))),
            (&["--format=qcow2", "-a", "a", "K", "V"], (guest("a", Some("qcow2")), wanted("K", Some("V")))),
            (&["-a", "a", "K", ""], (guest("a", None), wanted("K", None))),
            (&["--hive", "h"], (Target::File("h".into()), wanted("\\", None))),
            (&["--hive", "h", "K", "V"], (Target::File("h".into()), wanted("K", Some("V")))),
        ] {
            assert_eq!(parsed(arguments).unwrap(), expected, "{arguments:?}");
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        for (arguments, text) in [
            (&[][..], "no disk is given"),
            (&["./a"], "no key is given"),
            (&["-a", "a"], "no key is given"),
            (&["--hive", "h", "a", "b", "c"], "c: there is a key and a value already"),
        ] {
            assert_eq!(parsed(arguments).unwrap_err().to_string(), text, "{arguments:?}");
        }
    }

    #[test]
    fn the_options_are_those_of_the_original_and_our_own() {
        let command = command();
        command.clone().debug_assert();
        assert_eq!(
            long_options(&command).join(" "),
            "--add --backup --blocksize --connect --debug --domain --echo-keys --encoding --format --help --hive --json \
             --key --keys-from-stdin --max-depth --merge --prefix --root --unsafe-printable-strings --verbose --version"
        );
        assert_eq!(short_options(&command).join(" "), "-a -c -d -v -V -x");
    }
}

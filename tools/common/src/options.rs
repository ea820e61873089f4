//! The options that tools share, defined once: help, manual pages, completions and tests come from here.
//!
//! A tool flattens [`GuestOptions`], or only [`DiskOptions`], and [`CommonOptions`] into its own options and passes its command through
//! [`finish`]. The order of `-a`, `--format` and `--blocksize` matters: [`Disk::from_matches`] reads it off the matches.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, ArgMatches, Args, Command};

use crate::domains::{self, Owner};
use crate::keys::{KeyPlace, KeySelector};
use crate::mount::Mount;
use crate::{Error, Result, uri};

/// The disks of a guest.
#[derive(Debug, Clone, Args)]
pub struct DiskOptions {
    /// Add a disk image or block device of the guest
    ///
    /// FILE is a disk image or a block device. A guest with several disks needs all of them, each with its own
    /// option, in the guest's order. A URI that begins with file:// stands for the file; other URIs (nbd, ssh, http…)
    /// are understood but not supported yet.
    ///
    /// Images are only ever read, and no lock is taken: the disk of a running guest can be read, and shows what has
    /// reached the disk so far.
    #[arg(short, long, value_name = "FILE|URI", action = ArgAction::Append)]
    pub add: Vec<OsString>,

    /// Sector size of the disks added after this option
    ///
    /// Without a value, the disks that follow have the usual size (512 bytes) again.
    #[arg(long, value_name = "512|4096", num_args = 0..=1, require_equals = true, default_missing_value = "", action = ArgAction::Append)]
    pub blocksize: Vec<BlockSize>,

    /// libvirt connection to find guests at
    ///
    /// URI is one of libvirt, such as qemu:///system. Without this option libvirt chooses, by its configuration and by who
    /// the user is.
    #[arg(short, long, value_name = "URI")]
    pub connect: Option<String>,

    /// Add all disks of a libvirt guest, by name or UUID
    ///
    /// libvirt is asked by its program virsh. Formats and sector sizes are those that libvirt knows; --format and
    /// --blocksize are for disks of -a alone. Disks on the network are not supported yet.
    #[arg(short, long, value_name = "GUEST", action = ArgAction::Append)]
    pub domain: Vec<OsString>,

    /// Image format of the disks added after this option
    ///
    /// FMT is raw or qcow2. Without a value, the format of the disks that follow is found from their content again,
    /// which is also the default. Give the format of a raw disk whose guest is not trusted: the guest could write
    /// another format's header to it.
    #[arg(long, value_name = "FMT", num_args = 0..=1, require_equals = true, default_missing_value = "", action = ArgAction::Append)]
    pub format: Vec<String>,
}

/// Which guest, and how it is opened.
#[derive(Debug, Clone, Args)]
pub struct GuestOptions {
    /// Its disks.
    #[command(flatten)]
    pub disks: DiskOptions,

    /// Its keys.
    #[command(flatten)]
    pub keys: KeyOptions,

    /// Mount a filesystem by hand, instead of all that the guest mounts itself
    ///
    /// DEV is a device of the disks (/dev/sda1), a logical volume (/dev/VG/LV) or another mountable. MNT is /
    /// if not given; OPTS are mount options, and FSTYPE is the filesystem driver. With this option the guest is not
    /// inspected, so that any disk with a known filesystem can be read.
    #[arg(short, long, value_name = "DEV[:MNT[:OPTS[:FSTYPE]]]", action = ArgAction::Append)]
    pub mount: Vec<Mount>,
}

/// Keys of encrypted devices.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyOptions {
    /// Show passphrases while they are typed
    #[arg(long)]
    pub echo_keys: bool,

    /// Key of an encrypted device (LUKS, BitLocker)
    ///
    /// SELECTOR is ID:key:STRING for a passphrase, ID:file:FILENAME for a file whose first line is the passphrase, or
    /// ID:clevis for a device that is bound to a policy with Clevis. ID is the device (/dev/sda2, /dev/VG/LV), its UUID,
    /// or "all" for every encrypted device. The option can be given several times: all keys that are for a device are
    /// tried on it. Other users can see the arguments of a program, and so a passphrase that is given with "key".
    #[arg(long, value_name = "SELECTOR", action = ArgAction::Append)]
    pub key: Vec<KeySelector>,

    /// Read passphrases from standard input, one a line
    ///
    /// There is a line for each encrypted device that no --key is for, in the order of the devices; an empty line leaves
    /// its device locked.
    #[arg(long)]
    pub keys_from_stdin: bool,
}

impl KeyOptions {
    /// Did the user say that there are keys?
    pub fn given(&self) -> bool {
        self.keys_from_stdin || !self.key.is_empty()
    }

    /// Can a key have to be fetched from a server?
    pub fn needs_network(&self) -> bool {
        self.key.iter().any(|selector| selector.key == KeyPlace::Clevis)
    }
}

/// Options of every tool.
#[derive(Debug, Clone, Args)]
pub struct CommonOptions {
    /// Show this help
    #[arg(long, action = ArgAction::HelpShort)]
    help: Option<bool>,

    /// List the long options, for shell completion
    #[arg(long, hide = true)]
    pub long_options: bool,

    /// List the short options, for shell completion
    #[arg(long, hide = true)]
    pub short_options: bool,

    /// Print on standard error what goes on
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Show the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,

    /// Print on standard error each call of the library and its result
    #[arg(short = 'x')]
    pub trace: bool,

    /// Show no bar while an appliance starts; set by tools with an option for that.
    #[arg(skip)]
    pub no_progress: bool,
}

/// Gives a tool's command what all tools have in common: getopt_long's rules, and options in the order of the alphabet.
pub fn finish(command: Command) -> Command {
    let command = command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true)
        .args_override_self(true)
        .max_term_width(100);
    let name = |arg: &clap::Arg| {
        let short = || arg.get_short().map(|c| c.to_ascii_lowercase().to_string());
        arg.get_long().map(sort_key).or_else(short).unwrap_or_default()
    };
    let mut order: Vec<(String, String)> =
        options(&command).map(|arg| (name(arg), arg.get_id().to_string())).collect();
    order.sort();
    order
        .into_iter()
        .enumerate()
        .fold(command, |command, (n, (_, id))| command.mut_arg(id, |arg| arg.display_order(n)))
}

/// All options; clap's own get_opts leaves out those without a value.
fn options(command: &Command) -> impl Iterator<Item = &clap::Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional())
}

/// Names sort with a dash after all letters, as in the originals' lists: --times, --time-days.
fn sort_key(name: &str) -> String {
    name.replace('-', "~")
}

/// What `--long-options` prints.
pub fn long_options(command: &Command) -> Vec<String> {
    let shown = options(command).filter(|arg| !arg.is_hide_set());
    let mut names: Vec<&str> = shown
        .flat_map(|arg| arg.get_long().into_iter().chain(arg.get_all_aliases().into_iter().flatten()))
        .collect();
    names.sort_by_key(|name| sort_key(name));
    names.iter().map(|name| format!("--{name}")).collect()
}

/// What `--short-options` prints.
pub fn short_options(command: &Command) -> Vec<String> {
    let mut shown: Vec<char> = options(command).filter_map(clap::Arg::get_short).collect();
    shown.sort_by_key(|c| (c.to_ascii_lowercase(), c.is_ascii_uppercase()));
    shown.iter().map(|c| format!("-{c}")).collect()
}

/// The value of `--blocksize`, in bytes; none for the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSize(pub Option<u32>);

impl FromStr for BlockSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(BlockSize(None)),
            "512" => Ok(BlockSize(Some(512))),
            "4096" => Ok(BlockSize(Some(4096))),
            _ => Err("a sector has 512 or 4096 bytes".into()),
        }
    }
}

/// A disk of the guest, with the options that stood before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// The image.
    pub path: PathBuf,
    /// Its format, if forced.
    pub format: Option<String>,
    /// Its sector size in bytes, if forced.
    pub blocksize: Option<u32>,
    /// May the guest itself not write to it?
    pub readonly: bool,
    /// The guest of libvirt whose disk it is, if it is one.
    pub owner: Option<Owner>,
}

impl Disk {
    /// The disk with this image, and no options.
    pub fn image(path: impl Into<PathBuf>) -> Disk {
        Disk { path: path.into(), ..Disk::default() }
    }

    /// Is it another disk of the same guest of libvirt?
    pub(crate) fn has_owner_of(&self, other: &Disk) -> bool {
        self.owner.is_some() && self.owner == other.owner
    }

    /// The disks in the order of the command line.
    ///
    /// # Errors
    /// For a `--format` or `--blocksize` with no `-a` after it, a URI that is no file, and what libvirt says against `-d`.
    pub fn from_matches(matches: &ArgMatches) -> Result<Vec<Disk>> {
        enum Event<'a> {
            Add(&'a OsString),
            Domain(&'a OsString),
            Format(&'a String),
            BlockSize(&'a BlockSize),
        }
        let mut events: Vec<(usize, Event<'_>)> = Vec::new();
        events.extend(placed(matches, "add").map(|(at, v)| (at, Event::Add(v))));
        events.extend(placed(matches, "domain").map(|(at, v)| (at, Event::Domain(v))));
        events.extend(placed(matches, "format").map(|(at, v)| (at, Event::Format(v))));
        events.extend(placed(matches, "blocksize").map(|(at, v)| (at, Event::BlockSize(v))));
        events.sort_by_key(|(at, _)| *at);

        let (mut format, mut blocksize) = (None, None);
        let (mut format_used, mut blocksize_used) = (true, true);
        let mut disks = Vec::new();
        for (_, event) in events {
            match event {
                Event::Format(f) => (format, format_used) = (Some(f).filter(|f| !f.is_empty()), false),
                Event::BlockSize(b) => (blocksize, blocksize_used) = (b.0, false),
                Event::Add(argument) => {
                    (format_used, blocksize_used) = (true, true);
                    let path = uri::image_path(argument)?;
                    disks.push(Disk { format: format.cloned(), blocksize, ..Disk::image(path) });
                }
                Event::Domain(name) => disks.extend(domains::disks(matches, name)?),
            }
        }
        for (option, used) in [("--format", format_used), ("--blocksize", blocksize_used)] {
            if !used {
                return Err(Error::bad_options(format!("{option} must stand before the -a that it is for")));
            }
        }
        Ok(disks)
    }
}

/// Values of an option with their places in the command line.
fn placed<'a, T: Clone + Send + Sync + 'static>(
    matches: &'a ArgMatches,
    id: &str,
) -> impl Iterator<Item = (usize, &'a T)> + use<'a, T> {
    let values = matches.get_many::<T>(id).into_iter().flatten();
    matches.indices_of(id).into_iter().flatten().zip(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[derive(Debug, clap::Parser)]
    #[command(name = "virt-test", version)]
    struct Options {
        #[command(flatten)]
        guest: GuestOptions,
        #[command(flatten)]
        common: CommonOptions,
        operands: Vec<OsString>,
    }

    fn parse(arguments: &[&str]) -> Result<ArgMatches, clap::Error> {
        finish(Options::command()).try_get_matches_from([&["virt-test"], arguments].concat())
    }

    fn disks(arguments: &[&str]) -> Result<Vec<(String, String, u32)>> {
        let all = Disk::from_matches(&parse(arguments).unwrap())?;
        let shown =
            |d: Disk| (d.path.display().to_string(), d.format.unwrap_or_default(), d.blocksize.unwrap_or(0));
        Ok(all.into_iter().map(shown).collect())
    }

    #[test]
    fn the_definitions_are_sound() {
        finish(Options::command()).debug_assert();
    }

    #[test]
    fn format_and_blocksize_hold_for_the_disks_that_follow() {
        let one = |path: &str, format: &str, size| (path.to_owned(), format.to_owned(), size);
        assert_eq!(
            disks(&[
                "-a",
                "1",
                "--format=raw",
                "op",
                "--add=2",
                "-a3",
                "--format",
                "--blocksize=4096",
                "-a",
                "4",
                "--blocksize",
                "-a",
                "5"
            ])
            .unwrap(),
            [one("1", "", 0), one("2", "raw", 0), one("3", "raw", 0), one("4", "", 4096), one("5", "", 0)]
        );
        assert_eq!(disks(&["--form=qcow2", "-a", "1"]).unwrap(), [one("1", "qcow2", 0)]);
    }

    #[test]
    fn a_format_or_blocksize_that_no_disk_follows_is_refused() {
        for (arguments, option) in [
            (["-a", "1", "--format=raw"], "--format"),
            (["-a", "1", "--format"], "--format"),
            (["-a", "1", "--blocksize=512"], "--blocksize"),
        ] {
            let error = disks(&arguments).unwrap_err();
            assert_eq!(
                (error.status(), error.to_string()),
                (2, format!("{option} must stand before the -a that it is for"))
            );
        }
        assert_eq!(disks(&["--format=raw"]).unwrap_err().status(), 2);
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_the_parser() {
        for arguments in [
            &["--blocksize=77"] as &[&str],
            &["--blocksize=0512"],
            &["--key", "nonsense"],
            &["--key", "a:b:c"],
            &["--key", "a:file:"],
            &["--key", ":key:x"],
            &["--key", "a:clevis:x"],
            &["-m", ""],
            &["-m", "/dev/sda1:boot"],
            &["--echo-keys=1"],
            &["--k"],
            &["--bogus"],
            &["-q"],
            &["-a"],
        ] {
            let error = parse(arguments).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
    }

    #[test]
    fn the_lists_for_completion_are_those_of_the_originals() {
        let command = finish(Options::command());
        assert_eq!(
            long_options(&command).join(" "),
            "--add --blocksize --connect --domain --echo-keys --format --help --key --keys-from-stdin --mount --verbose --version"
        );
        assert_eq!(short_options(&command).join(" "), "-a -c -d -m -v -V -x");
    }
}

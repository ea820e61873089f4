//! The command line of virt-inspector: which guests, which fields, in which form.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::{ArgMatches, Command, CommandFactory, Parser};
use virt_common::options::{CommonOptions, Disk, finish};
use virt_common::{DiskOptions, Error, Guest, KeyOptions, Result, operands};

use crate::field::Field;
use crate::sbom;

/// The command line of virt-inspector.
#[derive(Debug, Parser)]
#[command(
    name = "virt-inspector",
    version,
    about = "Report the operating systems of virtual machines and what is installed in them",
    override_usage = "virt-inspector [OPTIONS] -a DISK [-a DISK]...\n       virt-inspector [OPTIONS] DISK...\n       virt-inspector --xpath QUERY < XML"
)]
pub struct Options {
    #[command(flatten)]
    pub(crate) disks: DiskOptions,

    #[command(flatten)]
    pub(crate) keys: KeyOptions,

    #[command(flatten)]
    pub(crate) common: CommonOptions,

    /// Report only these fields
    ///
    /// FIELD is the name of an element of the XML, such as hostname or applications; several have commas between. What is
    /// not asked for is not looked for either: without applications and icon, no filesystem is mounted.
    #[arg(long, value_name = "FIELD", value_delimiter = ',', hide_possible_values = true)]
    pub(crate) fields: Vec<Field>,

    /// Print JSON, a line for each guest
    ///
    /// See JSON below for what is in it.
    #[arg(long, conflicts_with_all = ["sbom", "xpath"])]
    pub(crate) json: bool,

    /// Do not report applications
    #[arg(long)]
    no_applications: bool,

    /// Do not report the icon
    #[arg(long)]
    no_icon: bool,

    /// How many guests are examined at a time, at most
    ///
    /// 0, which is also the default, is the number of processors.
    #[arg(short = 'P', value_name = "NR_THREADS", default_value_t = 0, hide_default_value = true)]
    pub(crate) threads: u32,

    /// Print a software bill of materials, a line for each guest
    ///
    /// FORM is cyclonedx (CycloneDX 1.6) or spdx (SPDX 2.3), both as JSON.
    #[arg(long, value_name = "FORM", hide_possible_values = true, conflicts_with_all = ["fields", "no_applications", "xpath"])]
    pub(crate) sbom: Option<sbom::Form>,

    /// Print what an XPath query finds in the XML
    ///
    /// Without a disk, the XML is that of a former run, or any other, on standard input, and nothing is inspected.
    #[arg(long, value_name = "QUERY")]
    pub(crate) xpath: Option<String>,

    /// Disk images, each a guest of its own
    #[arg(value_name = "DISK", hide = true)]
    operands: Vec<OsString>,
}

impl Options {
    /// The guests that the command line names: the disks of `-a` are one, and each operand is one.
    ///
    /// # Errors
    /// If it makes no sense, and what libvirt says against a guest.
    pub(crate) fn guests(&self, matches: &ArgMatches) -> Result<Vec<Guest>> {
        let added = Disk::from_matches(matches)?;
        // A name that is wrong among several is the failure of its own guest, and not of the rest.
        let guests: Vec<Guest> = if added.is_empty() && self.operands.len() > 1 {
            let guest = |operand: &OsString| match operands::named(std::slice::from_ref(operand), matches) {
                Ok(disks) => Guest::new(disks),
                Err(e) => Guest::refused(operand.as_bytes(), e),
            };
            self.operands.iter().map(guest).collect()
        } else {
            vec![Guest::new(operands::disks(added, &self.operands, matches)?)]
        };
        if guests.len() > 1 && self.keys.keys_from_stdin {
            return Err(Error::bad_options(
                "--keys-from-stdin is for one guest: several are examined in no order",
            ));
        }
        Ok(guests)
    }

    /// Does it name no guest at all?
    pub(crate) fn names_no_guest(&self) -> bool {
        self.operands.is_empty() && self.disks.add.is_empty() && self.disks.domain.is_empty()
    }

    /// The fields to report.
    pub(crate) fn wanted(&self) -> BTreeSet<Field> {
        let mut fields =
            if self.fields.is_empty() { Field::all() } else { self.fields.iter().copied().collect() };
        if self.sbom.is_some() {
            fields = Field::all();
        }
        for (is_unwanted, field) in
            [(self.no_applications, Field::Applications), (self.no_icon || self.sbom.is_some(), Field::Icon)]
        {
            if is_unwanted {
                fields.remove(&field);
            }
        }
        fields
    }
}

/// The command, with all that its manual and completions are made from.
pub fn command() -> Command {
    finish(Options::command())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;
    use virt_common::options::{long_options, short_options};

    fn parsed(arguments: &str) -> (Options, ArgMatches) {
        let matches = command().try_get_matches_from(arguments.split(' ')).unwrap();
        (Options::from_arg_matches(&matches).unwrap(), matches)
    }

    #[test]
    fn the_options_are_those_of_the_original_and_our_own() {
        let command = command();
        command.clone().debug_assert();
        assert_eq!(
            long_options(&command).join(" "),
            "--add --blocksize --connect --domain --echo-keys --fields --format --help --json --key --keys-from-stdin \
             --no-applications --no-icon --sbom --verbose --version --xpath"
        );
        assert_eq!(short_options(&command).join(" "), "-a -c -d -P -v -V -x");
    }

    #[test]
    fn disks_with_a_are_one_guest_and_each_operand_is_one() {
        for (arguments, expected) in [
            ("virt-inspector -a one.img -a two.img", vec!["one.img+"]),
            ("virt-inspector ./one.img /b/two.img", vec!["one.img", "two.img"]),
            ("virt-inspector no.img two.img", vec!["no.img", "two.img"]),
            ("virt-inspector ./one.img", vec!["one.img"]),
        ] {
            let (options, matches) = parsed(arguments);
            let names: Vec<String> =
                options.guests(&matches).unwrap().into_iter().map(|guest| guest.name.to_string()).collect();
            assert_eq!(names, expected, "{arguments}");
        }
    }

    #[test]
    fn fields_are_those_that_were_asked_for() {
        let wanted = |arguments: &str| parsed(arguments).0.wanted();
        assert_eq!(wanted("virt-inspector -a x"), Field::all());
        assert_eq!(
            wanted("virt-inspector -a x --fields hostname,root"),
            BTreeSet::from([Field::Root, Field::Hostname])
        );
        let none = wanted("virt-inspector -a x --no-applications --no-icon");
        assert!(!none.iter().any(|field| field.needs_files()) && none.len() + 2 == Field::all().len());
        assert!(!wanted("virt-inspector -a x --sbom spdx").contains(&Field::Icon));
    }

    #[test]
    fn any_disk_is_a_guest() {
        for (arguments, expected) in [
            ("virt-inspector --xpath //a", true),
            ("virt-inspector --xpath //a -a x", false),
            ("virt-inspector --xpath //a -d x", false),
            ("virt-inspector --xpath //a ./x", false),
        ] {
            assert_eq!(parsed(arguments).0.names_no_guest(), expected, "{arguments}");
        }
    }
}

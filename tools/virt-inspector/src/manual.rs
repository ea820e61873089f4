//! The parts of the manual page that the options do not say.

use virt_common::manual::{ENVIRONMENT, KEYS, LIBVIRT, Manual, Section};

/// The manual of virt-inspector.
pub const MANUAL: Manual = Manual {
    synopsis: &[
        "virt-inspector [OPTIONS] -a DISK [-a DISK]...",
        "virt-inspector [OPTIONS] DISK...",
        "virt-inspector --xpath QUERY < XML",
    ],
    description: "\
virt-inspector reports which operating systems are on the disks of a virtual machine, with their versions, mountpoints, \
filesystems and installed packages, from outside. Nothing is started, and nothing of the guest is run: a locked-down child \
process reads the disks, and the virtual machine may be running.

All disks that are added with -a belong to one guest. Operands are disks as well, but each is a guest of its own: any \
number of guests can be examined by one command, several at a time, and one that can't be examined does not keep the others \
from being reported. (The original takes operands for disks of one guest, and has one guest only.)",
    sections: &[XML, FIELDS, JSON, SBOM, QUERIES, LIBVIRT, KEYS, EXAMPLES, EXIT_STATUS, ENVIRONMENT],
    see_also: &[("virt-cat", 1), ("virt-df", 1), ("virt-ls", 1), ("guestfish", 1), ("guestfs", 3)],
};

const XML: Section = Section {
    title: "XML",
    text: "\
The output is a document <operatingsystems> with an <operatingsystem> for each system; most guests have one. What a system \
does not have, or is not known of it, has no element:

    <?xml version=\"1.0\"?>
    <operatingsystems>
      <operatingsystem>
        <root>/dev/sda2</root>
        <name>linux</name>
        <arch>x86_64</arch>
        <distro>debian</distro>
        <mountpoints>
          <mountpoint dev=\"/dev/sda2\">/</mountpoint>
        </mountpoints>
        <applications>
          <application>
            <name>bash</name>
            <version>5.2.15</version>
            <release>2+b13</release>
          </application>
        </applications>
      </operatingsystem>
    </operatingsystems>

Devices have the names that they have here, not within the guest. The packages are those of the system's own database, as \
the original lists them; --json and --sbom also have those of other ones (snaps, flatpaks). Texts that are not UTF-8, and \
control characters, which XML can't have, are shown as U+FFFD.

Several guests are in one document <guests>, which has for each a <guest name=\"...\"> with its disks (<disk>), its \
<operatingsystems>, and an <error> for each thing that failed.",
};

const FIELDS: Section = Section {
    title: "FIELDS",
    text: "\
Elements of the XML, keys of the JSON, and names for --fields:

= root
The root filesystem.

= name, distro, product_name, product_variant, major_version, minor_version, build_id, osinfo
Type (linux, windows, freebsd...), distribution, name and version as the system states them, and the short ID that \
libosinfo has for it. A distribution that is not known here is reported by the ID in its os-release.

= arch, hostname
Processor and host name.

= package_format, package_management
Kind of the packages (deb, rpm...) and the tool for them (apt, dnf...).

= windows_systemroot, windows_current_control_set, windows_group_policy, drive_mappings
Of a Windows: its directory, its current control set in the registry, whether a group policy is in effect, and what its \
drive letters are.

= mountpoints, filesystems
What is mounted where, and all filesystems that belong to the system, with type, label and UUID.

= deployment
The directory of the root filesystem that the system runs from, where that is not / itself (ostree). Not in the original.

= snapshots
Snapshots of the root (<snapshot>, objects with \"device\"), which the original takes for systems of their own.

= applications
The installed packages.

= icon
The system's logo as a PNG, in Base64.",
};

const JSON: Section = Section {
    title: "JSON",
    text: r#"With --json there is a line for each guest (JSON Lines), an object:

    {"schema":"virt-inspector","version":1,"guest":"g.qcow2",
     "disks":[{"path":"g.qcow2"}],
     "operating_systems":[{"root":"/dev/sda2","name":"linux",
       "distro":"debian","major_version":12,"minor_version":5,
       "mountpoints":[{"mountpoint":"/","device":"/dev/sda2"}],
       "filesystems":[{"device":"/dev/sda2","type":"ext4",
                       "uuid":"5eaf00d5-..."}],
       "applications":[{"format":"deb","name":"bash",
         "version":"5.2.15","release":"2+b13","arch":"amd64",
         "state":"installed","summary":"..."}]}]}

It is shown here in several lines.

= schema, version
"virt-inspector" and 1. The version changes when a program that reads the output could break. New keys may come without that.

= guest, disks
Name of the guest, which is the file name of its first disk with a plus sign for each further one, and its disks.

= operating_systems
An object for each system, with the fields that it has. Versions are numbers; "drive_mappings" has objects with "name" and
"device", and the others are as above. The key is missing if the guest could not be opened.

= applications
An object for each package, with "format" (deb, rpm, apk, pacman, ebuild, xbps, pkg, opkg, pkgtools, snap, flatpak,
windows), "name", "epoch" (a number; only where the package states one), "version", "release", "arch", "state" (how far it is installed, in dpkg's words),
"display_name", "install_path", "publisher", "maintainer", "vendor", "url", "source_package", "section", "license", "class",
"summary", "description", and "install_time" (seconds since 1970). What a package does not state is left out.

= warnings, errors
Messages: what was passed over, and what failed.

The sources have a JSON Schema of it: tools/virt-inspector/virt-inspector.schema.json.

A text that is not valid UTF-8 is there twice: under its key with U+FFFD for what is not UTF-8, and exactly under a second
key that ends in "_base64", as Base64 of its bytes."#,
};

const SBOM: Section = Section {
    title: "BILLS OF MATERIALS",
    text: "\
With --sbom there is a line for each guest, a JSON document of its own: CycloneDX 1.6 or SPDX 2.3. It is about the disk \
image, which has operating systems, which have packages. Each package has its package URL \
(pkg:deb/debian/bash@5.2.15-2?arch=amd64&distro=debian-12), by which scanners know it; \"upstream\" in the URL is its source \
package. Licenses are there where the database states them, in its words, and nothing is guessed.

The number of a document is made from its content: it is the same for the same image. With the variable SOURCE_DATE_EPOCH \
(seconds since 1970), so is its time, and with that the whole document. A guest that can't be opened has \
no document; the error and the exit status tell.",
};

const QUERIES: Section = Section {
    title: "XPATH QUERIES",
    text: "\
--xpath evaluates a query (XPath 1.0) on the XML: that of the guests, if there are any on the command line, or else that \
of standard input. Nodes are printed as XML, everything else as text:

    $ virt-inspector --xpath 'string(//hostname)' -a g.qcow2
    mail.example.org
    $ virt-inspector -a g.qcow2 > g.xml
    $ virt-inspector --xpath '//filesystems' < g.xml
    $ virt-inspector --xpath \"string(//filesystem[@dev='/dev/sda1']/type)\" < g.xml
    ext4
    $ virt-inspector --xpath 'string(//icon)' < g.xml | base64 -d > icon.png",
};

const EXAMPLES: Section = Section {
    title: "EXAMPLES",
    text: "\
What runs on all disks of a directory:

    virt-inspector --json --fields distro,product_name,hostname *.qcow2 |
        jq -r '[.guest, .operating_systems[0].product_name] | @tsv'

Guests with an old version of a package:

    virt-inspector --json --fields applications *.qcow2 |
        jq -r 'select(.operating_systems[]?.applications[]? |
               .name == \"xz-utils\" and .version == \"5.6.0\").guest'

A bill of materials for a scanner:

    virt-inspector --sbom cyclonedx -a g.qcow2 > g.cdx.json",
};

const EXIT_STATUS: Section = Section {
    title: "EXIT STATUS",
    text: "\
= 0
All that was asked for was reported, also where there is no operating system. A reader of the output that goes away early \
(a broken pipe) is no failure.

= 1
Something failed: a guest could not be opened, or something of it could not be read: a damaged database of packages, or a \
filesystem that may hold a system of its own. The rest is reported.

= 2
The command line makes no sense.",
};

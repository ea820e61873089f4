//! The parts of the manual page that the options do not say.

use virt_common::manual::{ENVIRONMENT, EXIT_STATUS, KEYS, LIBVIRT, Manual, Section};

/// The manual of virt-win-reg.
pub const MANUAL: Manual = Manual {
    synopsis: &[
        "virt-win-reg [OPTIONS] DISK KEY [VALUE]",
        "virt-win-reg [OPTIONS] -a DISK [-a DISK]... KEY [VALUE]",
        "virt-win-reg [OPTIONS] --hive FILE [KEY [VALUE]]",
        "virt-win-reg --merge [OPTIONS] DISK [REGFILE]...",
        "virt-win-reg --merge [OPTIONS] -a DISK [-a DISK]... [REGFILE]...",
        "virt-win-reg --merge [OPTIONS] --hive FILE [REGFILE]...",
    ],
    description: r#"virt-win-reg prints keys of the registry of a Windows guest, with all that is below them, in the form of
the .reg files of Windows' own registry editor; or a single value. Nothing is started, mounted or written for it: the disks
are read by a locked-down child process, and the virtual machine may be running.

VALUE is the name of a value of the key, or @ for the value that has no name. Its data is printed as it is: a string as a
line of text, several strings as a line each, a number as a line in decimal, anything else as its bytes. KEY and VALUE are
found whatever the case of their letters.

A system that was not shut down leaves changes in the logs beside its hives, the files of the registry. They are applied
while the hive is read, and a message says so; the disk stays as it is.

With --merge it is the other way round: changes in files of that form are made in the registry."#,
    sections: &[REGISTRY, MERGING, JSON, LIBVIRT, KEYS, EXAMPLES, DIFFERENCES, EXIT_STATUS, ENVIRONMENT],
    see_also: &[("virt-cat", 1), ("virt-inspector", 1), ("hivexregedit", 1), ("guestfs", 3)],
};

const REGISTRY: Section = Section {
    title: "KEYS OF THE REGISTRY",
    text: r"KEY begins with one of these. HKEY_LOCAL_MACHINE can be written HKLM, and HKEY_USERS HKU:

= HKEY_LOCAL_MACHINE\SAM, SECURITY, SOFTWARE, SYSTEM
The hives of the system, in System32\config.

= HKEY_USERS\.DEFAULT
The hive of whom nobody is logged in as.

= HKEY_USERS\SID
The user of that security identifier, such as S-1-5-21-...-1000, whose profile the registry itself names. LocalSystem,
LocalService and NetworkService stand for S-1-5-18, S-1-5-19 and S-1-5-20.

= HKEY_USERS\NAME
The user whose profile is in \Users\NAME or \Documents and Settings\NAME.

HKEY_CURRENT_USER and HKLM\SYSTEM\CurrentControlSet are made by a running Windows and are in no hive. Which of ControlSet001,
ControlSet002... a system uses is in the value Current of HKLM\SYSTEM\Select.",
};

const MERGING: Section = Section {
    title: "MERGING",
    text: r#"The virtual machine must not be running: two systems that write to one disk destroy it. A disk that qemu has open is
refused.

A REGFILE is what Windows' registry editor exports, in UTF-16 with a byte order mark or in UTF-8, with the first line
"Windows Registry Editor Version 5.00", "REGEDIT4" or none. It may change several hives. Keys are made with all above them.

    [HKEY_LOCAL_MACHINE\SOFTWARE\Example]
    "Text"="a value"
    "Number"=dword:0000002a
    "Old"=-

    [-HKEY_LOCAL_MACHINE\SOFTWARE\Unwanted]

The value Old and the key Unwanted, with all below it, are deleted; that they are not there is no error.

First, all hives that are changed are made anew in memory, from what is on the disk and in their logs, and read again from
their first key to their last value. If that fails for one, or a line of a file makes no sense, nothing is written. Then an appliance, see
LIBGUESTFS_BACKEND below, writes one after the other: each is written beside the old one, with its owner, permissions, security
descriptor, attributes and time of creation, and takes its name when it is complete on the disk. A failure, also one of the power, leaves the old hive or the new one; files whose
names begin with .guestfs- may then lie beside it, and the next merge removes them. The logs beside it are then emptied.
A file with several names (hard links) is refused.

A volume that Windows did not leave clean is refused, and so is one of a Windows that is hibernated, which is also how
fast startup leaves it: "shutdown /s /t 0" within the guest shuts it down completely, "chkdsk /f" mends a volume that is
marked to be checked. A hive that is damaged is not changed, nor one in the midst of being written, of which the logs are missing: the
message then says what to do.

With --hive, keys are paths within the hive, or begin with what --prefix says. The file keeps its owner and permissions."#,
};

const JSON: Section = Section {
    title: "JSON",
    text: r#"With --json the output is one JSON object:

    {"schema":"virt-win-reg","version":1,"keys":[
    {"key":"HKEY_LOCAL_MACHINE\\SYSTEM\\Select",
     "written":1600000000,"written_nsec":0,"values":[
      {"name":"Current","type":"REG_DWORD","value":1}]}
    ]}

= schema, version
"virt-win-reg" and 1. The version changes when a program that reads the output could break. New keys may come without that.

= keys
One object for each key of the registry, a key before those below it: its path, when it was last written (seconds since 1970, negative before, and
nanoseconds), and its values. With VALUE on the command line, the key with that value alone.

= name
The value's name, empty for the value that has none.

= type
REG_SZ, REG_DWORD and so on, or the number of a type that has no name, as 0x100000.

= value
A string for REG_SZ, REG_EXPAND_SZ and REG_LINK, a list of strings for REG_MULTI_SZ, a number for REG_DWORD,
REG_DWORD_BIG_ENDIAN and REG_QWORD. It is missing for other types, and if the data is not as long as the type says.

= data_base64
The data as Base64 of its bytes, wherever it is not exactly what the value above says: strings are UTF-16LE with a NUL at
the end, numbers as long as their type.

= error
A message, if the rest of the keys could not be read.

A name that is not valid Unicode is there twice: under its key with U+FFFD for what is not Unicode, and exactly
under a second key that ends in "_base64" ("name_base64"), as Base64 of its bytes in UTF-8 generalised to all code points."#,
};

const EXAMPLES: Section = Section {
    title: "EXAMPLES",
    text: r"What Windows calls itself:

    virt-win-reg win.qcow2 'HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion' ProductName

All settings of a user, as a program may read them:

    virt-win-reg -a win.qcow2 --json 'HKU\alice'

A hive that was copied out of a guest, with its logs beside it:

    virt-win-reg --hive backup/SYSTEM '\Select'

Changes in a guest, with the old hives kept as SOFTWARE.bak and so on:

    virt-win-reg --merge --backup -a win.qcow2 changes.reg

The same in a hive file, of which the text says HKEY_LOCAL_MACHINE\SYSTEM:

    virt-win-reg --merge --hive SYSTEM --prefix 'HKEY_LOCAL_MACHINE\SYSTEM' changes.reg",
};

const DIFFERENCES: Section = Section {
    title: "DIFFERENCES",
    text: r"The program of libguestfs has -d for --debug; here -d names a guest, as in all other tools. Names of keys
and values that are not ASCII are always printed in UTF-8. A merge reads UTF-16 as well, makes keys that are missing above one, and
needs no empty line between two keys. Failures have the exit status 1, and command lines that make no sense 2; there it is 255,
or another number that is not 0.",
};

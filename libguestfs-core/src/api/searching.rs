//! Calls that look for something in the content of files, or show it in a form for people.

use bstr::BString;
use libguestfs_macros::guestfs_api;

use super::Host;
use crate::Result;

/// Calls that look for something in the content of files, or show it in a form for people.
#[guestfs_api]
pub trait Searching: Host {
    // --- Lines

    /// The lines of a file that match a regular expression: a basic one, an `extended` one, or with `fixed` a text.
    /// `compressed` files are decompressed first.
    #[call(151, optional(extended: bool, fixed: bool, insensitive: bool, compressed: bool))]
    fn grep(&mut self, regex: &PlainString, path: &Pathname, opts: &GrepOpts) -> Result<Vec<BString>>;

    /// The lines that match an extended regular expression.
    #[call(152)]
    fn egrep(&mut self, regex: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines that hold a text.
    #[call(153)]
    fn fgrep(&mut self, pattern: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines that match a basic regular expression, without regard to case.
    #[call(154)]
    fn grepi(&mut self, regex: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines that match an extended regular expression, without regard to case.
    #[call(155)]
    fn egrepi(&mut self, regex: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines that hold a text, without regard to case.
    #[call(156)]
    fn fgrepi(&mut self, pattern: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines of a compressed file that match a basic regular expression.
    #[call(157)]
    fn zgrep(&mut self, regex: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines of a compressed file that match an extended regular expression.
    #[call(158)]
    fn zegrep(&mut self, regex: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines of a compressed file that hold a text.
    #[call(159)]
    fn zfgrep(&mut self, pattern: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines of a compressed file that match a basic regular expression, without regard to case.
    #[call(160)]
    fn zgrepi(&mut self, regex: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines of a compressed file that match an extended regular expression, without regard to case.
    #[call(161)]
    fn zegrepi(&mut self, regex: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// The lines of a compressed file that hold a text, without regard to case.
    #[call(162)]
    fn zfgrepi(&mut self, pattern: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    // --- Content for people

    /// The runs of four and more characters that print, as strings(1) finds them.
    #[call(94)]
    fn strings(&mut self, path: &Pathname) -> Result<Vec<BString>>;

    /// The same in another encoding: `s` (7 bits), `S` (8 bits), `b` and `l` (16 bits, big and little endian), `B` and
    /// `L` (32 bits).
    #[call(95)]
    fn strings_e(&mut self, encoding: &PlainString, path: &Pathname) -> Result<Vec<BString>>;

    /// Offsets, bytes and characters of a file, as `hexdump -C` shows them.
    #[call(96)]
    fn hexdump(&mut self, path: &Pathname) -> Result<BString>;

    /// A directory as `ls -laZ` shows it.
    #[call(305)]
    fn llz(&mut self, directory: &Pathname) -> Result<BString>;

    // --- Files within files

    /// The paths of what is in an initramfs, which can be compressed.
    #[call(128)]
    fn initrd_list(&mut self, path: &Pathname) -> Result<Vec<BString>>;

    /// The content of a file in an initramfs.
    #[call(221)]
    fn initrd_cat(&mut self, initrdpath: &Pathname, filename: &PlainString) -> Result<Vec<u8>>;

    /// Architecture of a program, library, module or initramfs, as `uname -m` names it; `i386` for all of that family.
    #[call(475)]
    fn file_architecture(&mut self, filename: &Pathname) -> Result<BString>;
}

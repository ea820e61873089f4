//! How much is read and kept at most. A guest that needs more gives what fits, and a note.

/// Most packages of one guest. Debian has 65,000 packages in all.
pub const PACKAGES: usize = 100_000;
/// Most bytes of text of all packages of one guest. 900 packages of a Debian have 0.6 MB.
pub const TEXT: usize = 24 << 20;
/// Longest text of one field, in bytes; it is cut there. The longest description in Debian 12 has 6 KB.
pub const FIELD: usize = 32 << 10;
/// Most notes; what is wrong beyond them is counted.
pub const NOTES: usize = 50;
/// Longest line of a text file, in bytes; the rest of it is passed over. dpkg has lists of files in its lines.
pub const LINE: usize = 256 << 10;
/// Most names that are taken from one directory.
pub const NAMES: usize = PACKAGES;
/// Longest file that is read as a whole, in bytes: the small ones of which a directory has one a package.
pub const SMALL_FILE: usize = 256 << 10;
/// Most bytes that are read of a database that is one file of text.
pub const TEXT_FILE: u64 = 256 << 20;

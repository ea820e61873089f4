//! Decoders of compressed data that more than one format uses. Their input is hostile: whatever it is, the answer is
//! bytes or an error, in memory that the caller gave.

#[allow(dead_code, reason = "for the readers of btrfs and squashfs, which are being written")]
pub(crate) mod lzo;
pub(crate) mod zstd;

//! Decoders of compressed data that more than one format uses. Their input is hostile: whatever it is, the answer is
//! bytes or an error, in memory that the caller gave.

mod huffman;
pub(crate) mod lz4;
pub(crate) mod lznt1;
pub(crate) mod lzo;
pub(crate) mod lzx;
pub(crate) mod xpress;
pub(crate) mod xz;
pub(crate) mod zstd;

//! Kinds that are recognised by their marks and not read further: label and UUID of these need more than this code
//! has, so the whole answer is `Unsupported`, never a guess that some other kind is there.

use super::{Magic, Prober, Usage, magic};
use crate::Error;

const fn refused(kind: &'static str, usage: Usage, magics: &'static [Magic]) -> Prober {
    Prober::new(kind, usage, magics, |_, _| Err(Error::unsupported("")))
}

/// Filesystems with marks that nothing else has by chance.
pub(super) const FILESYSTEMS: &[Prober] = &[
    refused("ReFS", Usage::Filesystem, &[magic(3, b"ReFS\0")]),
    refused("befs", Usage::Filesystem, &[magic(0x20, b"BFS1"), magic(0x220, b"BFS1"), magic(0x220, b"1SFB")]),
    refused("ocfs", Usage::Filesystem, &[magic(0x2000, b"OracleCFS")]),
    refused("oracleasm", Usage::Filesystem, &[magic(32, b"ORCLDISK")]),
    refused("hpfs", Usage::Filesystem, &[magic(0x2000, b"\x49\xe8\x95\xf9")]),
    refused(
        "bcachefs",
        Usage::Filesystem,
        &[magic(0x1018, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef")],
    ),
];

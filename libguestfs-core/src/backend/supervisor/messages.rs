//! What the handle and its supervisor say to each other, one packet each.
//!
//! ```text
//! handle                                         supervisor
//!   (Program, Argument…, Variable…, Descriptor…)… ->
//!   Start                                         ->
//!                                                <- Started, one for each program
//!                                                <- Ended, once, when the first of them ends
//! ```

use bstr::BString;

use crate::backend::control::{Packet, whole};
use crate::wire::xdr::{DecodeError, Encode};

/// What a supervisor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToSupervisor {
    /// A program to run. What follows belongs to it.
    Program {
        /// For messages.
        name: BString,
        /// Its file.
        path: BString,
        /// Does it write something out when it is asked to end (SIGTERM)? Otherwise it is killed at once.
        polite: bool,
        /// Is its heap to be where it is without randomization, right after the program's data?
        fixed_heap: bool,
        /// Is its memory to consist of small pages only?
        small_pages: bool,
    },
    /// An argument of the program.
    Argument(BString),
    /// A variable of its environment, which is empty but for these.
    Variable {
        /// Its name.
        name: BString,
        /// Its value.
        value: BString,
    },
    /// A descriptor for the program, beside the packet. The first one gets the number
    /// [`FIRST_DESCRIPTOR`](super::FIRST_DESCRIPTOR), and so on.
    Descriptor,
    /// Run all that, in this order.
    Start,
}

/// What a supervisor tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FromSupervisor {
    /// A program runs, in a process group of that number.
    Started(u32),
    /// A program ended, or could not be run; the others are being stopped.
    Ended {
        /// Which, and how.
        how: BString,
        /// Its exit status; -1 if it has none.
        status: i32,
        /// The end of what the programs printed.
        last_words: BString,
    },
}

impl Packet for ToSupervisor {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            ToSupervisor::Program { name, path, polite, fixed_heap, small_pages } => {
                1u32.encode(&mut out);
                name.encode(&mut out);
                path.encode(&mut out);
                polite.encode(&mut out);
                fixed_heap.encode(&mut out);
                small_pages.encode(&mut out);
            }
            ToSupervisor::Argument(text) => {
                2u32.encode(&mut out);
                text.encode(&mut out);
            }
            ToSupervisor::Variable { name, value } => {
                3u32.encode(&mut out);
                name.encode(&mut out);
                value.encode(&mut out);
            }
            ToSupervisor::Descriptor => 4u32.encode(&mut out),
            ToSupervisor::Start => 5u32.encode(&mut out),
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        whole(bytes, |tag, input| {
            Ok(match tag {
                1 => ToSupervisor::Program {
                    name: input.value()?,
                    path: input.value()?,
                    polite: input.value()?,
                    fixed_heap: input.value()?,
                    small_pages: input.value()?,
                },
                2 => ToSupervisor::Argument(input.value()?),
                3 => ToSupervisor::Variable { name: input.value()?, value: input.value()? },
                4 => ToSupervisor::Descriptor,
                5 => ToSupervisor::Start,
                other => return Err(DecodeError::unknown_packet(other)),
            })
        })
    }
}

impl Packet for FromSupervisor {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            FromSupervisor::Started(group) => {
                1u32.encode(&mut out);
                group.encode(&mut out);
            }
            FromSupervisor::Ended { how, status, last_words } => {
                2u32.encode(&mut out);
                how.encode(&mut out);
                status.encode(&mut out);
                last_words.encode(&mut out);
            }
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        whole(bytes, |tag, input| {
            Ok(match tag {
                1 => FromSupervisor::Started(input.value()?),
                2 => FromSupervisor::Ended {
                    how: input.value()?,
                    status: input.value()?,
                    last_words: input.value()?,
                },
                other => return Err(DecodeError::unknown_packet(other)),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_they_were_written() {
        for packet in [
            ToSupervisor::Program {
                name: "qemu".into(),
                path: "/q".into(),
                polite: true,
                fixed_heap: false,
                small_pages: true,
            },
            ToSupervisor::Argument("-m".into()),
            ToSupervisor::Variable { name: "HOME".into(), value: "/".into() },
            ToSupervisor::Descriptor,
            ToSupervisor::Start,
        ] {
            assert_eq!(ToSupervisor::from_bytes(&packet.to_bytes()).unwrap(), packet);
        }
        for packet in [
            FromSupervisor::Started(7),
            FromSupervisor::Ended { how: "gone".into(), status: -1, last_words: "panic".into() },
        ] {
            assert_eq!(FromSupervisor::from_bytes(&packet.to_bytes()).unwrap(), packet);
        }
        assert!(ToSupervisor::from_bytes(&[0, 0, 0, 9]).is_err());
    }
}

//! The control conversation between a handle and its embedded daemon, while the daemon starts.
//!
//! ```text
//! handle                                  daemon (no privileges, no file access of its own)
//!   Start {limits, number of drives} + lifeline ->
//!   Drive {format, …} + image descriptor ->           one each
//!                                           sandboxes itself, then reads image headers
//!                                        <- Related {drive, from, name}
//!   Opened + descriptor, or Refused      ->           as the path policy says
//!                                        <- Ready, or Failed {drive, why}
//! ```
//!
//! Packets go over a `SOCK_SEQPACKET` socket, so that one message is one packet; descriptors travel beside them
//! (`SCM_RIGHTS`). The daemon parses hostile images before `Ready`: what comes from it is capped and checked.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use bstr::BString;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::sys;
use crate::wire::xdr::{DecodeError, Encode, Reader};
use crate::{Error, Result};

/// Largest packet in bytes. A backing file's name is at most 1023 bytes (qcow2), errors are texts.
const PACKET_MAX: usize = 16 * 1024;

/// What the handle tells the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToDaemon {
    /// How to run. Comes with the read end of the lifeline, a pipe whose other end closes when the handle's process
    /// ends.
    Start {
        /// Log what goes on.
        verbose: bool,
        /// Lock the process in before anything is parsed.
        sandbox: bool,
        /// Address space in bytes.
        memory_limit: u64,
        /// What the daemon may raise that to, while it tries a key.
        memory_ceiling: u64,
        /// CPU time in seconds.
        cpu_limit: u64,
        /// Number of `Drive` packets that follow.
        drives: u32,
    },
    /// A drive; comes with the descriptor of its image, but for an empty disk.
    Drive(DriveMessage),
    /// The file asked for; comes with its descriptor.
    Opened(OpenedFile),
    /// The file asked for is not to be had.
    Refused(BString),
}

/// What the daemon needs to know of a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveMessage {
    /// Image format by qemu's name, or none to find out.
    pub format: Option<BString>,
    /// Name of the file, for messages.
    pub file_name: BString,
    /// Was it added read-only?
    pub readonly: bool,
    /// Label, if it has one.
    pub label: Option<BString>,
    /// Sector size of the virtual disk in bytes.
    pub sector_size: u32,
    /// For an empty disk: its size in bytes. Otherwise 0.
    pub null_size: u64,
    /// Internal snapshot to read instead of the current state.
    pub snapshot: Option<BString>,
}

/// A file that was opened for the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedFile {
    /// Its number among the files of this drive; the drive's image is 0.
    pub file: u32,
}

/// A wish of the daemon: open the file that an image header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelatedRequest {
    /// Which drive.
    pub drive: u32,
    /// Which file of the drive has the name in its header.
    pub from: u32,
    /// The name as written there.
    pub name: BString,
}

/// What the daemon tells the handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromDaemon {
    /// Open a file for me.
    Related(RelatedRequest),
    /// All drives are open; the launch flag follows on the other stream.
    Ready,
    /// It can't be done.
    Failed(BString),
}

/// A value that is one packet.
pub trait Packet: Sized {
    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// From its bytes.
    ///
    /// # Errors
    /// If they are not a packet of this kind.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError>;
}

pub(super) fn whole<'a, T>(
    bytes: &'a [u8],
    decode: impl FnOnce(u32, &mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut input = Reader::new(bytes);
    let tag = input.value()?;
    let value = decode(tag, &mut input)?;
    input.finish()?;
    Ok(value)
}

impl Packet for ToDaemon {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            ToDaemon::Start { verbose, sandbox, memory_limit, memory_ceiling, cpu_limit, drives } => {
                1u32.encode(&mut out);
                verbose.encode(&mut out);
                sandbox.encode(&mut out);
                memory_limit.encode(&mut out);
                memory_ceiling.encode(&mut out);
                cpu_limit.encode(&mut out);
                drives.encode(&mut out);
            }
            ToDaemon::Drive(drive) => {
                2u32.encode(&mut out);
                drive.format.encode(&mut out);
                drive.file_name.encode(&mut out);
                drive.readonly.encode(&mut out);
                drive.label.encode(&mut out);
                drive.sector_size.encode(&mut out);
                drive.null_size.encode(&mut out);
                drive.snapshot.encode(&mut out);
            }
            ToDaemon::Opened(opened) => {
                3u32.encode(&mut out);
                opened.file.encode(&mut out);
            }
            ToDaemon::Refused(why) => {
                4u32.encode(&mut out);
                why.encode(&mut out);
            }
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        whole(bytes, |tag, input| {
            Ok(match tag {
                1 => ToDaemon::Start {
                    verbose: input.value()?,
                    sandbox: input.value()?,
                    memory_limit: input.value()?,
                    memory_ceiling: input.value()?,
                    cpu_limit: input.value()?,
                    drives: input.value()?,
                },
                2 => ToDaemon::Drive(DriveMessage {
                    format: input.value()?,
                    file_name: input.value()?,
                    readonly: input.value()?,
                    label: input.value()?,
                    sector_size: input.value()?,
                    null_size: input.value()?,
                    snapshot: input.value()?,
                }),
                3 => ToDaemon::Opened(OpenedFile { file: input.value()? }),
                4 => ToDaemon::Refused(input.value()?),
                other => return Err(DecodeError::unknown_packet(other)),
            })
        })
    }
}

impl Packet for FromDaemon {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            FromDaemon::Related(request) => {
                1u32.encode(&mut out);
                request.drive.encode(&mut out);
                request.from.encode(&mut out);
                request.name.encode(&mut out);
            }
            FromDaemon::Ready => 2u32.encode(&mut out),
            FromDaemon::Failed(why) => {
                3u32.encode(&mut out);
                why.encode(&mut out);
            }
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        whole(bytes, |tag, input| {
            Ok(match tag {
                1 => FromDaemon::Related(RelatedRequest {
                    drive: input.value()?,
                    from: input.value()?,
                    name: input.value()?,
                }),
                2 => FromDaemon::Ready,
                3 => FromDaemon::Failed(input.value()?),
                other => return Err(DecodeError::unknown_packet(other)),
            })
        })
    }
}

/// Sends a packet, with a descriptor beside it if there is one.
///
/// # Errors
/// If the peer is gone, or the packet is too long.
pub fn send(socket: impl AsFd, packet: &impl Packet, descriptor: Option<&OwnedFd>) -> Result<()> {
    let bytes = packet.to_bytes();
    if bytes.len() > PACKET_MAX {
        return Err(Error::protocol("a control packet is too long"));
    }
    let raw: Vec<RawFd> = descriptor.map(AsRawFd::as_raw_fd).into_iter().collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let beside = if raw.is_empty() { &[][..] } else { &rights[..] };
    loop {
        let iov = [IoSlice::new(&bytes)];
        match sendmsg::<()>(socket.as_fd().as_raw_fd(), &iov, beside, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(Error::io("sending a control packet", e.into())),
        }
    }
}

/// Receives a packet, and the descriptor beside it; `None` if the peer closed the socket.
///
/// # Errors
/// If it is not a packet of this kind.
pub fn receive<P: Packet>(socket: impl AsFd) -> Result<Option<(P, Option<OwnedFd>)>> {
    let mut bytes = vec![0; PACKET_MAX];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let (length, descriptors) = loop {
        let mut iov = [IoSliceMut::new(&mut bytes)];
        match recvmsg::<()>(
            socket.as_fd().as_raw_fd(),
            &mut iov,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        ) {
            Ok(message) => {
                let raw: Vec<RawFd> = message
                    .cmsgs()
                    .map_err(|e| Error::io("receiving a control packet", e.into()))?
                    .flat_map(|c| match c {
                        ControlMessageOwned::ScmRights(fds) => fds,
                        _ => Vec::new(),
                    })
                    .collect();
                break (message.bytes, raw.into_iter().map(sys::own_received).collect::<Vec<_>>());
            }
            Err(Errno::EINTR) => {}
            Err(e) => return Err(Error::io("receiving a control packet", e.into())),
        }
    };
    if length == 0 {
        return Ok(None);
    }
    let packet = P::from_bytes(bytes.get(..length).unwrap_or_default())
        .map_err(|e| Error::protocol(format!("a control packet can't be decoded: {e}")))?;
    Ok(Some((packet, descriptors.into_iter().next())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::io::Read;

    #[test]
    fn packets_and_descriptors_arrive_as_they_were_sent() {
        let (a, b) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let drive = ToDaemon::Drive(DriveMessage {
            format: Some("qcow2".into()),
            file_name: "x".into(),
            readonly: true,
            label: None,
            sector_size: 512,
            null_size: 0,
            snapshot: Some("s1".into()),
        });
        let file: OwnedFd = std::fs::File::open("/proc/self/cmdline").unwrap().into();
        send(&a, &drive, Some(&file)).unwrap();
        send(&a, &ToDaemon::Refused("no".into()), None).unwrap();
        let (packet, fd) = receive::<ToDaemon>(&b).unwrap().unwrap();
        assert_eq!(packet, drive);
        let mut text = Vec::new();
        std::fs::File::from(fd.unwrap()).read_to_end(&mut text).unwrap();
        assert!(!text.is_empty());
        assert_eq!(receive::<ToDaemon>(&b).unwrap().unwrap().0, ToDaemon::Refused("no".into()));
        drop(a);
        assert!(receive::<ToDaemon>(&b).unwrap().is_none());
    }

    #[test]
    fn a_packet_that_is_none_is_refused() {
        for bytes in [&[][..], &[0, 0, 0, 9], &[0, 0, 0, 2, 1], &[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]] {
            assert!(FromDaemon::from_bytes(bytes).is_err(), "{bytes:?}");
            assert!(ToDaemon::from_bytes(bytes).is_err(), "{bytes:?}");
        }
    }
}

//! The wire protocol, in both directions: what a daemon reads, and what a handle reads from a daemon that guest bytes
//! may have taken over.

use libguestfs_core::wire::xdr::{Encode, Reader};
use libguestfs_core::wire::{Chunk, Direction, Header, Status};

/// A call as the daemon reads it: a header that is accepted is written back to the same bytes.
pub(crate) fn call(data: &[u8]) {
    let mut input = Reader::new(data);
    let Ok(header) = Header::decode(&mut input) else { return };
    let mut again = Vec::new();
    header.encode(&mut again);
    assert!(data.starts_with(&again), "a header that was read is not written the same");
    assert_eq!(input.remaining(), data.len() - again.len());
    let reply = header.reply(Status::Error);
    assert_eq!((reply.serial, reply.direction), (header.serial, Direction::Reply));
}

/// A piece of a file: never larger than it came, and what is accepted survives being written and read again.
pub(crate) fn reply(data: &[u8]) {
    let Ok(chunk) = Chunk::decode(data) else { return };
    if let Chunk::Data(bytes) = chunk {
        assert!(bytes.len() < data.len());
    }
    let mut frame = Vec::new();
    chunk.encode_frame(&mut frame);
    // The frame begins with its length.
    assert_eq!(Chunk::decode(&frame[4..]).ok(), Some(chunk));
}

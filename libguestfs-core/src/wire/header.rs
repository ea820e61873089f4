//! The 40 bytes at the start of every call and reply.

use super::xdr::{DecodeError, Encode, Reader};
use super::{PROGRAM, VERSION};

/// Size of a header in bytes.
pub const HEADER_LEN: usize = 40;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the handle to the daemon.
    Call,
    /// From the daemon to the handle.
    Reply,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Results follow.
    Ok,
    /// An errno name and a text follow.
    Error,
}

/// Who calls what, or which call this answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number of the call.
    pub procedure: u32,
    /// Which way the message goes.
    pub direction: Direction,
    /// Number of the call in this conversation; a reply repeats it.
    pub serial: u32,
    /// Calls that send files: their sizes in bytes, where known, else 0.
    pub progress_hint: u64,
    /// Bit i set: the i-th optional argument is given.
    pub optional: u64,
    /// How the call ended; `Ok` in a call.
    pub status: Status,
}

impl Header {
    /// The header of a successful reply to `self`.
    #[must_use]
    pub fn reply(&self, status: Status) -> Header {
        Header { direction: Direction::Reply, progress_hint: 0, optional: 0, status, ..*self }
    }

    /// Takes a header off the front of a message.
    ///
    /// # Errors
    /// If it is too short, or has another program, version, direction or status than there are.
    pub fn decode(input: &mut Reader<'_>) -> Result<Header, HeaderError> {
        let program: u32 = input.value()?;
        let version: u32 = input.value()?;
        let procedure = input.value()?;
        let direction: u32 = input.value()?;
        let serial = input.value()?;
        let progress_hint = input.value()?;
        let optional = input.value()?;
        let status: u32 = input.value()?;
        let wrong = |what: &str, got: u32, want: &str| HeaderError {
            procedure,
            serial,
            what: format!("{what} of the message is {got:#x}, not {want}"),
        };
        if program != PROGRAM {
            return Err(wrong("program", program, "0x2000f5f5"));
        }
        if version != VERSION {
            return Err(wrong("protocol version", version, "4"));
        }
        let direction = match direction {
            0 => Direction::Call,
            1 => Direction::Reply,
            other => return Err(wrong("direction", other, "0 or 1")),
        };
        let status = match status {
            0 => Status::Ok,
            1 => Status::Error,
            other => return Err(wrong("status", other, "0 or 1")),
        };
        Ok(Header { procedure, direction, serial, progress_hint, optional, status })
    }
}

impl Encode for Header {
    fn encode(&self, out: &mut Vec<u8>) {
        PROGRAM.encode(out);
        VERSION.encode(out);
        self.procedure.encode(out);
        u32::from(self.direction == Direction::Reply).encode(out);
        self.serial.encode(out);
        self.progress_hint.encode(out);
        self.optional.encode(out);
        u32::from(self.status == Status::Error).encode(out);
    }
}

/// A header that is not one of this protocol, with what is needed to answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderError {
    /// Procedure as far as it was read, else 0.
    pub procedure: u32,
    /// Serial as far as it was read, else 0.
    pub serial: u32,
    /// What is wrong with it.
    pub what: String,
}

impl From<DecodeError> for HeaderError {
    fn from(e: DecodeError) -> Self {
        HeaderError { procedure: 0, serial: 0, what: format!("message is shorter than its header: {e}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call of mount_ro (73) with two strings, worked out by hand from the protocol's description.
    const CALL: [u8; 40] = [
        0x20, 0x00, 0xF5, 0xF5, // program
        0, 0, 0, 4, // version
        0, 0, 0, 73, // procedure
        0, 0, 0, 0, // direction: call
        0x00, 0x12, 0x34, 0x00, // serial
        0, 0, 0, 0, 0, 0, 0x10, 0, // progress hint: 4096
        0, 0, 0, 0, 0, 0, 0, 5, // optional arguments 0 and 2
        0, 0, 0, 0, // status
    ];

    #[test]
    fn a_header_has_the_bytes_of_the_protocol() {
        let call = Header {
            procedure: 73,
            direction: Direction::Call,
            serial: super::super::FIRST_SERIAL,
            progress_hint: 4096,
            optional: 5,
            status: Status::Ok,
        };
        let mut out = Vec::new();
        call.encode(&mut out);
        assert_eq!(out, CALL);
        assert_eq!(Header::decode(&mut Reader::new(&CALL)).unwrap(), call);

        let mut reply = Vec::new();
        call.reply(Status::Error).encode(&mut reply);
        assert_eq!(reply[12..16], [0, 0, 0, 1]);
        assert_eq!(reply[16..20], CALL[16..20]);
        assert_eq!(reply[20..36], [0; 16]);
        assert_eq!(reply[36..40], [0, 0, 0, 1]);
    }

    #[test]
    fn a_wrong_field_is_named_and_the_call_can_still_be_answered() {
        for (at, word) in [(3, "program"), (7, "version"), (15, "direction"), (39, "status")] {
            let mut bytes = CALL;
            bytes[at] ^= 0x40;
            let e = Header::decode(&mut Reader::new(&bytes)).unwrap_err();
            assert!(e.what.contains(word), "{e:?}");
            assert_eq!((e.procedure, e.serial), (73, 0x0012_3400));
        }
        assert!(Header::decode(&mut Reader::new(&CALL[..39])).is_err());
    }
}

//! Over the real protocol: what the dispatcher checks, and files in pieces.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use libguestfs_core::wire::xdr::Encode;

use super::{Workshop, daemon, mounted, serve};

/// Makes one call by hand and returns all words of its reply: status, body.
fn call(stream: &mut UnixStream, procedure: u32, arguments: &[&str]) -> (u32, Vec<u8>) {
    let mut message = Vec::new();
    for word in [0x2000_F5F5, 4, procedure, 0, 7, 0, 0, 0, 0, 0] {
        u32::to_be_bytes(word).into_iter().for_each(|b| message.push(b));
    }
    for argument in arguments {
        bstr::BString::from(*argument).encode(&mut message);
    }
    stream.write_all(&u32::try_from(message.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&message).unwrap();
    let reply = frame(stream);
    (u32::from_be_bytes(reply[36..40].try_into().unwrap()), reply[40..].to_vec())
}

fn frame(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut body = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    stream.read_exact(&mut body).unwrap();
    body
}

/// The text of an error reply: after the errno's name.
fn text((status, body): (u32, Vec<u8>)) -> String {
    assert_eq!(status, 1);
    let name = u32::from_be_bytes(body[..4].try_into().unwrap()) as usize;
    let at = 4 + name.next_multiple_of(4);
    let len = u32::from_be_bytes(body[at..at + 4].try_into().unwrap()) as usize;
    String::from_utf8(body[at + 4..at + 4 + len].to_vec()).unwrap()
}

#[test]
fn arguments_are_checked_before_the_call() {
    let workshop = Workshop::new();
    let (mut stream, thread) = serve(daemon(&[&workshop.guest()]));
    assert_eq!(
        text(call(&mut stream, 5, &["/"])),
        "ll_stub: you must call 'mount' first to mount the root filesystem"
    );
    assert_eq!(
        text(call(&mut stream, 73, &["/dev/sdz1", "/"])),
        "mount_ro_stub: /dev/sdz1: No such file or directory"
    );
    assert_eq!(
        text(call(&mut stream, 63, &["/dev/foo"])),
        "blockdev_getsize64_stub: /dev/foo: No such file or directory"
    );
    // touch, and pvremove: calls that are not here.
    assert!(text(call(&mut stream, 3, &["/x"])).starts_with("touch_stub: you must call 'mount' first"));
    assert!(text(call(&mut stream, 79, &["/dev/sda"])).contains("needs an appliance"));
    drop(stream);
    thread.join().unwrap();
}

#[test]
fn a_file_comes_in_chunks() {
    let workshop = Workshop::new();
    let (mut stream, thread) = serve(mounted(&workshop));
    let (status, body) = call(&mut stream, 67, &["/sparse"]);
    assert_eq!((status, body.len()), (0, 0));
    let mut content = Vec::new();
    loop {
        let chunk = frame(&mut stream);
        assert_eq!(chunk[..4], [0; 4], "not cancelled");
        let len = u32::from_be_bytes(chunk[4..8].try_into().unwrap()) as usize;
        if len == 0 {
            break;
        }
        content.extend_from_slice(&chunk[8..8 + len]);
    }
    assert!(content == std::fs::read(workshop.path("tree/sparse")).unwrap());
    drop(stream);
    thread.join().unwrap();
}

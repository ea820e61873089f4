//! The processor that a Windows program is for, in the API's words. Source: Microsoft's "PE Format", "MS-DOS Stub", "COFF
//! File Header" and "Machine Types".

/// Bytes of a program that [`arch`] looks at: its header lies within the first page.
pub(super) const HEAD_LEN: usize = 4096;

/// Machines by their numbers. The original tells i386 and x86_64 only, by the width of addresses.
const MACHINES: [(u16, &str); 7] = [
    (0x14c, "i386"),
    (0x8664, "x86_64"),
    (0x1c0, "arm"),
    (0x1c2, "arm"),
    (0x1c4, "arm"),
    (0xaa64, "aarch64"),
    (0x200, "ia64"),
];
/// Where a program says where its header lies.
const POINTER: usize = 0x3c;

/// Which processor is the program for that starts with `start`? `None` if it is no Windows program, or for one that has no
/// name here.
pub fn arch(start: &[u8]) -> Option<&'static str> {
    if !start.starts_with(b"MZ") {
        return None;
    }
    let pointer = start.get(POINTER..)?.first_chunk::<4>()?;
    let header = start.get(usize::try_from(u32::from_le_bytes(*pointer)).ok()?..)?;
    let machine = header.strip_prefix(b"PE\0\0")?.first_chunk::<2>()?;
    let machine = u16::from_le_bytes(*machine);
    MACHINES.iter().find(|(known, _)| *known == machine).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_programs_name_their_machine() {
        let program = |machine: u16, pointer: u32| {
            let mut program = vec![0; 0x100];
            program[..2].copy_from_slice(b"MZ");
            program[POINTER..POINTER + 4].copy_from_slice(&pointer.to_le_bytes());
            program[0x80..0x84].copy_from_slice(b"PE\0\0");
            program[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
            program
        };
        for (machine, name) in MACHINES {
            assert_eq!(arch(&program(machine, 0x80)), Some(name));
        }
        assert_eq!(arch(&program(0x14c, 0x90)), None);
        assert_eq!(arch(&program(0x14c, u32::MAX)), None);
        assert_eq!(arch(&program(1, 0x80)), None);
        assert_eq!(arch(b"MZ"), None);
    }
}

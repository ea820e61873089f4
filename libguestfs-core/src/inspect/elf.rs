//! The processor that an ELF program is for, in the API's words. Source: System V ABI (gABI) chapter 4, "ELF header",
//! and its list of machine numbers.

/// Bytes of a program that [`arch`] looks at: the part of the ELF header that both classes share.
pub(super) const HEADER_LEN: usize = 20;

const ELFCLASS64: u8 = 2;
const ELFDATA2LSB: u8 = 1;
const ELFDATA2MSB: u8 = 2;
/// Relocatable, executable and shared object: what holds code for a machine.
const TYPES: std::ops::RangeInclusive<u16> = 1..=3;

const EM_SPARC: u16 = 2;
const EM_386: u16 = 3;
const EM_486: u16 = 6;
const EM_MIPS: u16 = 8;
const EM_SPARC32PLUS: u16 = 18;
const EM_PPC: u16 = 20;
const EM_PPC64: u16 = 21;
const EM_S390: u16 = 22;
const EM_ARM: u16 = 40;
const EM_SPARCV9: u16 = 43;
const EM_IA_64: u16 = 50;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;
const EM_RISCV: u16 = 243;
const EM_LOONGARCH: u16 = 258;

/// Which processor is the program for that starts with `start`? `None` if it is no ELF program, or for one that has no
/// name here.
pub fn arch(start: &[u8]) -> Option<&'static str> {
    let [0x7f, b'E', b'L', b'F', class, data, _, _, _, _, _, _, _, _, _, _, kind @ .., m0, m1] =
        *start.first_chunk::<HEADER_LEN>()?
    else {
        return None;
    };
    let number = match data {
        ELFDATA2LSB => u16::from_le_bytes,
        ELFDATA2MSB => u16::from_be_bytes,
        _ => return None,
    };
    if !TYPES.contains(&number(kind)) {
        return None;
    }
    let wide = class == ELFCLASS64;
    let by_class = |narrow, other| Some(if wide { other } else { narrow });
    match number([m0, m1]) {
        EM_386 | EM_486 => Some("i386"),
        EM_X86_64 => Some("x86_64"),
        EM_SPARC | EM_SPARC32PLUS => Some("sparc"),
        EM_SPARCV9 => Some("sparc64"),
        EM_IA_64 => Some("ia64"),
        EM_PPC => Some("ppc"),
        EM_PPC64 => Some(if data == ELFDATA2LSB { "ppc64le" } else { "ppc64" }),
        EM_AARCH64 => Some("aarch64"),
        EM_ARM => Some("arm"),
        EM_RISCV => by_class("riscv32", "riscv64"),
        EM_S390 => by_class("s390", "s390x"),
        EM_LOONGARCH => by_class("loongarch32", "loongarch64"),
        // The original has no word of its own for it and passes on what file(1) says.
        EM_MIPS => Some("MIPS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of an ELF program.
    fn header(class: u8, data: u8, kind: u16, machine: u16) -> Vec<u8> {
        let number = |n: u16| if data == ELFDATA2MSB { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut header = vec![0x7f, b'E', b'L', b'F', class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header.extend(number(kind));
        header.extend(number(machine));
        header
    }

    #[test]
    fn each_machine_has_its_name() {
        for (class, data, machine, name) in [
            (1, 1, 3, Some("i386")),
            (1, 1, 6, Some("i386")),
            (2, 1, 62, Some("x86_64")),
            (1, 2, 18, Some("sparc")),
            (2, 2, 43, Some("sparc64")),
            (2, 1, 50, Some("ia64")),
            (1, 2, 20, Some("ppc")),
            (2, 2, 21, Some("ppc64")),
            (2, 1, 21, Some("ppc64le")),
            (2, 1, 183, Some("aarch64")),
            (1, 1, 40, Some("arm")),
            (1, 1, 243, Some("riscv32")),
            (2, 1, 243, Some("riscv64")),
            (1, 2, 22, Some("s390")),
            (2, 2, 22, Some("s390x")),
            (1, 1, 258, Some("loongarch32")),
            (2, 1, 258, Some("loongarch64")),
            (2, 1, 9999, None),
            (2, 3, 62, None),
        ] {
            for kind in 1..=3 {
                assert_eq!(arch(&header(class, data, kind, machine)), name, "{class} {data} {machine}");
            }
            assert_eq!(arch(&header(class, data, 4, machine)), None, "a core dump");
        }
        assert_eq!(arch(b"#!/bin/sh\nexit 0 # padding"), None);
        assert_eq!(arch(&header(2, 1, 2, 62)[..19]), None, "cut off");
    }
}

//! What is answered about XFS, against xfs_info(8).

use std::process::Command;

use super::{Workshop, b, daemon, refusal, run};

/// The value of `key` in the section of `xfs_info`'s output that begins with `section`.
fn value(text: &str, section: &str, key: &str) -> u64 {
    let start = text.find(section).unwrap();
    let rest = &text[start + section.len()..];
    // A section ends where a line begins with a letter.
    let end = rest.find("\n").map_or(rest.len(), |_| {
        rest.match_indices('\n')
            .find(|(at, _)| rest[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()))
            .map_or(rest.len(), |(at, _)| at)
    });
    let words = rest[..end].replace(',', " ");
    let word = words.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    word.unwrap_or_else(|| panic!("{section} {key}")).parse().unwrap()
}

#[test]
fn xfs_info_shows_how_a_filesystem_was_made() {
    for options in [
        &[][..],
        &["-m", "crc=0", "-d", "su=64k,sw=4", "-n", "size=8k"],
        &["-s", "size=4096", "-i", "size=1024,maxpct=5", "-b", "size=8192", "-l", "su=32k"],
        &["-m", "crc=0,finobt=0", "-l", "version=1,lazy-count=0", "-n", "size=16k", "-d", "agcount=7"],
    ] {
        let workshop = Workshop::new();
        let image = workshop.empty("xfs.img", 640);
        run("mkfs.xfs", &[&["-q", "-f"], options, &[&image]].concat());
        let output = Command::new("xfs_info").arg(&image).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let shown = |section: &str, key: &str| value(&text, section, key);
        let mut d = daemon(&[&image]);
        let info = d.xfs_info(b("/dev/sda")).unwrap();
        for (ours, section, key) in [
            (info.xfs_inodesize, "meta-data", "isize"),
            (info.xfs_agcount, "meta-data", "agcount"),
            (info.xfs_agsize, "meta-data", "agsize"),
            (info.xfs_sectsize, "meta-data", "sectsz"),
            (info.xfs_attr, "meta-data", "attr"),
            (info.xfs_blocksize, "\ndata", "bsize"),
            (info.xfs_datablocks.try_into().unwrap(), "\ndata", "blocks"),
            (info.xfs_imaxpct, "\ndata", "imaxpct"),
            (info.xfs_sunit, "\ndata", "sunit"),
            (info.xfs_swidth, "\ndata", "swidth"),
            (info.xfs_dirblocksize, "naming", "bsize"),
            (info.xfs_cimode, "naming", "ascii-ci"),
            (info.xfs_logblocksize, "log ", "bsize"),
            (info.xfs_logblocks, "log ", "blocks"),
            (info.xfs_logversion, "log ", "version"),
            (info.xfs_logsectsize, "log ", "sectsz"),
            (info.xfs_logsunit, "log ", "sunit"),
            (info.xfs_lazycount, "log ", "lazy-count"),
            (info.xfs_rtextsize, "realtime", "extsz"),
            (info.xfs_rtblocks.try_into().unwrap(), "realtime", "blocks"),
            (info.xfs_rtextents.try_into().unwrap(), "realtime", "rtextents"),
        ] {
            assert_eq!(u64::from(ours), shown(section, key), "{options:?} {section} {key}\n{text}");
        }
    }
}

#[test]
fn other_filesystems_have_no_such_facts() {
    let workshop = Workshop::new();
    let image = workshop.empty("ext.img", 8);
    run("mke2fs", &["-q", "-t", "ext2", &image]);
    let mut d = daemon(&[&image]);
    assert_eq!(refusal(d.xfs_info(b("/dev/sda"))), "/dev/sda is not a valid XFS filesystem");
    d.mount_ro(b("/dev/sda"), b("/")).unwrap();
    assert_eq!(refusal(d.xfs_info(b("/"))), "/dev/sda is not a valid XFS filesystem");
    assert_eq!(refusal(d.xfs_info(b("/lost+found"))), "/lost+found is not a mounted XFS filesystem");
}

//! ext filesystems with every option of mke2fs(8), and journals on devices of their own.

use bstr::{BStr, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::Mke2fsOpts;

use super::mkfs::block_size_argument;
use super::tool::Tool;
use super::{EXT_LABEL_MAX, check_label, is_ext, not_negative};
use crate::Guestfsd;
use crate::error::refused;

fn check_type(fstype: &BStr) -> Result<()> {
    if is_ext(fstype) {
        Ok(())
    } else {
        Err(refused(format!("{fstype}: not a valid extended filesystem type")))
    }
}

impl Guestfsd {
    /// `quotatype` is taken and means nothing, as in the original: mke2fs has no such switch.
    pub(crate) fn mke2fs(&mut self, device: &BStr, opts: &Mke2fsOpts) -> Result<()> {
        const CALL: &str = "mke2fs";
        let node = self.subject(CALL, device)?;
        if let Some(fstype) = &opts.fstype {
            check_type(fstype.as_bstr())?;
        }
        let mut tool = Tool::new("mke2fs")
            .number("-b", "", "blocksize", opts.blocksize)?
            .number("-f", "", "fragsize", opts.fragsize)?
            .flag(opts.forcecreate, "-F")
            .number("-g", "", "blockspergroup", opts.blockspergroup)?
            .number("-G", "", "numberofgroups", opts.numberofgroups)?
            .number("-i", "", "bytesperinode", opts.bytesperinode)?
            .number("-I", "", "inodesize", opts.inodesize)?
            .number("-J", "size=", "journalsize", opts.journalsize)?;
        if let Some(journal) = &opts.journaldevice {
            let journal = self.subject_or_text(CALL, journal.as_bstr())?;
            tool = tool.arg("-J").on_with("device=", &journal, "");
        }
        tool = tool
            .option("-L", opts.label.as_ref())
            .number("-m", "", "reservedblockspercentage", opts.reservedblockspercentage)?
            .option("-M", opts.lastmounteddir.as_ref())
            .number("-N", "", "numberofinodes", opts.numberofinodes)?
            .option("-o", opts.creatoros.as_ref())
            .flag(opts.writesbandgrouponly, "-S")
            .option("-t", opts.fstype.as_ref())
            .option("-T", opts.usagetype.as_ref())
            .option("-U", opts.uuid.as_ref())
            // Of several -E or -O, mke2fs heeds the last.
            .option("-E", extended_options(opts)?)
            .option("-O", features(opts))
            .on(&node)
            // Some of its complaints are on standard output.
            .folded();
        if let Some(count) = opts.blockscount {
            tool = tool.arg(not_negative("blockscount", count)?.to_string());
        }
        self.make(CALL, tool, &node, &node.name.to_string())
    }

    fn journaled(
        &mut self,
        call: &str,
        fstype: &BStr,
        blocksize: i32,
        device: &BStr,
        journal: &BStr,
    ) -> Result<()> {
        check_type(fstype)?;
        let node = self.subject(call, device)?;
        let journal = self.subject_or_text(call, journal)?;
        let tool =
            Tool::new("mke2fs").arg("-F").arg("-t").arg(fstype).arg("-J").on_with("device=", &journal, "");
        let tool = tool.arg("-b").arg(block_size_argument(blocksize)?).on(&node);
        self.make(call, tool, &node, "")
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn mke2fs_J(
        &mut self,
        fstype: &BStr,
        blocksize: i32,
        device: &BStr,
        journal: &BStr,
    ) -> Result<()> {
        self.journaled("mke2fs_J", fstype, blocksize, device, journal)
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn mke2fs_JL(
        &mut self,
        fstype: &BStr,
        blocksize: i32,
        device: &BStr,
        label: &BStr,
    ) -> Result<()> {
        check_type(fstype)?;
        check_label(label, "ext2", EXT_LABEL_MAX)?;
        let journal = [b"LABEL=", label.as_bytes()].concat();
        self.journaled("mke2fs_JL", fstype, blocksize, device, journal.as_bstr())
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn mke2fs_JU(
        &mut self,
        fstype: &BStr,
        blocksize: i32,
        device: &BStr,
        uuid: &BStr,
    ) -> Result<()> {
        let journal = [b"UUID=", uuid.as_bytes()].concat();
        self.journaled("mke2fs_JU", fstype, blocksize, device, journal.as_bstr())
    }

    fn journal(
        &mut self,
        call: &str,
        blocksize: i32,
        device: &BStr,
        option: &str,
        value: Option<&BStr>,
    ) -> Result<()> {
        let node = self.subject(call, device)?;
        let tool = Tool::new("mke2fs").args(["-F", "-O", "journal_dev", "-b"]);
        let tool = tool.arg(block_size_argument(blocksize)?).option(option, value).on(&node);
        self.make(call, tool, &node, "")
    }

    pub(crate) fn mke2journal(&mut self, blocksize: i32, device: &BStr) -> Result<()> {
        self.journal("mke2journal", blocksize, device, "", None)
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn mke2journal_L(&mut self, blocksize: i32, label: &BStr, device: &BStr) -> Result<()> {
        check_label(label, "ext2", EXT_LABEL_MAX)?;
        self.journal("mke2journal_L", blocksize, device, "-L", Some(label))
    }

    #[expect(non_snake_case, reason = "the call's name")]
    pub(crate) fn mke2journal_U(&mut self, blocksize: i32, uuid: &BStr, device: &BStr) -> Result<()> {
        self.journal("mke2journal_U", blocksize, device, "-U", Some(uuid))
    }
}

/// What follows `-E`.
fn extended_options(opts: &Mke2fsOpts) -> Result<Option<String>> {
    let numbers = [
        ("mmp_update_interval", "mmpupdateinterval", opts.mmpupdateinterval.map(i64::from)),
        ("stride", "stridesize", opts.stridesize),
        ("stripe_width", "stripewidth", opts.stripewidth),
        ("resize", "maxonlineresize", opts.maxonlineresize),
        ("lazy_itable_init", "lazyitableinit", opts.lazyitableinit.map(i64::from)),
        ("lazy_journal_init", "lazyjournalinit", opts.lazyjournalinit.map(i64::from)),
    ];
    let mut words = Vec::new();
    for (word, name, value) in numbers {
        if let Some(value) = value {
            words.push(format!("{word}={}", not_negative(name, value)?));
        }
    }
    if opts.testfs == Some(true) {
        words.push("test_fs".to_owned());
    }
    words.extend(opts.discard.map(|on| if on { "discard" } else { "nodiscard" }.to_owned()));
    Ok((!words.is_empty()).then(|| words.join(",")))
}

/// What follows `-O`: the name of each feature, with a caret if it is not to be.
fn features(opts: &Mke2fsOpts) -> Option<String> {
    let named = [
        ("extent", opts.extent),
        ("filetype", opts.filetype),
        ("flex_bg", opts.flexbg),
        ("has_journal", opts.hasjournal),
        ("journal_dev", opts.journaldev),
        ("large_file", opts.largefile),
        ("quota", opts.quota),
        ("resize_inode", opts.resizeinode),
        ("sparse_super", opts.sparsesuper),
        ("uninit_bg", opts.uninitbg),
    ];
    let words: Vec<_> = named
        .iter()
        .filter_map(|(name, wanted)| wanted.map(|on| format!("{}{name}", if on { "" } else { "^" })))
        .collect();
    (!words.is_empty()).then(|| words.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_kind_become_one_argument() {
        let opts = Mke2fsOpts {
            stridesize: Some(16),
            lazyitableinit: Some(false),
            testfs: Some(false),
            discard: Some(false),
            extent: Some(false),
            flexbg: Some(true),
            ..Mke2fsOpts::default()
        };
        assert_eq!(extended_options(&opts).unwrap().unwrap(), "stride=16,lazy_itable_init=0,nodiscard");
        assert_eq!(features(&opts).unwrap(), "^extent,flex_bg");
        assert_eq!(extended_options(&Mke2fsOpts::default()).unwrap(), None);
        let negative = Mke2fsOpts { mmpupdateinterval: Some(-1), ..Mke2fsOpts::default() };
        assert_eq!(extended_options(&negative).unwrap_err().message(), "mmpupdateinterval must be >= 0");
    }
}

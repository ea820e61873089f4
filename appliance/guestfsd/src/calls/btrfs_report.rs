//! Btrfs: what the program btrfs tells of subvolumes, quota groups, balances and scrubs.

use bstr::{BStr, BString, ByteSlice};
use libguestfs_core::Result;
use libguestfs_core::api::{BtrfsBalance, BtrfsQgroup, BtrfsScrub, Hashtable};

use crate::Guestfsd;
use crate::error::refused;

/// Status of a filesystem without a balance.
const NO_BALANCE: &str = "none";
/// Between the names of snapshots in one value.
const SEPARATOR: &[u8] = b",";
/// What a line with the name of a snapshot begins with.
const DEEPER: &[u8] = b"\t\t";
/// A value that is not there.
const ABSENT: &[u8] = b"-";
/// What the line between headings and rows begins with.
const UNDERLINE: &[u8] = b"--";

impl Guestfsd {
    pub(crate) fn btrfs_subvolume_show(&mut self, subvolume: &BStr) -> Result<Hashtable> {
        let tool = self.btrfs("btrfs_subvolume_show", ["subvolume", "show"])?;
        let text = self.btrfs_at(tool, subvolume)?;
        properties(&text).map(Hashtable).ok_or_else(|| unknown("subvolume show", &text))
    }

    pub(crate) fn btrfs_qgroup_show(&mut self, path: &BStr) -> Result<Vec<BtrfsQgroup>> {
        let tool = self.btrfs("btrfs_qgroup_show", ["qgroup", "show"])?.arg("--raw");
        let text = self.btrfs_at(tool, path)?;
        quota_groups(&text).ok_or_else(|| unknown("qgroup show", &text))
    }

    /// The program's status is not 0 while a balance runs, so what it prints counts.
    pub(crate) fn btrfs_balance_status(&mut self, path: &BStr) -> Result<BtrfsBalance> {
        let tool = self.btrfs("btrfs_balance_status", ["balance", "status"])?;
        let ending = tool.path(path, path)?.end()?;
        balance(ending.printed()).ok_or_else(|| match ending.success() {
            true => unknown("balance status", ending.printed()),
            false => ending.error(&format!("{path}: ")),
        })
    }

    pub(crate) fn btrfs_scrub_status(&mut self, path: &BStr) -> Result<BtrfsScrub> {
        let tool = self.btrfs("btrfs_scrub_status", ["scrub", "status"])?.arg("-R");
        Ok(scrub(&self.btrfs_at(tool, path)?))
    }
}

fn unknown(command: &str, text: &[u8]) -> libguestfs_core::Error {
    refused(format!("btrfs {command}: can't make sense of: {}", text.as_bstr()))
}

/// `btrfs subvolume show`: the path, then lines `name: value`. After `Snapshot(s)` come names, one a line, indented more.
fn properties(text: &[u8]) -> Option<Vec<(BString, BString)>> {
    let mut lines = text.lines();
    let mut pairs: Vec<(BString, BString)> = vec![("path".into(), lines.next()?.trim_ascii().into())];
    for line in lines {
        if let Some(snapshot) = line.strip_prefix(DEEPER) {
            let (_, list) = pairs.last_mut()?;
            if !list.is_empty() {
                list.extend_from_slice(SEPARATOR);
            }
            list.extend_from_slice(snapshot.trim_ascii_start());
        } else if !line.trim_ascii().is_empty() {
            let (name, value) = line.split_once_str(":")?;
            let value = value.trim_ascii();
            let value = if value == ABSENT { BString::default() } else { value.into() };
            pairs.push((name.trim_ascii().into(), value));
        }
    }
    Some(pairs)
}

/// `btrfs qgroup show --raw`: two lines of headings, then lines of number, bytes referred to, bytes of its own, path.
fn quota_groups(text: &[u8]) -> Option<Vec<BtrfsQgroup>> {
    let rows = text.lines().skip_while(|line| !line.starts_with(UNDERLINE)).skip(1);
    let rows = rows.filter(|line| !line.trim_ascii().is_empty()).map(|line| {
        let mut fields = line.fields_with(|c| c.is_ascii_whitespace());
        Some(BtrfsQgroup {
            btrfsqgroup_id: fields.next()?.into(),
            btrfsqgroup_rfer: number(fields.next()?)?,
            btrfsqgroup_excl: number(fields.next()?)?,
        })
    });
    rows.collect()
}

/// `btrfs balance status`: that there is none, or
///
/// ```text
/// Balance on '/' is running
/// 3 out of about 8 chunks balanced (4 considered),  62% left
/// ```
fn balance(text: &[u8]) -> Option<BtrfsBalance> {
    let mut lines = text.lines();
    let first = lines.next()?;
    if first.starts_with(b"No balance found on ") {
        return Some(BtrfsBalance { btrfsbalance_status: NO_BALANCE.into(), ..BtrfsBalance::default() });
    }
    let (_, status) = first.strip_prefix(b"Balance on ")?.rsplit_once_str(" is ")?;
    let mut words = lines.next()?.fields_with(|c| c.is_ascii_whitespace());
    let mut next = |skipped: usize| number(words.nth(skipped)?);
    Some(BtrfsBalance {
        btrfsbalance_status: status.into(),
        btrfsbalance_balanced: next(0)?,
        btrfsbalance_total: next(3)?,
        btrfsbalance_considered: next(2)?,
        btrfsbalance_left: next(1)?,
    })
}

/// A number among words, whatever stands around its digits: `(4`, `62%`.
fn number(word: &[u8]) -> Option<u64> {
    word.trim_with(|c| !c.is_ascii_digit()).to_str().ok()?.parse().ok()
}

/// `btrfs scrub status -R`: lines `counter: number` among others. Counters that are not there are 0: no scrub has run.
fn scrub(text: &[u8]) -> BtrfsScrub {
    let mut found = BtrfsScrub::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once_str(":")) {
        let counter = match name.trim_ascii() {
            b"data_extents_scrubbed" => &mut found.btrfsscrub_data_extents_scrubbed,
            b"tree_extents_scrubbed" => &mut found.btrfsscrub_tree_extents_scrubbed,
            b"data_bytes_scrubbed" => &mut found.btrfsscrub_data_bytes_scrubbed,
            b"tree_bytes_scrubbed" => &mut found.btrfsscrub_tree_bytes_scrubbed,
            b"read_errors" => &mut found.btrfsscrub_read_errors,
            b"csum_errors" => &mut found.btrfsscrub_csum_errors,
            b"verify_errors" => &mut found.btrfsscrub_verify_errors,
            b"no_csum" => &mut found.btrfsscrub_no_csum,
            b"csum_discards" => &mut found.btrfsscrub_csum_discards,
            b"super_errors" => &mut found.btrfsscrub_super_errors,
            b"malloc_errors" => &mut found.btrfsscrub_malloc_errors,
            b"uncorrectable_errors" => &mut found.btrfsscrub_uncorrectable_errors,
            b"unverified_errors" => &mut found.btrfsscrub_unverified_errors,
            b"corrected_errors" => &mut found.btrfsscrub_corrected_errors,
            b"last_physical" => &mut found.btrfsscrub_last_physical,
            _ => continue,
        };
        *counter = number(value).unwrap_or(0);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As btrfs-progs 6.2 prints it, with quotas on.
    #[test]
    fn properties_of_a_subvolume_with_its_snapshots() {
        let text =
            b"a\n\tName: \t\t\ta\n\tParent UUID: \t\t-\n\tCreation time: \t\t2026-11-21 16:11:15 +0000\n\
            \tSnapshot(s):\n\t\t\t\ts\n\t\t\t\ts 2: x\n\tQuota group:\t\t0/256\n\t  Limit referenced:\t-\n";
        let expected = [
            ("path", "a"),
            ("Name", "a"),
            ("Parent UUID", ""),
            ("Creation time", "2026-11-21 16:11:15 +0000"),
            ("Snapshot(s)", "s,s 2: x"),
            ("Quota group", "0/256"),
            ("Limit referenced", ""),
        ];
        assert_eq!(properties(text).unwrap(), expected.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(properties(b""), None);
    }

    #[test]
    fn quota_groups_with_their_bytes() {
        let text = b"Qgroupid    Referenced    Exclusive   Path \n--------    ----------    ---------   ---- \n\
            0/5              16384         4096   <toplevel>\n1/100                0            0   <0 member qgroups>\n";
        let groups = quota_groups(text).unwrap();
        let show =
            |g: &BtrfsQgroup| format!("{} {} {}", g.btrfsqgroup_id, g.btrfsqgroup_rfer, g.btrfsqgroup_excl);
        assert_eq!(groups.iter().map(show).collect::<Vec<_>>(), ["0/5 16384 4096", "1/100 0 0"]);
        assert_eq!(quota_groups(b"--------\n0/5 x y\n"), None);
    }

    #[test]
    fn a_balance_says_how_far_it_is() {
        let none = balance(b"No balance found on '/'\n").unwrap();
        assert_eq!((none.btrfsbalance_status, none.btrfsbalance_total), ("none".into(), 0));
        let text = b"Balance on '/' is paused\n3 out of about 8 chunks balanced (4 considered),  62% left\n";
        let expected = BtrfsBalance {
            btrfsbalance_status: "paused".into(),
            btrfsbalance_total: 8,
            btrfsbalance_balanced: 3,
            btrfsbalance_considered: 4,
            btrfsbalance_left: 62,
        };
        assert_eq!(balance(text).unwrap(), expected);
        assert_eq!(balance(b"something else\n"), None);
    }

    #[test]
    fn counters_of_a_scrub() {
        let text = b"UUID:             8654a379\nStatus:           finished\nDuration:         0:00:00\n\
            \ttree_extents_scrubbed: 26\n\ttree_bytes_scrubbed: 425984\n\tlast_physical: 72876032\n";
        let found = scrub(text);
        let expected = BtrfsScrub {
            btrfsscrub_tree_extents_scrubbed: 26,
            btrfsscrub_tree_bytes_scrubbed: 425_984,
            btrfsscrub_last_physical: 72_876_032,
            ..BtrfsScrub::default()
        };
        assert_eq!(found, expected);
    }
}

//! What df(1) prints of the guest's filesystems.

use bstr::{BString, ByteSlice, ByteVec};
use libguestfs_core::Result;

use crate::Guestfsd;
use crate::error::At;

/// Least width of the first column, as coreutils have it.
const NAME_WIDTH: usize = 14;
/// Units of `-h`, each 1024 of the one before.
const UNITS: [char; 7] = ['K', 'M', 'G', 'T', 'P', 'E', 'Z'];
/// Bytes in a block of the table without `-h`.
const KIB: u128 = 1024;

/// A line of the table.
#[derive(Debug)]
struct Row {
    name: BString,
    size: BString,
    used: BString,
    available: BString,
    share: BString,
    at: BString,
}

impl Guestfsd {
    pub(crate) fn df(&mut self) -> Result<BString> {
        self.free_space("1K-blocks", "Available", |bytes| bytes.div_ceil(KIB).to_string())
    }

    pub(crate) fn df_h(&mut self) -> Result<BString> {
        self.free_space("Size", "Avail", human)
    }

    fn free_space(&self, size: &str, available: &str, show: fn(u128) -> String) -> Result<BString> {
        let mut rows = vec![Row {
            name: "Filesystem".into(),
            size: size.into(),
            used: "Used".into(),
            available: available.into(),
            share: "Use%".into(),
            at: "Mounted on".into(),
        }];
        for mount in self.engine.mount_points() {
            let stats = self.tree().stat_fs(mount.path.as_bstr()).at(&mount.path)?.stats;
            let bytes = |blocks: u64| u128::from(blocks).saturating_mul(u128::from(stats.fragment_size));
            let used = bytes(stats.blocks.saturating_sub(stats.blocks_free));
            let free = bytes(stats.blocks_available);
            // Rounded up, of what is there for everybody.
            let share = used.saturating_mul(100).checked_div(used.saturating_add(free));
            let exact = share.is_some_and(|share| {
                share.saturating_mul(used.saturating_add(free)) == used.saturating_mul(100)
            });
            rows.push(Row {
                name: mount.mountable,
                size: show(bytes(stats.blocks)).into(),
                used: show(used).into(),
                available: show(free).into(),
                share: share.map_or("-".into(), |share| {
                    format!("{}%", share.saturating_add(u128::from(!exact))).into()
                }),
                at: mount.path,
            });
        }
        Ok(laid_out(&rows))
    }
}

/// The table with its columns as wide as their longest texts: the first left, numbers right.
fn laid_out(rows: &[Row]) -> BString {
    let width = |column: fn(&Row) -> &BString| rows.iter().map(|row| column(row).len()).max().unwrap_or(0);
    let name = width(|row| &row.name).max(NAME_WIDTH);
    let (size, used) = (width(|row| &row.size), width(|row| &row.used));
    let (available, share) = (width(|row| &row.available), width(|row| &row.share));
    let mut text = BString::default();
    for row in rows {
        text.push_str(&row.name);
        text.push_str(" ".repeat(name.saturating_sub(row.name.len())));
        for (value, width) in
            [(&row.size, size), (&row.used, used), (&row.available, available), (&row.share, share)]
        {
            text.push_str(format!(" {value:>width$}"));
        }
        text.push_str(" ");
        text.push_str(&row.at);
        text.push_str("\n");
    }
    text
}

/// A number of bytes as `df -h` shows it: rounded up, with one decimal below 10.
fn human(bytes: u128) -> String {
    if bytes < KIB {
        return bytes.to_string();
    }
    let mut unit = KIB;
    let mut units = UNITS.iter();
    let mut name = units.next().copied().unwrap_or('?');
    for next in units {
        // 999.5K and more round up to four digits.
        if bytes.div_ceil(unit) < KIB {
            break;
        }
        unit = unit.saturating_mul(KIB);
        name = *next;
    }
    let tenths = bytes.saturating_mul(10).div_ceil(unit);
    if tenths < 100 {
        return format!("{}.{}{name}", tenths / 10, tenths % 10);
    }
    format!("{}{name}", bytes.div_ceil(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As coreutils 9.1 rounds.
    #[test]
    fn sizes_for_people_are_rounded_up() {
        for (bytes, expected) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10 * 1024, "10K"),
            (14 * 1024 + 1, "15K"),
            (57_381_888, "55M"),
            (1023 * 1024 + 1, "1.0M"),
            (4_219_174_912, "4.0G"),
        ] {
            assert_eq!(human(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn columns_are_as_wide_as_needed() {
        let row = |words: [&str; 6]| {
            let [name, size, used, available, share, at] = words.map(BString::from);
            Row { name, size, used, available, share, at }
        };
        let rows = [
            row(["Filesystem", "1K-blocks", "Used", "Available", "Use%", "Mounted on"]),
            row(["/dev/sda", "56037", "14", "51437", "1%", "/"]),
        ];
        let expected = "Filesystem     1K-blocks Used Available Use% Mounted on\n\
                        /dev/sda           56037   14     51437   1% /\n";
        assert_eq!(laid_out(&rows), expected);
    }
}

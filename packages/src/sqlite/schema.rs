//! The list of tables: a table itself, on page 1, with columns type, name, table, page and SQL.

use bstr::{BString, ByteSlice};

use super::Table;
use super::pager::Pager;
use super::record::{Row, Value};
use super::tree;
use crate::error::{Error, Result, broken};

/// The page that the list is on.
const PAGE: u32 = 1;
const KIND: usize = 0;
const NAME: usize = 1;
const ROOT: usize = 3;
const SQL: usize = 4;
/// What begins the part of a table's definition that is no column.
const CONSTRAINTS: [&str; 5] = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];

/// The table of that name.
pub(super) fn table(pager: &mut Pager<'_>, name: &str) -> Result<Table> {
    let mut found = None;
    let mut wrong = None;
    tree::rows(pager, PAGE, &mut |row| match row.and_then(|mut row| named(&mut row, name)) {
        Ok(Some(table)) => {
            found = Some(table);
            false
        }
        Ok(None) => true,
        Err(e) => {
            wrong.get_or_insert(e);
            true
        }
    });
    match (found, wrong) {
        (Some(table), _) => Ok(table),
        (None, Some(wrong)) => broken(format!("there is no table {name}: {wrong}")),
        (None, None) => broken(format!("there is no table {name}")),
    }
}

fn named(row: &mut Row<'_>, name: &str) -> Result<Option<Table>> {
    if row.text(KIND)? != "table" || !row.text(NAME)?.eq_ignore_ascii_case(name.as_bytes()) {
        return Ok(None);
    }
    let Value::Integer(root) = row.value(ROOT)? else { return broken("a table without a page") };
    let root = u32::try_from(root).map_err(|_| Error::Broken(format!("a table on page {root}")))?;
    Ok(Some(Table { root, columns: columns(&row.text(SQL)?) }))
}

/// The names of the columns in `CREATE TABLE name (column …, …)`.
fn columns(sql: &[u8]) -> Vec<BString> {
    let mut parts = vec![Vec::new()];
    let mut depth = 0_u32;
    let mut quote = None;
    for byte in sql.iter().copied() {
        match (quote, byte) {
            (Some(end), _) if byte == end => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (None, b'[') => quote = Some(b']'),
            (None, b'(') => {
                depth = depth.saturating_add(1);
                if depth == 1 {
                    continue;
                }
            }
            (None, b')') => depth = depth.saturating_sub(1),
            (None, b',') if depth == 1 => {
                parts.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if depth > 0
            && let Some(part) = parts.last_mut()
        {
            part.push(byte);
        }
    }
    let name = |part: Vec<u8>| -> Option<BString> {
        let part = part.trim_ascii();
        let (first, rest) = part.split_first()?;
        let end = match first {
            b'"' | b'\'' | b'`' => return Some(rest.get(..rest.find_byte(*first)?)?.into()),
            b'[' => return Some(rest.get(..rest.find_byte(b']')?)?.into()),
            _ => {
                part.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'(').unwrap_or(part.len())
            }
        };
        let word = part.get(..end)?;
        let is_constraint = CONSTRAINTS.iter().any(|other| word.eq_ignore_ascii_case(other.as_bytes()));
        (!is_constraint).then(|| word.into())
    };
    parts.into_iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_in_any_form_of_definition() {
        for (sql, expected) in [
            (
                "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)",
                vec!["hnum", "blob"],
            ),
            (
                "CREATE TABLE t (\"a b\" TEXT DEFAULT ('x,y'), [c] INT,\n `d` CHECK (d > (1)),e, UNIQUE(e), PRIMARY KEY(c,d))",
                vec!["a b", "c", "d", "e"],
            ),
            (
                "CREATE TABLE t(a,constraint x check(1), b REFERENCES u(v,w) ON DELETE CASCADE)",
                vec!["a", "b"],
            ),
            ("", vec![]),
        ] {
            assert_eq!(columns(sql.as_bytes()), expected, "{sql}");
        }
    }
}

//! Tables of a SQLite database, read-only (sqlite.org/fileformat2.html).
//!
//! ```text
//! pager    pages by their numbers, from the file, its write-ahead log or, if a change was broken off, its journal
//!   wal      which pages a log has, up to its last whole transaction
//!   journal  which pages a journal gives back
//! tree     rows of a table, in the order of their numbers
//! record   values of a row
//! schema   which page a table begins on, and the names of its columns
//! ```
//!
//! What is damaged is passed over: the rows of a table's other pages are given.

mod journal;
mod pager;
mod record;
mod schema;
mod tree;
mod wal;

use bstr::{BStr, BString, ByteSlice};

use crate::bytes::Blob;
use crate::error::{Result, broken};
use crate::source::Tree;
use pager::Pager;
pub(crate) use record::{Row, Value};

/// An open database.
pub(crate) struct Database<'t> {
    pager: Pager<'t>,
}

/// A table of a database.
pub(crate) struct Table {
    root: u32,
    /// Names of its columns in their order.
    pub(crate) columns: Vec<BString>,
}

impl<'t> Database<'t> {
    /// Opens the database at `path` with what lies next to it.
    ///
    /// # Errors
    /// If it is not a database, or can't be read.
    pub(crate) fn open(tree: &'t dyn Tree, path: &BStr) -> Result<Self> {
        let beside = |suffix: &str| {
            let name = BString::from([path.as_bytes(), suffix.as_bytes()].concat());
            tree.open(name.as_bstr())
        };
        let Some(file) = tree.open(path)? else { return broken("is not there") };
        let pager = Pager::open(file, beside("-wal")?, beside("-journal")?)?;
        Ok(Database { pager })
    }

    /// What makes the content doubtful: a log or journal that can't be read.
    pub(crate) fn take_doubt(&mut self) -> Option<String> {
        self.pager.take_doubt()
    }

    /// The table of that name.
    ///
    /// # Errors
    /// If there is none, or the list of tables can't be read.
    pub(crate) fn table(&mut self, name: &str) -> Result<Table> {
        schema::table(&mut self.pager, name)
    }

    /// Gives every row of a table to `each`, and what is wrong with one; it returns whether to go on.
    pub(crate) fn rows(&mut self, table: &Table, each: &mut dyn FnMut(Result<Row<'_>>) -> bool) {
        tree::rows(&mut self.pager, table.root, each);
    }
}

impl Table {
    /// Number of the column of that name.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        let found = self.columns.iter().position(|column| column.eq_ignore_ascii_case(name.as_bytes()));
        found.map_or_else(|| broken(format!("a table has no column {name}")), Ok)
    }
}

/// Gives the values of a column of blobs in a table to `each`, and what is wrong with one.
///
/// # Errors
/// If the database or its table can't be read at all.
pub(crate) fn blobs(
    tree: &dyn Tree,
    path: &BStr,
    table: &str,
    column: &str,
    each: &mut dyn FnMut(Result<&mut dyn Blob>) -> bool,
) -> Result<()> {
    let mut database = Database::open(tree, path)?;
    if let Some(wrong) = database.take_doubt()
        && !each(broken(wrong))
    {
        return Ok(());
    }
    let table = database.table(table)?;
    let column = table.column(column)?;
    database.rows(&table, &mut |row| {
        let mut row = match row {
            Ok(row) => row,
            Err(e) => return each(Err(e)),
        };
        match row.blob(column) {
            Ok(mut blob) => each(Ok(&mut blob)),
            Err(e) => each(Err(e)),
        }
    });
    Ok(())
}

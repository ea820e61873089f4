//! pkg's database on FreeBSD: `local.sqlite` (pkg's `libpkg/private/db_upgrades.h` has its tables; later versions add
//! columns).

use std::collections::BTreeMap;

use bstr::{BStr, BString};

use crate::error::{Error, Result};
use crate::found::Found;
use crate::limits::PACKAGES;
use crate::package::{Format, Package};
use crate::source::Tree;
use crate::sqlite::{Database, Row, Table, Value};

const LOCAL: &str = "/var/db/pkg/local.sqlite";

/// Licenses of packages by their numbers.
type Licenses = BTreeMap<i64, BString>;

pub(crate) fn read(tree: &dyn Tree, found: &mut Found) {
    let path = BStr::new(LOCAL);
    if found.open(tree, path).is_none() {
        return;
    }
    found.database(Format::Pkg, path);
    if let Err(e) = read_all(tree, path, found) {
        found.note(path, e.to_string());
    }
}

fn read_all(tree: &dyn Tree, path: &BStr, found: &mut Found) -> Result<()> {
    let mut database = Database::open(tree, path)?;
    if let Some(doubt) = database.take_doubt() {
        found.note(path, doubt);
    }
    let licenses = licenses(&mut database).unwrap_or_else(|e| {
        found.note(path, format!("the licenses: {e}"));
        Licenses::new()
    });
    let table = database.table("packages")?;
    let columns = Columns::of(&table)?;
    database.rows(&table, &mut |row| {
        match row.and_then(|mut row| columns.package(&mut row, &licenses)) {
            Ok(package) => found.package(path, package),
            Err(e) => found.note(path, e.to_string()),
        }
        !found.is_full()
    });
    Ok(())
}

/// Where the values are in a row.
struct Columns {
    name: usize,
    version: usize,
    origin: usize,
    comment: usize,
    desc: usize,
    arch: usize,
    maintainer: usize,
    www: usize,
    prefix: usize,
    time: usize,
}

impl Columns {
    fn of(table: &Table) -> Result<Self> {
        Ok(Columns {
            name: table.column("name")?,
            version: table.column("version")?,
            origin: table.column("origin")?,
            comment: table.column("comment")?,
            desc: table.column("desc")?,
            arch: table.column("arch")?,
            maintainer: table.column("maintainer")?,
            www: table.column("www")?,
            prefix: table.column("prefix")?,
            time: table.column("time")?,
        })
    }

    fn package(&self, row: &mut Row<'_>, licenses: &Licenses) -> Result<Package> {
        let name = row.text(self.name)?;
        let version = row.text(self.version)?;
        if name.is_empty() || version.is_empty() {
            return Err(Error::Broken("a package has no name or no version".to_owned()));
        }
        let install_time = match row.value(self.time)? {
            Value::Integer(time) => u64::try_from(time).ok(),
            _ => None,
        };
        Ok(Package {
            version,
            arch: row.text(self.arch)?,
            install_path: row.text(self.prefix)?,
            maintainer: row.text(self.maintainer)?,
            url: row.text(self.www)?,
            source_package: row.text(self.origin)?,
            summary: row.text(self.comment)?,
            description: row.text(self.desc)?,
            license: licenses.get(&row.number).cloned().unwrap_or_default(),
            install_time,
            ..Package::new(Format::Pkg, name)
        })
    }
}

/// The licenses of each package, joined by spaces.
fn licenses(database: &mut Database<'_>) -> Result<Licenses> {
    let mut wrong = None;
    let mut names = BTreeMap::new();
    let table = database.table("licenses")?;
    let column = table.column("license")?;
    database.rows(&table, &mut |row| {
        match row.and_then(|mut row| Ok((row.number, row.text(column)?))) {
            Ok((number, name)) => {
                names.insert(number, name);
            }
            Err(e) => {
                wrong.get_or_insert(e);
            }
        }
        names.len() < PACKAGES
    });
    let mut licenses = Licenses::new();
    let table = database.table("pkg_licenses")?;
    let (package, license) = (table.column("package_id")?, table.column("license_id")?);
    let mut pairs = 0_usize;
    database.rows(&table, &mut |row| {
        pairs = pairs.saturating_add(1);
        match row.and_then(|mut row| Ok((row.value(package)?, row.value(license)?))) {
            Ok((Value::Integer(package), Value::Integer(license))) => {
                if let Some(name) = names.get(&license) {
                    let all = licenses.entry(package).or_default();
                    if !all.is_empty() {
                        all.push(b' ');
                    }
                    all.extend_from_slice(name);
                }
            }
            Ok(_) => {}
            Err(e) => {
                wrong.get_or_insert(e);
            }
        }
        pairs < PACKAGES
    });
    wrong.map_or(Ok(licenses), Err)
}

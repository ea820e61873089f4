//! SPDX 2.3 (the successor of ISO/IEC 5962:2021), JSON: <https://spdx.github.io/spdx-spec/v2.3/>.
//!
//! The document describes the image, a package; that contains its operating systems, which contain what is installed.

use jiff::Timestamp;
use libguestfs_core::packages::Package;
use serde_json::{Map, Value, json};

use super::{lossy, purl, put, system_name, system_version, time, uuid, web_page};
use crate::field::Field;
use crate::report::{Report, System};

/// What the form says where nothing is known.
const NOTHING: &str = "NOASSERTION";
/// The document's number, and the image's.
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";

pub(super) fn document(image: &str, report: &Report, created: Timestamp) -> Value {
    let mut packages = vec![plain(IMAGE, image.to_owned(), "FILE")];
    let mut relationships = vec![related(DOCUMENT, "DESCRIBES", IMAGE)];
    for (number, system) in (1..).zip(&report.systems) {
        let os = format!("SPDXRef-OperatingSystem-{number}");
        packages.push(operating_system(system, &os));
        relationships.push(related(IMAGE, "CONTAINS", &os));
        for (place, package) in (1..).zip(system.packages()) {
            let reference = format!("SPDXRef-Package-{number}-{place}");
            packages.push(installed(package, system, &reference));
            relationships.push(related(&os, "CONTAINS", &reference));
        }
    }
    let content = json!([image, packages]).to_string();
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": image,
        // No document lies there: the form wants a URI that no other document has.
        "documentNamespace": format!("urn:uuid:{}", uuid(content.as_bytes())),
        "creationInfo": {
            "created": time(created),
            "creators": [concat!("Tool: virt-inspector-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
    })
}

fn related(from: &str, how: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": how, "relatedSpdxElement": to})
}

/// A package of which only the name is known.
fn plain(reference: &str, name: String, purpose: &str) -> Map<String, Value> {
    let mut package = Map::new();
    for (key, text) in [
        ("SPDXID", reference.to_owned()),
        ("name", name),
        ("primaryPackagePurpose", purpose.to_owned()),
        ("downloadLocation", NOTHING.to_owned()),
        ("licenseConcluded", NOTHING.to_owned()),
        ("licenseDeclared", NOTHING.to_owned()),
        ("copyrightText", NOTHING.to_owned()),
    ] {
        package.insert(key.to_owned(), text.into());
    }
    package.insert("filesAnalyzed".to_owned(), false.into());
    package
}

fn operating_system(system: &System, reference: &str) -> Map<String, Value> {
    let mut package = plain(reference, system_name(system), "OPERATING-SYSTEM");
    put(&mut package, "versionInfo", Some(system_version(system)).filter(|version| !version.is_empty()));
    put(&mut package, "summary", lossy(system.text(Field::ProductName)));
    package
}

fn installed(installed: &Package, system: &System, reference: &str) -> Map<String, Value> {
    let name = String::from_utf8_lossy(&installed.name).into_owned();
    let mut package = plain(reference, name, "LIBRARY");
    put(&mut package, "versionInfo", Some(purl::version(installed)).filter(|version| !version.is_empty()));
    put(&mut package, "summary", lossy(&installed.summary));
    put(&mut package, "description", lossy(&installed.description));
    put(&mut package, "homepage", web_page(&installed.url).map(str::to_owned));
    let by = lossy(super::publisher(installed)).map(|name| format!("Organization: {}", one_line(&name)));
    put(&mut package, "supplier", by);
    let license = lossy(&installed.license).map(|license| format!("The package says: {license}"));
    put(&mut package, "licenseComments", license);
    if let Some(url) = purl::purl(installed, system) {
        let reference = json!({
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url,
        });
        package.insert("externalRefs".to_owned(), json!([reference]));
    }
    package
}

/// A name without what would end it, or begin an address.
fn one_line(name: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let name = name.split_once('<').map_or(name, |(name, _)| name);
    name.chars()
        .map(plain)
        .map(|c| if matches!(c, '(' | ')') { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supplier_is_a_name() {
        for (text, name) in [
            ("Matthias Klose <doko@debian.org>", "Matthias Klose"),
            ("Fedora Project", "Fedora Project"),
            ("a\nb (c)", "a b  c"),
        ] {
            assert_eq!(one_line(text), name);
        }
    }
}

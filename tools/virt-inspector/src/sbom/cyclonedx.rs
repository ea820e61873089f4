//! CycloneDX 1.6 (ECMA-424), JSON: <https://cyclonedx.org/docs/1.6/json/>.
//!
//! The image is what the document is about; its operating systems are components, and so are their packages, each system
//! depending on its own.

use std::collections::HashMap;

use jiff::Timestamp;
use libguestfs_core::packages::Package;
use serde_json::{Map, Value, json};

use super::{lossy, purl, put, system_name, system_version, time, uuid, web_page};
use crate::field::Field;
use crate::report::{Report, System};

/// The image's reference within the document.
const IMAGE: &str = "image";

pub(super) fn document(image: &str, report: &Report, created: Timestamp) -> Value {
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    let mut references = References::default();
    let mut systems = Vec::new();
    for system in &report.systems {
        let reference =
            references.unique(format!("os:{}", String::from_utf8_lossy(system.text(Field::Root))));
        components.push(operating_system(system, &reference));
        let mut packages = Vec::new();
        for package in system.packages() {
            let url = purl::purl(package, system);
            let name = || format!("package:{}", package.name);
            let reference = references.unique(url.clone().unwrap_or_else(name));
            components.push(component(package, url, &reference));
            packages.push(reference);
        }
        dependencies.push(json!({"ref": reference, "dependsOn": packages}));
        systems.push(reference);
    }
    dependencies.insert(0, json!({"ref": IMAGE, "dependsOn": systems}));
    let content = json!([image, components]).to_string();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(content.as_bytes())),
        "version": 1,
        "metadata": {
            "timestamp": time(created),
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [
                {"type": "application", "name": "virt-inspector", "version": env!("CARGO_PKG_VERSION")},
            ]},
            "component": {"type": "file", "bom-ref": IMAGE, "name": image},
        },
        "components": components,
        "dependencies": dependencies,
    })
}

/// Gives each component a reference that no other has.
#[derive(Default)]
struct References(HashMap<String, usize>);

impl References {
    fn unique(&mut self, wanted: String) -> String {
        let seen = self.0.entry(wanted.clone()).or_default();
        *seen += 1;
        // URLs have a # only where it is escaped.
        if *seen == 1 { wanted } else { format!("{wanted}#{seen}") }
    }
}

fn operating_system(system: &System, reference: &str) -> Value {
    let mut component = Map::new();
    put(&mut component, "type", Some("operating-system".to_owned()));
    put(&mut component, "bom-ref", Some(reference.to_owned()));
    put(&mut component, "name", Some(system_name(system)));
    put(&mut component, "version", Some(system_version(system)).filter(|version| !version.is_empty()));
    put(&mut component, "description", lossy(system.text(Field::ProductName)));
    let properties: Vec<Value> = [Field::Root, Field::Arch, Field::Hostname, Field::BuildId, Field::Osinfo]
        .into_iter()
        .filter_map(|field| {
            let value = lossy(system.text(field))?;
            Some(json!({"name": format!("virt-inspector:{}", field.name()), "value": value}))
        })
        .collect();
    component.insert("properties".to_owned(), properties.into());
    component.into()
}

fn component(package: &Package, url: Option<String>, reference: &str) -> Value {
    let mut component = Map::new();
    put(&mut component, "type", Some("library".to_owned()));
    put(&mut component, "bom-ref", Some(reference.to_owned()));
    put(&mut component, "name", Some(String::from_utf8_lossy(&package.name).into_owned()));
    put(&mut component, "version", Some(purl::version(package)).filter(|version| !version.is_empty()));
    put(&mut component, "description", lossy(&package.summary));
    put(&mut component, "publisher", lossy(super::publisher(package)));
    put(&mut component, "purl", url);
    if let Some(license) = lossy(&package.license) {
        // What the package calls it: not always an expression of SPDX.
        component.insert("licenses".to_owned(), json!([{"license": {"name": license}}]));
    }
    if let Some(url) = web_page(&package.url) {
        component.insert("externalReferences".to_owned(), json!([{"type": "website", "url": url}]));
    }
    component.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_components_have_the_same_reference() {
        let mut references = References::default();
        let names: Vec<String> =
            ["a", "b", "a", "a"].iter().map(|name| references.unique((*name).to_owned())).collect();
        assert_eq!(names, ["a", "b", "a#2", "a#3"]);
    }
}

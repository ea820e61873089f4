//! virt-inspector beyond what it has in common with the original: many guests, JSON, bills of materials, fields; and its
//! XML against the published grammar.
//!
//! The validators of the published forms are Python programs, which the tests install into a directory of their own, so
//! they need python3 with venv, and PyPI.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use guestfs_tests::{Ended, data, ended, run, tool};
use serde_json::Value;

/// What validates: CycloneDX's own library with its schemas, SPDX's own, and a RELAX NG validator.
const VALIDATORS: [&str; 3] =
    ["cyclonedx-python-lib[json-validation]==11.12.0", "spdx-tools==0.8.5", "lxml==6.0.2"];

const CYCLONEDX: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(wrong) if wrong else 0)
";

const SPDX: &str = "
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
wrong = validate_full_spdx_document(parse_file(sys.argv[1]), 'SPDX-2.3')
sys.exit('\\n'.join(f'{m.validation_message} {m.context}' for m in wrong) if wrong else 0)
";

const RELAX_NG: &str = "
import sys
from lxml import etree
etree.RelaxNG(etree.parse(sys.argv[2])).assertValid(etree.parse(sys.argv[1]))
";

/// A Python with the validators.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("validators");
        let (python, list) = (home.join("bin/python"), home.join("installed"));
        if fs::read_to_string(&list).is_ok_and(|installed| installed == VALIDATORS.join("\n")) {
            return python;
        }
        let must = |command: &mut Command| {
            let out = command.output().unwrap();
            assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
        };
        must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
        must(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(VALIDATORS));
        fs::write(list, VALIDATORS.join("\n")).unwrap();
        python
    })
}

fn validate(program: &str, document: &[u8], suffix: &str, grammar: Option<&Path>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(format!("document{suffix}"));
    fs::write(&file, document).unwrap();
    let out = Command::new(python()).args(["-c", program]).arg(&file).args(grammar).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn inspect<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    run("virt-inspector", arguments).unwrap()
}

fn json(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap()
}

fn guests() -> [PathBuf; 2] {
    [data("debian-mini.qcow2"), data("golden/inspect.qcow2")]
}

#[test]
fn the_xml_is_of_the_published_grammar() {
    let grammar = data("virt-inspector.rng");
    for guest in [
        data("debian-mini.qcow2"),
        data("fedora-btrfs.qcow2"),
        data("suse-btrfs.qcow2"),
        data("split-usr.qcow2"),
    ] {
        let xml = inspect([OsStr::new("--no-applications"), guest.as_os_str()]);
        assert_eq!(xml.status, Some(0), "{}", xml.stderr);
        validate(RELAX_NG, &xml.stdout, ".xml", Some(&grammar));
    }
    let whole = inspect([data("debian-mini.qcow2")]);
    validate(RELAX_NG, &whole.stdout, ".xml", Some(&grammar));
}

#[test]
fn bills_of_materials_are_of_the_published_forms() {
    for guest in guests() {
        for (form, program, suffix) in [("cyclonedx", CYCLONEDX, ".cdx.json"), ("spdx", SPDX, ".spdx.json")] {
            let bill = inspect([OsStr::new("--sbom"), form.as_ref(), guest.as_os_str()]);
            assert!(!bill.stdout.is_empty(), "{}", bill.stderr);
            validate(program, &bill.stdout, suffix, None);
        }
    }
}

#[test]
fn bills_of_materials_list_each_package() {
    let listed = json(&inspect([OsStr::new("--json"), guests()[0].as_os_str()]).stdout);
    let packages = listed["operating_systems"][0]["applications"].as_array().unwrap();
    let bill =
        |form| json(&inspect([OsStr::new("--sbom"), OsStr::new(form), guests()[0].as_os_str()]).stdout);
    let cyclonedx = bill("cyclonedx");
    let components = cyclonedx["components"].as_array().unwrap();
    // The system itself is one too.
    assert_eq!(components.len(), packages.len() + 1);
    assert_eq!(cyclonedx["dependencies"][1]["dependsOn"].as_array().unwrap().len(), packages.len());
    let bash = components.iter().find(|component| component["name"] == "bash").unwrap();
    assert_eq!(bash["purl"], "pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12");
    let spdx = bill("spdx");
    // And the image.
    assert_eq!(spdx["packages"].as_array().unwrap().len(), packages.len() + 2);
    // The same image has the same number, whenever it is looked at.
    assert_eq!(cyclonedx["serialNumber"], bill("cyclonedx")["serialNumber"]);
    assert_eq!(spdx["documentNamespace"], bill("spdx")["documentNamespace"]);
}

#[test]
fn json_says_what_the_xml_says_and_more() {
    let line = inspect([OsStr::new("--json"), guests()[0].as_os_str()]);
    let guest = json(&line.stdout);
    assert_eq!(
        (line.status, &guest["schema"], &guest["version"]),
        (Some(0), &"virt-inspector".into(), &1.into())
    );
    assert_eq!(guest["guest"], "debian-mini.qcow2");
    let system = &guest["operating_systems"][0];
    for (key, value) in [
        ("root", "/dev/debian-vg/root"),
        ("distro", "debian"),
        ("hostname", "debian-mini"),
        ("osinfo", "debian12"),
    ] {
        assert_eq!(system[key], value);
    }
    assert_eq!((&system["major_version"], &system["minor_version"]), (&12.into(), &15.into()));
    assert_eq!(system["mountpoints"][1]["mountpoint"], "/var");
    assert_eq!(system["filesystems"][0]["label"], "home");
    let bash =
        system["applications"].as_array().unwrap().iter().find(|package| package["name"] == "bash").unwrap();
    assert_eq!(
        (&bash["format"], &bash["state"], &bash["section"]),
        (&"deb".into(), &"installed".into(), &"shells".into())
    );
}

#[test]
fn many_guests_are_reported_in_order_and_none_stops_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let mut arguments = vec![PathBuf::from("--json"), PathBuf::from("--fields=hostname,root")];
    for number in 0..20 {
        let path = directory.path().join(format!("guest-{number}.qcow2"));
        match number {
            3 => {}
            7 => fs::write(&path, b"no disk").unwrap(),
            _ => drop(fs::copy(data("debian-mini.qcow2"), &path).unwrap()),
        }
        arguments.push(path);
    }
    let ended = inspect(&arguments);
    assert_eq!(ended.status, Some(1));
    let lines: Vec<Value> =
        ended.stdout.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(json).collect();
    assert_eq!(lines.len(), 20);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["guest"], format!("guest-{number}.qcow2"));
        match number {
            3 => assert!(
                line["operating_systems"].is_null()
                    && line["errors"][0].as_str().unwrap().contains("No such file")
            ),
            7 => assert_eq!(line["operating_systems"].as_array().unwrap().len(), 0),
            _ => assert_eq!(line["operating_systems"][0]["hostname"], "debian-mini"),
        }
    }

    // The same as XML is one document.
    arguments.remove(0);
    let xml = inspect(&arguments).stdout;
    let mut query = Command::new(tool("virt-inspector").unwrap());
    let file = directory.path().join("xml");
    fs::write(&file, xml).unwrap();
    query.args([
        "--xpath",
        "concat(count(//guest), ' ', count(//operatingsystem), ' ', count(//error), ' ', //guest[4]/@name)",
    ]);
    let out = query.stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "20 18 1 guest-3.qcow2\n");
}

#[test]
fn what_is_not_asked_for_is_not_looked_for() {
    let calls = |fields: &str| {
        let mut command = Command::new(tool("virt-inspector").unwrap());
        let ended = ended(command.args(["-x", "--json", "--fields", fields]).arg(&guests()[0])).unwrap();
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        ended.stderr
    };
    let few = calls("hostname,distro");
    for call in ["mount_ro", "list_packages", "inspect_get_filesystems", "inspect_get_arch"] {
        assert!(!few.contains(call), "{call}: {few}");
    }
    assert!(calls("applications").contains("list_packages"));
}

//! virt-inspector beyond what it has in common with the original: many guests, JSON, bills of materials, fields; and its
//! XML against the published grammar.
//!
//! The validators of the published forms are Python programs, which the tests install into a directory of their own, so
//! they need python3 with venv, and PyPI. Those of CycloneDX come with a library for package URLs and one for JSON Schema.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bstr::ByteSlice;
use guestfs_tests::{Ended, data, ended, repository, run, tool};
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

/// Is each package URL one, and as the library would write it?
const PACKAGE_URLS: &str = "
import json, sys
from packageurl import PackageURL
bill = json.load(open(sys.argv[1]))
urls = [c['purl'] for c in bill['components'] if 'purl' in c]
assert len(urls) == len([c for c in bill['components'] if c['type'] == 'library']), 'one has none'
sys.exit('\\n'.join(url for url in urls if PackageURL.from_string(url).to_string() != url) or 0)
";

const JSON_SCHEMA: &str = "
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[2]))
Draft202012Validator.check_schema(schema)
for line in open(sys.argv[1]):
    Draft202012Validator(schema).validate(json.loads(line))
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

/// A small Debian, odd texts, rpm's packages, a Windows.
fn guests() -> [PathBuf; 4] {
    ["debian-mini.qcow2", "golden/inspect.qcow2", "golden/rpm.qcow2", "windows/win10.qcow2"].map(data)
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
            // CycloneDX's validator takes many seconds for 500 packages.
            if form == "spdx" || !guest.ends_with("rpm.qcow2") {
                validate(program, &bill.stdout, suffix, None);
            }
            if form == "cyclonedx" {
                validate(PACKAGE_URLS, &bill.stdout, suffix, None);
            }
        }
    }
}

#[test]
fn json_is_of_its_schema() {
    let schema = repository().join("tools/virt-inspector/virt-inspector.schema.json");
    let others = ["suse-btrfs.qcow2", "not-a-guest.qcow2", "two-roots.qcow2", "no such file"].map(data);
    let all: Vec<PathBuf> = ["--json".into()].into_iter().chain(guests()).chain(others).collect();
    let lines = inspect(&all);
    assert_eq!(lines.stdout.lines().count(), 8);
    validate(JSON_SCHEMA, &lines.stdout, ".json", Some(&schema));
}

#[test]
fn a_bill_of_materials_can_be_made_again_as_it_was() {
    let bill = |form: &str, time: &str| {
        let mut command = Command::new(tool("virt-inspector").unwrap());
        ended(command.env("SOURCE_DATE_EPOCH", time).args(["--sbom", form]).arg(&guests()[0])).unwrap()
    };
    for (form, at) in [("cyclonedx", "/metadata/timestamp"), ("spdx", "/creationInfo/created")] {
        let first = bill(form, "1700000000");
        assert_eq!(json(&first.stdout).pointer(at).unwrap(), "2023-11-14T22:13:20Z");
        assert!(first == bill(form, "1700000000"));
    }
    let wrong = bill("spdx", "yesterday");
    assert_eq!((wrong.status, wrong.stdout.len()), (Some(2), 0));
    assert_eq!(
        wrong.stderr.lines().next(),
        Some("virt-inspector: SOURCE_DATE_EPOCH is no number of seconds: yesterday")
    );
}

#[test]
fn a_query_searches_guests_too() {
    let found = |words: &[&str], guests: &[PathBuf]| {
        inspect(words.iter().map(PathBuf::from).chain(guests.iter().cloned())).stdout
    };
    assert_eq!(found(&["--xpath", "string(//hostname)"], &guests()[..1]), b"debian-mini\n");
    let options = ["--no-applications", "--no-icon", "--xpath", "//guest[2]//hostname | //error"];
    assert_eq!(
        found(&options, &[data("debian-mini.qcow2"), data("golden/rpm.qcow2"), "/nowhere/x.img".into()]),
        b"<hostname>rpm.example</hostname>\n<error>/nowhere/x.img: No such file or directory</error>\n"
    );
    let missing = inspect(["--xpath", "//a", "-a", "/nowhere/x.img"]);
    assert_eq!((missing.status, missing.stdout.as_slice()), (Some(1), &b""[..]));
}

#[test]
fn each_field_can_be_asked_for_alone() {
    let report = |field: &str, guest: &Path| {
        let ended = inspect([OsStr::new("--json"), "--fields".as_ref(), field.as_ref(), guest.as_os_str()]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{field}");
        json(&ended.stdout)["operating_systems"][0].as_object().unwrap().clone()
    };
    for (guest, has) in [(&guests()[0], 14), (&guests()[3], 18)] {
        let ended = inspect([OsStr::new("--json"), guest.as_os_str()]);
        let all = json(&ended.stdout)["operating_systems"][0].as_object().unwrap().clone();
        assert_eq!(all.len(), has, "{:?}", all.keys());
        for (field, value) in &all {
            let alone = report(field, guest);
            assert_eq!((alone.len(), alone.get(field)), (1, Some(value)), "{field}");
        }
    }
    let wrong = inspect(["--fields", "root,colour", "-a", "x"]);
    assert_eq!(wrong.status, Some(2));
    assert!(wrong.stderr.starts_with("virt-inspector: invalid value 'colour' for '--fields <FIELD>'\n"));
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

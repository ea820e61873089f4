//! The definition of the API, held against libguestfs's own list of calls and structures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use libguestfs_core::api::{
    CallInfo, FIRST_OWN_PROCEDURE, Kind, ParameterInfo, ResultKind, STRUCTURES, calls,
};
use serde_json::Value;

fn reference() -> Vec<Value> {
    include_str!("data/actions.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().map(|l| l.iter().map(|v| v.as_str().unwrap().to_string()).collect()).unwrap_or_default()
}

/// A kind as libguestfs writes it.
fn kind_name(kind: Kind, optional: bool) -> &'static str {
    match (kind, optional) {
        (Kind::Bool, true) => "OBool",
        (Kind::Int, true) => "OInt",
        (Kind::Int64, true) => "OInt64",
        (Kind::PlainString, true) => "OString",
        (Kind::StringList, true) => "OStringList",
        (Kind::Pathname, _) => "String(Pathname)",
        (Kind::Device, _) => "String(Device)",
        (Kind::Mountable, _) => "String(Mountable)",
        (Kind::DevOrPath, _) => "String(Dev_or_Path)",
        (Kind::MountableOrPath, _) => "String(Mountable_or_Path)",
        (Kind::PlainString, _) => "String(PlainString)",
        (Kind::Filename, _) => "String(Filename)",
        (Kind::Guid, _) => "String(GUID)",
        (Kind::Key, _) => "String(Key)",
        (Kind::PathnameList, _) => "StringList(Pathname)",
        (Kind::DeviceList, _) => "StringList(Device)",
        (Kind::FilenameList, _) => "StringList(Filename)",
        (Kind::StringList, _) => "StringList(PlainString)",
        (Kind::OptString, _) => "OptString",
        (Kind::Bool, _) => "Bool",
        (Kind::Int, _) => "Int",
        (Kind::Int64, _) => "Int64",
        (Kind::BufferIn, _) => "BufferIn",
        (Kind::FileIn, _) => "String(FileIn)",
        (Kind::FileOut, _) => "String(FileOut)",
    }
}

fn parameters(list: &[ParameterInfo], optional: bool) -> Vec<String> {
    list.iter().map(|p| format!("{}:{}", p.name, kind_name(p.kind, optional))).collect()
}

/// `StatNs` is `statns` and `LvmPv` is `lvm_pv` in the reference.
fn structure_name(rust_name: &str) -> &'static str {
    STRUCTURES.iter().find(|s| s.rust_name == rust_name).map(|s| s.name).expect("a structure of the API")
}

fn result_matches(result: ResultKind, reference: &str) -> bool {
    let structure = |rust| format!(",{})", structure_name(rust));
    match result {
        ResultKind::Nothing => reference == "RErr",
        ResultKind::Bool => reference.starts_with("RBool("),
        ResultKind::Int => reference.starts_with("RInt("),
        ResultKind::Int64 => reference.starts_with("RInt64("),
        ResultKind::Text => reference.starts_with("RString("),
        ResultKind::TextList => reference.starts_with("RStringList("),
        ResultKind::Hashtable => reference.starts_with("RHashtable("),
        ResultKind::Buffer => reference.starts_with("RBufferOut("),
        ResultKind::Structure(s) => reference.starts_with("RStruct(") && reference.ends_with(&structure(s)),
        ResultKind::StructureList(s) => {
            reference.starts_with("RStructList(") && reference.ends_with(&structure(s))
        }
    }
}

#[test]
fn every_call_is_as_libguestfs_has_it() {
    let reference = reference();
    assert!(reference.len() > 490, "the reference has all calls");
    for call in calls() {
        let CallInfo { name, procedure, .. } = *call;
        if procedure >= FIRST_OWN_PROCEDURE {
            assert!(reference.iter().all(|r| r["name"] != name), "{name} is libguestfs's");
            continue;
        }
        let r =
            reference.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("there is no call {name}"));
        assert_eq!(r["proc_nr"], procedure, "number of {name}");
        assert_eq!(parameters(call.parameters, false), texts(&r["args"]), "parameters of {name}");
        assert_eq!(parameters(call.optional, true), texts(&r["optargs"]), "optional arguments of {name}");
        assert!(result_matches(call.result, r["ret"].as_str().unwrap()), "result of {name}: {}", r["ret"]);
        assert_eq!(call.cancellable, r["cancellable"] == true, "{name} cancellable");
        assert_eq!(call.progress, r["progress"] == true, "{name} progress");
        assert_eq!(call.group, r["optional_group"].as_str(), "group of {name}");
        assert!(!call.documentation.trim().is_empty());
    }
}

#[test]
fn every_structure_has_the_fields_of_libguestfs_in_order() {
    let reference: Value = serde_json::from_str(include_str!("data/structs.json")).unwrap();
    for structure in STRUCTURES {
        let fields: Vec<(String, &str)> = reference[structure.name]
            .as_array()
            .unwrap_or_else(|| panic!("there is no structure {}", structure.name))
            .iter()
            .map(|f| {
                let rust = match f[1].as_str().unwrap() {
                    "FString" | "FDevice" => "BString",
                    "FBuffer" => "Vec<u8>",
                    "FUUID" => "Uuid",
                    "FChar" => "Char",
                    "FInt32" => "i32",
                    "FUInt32" => "u32",
                    "FInt64" | "FBytes" => "i64",
                    "FUInt64" => "u64",
                    "FOptPercent" => "f32",
                    other => panic!("unknown field type {other}"),
                };
                (f[0].as_str().unwrap().to_string(), rust)
            })
            .collect();
        let ours: Vec<(String, &str)> = structure.fields.iter().map(|(n, t)| (n.to_string(), *t)).collect();
        assert_eq!(ours, fields, "fields of {}", structure.name);
    }
}

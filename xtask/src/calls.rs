//! The list of calls that no daemon of ours answers yet, in ARCHITECTURE.md.
//!
//! All calls are in the reference that the definition of the API is held against; those that are answered are named in the
//! daemon's sources. A test fails when the list is stale.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::run;

/// Every call that a daemon of libguestfs answers, one a line in JSON.
const REFERENCE: &str = include_str!("../../libguestfs-core/tests/data/actions.jsonl");
/// Where calls are answered: this file and all in the directory of its name.
const DAEMON: &str = "appliance/guestfsd/src/daemon";
/// The document with the list, and what stands around the list there.
const DOCUMENT: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- begin of what `cargo xtask calls` writes -->\n";
const END: &str = "<!-- end of what `cargo xtask calls` writes -->\n";
/// Longest line of the list.
const WIDTH: usize = 120;

/// What is needed of a call here.
#[derive(Debug, Deserialize)]
struct Call {
    name: String,
    optional_group: Option<String>,
}

/// Writes the list.
///
/// # Errors
/// If a file can't be read or written, or the document has no place for the list.
pub(crate) fn run() -> Result<()> {
    let path = document();
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let new = with_list(&text, &list(&answered()?)?)?;
    fs::write(&path, new).with_context(|| path.display().to_string())
}

fn document() -> PathBuf {
    run::repository().join(DOCUMENT)
}

/// The document with the list in its place.
fn with_list(text: &str, list: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("the document has no place for the list")?;
    let (_, after) = rest.split_once(END).context("the list in the document has no end")?;
    Ok([before, BEGIN, list, END, after].concat())
}

/// Names of calls that the daemon's sources answer.
fn answered() -> Result<BTreeSet<String>> {
    let directory = run::repository().join(DAEMON);
    let mut files = vec![directory.with_extension("rs")];
    for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
        files.push(entry?.path());
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        names.extend(text.lines().filter_map(answer).map(str::to_owned));
    }
    Ok(names)
}

/// The name in a line that answers a call: `mkdir(path: &Pathname) -> ();` in `answer!`, or the head of a function.
fn answer(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let (name, _) = line.strip_prefix("fn ").unwrap_or(line).split_once('(')?;
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_name && !name.is_empty()).then_some(name)
}

/// The missing calls by their optional groups, in Markdown.
fn list(answered: &BTreeSet<String>) -> Result<String> {
    let mut groups: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    let (mut all, mut missing) = (0_u32, 0_u32);
    for line in REFERENCE.lines() {
        let call: Call = serde_json::from_str(line)?;
        all += 1;
        if !answered.contains(&call.name) {
            missing += 1;
            groups.entry(call.optional_group).or_default().push(call.name);
        }
    }
    let mut text = format!(
        "Of the {all} calls of libguestfs 1.61.1 that are for a daemon, {} are answered. Missing:\n\n",
        all - missing
    );
    for (group, names) in groups {
        let title = group.map_or("of no group".to_owned(), |group| format!("`{group}`"));
        let mut line = format!("* {title}:");
        for (index, name) in names.iter().enumerate() {
            let end = if index + 1 < names.len() { "," } else { "" };
            let word = format!(" `{name}`{end}");
            if line.len() + word.len() > WIDTH {
                writeln!(text, "{line}")?;
                line = " ".to_owned();
            }
            line.push_str(&word);
        }
        writeln!(text, "{line}")?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_in_the_repository_is_that_of_the_sources() {
        let text = fs::read_to_string(document()).unwrap();
        let new = with_list(&text, &list(&answered().unwrap()).unwrap()).unwrap();
        assert!(text == new, "{DOCUMENT} is stale: run cargo xtask calls");
    }

    #[test]
    fn answers_are_found_in_both_forms() {
        for (line, expected) in [
            ("        mkdir(path: &Pathname) -> ();", Some("mkdir")),
            ("    fn upload(&mut self, filename: &mut FileIn<'_>) -> Result<()> {", Some("upload")),
            ("    answer! {", None),
            ("//! words (more)", None),
            ("            Guestfsd::upload(self, filename)", None),
        ] {
            assert_eq!(answer(line), expected, "{line}");
        }
    }

    #[test]
    fn every_call_is_counted_and_groups_are_titles() {
        let all: BTreeSet<String> = REFERENCE
            .lines()
            .map(|line| serde_json::from_str::<Call>(line).unwrap().name)
            .filter(|name| name != "mkdir" && name != "journal_open")
            .collect();
        let expected = format!(
            "Of the {0} calls of libguestfs 1.61.1 that are for a daemon, {1} are answered. Missing:\n\n\
             * of no group: `mkdir`\n* `journal`: `journal_open`\n",
            all.len() + 2,
            all.len()
        );
        assert_eq!(list(&all).unwrap(), expected);
    }
}

//! Manual pages and shell completions, from the definitions of the tools' options.
//!
//! They are kept in the repository, so that packages need no build step for them; a test fails when they are stale.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use virt_common::manual::Manual;

/// A tool: its command, and what its manual says beside the options.
const TOOLS: [(fn() -> Command, Manual); 7] = [
    (libguestfs_make_fixed_appliance::command, libguestfs_make_fixed_appliance::MANUAL),
    (virt_cat::command, virt_cat::MANUAL),
    (virt_copy_out::command, virt_copy_out::MANUAL),
    (virt_df::command, virt_df::MANUAL),
    (virt_inspector::command, virt_inspector::MANUAL),
    (virt_ls::command, virt_ls::MANUAL),
    (virt_win_reg::command, virt_win_reg::MANUAL),
];

/// Shells with completions.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Fish, Shell::Zsh];

/// Section of the manual for programs.
const SECTION: &str = "1";

/// Writes `man/`.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn run() -> Result<()> {
    for (path, content) in files()? {
        let path = directory().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        fs::write(&path, content).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Where they are kept.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../man")
}

/// All files, with their names in `man/`.
fn files() -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for (command, manual) in TOOLS {
        let command = command();
        let name = command.get_name().to_owned();
        files.push((format!("{name}.{SECTION}").into(), page(&command, &manual)?));
        for shell in SHELLS {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), &name, &mut script);
            files.push((Path::new("completions").join(file_name(shell, &name)), script));
        }
    }
    Ok(files)
}

/// The name under which a shell looks for the completions of a program.
fn file_name(shell: Shell, tool: &str) -> String {
    match shell {
        Shell::Bash => format!("{tool}.bash"),
        Shell::Fish => format!("{tool}.fish"),
        other => format!("_{tool}.{other}"),
    }
}

fn page(command: &Command, manual: &Manual) -> Result<Vec<u8>> {
    let name = command.get_name();
    let version = command.get_version().unwrap_or_default();
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .source(format!("{name} {version}"))
        .manual("Virtual machine disks");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;

    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for line in manual.synopsis {
        roff.text([roman(*line)]).control("br", []);
    }
    roff.control("SH", ["DESCRIPTION"]);
    text(&mut roff, manual.description);
    roff.to_writer(&mut out)?;

    man.render_options_section(&mut out)?;

    let mut roff = Roff::new();
    for section in manual.sections {
        roff.control("SH", [section.title]);
        text(&mut roff, section.text);
    }
    roff.control("SH", ["SEE ALSO"]);
    let last = manual.see_also.len().saturating_sub(1);
    let pages = manual.see_also.iter().enumerate().flat_map(|(n, (page, section))| {
        [bold(*page), roman(format!("({section}){}", if n == last { "" } else { ", " }))]
    });
    roff.text(pages.collect::<Vec<Inline>>());
    roff.to_writer(&mut out)?;
    Ok(out)
}

/// Turns the paragraphs of [`Manual`] into roff.
fn text(roff: &mut Roff, text: &str) {
    for paragraph in text.split("\n\n") {
        if paragraph.starts_with("    ") {
            roff.control("PP", []).control("RS", ["4"]).control("nf", []);
            for line in paragraph.lines() {
                roff.text([roman(line.strip_prefix("    ").unwrap_or(line))]);
            }
            roff.control("fi", []).control("RE", []);
        } else if let Some((term, description)) =
            paragraph.strip_prefix("= ").and_then(|p| p.split_once('\n'))
        {
            roff.control("TP", []).text([bold(term)]).text([roman(description)]);
        } else {
            roff.control("PP", []).text([roman(paragraph)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_the_repository_are_those_of_the_definitions() {
        for (path, content) in files().unwrap() {
            let kept = fs::read(directory().join(&path)).unwrap_or_default();
            assert!(kept == content, "man/{} is stale: run cargo xtask man", path.display());
        }
    }

    #[test]
    fn no_line_ends_in_a_backslash() {
        // In a raw string it goes on no line: it would be printed.
        for (command, manual) in TOOLS {
            let texts = manual.sections.iter().map(|section| section.text).chain([manual.description]);
            for line in texts.flat_map(str::lines) {
                assert!(!line.ends_with('\\'), "{}: {line}", command().get_name());
            }
        }
    }

    #[test]
    fn a_text_becomes_roff() {
        let mut roff = Roff::new();
        text(&mut roff, "Some -words.\n\n= term\nmeans\nthis\n\n    $ code");
        // What Roff puts first is about apostrophes.
        let rendered = roff.render();
        let (_, text) = rendered.split_once(".PP\n").unwrap();
        assert_eq!(
            text,
            "Some \\-words.\n.TP\n\\fBterm\\fR\nmeans\nthis\n.PP\n.RS 4\n.nf\n$ code\n.fi\n.RE\n"
        );
    }
}

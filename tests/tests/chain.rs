//! Which files an image may name: its backing chain is followed within the image's own directory, and no further.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use guestfs_tests::{Ended, data, ended, must, tool};

/// An overlay without content of its own over `backing`, which need not be there yet.
fn overlay(path: &Path, backing: &str, format: &str) -> Result<()> {
    let args = ["create", "-q", "-u", "-f", "qcow2", "-F", format, "-b", backing].map(AsRef::as_ref);
    must("qemu-img", args.into_iter().chain([path.as_os_str(), "32M".as_ref()])).map(drop)
}

fn hostname(image: &Path, settings: &str) -> Result<Ended> {
    let mut command = std::process::Command::new(tool("virt-cat")?);
    command.arg("-a").arg(image).arg("/etc/hostname");
    // `ended` takes these variables away; env(1) in between sets them again.
    let mut wrapper = std::process::Command::new("env");
    wrapper
        .arg(format!("LIBGUESTFS_BACKEND_SETTINGS={settings}"))
        .arg(command.get_program())
        .args(command.get_args());
    ended(&mut wrapper)
}

/// A directory `images`, with a guest in it and one beside it.
fn layout() -> Result<(tempfile::TempDir, PathBuf)> {
    let scratch = tempfile::tempdir()?;
    let images = scratch.path().join("images");
    fs::create_dir_all(images.join("below"))?;
    for place in ["images/base.qcow2", "images/below/base.qcow2", "outside.qcow2"] {
        fs::copy(data("bare-ext4.qcow2"), scratch.path().join(place))?;
    }
    Ok((scratch, images))
}

#[test]
fn files_in_the_images_directory_are_followed() -> Result<()> {
    let (_scratch, images) = layout()?;
    let absolute = images.join("base.qcow2");
    for backing in ["base.qcow2", "below/base.qcow2", "./below/../base.qcow2", &absolute.to_string_lossy()] {
        let top = images.join("top.qcow2");
        overlay(&top, backing, "qcow2")?;
        let out = hostname(&top, "")?;
        assert_eq!(
            (out.status, out.stdout.as_slice(), &*out.stderr),
            (Some(0), &b"bare\n"[..], ""),
            "{backing}"
        );
    }
    Ok(())
}

#[test]
fn files_outside_of_it_are_refused_unless_allowed() -> Result<()> {
    let (scratch, images) = layout()?;
    let outside = scratch.path().join("outside.qcow2");
    std::os::unix::fs::symlink(&outside, images.join("link.qcow2"))?;
    let top = images.join("top.qcow2");
    for backing in ["../outside.qcow2", "link.qcow2", &outside.to_string_lossy()] {
        overlay(&top, backing, "qcow2")?;
        let out = hostname(&top, "")?;
        assert_eq!((out.status, out.stdout.as_slice()), (Some(1), &b""[..]), "{backing}");
        ensure!(out.stderr.contains(backing), "{backing}: {}", out.stderr);
        let allowed = hostname(&top, &format!("backing_dir={}", scratch.path().display()))?;
        assert_eq!(
            (allowed.status, allowed.stdout.as_slice()),
            (Some(0), &b"bare\n"[..]),
            "{}",
            allowed.stderr
        );
    }
    Ok(())
}

#[test]
fn hostile_names_are_refused_in_plain_words() -> Result<()> {
    let (_scratch, images) = layout()?;
    let top = images.join("top.qcow2");
    let names = [
        "/etc/passwd",
        "/dev/zero",
        "missing.qcow2",
        "nbd://127.0.0.1/x",
        "json:{\"driver\":\"null-co\"}",
        "below",
    ];
    for (backing, format) in names.iter().flat_map(|name| [(*name, "raw"), (*name, "qcow2")]) {
        overlay(&top, backing, format)?;
        let out = hostname(&top, "")?;
        assert_eq!((out.status, out.stdout.as_slice()), (Some(1), &b""[..]), "{backing}");
        ensure!(out.stderr.starts_with("virt-cat: ") && !out.stderr.contains("panicked"), "{}", out.stderr);
    }
    Ok(())
}

#[test]
fn a_chain_that_bites_its_tail_is_refused() -> Result<()> {
    let (_scratch, images) = layout()?;
    overlay(&images.join("one.qcow2"), "two.qcow2", "qcow2")?;
    overlay(&images.join("two.qcow2"), "one.qcow2", "qcow2")?;
    overlay(&images.join("self.qcow2"), "self.qcow2", "qcow2")?;
    for name in ["one.qcow2", "self.qcow2"] {
        let out = hostname(&images.join(name), "")?;
        assert_eq!((out.status, out.stdout.as_slice()), (Some(1), &b""[..]), "{name}");
        ensure!(!out.stderr.is_empty(), "{name}: no message");
    }
    Ok(())
}

//! Guests of libvirt: the tools find their disks through the real virsh, which has libvirt's test driver as its host.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use guestfs_tests::{Ended, data, ended, run, tool};

/// A host with these guests, each with a list of disks: the URI of a connection to it.
fn host(directory: &Path, guests: &[(&str, &[String])]) -> Result<String> {
    let domain = |(number, (name, disks)): (usize, &(&str, &[String]))| {
        format!(
            "<domain type='test'><name>{name}</name><uuid>00000000-0000-4000-8000-{number:012}</uuid>
             <memory>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>{}</devices></domain>",
            disks.concat()
        )
    };
    let path = directory.join("host.xml");
    let domains: String = guests.iter().enumerate().map(domain).collect();
    fs::write(
        &path,
        format!(
            "<node><cpu><mhz>1</mhz><model>x</model><active>1</active><nodes>1</nodes><sockets>1</sockets><cores>1</cores>
             <threads>1</threads></cpu><memory>1048576</memory>{domains}</node>"
        ),
    )?;
    Ok(format!("test://{}", path.display()))
}

fn disk(path: &Path, format: &str, target: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{}'/>
         <target dev='{target}' bus='virtio'/></disk>",
        path.display()
    )
}

fn text(out: &Ended) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A guest without a disk in it, one with a name that virsh would take for the number of the first, one whose image is
/// gone, one with a disk on the network, and a Windows.
fn five_guests(directory: &Path) -> Result<String> {
    let cdrom = "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>".to_owned();
    let network =
        "<disk type='network' device='disk'><source protocol='nbd' name='x'><host name='h'/></source>
                   <target dev='vdb' bus='virtio'/></disk>"
            .to_owned();
    let windows = directory.join("win10.qcow2");
    fs::copy(data("windows/win10.qcow2"), &windows)?;
    let mini = disk(&data("debian-mini.qcow2"), "qcow2", "vda");
    let gone = disk(&directory.join("gone.img"), "raw", "vda");
    host(
        directory,
        &[
            ("empty", std::slice::from_ref(&cdrom)),
            ("1", &[mini.clone(), cdrom.clone()]),
            ("gone", &[gone]),
            ("far away", &[mini, network]),
            ("win", &[disk(&windows, "qcow2", "vda")]),
        ],
    )
}

#[test]
fn a_guest_is_found_by_name_or_uuid() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let uri = five_guests(scratch.path())?;
    for guest in [&["-d", "1"][..], &["--domain", "00000000-0000-4000-8000-000000000001"], &["1"]] {
        let out = run("virt-cat", [&["-c", uri.as_str()], guest, &["/etc/hostname"]].concat())?;
        ensure!(out.status == Some(0), "{guest:?}: {}", out.stderr);
        assert_eq!(text(&out), "debian-mini\n");
    }
    let out = run("virt-win-reg", ["-c", uri.as_str(), "win", r"HKLM\SYSTEM\Select", "Current"])?;
    assert_eq!((out.status, text(&out).as_str()), (Some(0), "1\n"));
    let mixed = run("virt-ls", ["-c", &uri, "-a", "/nothing.img", "-d", "1", "/"])?;
    ensure!(mixed.stderr.contains("/nothing.img: No such file"), "{}", mixed.stderr);
    Ok(())
}

#[test]
fn all_guests_are_examined_past_those_that_fail() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let uri = five_guests(scratch.path())?;
    let out = run("virt-df", ["-c", uri.as_str()])?;
    assert_eq!(out.status, Some(1));
    let table = text(&out);
    let mut names: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(n, _)| n).collect();
    names.dedup();
    assert_eq!(names, ["1", "win"]);
    for said in [
        "libvirt guest ‘empty’: it has no disks",
        "gone.img: No such file",
        "libvirt guest ‘far away’: its disk vdb is of the type network (nbd), which is not supported",
    ] {
        ensure!(out.stderr.contains(said), "{said}: {}", out.stderr);
    }
    let by_uuid = text(&run("virt-df", ["--uuid", "-c", uri.as_str()])?);
    ensure!(by_uuid.contains("00000000-0000-4000-8000-000000000001:"), "{by_uuid}");
    let one = text(&run("virt-df", ["-c", uri.as_str(), "-d", "1"])?);
    assert_eq!(one.matches("1:/dev/").count(), one.lines().filter(|line| line.contains(":/dev/")).count());

    let out = run("virt-inspector", ["-c", &uri, "--json", "--fields", "hostname", "1", "far away", "win"])?;
    assert_eq!(out.status, Some(1));
    let lines: Vec<serde_json::Value> =
        text(&out).lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let names: Vec<_> = lines.iter().map(|line| line["guest"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["1", "far away", "win"]);
    assert_eq!(lines[0]["disks"][0]["path"], data("debian-mini.qcow2").to_string_lossy().into_owned());
    Ok(())
}

#[test]
fn a_guest_that_runs_is_not_written_to() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let uri = five_guests(scratch.path())?;
    let change = scratch.path().join("change.reg");
    fs::write(&change, "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\SYSTEM\\New]\n")?;
    let change = change.to_string_lossy();
    // In libvirt's test driver all guests run.
    let out = run("virt-win-reg", ["-c", uri.as_str(), "--merge", "win", &change])?;
    assert_eq!(out.status, Some(1));
    ensure!(out.stderr.contains("the libvirt guest ‘win’ is running"), "{}", out.stderr);
    assert_eq!(fs::read(scratch.path().join("win10.qcow2"))?, fs::read(data("windows/win10.qcow2"))?);
    Ok(())
}

#[test]
fn what_libvirt_can_not_answer_is_said() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let uri = five_guests(scratch.path())?;
    for (arguments, said) in [
        (["-c", &uri, "-d", "nobody"], "no libvirt guest is called ‘nobody’"),
        (["-c", "test:///nowhere.xml", "-d", "1"], "libvirt: failed to connect to the hypervisor"),
    ] {
        let out = run("virt-cat", [&arguments[..], &["/etc/hostname"]].concat())?;
        ensure!(out.status == Some(1) && out.stderr.contains(said), "{arguments:?}: {}", out.stderr);
        ensure!(out.stderr.contains("hint: add the guest's disks with -a FILE"), "{}", out.stderr);
    }
    let out = ended(Command::new(tool("virt-df")?).env("PATH", scratch.path()))?;
    let said = "libvirt is asked through virsh, which can't be run: No such file or directory";
    ensure!(out.status == Some(1) && out.stderr.contains(said), "{}", out.stderr);
    Ok(())
}

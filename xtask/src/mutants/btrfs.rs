//! Fixtures of btrfs, which only the kernel fills: root, a loop device, btrfs-progs, acl, attr.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::fixtures::run;

/// Size of the images; there is room for little, so that changes hit something.
const SIZE: &str = "24M";

/// What is in them: names, links and attributes of all kinds, compressed and sparse files, subvolumes and snapshots.
const FILL: &str = r#"
mkdir -p a/b/c/d many
for i in $(seq 90); do head -c $i /dev/zero | tr '\0' m > many/"$(printf "%0$((1 + i % 20))d" 0)$i"; done
: > a/empty
yes 'a line of text' | head -c 60000 > a/b/text
head -c 30000 /dev/urandom > a/b/random
for i in $(seq 0 19); do printf data | dd of=a/b/c/sparse bs=1 seek=$((i * 40000)) conv=notrunc status=none; done
fallocate -l 100000 a/b/reserved
for n in 1 60 1000; do ln -s "$(printf "%0${n}d" 0)" a/symlink$n; done
ln a/b/text 'a/hard link'
cp --reflink=always a/b/random a/b/shared || :
mknod pipe p; mknod null c 1 3; mknod big b 1000 70000
for n in 1 60 200 400; do setfattr -n user.a$n -v "$(printf "%0${n}d" 0)" a/empty; done
setfacl -m u:1:rw,g:2:r a/b/text; setfacl -d -m u:3:rwx a/b
for name in a60ac2d3a3 259214b786; do echo $name > a/$name; setfattr -n user.$name -v $name a/b; done
btrfs -q subvolume create sub
btrfs -q subvolume create sub/inner
cp -r a many/*1* sub
btrfs -q subvolume snapshot . snap
btrfs -q subvolume snapshot -r sub read-only
sync -f .
"#;

/// What is then in the log.
const LOG: &str = r#"
for i in $(seq 20); do head -c $((i * 500)) /dev/urandom > many/new$i; sync many/new$i; done
mv a/b/random a/renamed; sync a/renamed
rm many/*5; ln a/b/text a/link; setfattr -x user.a60 a/empty; sync a/empty a/b/text
printf more >> sub/empty 2>/dev/null || :; sync sub/* || :
"#;

/// Makes `image` with `mkfs.btrfs` and `options`, mounted with `mount`; with `log`, as it is while it is still being written to.
pub(super) fn make(image: &Path, options: &str, mount: &str, log: bool) -> Result<()> {
    let work = tempfile::tempdir()?;
    let (log_script, keep) = if log { (LOG, r#"cp "$work/image" "$image""#) } else { ("", "") };
    let script = format!(
        r#"truncate -s {SIZE} "$work/image"
mkfs.btrfs -q {options} "$work/image" >/dev/null
mkdir "$work/mount"
mount -o loop,{mount} "$work/image" "$work/mount"
trap 'cd /; umount "$work/mount"' EXIT
cd "$work/mount"
{FILL}{log_script}{keep}
cd /
umount "$work/mount"
trap - EXIT
[ -e "$image" ] || mv "$work/image" "$image""#
    );
    let mut command = Command::new("bash");
    command.args(["-euc", &script]).env("work", work.path()).env("image", std::path::absolute(image)?);
    run(&mut command)
}

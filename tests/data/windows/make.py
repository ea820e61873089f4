#!/usr/bin/python3
"""Makes the Windows-like guests of this directory: ./make.py [GUEST...]

Each is a disk with the names, hives and programs by which a Windows is known, and no more. Filesystems are made by mkntfs and
mkfs.fat and filled through ntfs-3g (FUSE, so /dev/fuse is needed) and mcopy; hives are made by hivexregedit from the texts in
reg/, into which the places of partitions are put, but for the real ones, which are in hivex-rs/tests/data.

Times, identifiers and serial numbers are fixed. What mkntfs writes of its own (the times of its metadata files) is not, so two runs
differ in some bytes. Needs ntfs-3g, dosfstools, mtools, fdisk, libwin-hivex-perl, qemu-utils.
"""

import errno
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
REAL = HERE.parents[2] / "hivex-rs/tests/data/hives.tar.xz"
MIB = 1 << 20
SECTOR = 512
# 2024-01-02 03:04:05 UTC, in units of 100 ns since 1601.
TIME = 133486454450000000


def run(*args, **more):
    return subprocess.run([str(a) for a in args], check=True, stdout=subprocess.PIPE, **more).stdout


# ------------------------------------------------------------------ programs


def program(machine=0x8664, wide=True, tail=b""):
    """The headers of a PE program without any section."""
    optional = struct.pack("<HBBIIIII", 0x20B if wide else 0x10B, 14, 0, 0, 0, 0, 0, 0)
    if wide:
        optional += struct.pack("<QIIHHHHHHIIIIHHQQQQII", 0x140000000, 4096, 512, 10, 0, 10, 0, 10, 0, 0, 4096, 512,
                                0, 3, 0, 1 << 20, 4096, 1 << 20, 4096, 0, 0)
    else:
        optional += struct.pack("<IIIIHHHHHHIIIIHHIIIIII", 0, 0x400000, 4096, 512, 6, 0, 6, 0, 6, 0, 0, 4096, 512,
                                0, 3, 0, 1 << 20, 4096, 1 << 20, 4096, 0, 0)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", machine, 0, 0, 0, 0, len(optional), 0x22 if wide else 0x102)
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80)
    return (dos.ljust(0x80, b"\0") + coff + optional).ljust(SECTOR, b"\0") + tail


# ------------------------------------------------------------------ hives


def empty_hive():
    """A hive with a root key and its security, which keys below it share."""
    sid = bytes.fromhex("010200000000000520000000") + struct.pack("<I", 544)
    acl = struct.pack("<BBHHH", 2, 0, 8 + 8 + len(sid), 1, 0)
    ace = struct.pack("<BBHI", 0, 2, 8 + len(sid), 0xF003F) + sid
    head = struct.pack("<BBHIIII", 1, 0, 0x8004, 20, 20 + len(sid), 0, 20 + 2 * len(sid))
    security = head + sid + sid + acl + ace
    root, sk = 0x20, 0x20 + 4 + 76 + 8
    name = b"ROOT"
    nk = struct.pack("<2sHQ15IHH", b"nk", 0x2C, TIME, 0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFFFFFFFF,
                     sk, 0xFFFFFFFF, 0, 0, 0, 0, 0, len(name), 0)
    nk = (nk + name).ljust(sk - root - 4, b"\0")
    body = struct.pack("<2sHIIII", b"sk", 0, sk, sk, 1, len(security)) + security
    body = body.ljust(-(-(len(body) + 4) // 8) * 8 - 4, b"\0")
    cells = struct.pack("<i", -(len(nk) + 4)) + nk + struct.pack("<i", -(len(body) + 4)) + body
    free = 4096 - 0x20 - len(cells)
    hbin = struct.pack("<4sIIQQI", b"hbin", 0, 4096, 0, TIME, 0) + cells + struct.pack("<i", free)
    base = struct.pack("<4sIIQIIIIIII", b"regf", 1, 1, TIME, 1, 3, 0, 1, root, 4096, 1)
    return settle(base.ljust(4096, b"\0") + hbin.ljust(4096, b"\0"))


def settle(data):
    """Gives all keys of a hive the same time, and its header the right sum."""
    data = bytearray(data)
    at = 4096
    while at + 32 <= len(data) and data[at:at + 4] == b"hbin":
        size = struct.unpack_from("<I", data, at + 8)[0]
        cell = at + 32
        while cell < at + size:
            length = struct.unpack_from("<i", data, cell)[0]
            if length < 0 and data[cell + 4:cell + 6] == b"nk":
                struct.pack_into("<Q", data, cell + 8, TIME)
            cell += abs(length)
        at += size
    struct.pack_into("<Q", data, 12, TIME)
    total = 0
    for word in struct.unpack_from("<127I", data):
        total ^= word
    struct.pack_into("<I", data, 508, {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(total, total))
    return bytes(data)


def hive(text, places):
    """A hive of the text reg/TEXT. `${N}` there stands for the place of partition N."""
    reg = (HERE / "reg" / text).read_text()
    reg = re.sub(r"\$\{(\w+)\}", lambda m: ",".join(f"{b:02x}" for b in places[m[1]]), reg)
    prefix = re.search(r"^; (HKEY.*)$", reg, re.M)[1]
    # hivexregedit wants each parent before its child.
    known = {prefix}

    def with_parents(key):
        parts = key[1][len(prefix):].split("\\")
        paths = [prefix + "\\".join(parts[:n]) for n in range(1, len(parts) + 1)]
        new = [path for path in paths if path not in known]
        known.update(new)
        return "\n\n".join(f"[{path}]" for path in new)

    reg = re.sub(r"^\[(.*)\]$", with_parents, reg, flags=re.M)
    with tempfile.TemporaryDirectory() as t:
        path, source = Path(t) / "hive", Path(t) / "reg"
        path.write_bytes(empty_hive())
        source.write_text(reg.split("\n", 1)[1])
        run("hivexregedit", "--merge", "--encoding", "UTF-16LE", "--prefix", prefix, path, source)
        return settle(path.read_bytes())


def real(name):
    """A real hive."""
    return run("tar", "-xJOf", REAL, name)


# ------------------------------------------------------------------ filesystems


class Ntfs:
    """An NTFS: `files` by path; a path that ends in / is a directory."""

    def __init__(self, mib, files, label="", serial=0x1234567890ABCDEF, after=None, compressed=()):
        self.mib, self.files, self.label, self.serial = mib, files, label, serial
        self.after, self.compressed = after, compressed

    mbr, gpt = "7", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"

    def write(self, path, start, places):
        size = self.mib * MIB
        with open(path, "wb") as f:
            f.truncate(size)
        run("mkntfs", "-F", "-q", "-f", "-p", start, "-H", 255, "-S", 63, "-s", SECTOR, "-c", 4096, "-L", self.label, path,
            stderr=subprocess.DEVNULL)
        with open(path, "r+b") as f:
            for at in (0, size - SECTOR):
                f.seek(at + 72)
                f.write(struct.pack("<Q", self.serial))
        mount = Path(str(path) + ".mount")
        mount.mkdir()
        server = subprocess.Popen(["ntfs-3g", "-o", "compression,no_detach", str(path), str(mount)], stderr=subprocess.DEVNULL)
        try:
            while not os.path.ismount(mount):
                if server.poll() is not None:
                    raise RuntimeError(f"ntfs-3g ended with {server.returncode}")
                time.sleep(0.01)
            self.fill(mount, places)
        finally:
            if os.path.ismount(mount):
                run("umount", mount)
            server.wait()
            mount.rmdir()

    def fill(self, mount, places):
        made = []
        for name, content in self.files.items():
            path = mount / name.strip("/")
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                if name in self.compressed:
                    path.touch()
                    os.setxattr(path, "system.ntfs_attrib", struct.pack("<I", 0x820))
                path.write_bytes(content(places) if callable(content) else content)
        if self.after:
            self.after(mount)
        for directory, _, files in os.walk(mount, topdown=False):
            for path in [os.path.join(directory, name) for name in files] + [directory]:
                try:
                    os.setxattr(path, "system.ntfs_times", struct.pack("<4Q", TIME, TIME, TIME, TIME))
                except OSError as e:
                    # ntfs-3g does not reach what became a reparse point under the same mount.
                    if e.errno not in (errno.EIO, errno.ENOENT):
                        raise


class Fat:
    """A FAT with files by path: an EFI system partition."""

    def __init__(self, mib, files):
        self.mib, self.files = mib, files

    mbr, gpt = "c", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"

    def write(self, path, start, places):
        with open(path, "wb") as f:
            f.truncate(self.mib * MIB)
        fat = ["-F", "32" if self.mib > 33 else "16", "-s", "1"]
        env = dict(os.environ, SOURCE_DATE_EPOCH="1704164645")
        run("mkfs.fat", *fat, "-i", "12345678", "-n", "SYSTEM", "--invariant", path, env=env)
        for name, content in self.files.items():
            parts = name.strip("/").split("/")
            for n in range(1, len(parts)):
                subprocess.run(["mmd", "-D", "s", "-i", str(path), "::" + "/".join(parts[:n])], check=False, env=env,
                               stderr=subprocess.DEVNULL)
            with tempfile.NamedTemporaryFile() as source:
                source.write(content(places) if callable(content) else content)
                source.flush()
                os.utime(source.name, (1704164645, 1704164645))
                run("mcopy", "-m", "-i", path, source.name, "::" + "/".join(parts), env=env)


class Bare:
    """A partition without a filesystem."""

    def __init__(self, mib, gpt):
        self.mib, self.gpt, self.mbr = mib, gpt, "da"

    def write(self, path, _start, _places):
        with open(path, "wb") as f:
            f.truncate(self.mib * MIB)


class Recovery(Ntfs):
    """An NTFS with the type of a recovery partition."""

    mbr, gpt = "27", "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC"


# ------------------------------------------------------------------ disks


class Disk:
    """A disk with partitions, the first of which begins at 1 MiB. `id` is its signature, or its GUID: then it has a GPT."""

    def __init__(self, id, *partitions):
        self.id, self.partitions = id, partitions
        self.starts = []
        at = MIB
        for partition in partitions:
            self.starts.append(at)
            at += partition.mib * MIB
        self.size = at + MIB
        self.is_gpt = isinstance(id, str)

    def guid(self, n):
        return uuid.uuid5(uuid.UUID(self.id), f"partition {n}")

    def place(self, n):
        """What MountedDevices says of partition `n` (from 1)."""
        if self.is_gpt:
            return b"DMIO:ID:" + self.guid(n).bytes_le
        return struct.pack("<IQ", self.id, self.starts[n - 1])

    def write(self, target, places):
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as t:
            image = Path(t) / "disk"
            with open(image, "wb") as f:
                f.truncate(self.size)
            table = [f"label: {'gpt' if self.is_gpt else 'dos'}",
                     f"label-id: {self.id if self.is_gpt else hex(self.id)}"]
            for n, (partition, start) in enumerate(zip(self.partitions, self.starts), 1):
                line = f"start={start // SECTOR}, size={partition.mib * MIB // SECTOR}, "
                line += f"type={partition.gpt}, uuid={self.guid(n)}" if self.is_gpt else f"type={partition.mbr}"
                table.append(line + (", bootable" if n == 1 and not self.is_gpt else ""))
            run("sfdisk", "--quiet", image, input="\n".join(table).encode())
            for partition, start in zip(self.partitions, self.starts):
                part = Path(t) / "partition"
                partition.write(part, start // SECTOR, places)
                run("dd", f"if={part}", f"of={image}", "bs=64K", f"seek={start // 65536}", "conv=notrunc,sparse", "status=none")
                part.unlink()
            target.unlink(missing_ok=True)
            run("qemu-img", "convert", "-q", "-c", "-O", "qcow2", "-o", "cluster_size=4k", image, target)


# ------------------------------------------------------------------ guests


def of(text):
    """A file whose content is a hive, made when places are known."""
    return lambda places: hive(text, places)


HOSTS = b"# Copyright (c) 1993-2009 Microsoft Corp.\r\n#\r\n127.0.0.1       localhost\r\n10.0.0.5        fileserver\r\n"


def system_files(name, systemroot="/Windows", cmd=None, config="config"):
    at = f"{systemroot}/System32"
    return {
        f"{at}/cmd.exe": cmd or program(),
        f"{at}/{config}/SOFTWARE": of(f"{name}-software.reg"),
        f"{at}/{config}/SYSTEM": of(f"{name}-system.reg"),
        f"{at}/drivers/etc/hosts": HOSTS,
    }


def windows_10():
    c = Ntfs(8, {
        "/System Volume Information/": None,
        **system_files("win10"),
        "/Windows/System32/config/SAM": of("sam.reg"),
        "/Windows/System32/config/SECURITY": lambda _: real("SECURITY"),
        "/Windows/System32/config/DEFAULT": of("default.reg"),
        "/Windows/explorer.exe": program(),
        "/Windows/win.ini": b"; for 16-bit app support\r\n[fonts]\r\n[extensions]\r\n",
        "/Users/alice/NTUSER.DAT": of("alice.reg"),
        "/Users/alice/Documents/Letter.txt": b"Dear Bob,\r\n",
        "/Program Files/Example Viewer/viewer.exe": program(),
        "/ProgramData/": None,
    }, serial=0x5C10A1C210A19E0A)
    return [Disk(0x6E1B5A9F, c)]


def windows_xp():
    c = Ntfs(8, {
        "/System Volume Information/": None,
        "/boot.ini": b"[boot loader]\r\ntimeout=30\r\ndefault=multi(0)disk(0)rdisk(0)partition(1)\\WINDOWS\r\n"
                     b"[operating systems]\r\nmulti(0)disk(0)rdisk(0)partition(1)\\WINDOWS=\"Microsoft Windows XP\" /fastdetect\r\n",
        "/WINDOWS/system32/cmd.exe": program(0x14C, wide=False),
        "/WINDOWS/system32/config/software": of("winxp-software.reg"),
        "/WINDOWS/system32/config/system": of("winxp-system.reg"),
        "/WINDOWS/system32/drivers/etc/hosts": HOSTS,
        "/WINDOWS/explorer.exe": program(0x14C, wide=False),
        "/Documents and Settings/Bob/NTUSER.DAT": of("bob.reg"),
        "/Program Files/": None,
    }, label="XP", serial=0x2C3D4E5F60718293)
    return [Disk(0x0BADCAFE, c)]


def windows_2003():
    """In a directory that only boot.ini names, on a FAT."""
    c = Fat(8, {
        "/boot.ini": b"[boot loader]\r\ndefault=multi(0)disk(0)rdisk(0)partition(1)\\WINSRV\r\n"
                     b"[operating systems]\r\nmulti(0)disk(0)rdisk(0)partition(1)\\WINSRV=\"Windows Server 2003\"\r\n",
        "/WINSRV/system32/cmd.exe": program(0x14C, wide=False),
        "/WINSRV/system32/config/software": of("win2003-software.reg"),
        "/WINSRV/system32/config/system": of("win2003-system.reg"),
    })
    return [Disk(0x20030001, c)]


def windows_7():
    reserved = Ntfs(4, {
        "/Boot/BCD": lambda _: real("BCD"),
        "/bootmgr": b"",
        "/System Volume Information/": None,
    }, label="System Reserved", serial=0x7A01)

    def after(mount):
        # A junction: what of the substitute name, then of the name to show (both UTF-16, with NULs).
        target, shown = "\\??\\C:\\Users".encode("utf-16-le"), "C:\\Users".encode("utf-16-le")
        body = struct.pack("<4H", 0, len(target), len(target) + 2, len(shown)) + target + b"\0\0" + shown + b"\0\0"
        path = mount / "Documents and Settings"
        path.mkdir()
        os.setxattr(path, "system.ntfs_reparse_data", struct.pack("<IHH", 0xA0000003, len(body), 0) + body)
        with open(mount / "Users/carol/sparse.vhd", "wb") as f:
            f.truncate(1 << 20)
            f.seek(1 << 19)
            f.write(b"middle")
        os.setxattr(mount / "Users/carol/download.exe", "user.Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n")

    c = Ntfs(12, {
        "/System Volume Information/": None,
        **system_files("win7"),
        "/Windows/explorer.exe": program(),
        "/Users/carol/NTUSER.DAT": lambda _: real("transactions_NTUSER.DAT"),
        "/Users/carol/ntuser.dat.LOG1": lambda _: real("transactions_ntuser.dat.log1"),
        "/Users/carol/ntuser.dat.LOG2": lambda _: real("transactions_ntuser.dat.log2"),
        "/Users/carol/download.exe": program(),
        "/Users/carol/compressed.log": b"2011-07-07 nothing happened\r\n" * 10000,
        "/Program Files/": None,
    }, serial=0x7C01, after=after, compressed=["/Users/carol/compressed.log"])
    return [Disk(0x7E57D15C, reserved, c)]


def windows_11():
    def after(mount):
        # As Windows compacts its programs: the content is in a stream, here in one chunk that is not compressed.
        path = mount / "Windows/notepad.exe"
        content = program()
        with open(path, "wb") as f:
            f.truncate(len(content))
        os.setxattr(path, "user.WofCompressedData", content)
        point = struct.pack("<IHH4I", 0x80000017, 16, 0, 1, 2, 1, 0)
        os.setxattr(path, "system.ntfs_reparse_data", point)

    c = Ntfs(8, {
        "/System Volume Information/": None,
        **system_files("win11"),
        "/Windows/explorer.exe": program(),
        "/Users/dave/NTUSER.DAT": of("alice.reg"),
    }, serial=0x11C, after=after)
    recovery = Recovery(4, {
        "/Recovery/WindowsRE/ReAgent.xml": b"<?xml version='1.0' encoding='utf-8'?><WindowsRE version=\"2.0\"/>",
        "/System Volume Information/": None,
    }, label="Recovery", serial=0x11D)
    return [Disk("5D4E2A60-7B11-4C55-9C0E-1F6F2E8A1B11", esp(), MSR, c, recovery)]


def windows_2022():
    c = Ntfs(8, {
        "/System Volume Information/": None,
        **system_files("win2022"),
        "/Windows/explorer.exe": program(),
        "/Users/Administrator/NTUSER.DAT": of("alice.reg"),
    }, serial=0x22C)
    shares = Ntfs(4, {"/System Volume Information/": None, "/Shares/Minutes.txt": b"Nothing was decided.\r\n"},
                  label="Shares", serial=0x22D)
    programs = Ntfs(4, {"/System Volume Information/": None, "/Program Files/Sync/sync.ini": b"[sync]\r\n"}, serial=0x22E)
    return [Disk("20220000-7B11-4C55-9C0E-1F6F2E8A1B22", esp(), MSR, c), Disk(0x20220002, shares, programs)]


def esp():
    return Fat(34, {"/EFI/Microsoft/Boot/BCD": real("BCD"), "/EFI/Microsoft/Boot/bootmgfw.efi": program()})


MSR = Bare(1, "E3C9E316-0B5C-4DB8-817D-F92DF00215AE")

GUESTS = {
    "winxp": windows_xp,
    "win2003": windows_2003,
    "win7": windows_7,
    "win10": windows_10,
    "win11": windows_11,
    "win2022": windows_2022,
}


def main():
    for name in sys.argv[1:] or GUESTS:
        disks = GUESTS[name]()
        # A disk that is not there any more, and what is no disk.
        places = {"gone": struct.pack("<IQ", 0xDEAD, MIB), "floppy": "\\??\\FDC#GENERIC".encode("utf-16-le")}
        for disk, letter in zip(disks, "abcdef"):
            places.update({f"{letter}{n}": disk.place(n) for n in range(1, len(disk.partitions) + 1)})
        for disk, letter in zip(disks, "abcdef"):
            target = HERE / (f"{name}.qcow2" if letter == "a" else f"{name}-{letter}.qcow2")
            disk.write(target, places)
            print(target.name, target.stat().st_size)


main()

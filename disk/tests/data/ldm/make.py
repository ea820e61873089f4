#!/usr/bin/env python3
"""Writes the dynamic disks in this directory, and what ldmtool says of them.

No program under Linux makes dynamic disks: databases are written here from the format's description (Linux-NTFS's "LDM
Documentation"; on GPT as Windows Server 2008 R2 lays them out). Each volume holds an NTFS made by mkntfs, with two files.

    mbr-1 … mbr-4   group "Old-Dg0", as of Windows 2000: MBR, records in several VBLKs, numbers of two bytes
                    (mbr-4 lacks the first PRIVHEAD and the first TOCBLOCK: the copies count)
    mbr-4-stale     mbr-4 before the last change, with other data
    gpt-1, gpt-2    group "New Größe": GPT, later forms of records
    and gpt-3       its third disk, with an MBR

Needs ldmtool, mkntfs and ntfscp (ntfs-3g), xz. Writes disks.img.xz, which is all disks one after the other (they have much
in common), and expected.json: the names of the disks in their order, ldmtool's answers, and the SHA-256 of each volume.
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import uuid
import zlib

SECTOR = 512
DISK = 16384  # sectors of a disk: 8 MiB
DATABASE = 2048  # sectors of a database
VBLK = 128
CONFIG = (17, 1481)  # first sector in the database, and sectors
LOG = (1498, 224)
CHUNK = 128  # sectors


def guid(text):
    """The same identifiers in each run."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "dynamic disk fixture " + text)


def number(value):
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(data)]) + data


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return bytes([len(data)]) + data


def record(kind, body, flags=0, state=0):
    return struct.pack(">HBBI", state, flags, kind, len(body)) + body


class Disk:
    def __init__(self, name, file, gpt=False, alternative=""):
        self.name, self.file, self.gpt, self.alternative = name, file, gpt, alternative
        self.guid = guid(file)
        self.bytes = bytearray(DISK * SECTOR)
        if gpt:
            self.database, self.data = 34, (34 + DATABASE, DISK - 34 - DATABASE - 33)
            self.next = 94
        else:
            self.database, self.data = DISK - DATABASE, (63, DISK - DATABASE - 63)
            self.next = 0

    def take(self, sectors):
        start = self.next
        self.next += sectors
        assert self.next <= self.data[1], self.file
        return start

    def write(self, sector, data):
        self.bytes[sector * SECTOR : sector * SECTOR + len(data)] = data


class Partition:
    def __init__(self, disk, number_, size, offset=0, index=None):
        self.disk, self.size, self.offset, self.index = disk, size, offset, index
        self.name = f"{disk.name}-{number_:02}"
        self.start = disk.take(size)

    def write(self, data):
        assert len(data) == self.size * SECTOR
        self.disk.write(self.disk.data[0] + self.start, data)


class Volume:
    """components: lists of partitions. kind: simple, spanned, striped, mirrored, raid5."""

    def __init__(self, name, kind, components, hint=None, fields=False):
        self.name, self.kind, self.components, self.hint, self.fields = name, kind, components, hint, fields
        parts = components[0]
        total = sum(part.size for part in parts)
        self.size = total * (len(parts) - 1) // len(parts) if kind == "raid5" else total
        self.guid = guid("volume " + name)

    def fill(self, data):
        assert len(data) == self.size * SECTOR
        self.sha256 = hashlib.sha256(data).hexdigest()
        if self.kind in ("simple", "spanned", "mirrored"):
            for parts in self.components:
                for part in parts:
                    part.write(data[part.offset * SECTOR : (part.offset + part.size) * SECTOR])
            return
        parts = self.components[0]
        columns = [bytearray() for _ in parts]
        chunks = [data[i : i + CHUNK * SECTOR] for i in range(0, len(data), CHUNK * SECTOR)]
        if self.kind == "striped":
            for i, chunk in enumerate(chunks):
                columns[i % len(columns)] += chunk
        else:
            width = len(parts) - 1
            for row in range(len(chunks) // width):
                members = chunks[row * width : (row + 1) * width]
                parity = 0
                for member in members:
                    parity ^= int.from_bytes(member, "big")
                at = width - row % len(parts)
                columns[at] += parity.to_bytes(CHUNK * SECTOR, "big")
                for i, member in enumerate(members):
                    columns[(at + 1 + i) % len(parts)] += member
        for part, column in zip(parts, columns):
            part.write(bytes(column))


class Group:
    def __init__(self, name, disks, volumes, sequence, first_id, new):
        self.name, self.disks, self.volumes, self.sequence, self.new = name, disks, volumes, sequence, new
        self.guid, self.next_id = guid("group " + name), first_id

    def id(self):
        self.next_id += 1
        return self.next_id

    def records(self):
        transaction = struct.pack(">Q", self.sequence)
        group = number(self.id()) + text(self.name)
        if self.new:
            yield record(0x45, group + self.guid.bytes + bytes(16) + bytes(4) + transaction)
        else:
            yield record(0x35, group + text(str(self.guid)) + bytes(4) + transaction)
        ids = {}
        for disk in self.disks:
            ids[disk] = self.id()
            body = number(ids[disk]) + text(disk.name)
            if self.new:
                yield record(0x44, body + disk.guid.bytes + text("") + bytes(4) + bytes(17) + transaction)
            else:
                yield record(0x34, body + text(str(disk.guid)) + text(disk.alternative) + bytes(4) + transaction)
        for count, volume in enumerate(self.volumes, 1):
            volume_id = self.id()
            raid5 = volume.kind == "raid5"
            flags = (0x02 if volume.hint else 0) | (0xA8 if volume.fields else 0)
            body = number(volume_id) + text(volume.name) + text("raid5" if raid5 else "gen")
            body += text("8000000000000000" if volume.fields else "") + b"ACTIVE".ljust(14, b"\0")
            body += bytes([4 if raid5 else 3, 1, count, 0, 0, 0, 0x11]) + number(len(volume.components))
            body += transaction + bytes(8) + number(volume.size) + bytes(4) + b"\x07" + volume.guid.bytes
            if volume.fields:
                body += text("first") + text("second") + number(volume.size)
            if volume.hint:
                body += text(volume.hint)
            yield record(0x51, body, flags)
            for which, parts in enumerate(volume.components, 1):
                component = self.id()
                striped = volume.kind in ("striped", "raid5")
                layout = {"striped": 1, "raid5": 3}.get(volume.kind, 2)
                body = number(component) + text(f"{volume.name}-{which:02}") + text("ACTIVE") + bytes([layout])
                body += bytes(4) + number(len(parts)) + transaction + bytes(8) + number(volume_id) + b"\0"
                if striped:
                    body += number(CHUNK) + number(len(parts))
                yield record(0x32, body, 0x10 if striped else 0)
                # Not in order: the offsets and columns count.
                for part in reversed(parts):
                    body = number(self.id()) + text(part.name) + bytes(4) + transaction
                    body += struct.pack(">QQ", part.start, part.offset) + number(part.size)
                    body += number(component) + number(ids[part.disk])
                    if part.index:
                        body += number(part.index)
                    yield record(0x33, body, 0x08 if part.index else 0)

    def database(self):
        records = list(self.records())
        count = lambda kind: sum(1 for r in records if r[3] & 0xF == kind)
        counts = struct.pack(">4I12x", count(1), count(2), count(3), count(4))
        last = CONFIG[1] * SECTOR // VBLK
        vmdb = b"VMDB" + struct.pack(">IIIHHH", last, VBLK, SECTOR, 1, 4, 10)
        vmdb += self.name.encode().ljust(31, b"\0") + str(self.guid).encode().ljust(64, b"\0")
        vmdb += struct.pack(">QQ", self.sequence, self.sequence) + counts + counts
        # Every other VBLK is used, and the first parts of long records come after the second.
        blocks = []
        for n, data in enumerate(records, 1):
            size = VBLK - 16
            pieces = [data[i : i + size] for i in range(0, len(data), size)]
            for i in reversed(range(len(pieces))):
                blocks.append(struct.pack(">IHH", n, i, len(pieces)) + pieces[i])
                blocks.append(bytes(8))
        area = bytearray(vmdb.ljust(SECTOR, b"\0"))
        for sequence in range(4, last):
            block = blocks.pop(0) if blocks else bytes(8)
            area += (b"VBLK" + struct.pack(">I", sequence) + block).ljust(VBLK, b"\0")
        assert not blocks
        return bytes(area)

    def privhead(self, disk):
        head = b"PRIVHEAD" + struct.pack(">IHHQQQQ", 0x2F6E, 2, 12 if self.new else 11, 0, 1, 2047, 1856)
        for identifier in (disk.guid, guid("host"), self.guid):
            head += str(identifier).encode().ljust(64, b"\0")
        head += self.name.encode().ljust(32, b"\0") + struct.pack(">H9x", 0x200)
        head += struct.pack(">6Q", *disk.data, disk.database, DATABASE, 1, 2046)
        head += struct.pack(">IIQQ", 1, 1, CONFIG[1], LOG[1])
        return head.ljust(SECTOR, b"\0")

    def write(self):
        toc = b"TOCBLOCK" + struct.pack(">I4xI16x", 2230, 1)
        toc += b"config".ljust(8, b"\0") + struct.pack(">HQQQ", 0, *CONFIG, 0x600010000000000)
        toc += b"log".ljust(8, b"\0") + struct.pack(">HQQQ", 0, *LOG, 0x600010000000000)
        database = self.database()
        for disk in self.disks:
            for at in (1, 2, 2045, 2046):
                disk.write(disk.database + at, toc)
            disk.write(disk.database + CONFIG[0], database)
            disk.write(disk.database + LOG[0], b"KLOG")
            for at in (1856, 2047):
                disk.write(disk.database + at, self.privhead(disk))
            if disk.gpt:
                gpt(disk)
            else:
                disk.write(6, self.privhead(disk))
                entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x42, b"\xfe\xff\xff", *disk.data)
                mbr = bytes(440) + disk.guid.bytes[:4] + bytes(2) + entry + bytes(48) + b"\x55\xaa"
                disk.write(0, mbr)


def gpt(disk):
    def entry(kind, name, first, sectors):
        data = uuid.UUID(kind).bytes_le + guid(disk.file + name).bytes_le
        return data + struct.pack("<QQQ", first, first + sectors - 1, 0) + name.encode("utf-16le").ljust(72, b"\0")

    entries = entry("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "LDM metadata partition", disk.database, DATABASE)
    entries += entry("af9b60a0-1431-4f62-bc68-3311714a69ad", "LDM data partition", *disk.data)
    entries = entries.ljust(128 * 128, b"\0")

    def header(at, other, table):
        def pack(crc):
            data = b"EFI PART" + struct.pack("<IIIIQQQQ", 0x10000, 92, crc, 0, at, other, 34, DISK - 34)
            return data + guid("gpt " + disk.file).bytes_le + struct.pack("<QIII", table, 128, 128, zlib.crc32(entries))

        return pack(zlib.crc32(pack(0)))

    protective = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, DISK - 1)
    disk.write(0, bytes(446) + protective + bytes(48) + b"\x55\xaa")
    disk.write(1, header(1, DISK - 1, 2))
    disk.write(2, entries)
    disk.write(DISK - 33, entries)
    disk.write(DISK - 1, header(DISK - 1, 1, DISK - 33))


def ntfs(volume, directory):
    """A filesystem with two files: which volume it is, and something longer than a chunk."""
    image, file = os.path.join(directory, "image"), os.path.join(directory, "file")
    with open(image, "wb") as out:
        out.truncate(volume.size * SECTOR)
    subprocess.run(["mkntfs", "-QFq", "-c", "512", "-L", volume.name, image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name, content in (
        ("name.txt", f"{volume.name}: {volume.kind}\n"),
        ("lines.txt", "".join(f"{volume.name} {line}\n" for line in range(6000))),
    ):
        with open(file, "w") as out:
            out.write(content)
        subprocess.run(["ntfscp", "-q", image, file, name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(image, "rb") as done:
        return done.read()


def old():
    one, two, three, four = disks = [
        Disk(f"Disk{n}", f"mbr-{n}", alternative=f"SCSI\\DISK&VEN_QEMU&PROD_HARDDISK&REV_2.5+\\4&1618751F&0&0{n}0000")
        for n in range(1, 5)
    ]
    volumes = [
        Volume("Volume1", "simple", [[Partition(one, 1, 2560)]], "C:"),
        Volume("Volume2", "spanned", [[Partition(one, 2, 2000), Partition(two, 1, 1001, 2000), Partition(one, 3, 500, 3001)]], "D:"),
        Volume("Stripe1", "striped", [[Partition(two, 2, 2560), Partition(three, 1, 2560, 0, 1), Partition(four, 1, 2560, 0, 2)]], "E:"),
        Volume("Volume3", "mirrored", [[Partition(three, 2, 2600)], [Partition(four, 2, 2600)]], "F:"),
        Volume("Raid1", "raid5", [[Partition(four, 3, 2560), Partition(two, 3, 2560, 0, 1), Partition(three, 3, 2560, 0, 2)]], "G:", True),
    ]
    return Group("Old-Dg0", disks, volumes, 1133, 0x400, False)


def new():
    disks = [Disk("Disk1", "gpt-1", True), Disk("Disk2", "gpt-2", True), Disk("Disk3", "gpt-3")]
    one, two, three = disks
    volumes = [
        Volume("Volume1", "mirrored", [[Partition(one, 1, 3000)], [Partition(two, 1, 3000)]], "C:", True),
        Volume("Daten 1", "spanned", [[Partition(two, 2, 1500), Partition(three, 1, 1500, 1500)]]),
        Volume("Raid1", "raid5", [[Partition(one, 2, 2560), Partition(two, 3, 2560, 0, 1), Partition(three, 2, 2560, 0, 2)]], "R:"),
    ]
    return Group("New Größe", disks, volumes, 39, 0, True)


def ldmtool(files, *words):
    command = ["ldmtool"]
    for file in files:
        command += ["-d", file]
    run = subprocess.run(command + list(words), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(run.stdout)


def describe(files):
    """All that ldmtool says of disks."""
    groups = []
    for identifier in ldmtool(files, "scan"):
        group = ldmtool(files, "show", "diskgroup", identifier)
        show = lambda kind, name: ldmtool(files, "show", kind, identifier, name)
        group["volumes"] = [show("volume", name) for name in group["volumes"]]
        group["disks"] = [show("disk", name) for name in group["disks"]]
        names = [name for volume in group["volumes"] for name in volume["partitions"]]
        group["partitions"] = [show("partition", name) for name in names]
        for disk in group["disks"]:
            disk["device"] = os.path.basename(disk["device"]).removesuffix(".img")
        groups.append(group)
    return groups


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    expected = {"disks": [], "groups": [], "sha256": {}}
    disks = bytearray()
    with tempfile.TemporaryDirectory() as directory:
        def save(name, data):
            path = os.path.join(directory, name + ".img")
            with open(path, "wb") as out:
                out.write(data)
            return path

        def keep(name, data):
            expected["disks"].append(name)
            disks.extend(data)

        for group in (old(), new()):
            for volume in group.volumes:
                volume.fill(ntfs(volume, directory))
                expected["sha256"][f"{group.name}/{volume.name}"] = volume.sha256
            group.write()
            expected["groups"] += describe([save(disk.file, bytes(disk.bytes)) for disk in group.disks])
            for disk in group.disks[: None if group.new else -1]:
                keep(disk.file, bytes(disk.bytes))
            if group.new:
                continue
            # What ldmtool can't do: the copies of damaged structures.
            last = group.disks[-1]
            sound = bytes(last.bytes)
            last.write(6, bytes(SECTOR))
            last.write(last.database + 2, bytes(SECTOR))
            keep(last.file, bytes(last.bytes))
            # An earlier state of the last disk: data that were changed since, and a database that is older.
            last.bytes = bytearray(sound)
            for volume in group.volumes:
                for part in (part for parts in volume.components for part in parts if part.disk is last):
                    part.write(b"\xaa" * part.size * SECTOR)
            group.sequence, group.next_id = group.sequence - 1, 0x400
            group.write()
            keep("mbr-4-stale", bytes(last.bytes))
    with open(os.path.join(here, "disks.img.xz"), "wb") as out:
        subprocess.run(["xz", "-9e", "-c"], check=True, stdout=out, input=disks)
    with open(os.path.join(here, "expected.json"), "w") as out:
        json.dump(expected, out, indent=1, ensure_ascii=False)
        out.write("\n")


if __name__ == "__main__":
    sys.exit(main())

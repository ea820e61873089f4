#!/usr/bin/env python3
"""make.py NAME FILE: writes a UDF image with what no program at hand makes, for the tests of udf.rs.

    odd        two physical partitions, odd names, times, extents, devices, links; free space in a bitmap
    table      the same, free space in a table, blocks of 512 bytes
    metadata   UDF 2.50: a metadata partition in two extents, with its mirror
    mirror     the same, without the file entry of the metadata
    half       the same, where the metadata file's second extent is not recorded, but its mirror's is
    small      the same as metadata, in small blocks: for fuzzers
    virtual150, virtual201   virtual partitions: file entries in blocks of a table
    sparable   packets that were moved

Sources: ECMA-167 (3rd edition), OSTA UDF 1.50 to 2.60.
"""
import binascii
import struct
import sys

PARTITION = 272
PACKET = 32
UNKNOWN = 0xFFFFFFFF
PLAIN, SPARABLE, METADATA, VIRTUAL = "plain", "sparable", "metadata", "virtual"
SHORT, LONG, EMBEDDED = 0, 1, 3


def crc16(data):
    return binascii.crc_hqx(data, 0)


def tagged(ident, location, body, version=3, covered=None):
    covered = len(body) if covered is None else covered
    tag = bytearray(struct.pack("<HHBBHHHI", ident, version, 0, 0, 1, crc16(body[:covered]), covered, location))
    tag[4] = sum(tag) & 0xFF
    return bytes(tag) + body


def regid(name, suffix=b"", flags=0):
    return bytes([flags]) + name.encode().ljust(23, b"\0") + suffix.ljust(8, b"\0")


def dstring(text, size):
    data = b"\x08" + text.encode("latin-1")
    return data.ljust(size - 1, b"\0") + bytes([len(data)])


CHARSET = b"\0OSTA Compressed Unicode".ljust(64, b"\0")


def stamp(year=2026, month=11, day=21, hour=13, minute=14, second=15, zone=0, kind=1, parts=(1, 2, 3)):
    return struct.pack("<HHBBBBBBBB", kind << 12 | zone & 0xFFF, year, month, day, hour, minute, second, *parts)


NOW = stamp()


def pattern(size, seed=0):
    return bytes((at % 251) ^ (at >> 9 & 0xFF) ^ seed for at in range(size))


class Volume:
    def __init__(self, name, layout=PLAIN, bs=2048, rev=0x0201, blocks=900, second=False, space="bitmap"):
        self.name, self.layout, self.bs, self.rev, self.blocks = name, layout, bs, rev, blocks
        self.second, self.space = second, space
        self.image = bytearray(bs * blocks)
        self.length = blocks - PARTITION - (100 if second else 0 if layout == VIRTUAL else 20)
        self.next = 40
        self.meta_next = 0
        self.vat = []
        self.version = 3 if rev >= 0x0200 else 2
        # The metadata file: two extents of the partition, out of order; and its mirror.
        self.main = [(700, 20), (500, 180)]
        self.mirror = [(720, 60), (900, 140)]
        # Packets of the partition, and the blocks of the medium that they were moved to.
        self.moved = {1: 150, 3: 190}
        self.unique = 16
        self.ref = 1 if layout in (METADATA, VIRTUAL) else 0

    # Blocks.

    def put(self, number, data):
        assert len(data) <= self.bs, len(data)
        self.image[number * self.bs : number * self.bs + len(data)] = data

    def places(self, ref, block):
        if ref == 2:
            return [PARTITION + self.length + block]
        if ref == 0:
            if self.layout == SPARABLE and block // PACKET in self.moved:
                return [self.moved[block // PACKET] + block % PACKET]
            return [PARTITION + block]
        if self.layout == VIRTUAL:
            return self.places(0, self.vat[block])
        found = []
        for runs in (self.main, self.mirror):
            left = block
            for start, count in runs:
                if left < count:
                    found.append(PARTITION + start + left)
                    break
                left -= count
        return found

    def write(self, ref, block, data):
        for number in self.places(ref, block):
            self.put(number, data)

    def data_block(self, count=1):
        block = self.next
        self.next += count
        return block

    def meta_block(self):
        if self.layout == METADATA:
            self.meta_next += 1
            return self.meta_next - 1
        if self.layout == VIRTUAL:
            # Every other entry is free, and blocks are not in order.
            self.vat += [0xFFFFFFFF, self.data_block()]
            return len(self.vat) - 1
        return self.data_block()

    # Files.

    def entry(self, kind, form, area, size, block=None, links=1, eas=b"", permissions=0x14A5, uid=0, gid=0, flags=0,
              times=(NOW, NOW, NOW), recorded=0, larger=None, ref=None):
        ref = self.ref if ref is None else ref
        block = self.meta_block() if block is None else block
        larger = self.rev >= 0x0200 if larger is None else larger
        self.unique += 1
        icb = struct.pack("<IHHHBBIHH", 0, 4, 0, 1, 0, kind, 0, 0, flags | form)
        body = icb + struct.pack("<IIIHBBIQ", uid, gid, permissions, links, 0, 0, 0, size)
        if larger:
            body += struct.pack("<QQ", size, recorded) + times[0] + times[1] + NOW + times[2]
            body += struct.pack("<II", 1, 0) + bytes(32)
        else:
            body += struct.pack("<Q", recorded) + times[0] + times[1] + times[2] + struct.pack("<I", 1) + bytes(16)
        body += regid("*make.py") + struct.pack("<QII", self.unique, len(eas), len(area)) + eas + area
        self.write(ref, block, tagged(266 if larger else 261, block, body, self.version))
        return (ref, block)

    def short(self, length, block):
        return struct.pack("<II", length, block)

    def long(self, length, block, ref=0):
        return struct.pack("<IIH6x", length, block, ref)

    def ad(self, length, block):
        """A descriptor of an extent of data, in the form that this layout has."""
        return self.short(length, block) if self.ref == 0 else self.long(length, block)

    def form(self):
        return SHORT if self.ref == 0 else LONG

    def store(self, data, ref=0):
        count = -(-len(data) // self.bs)
        block = self.data_block(count)
        for nr in range(count):
            self.write(ref, block + nr, data[nr * self.bs : (nr + 1) * self.bs])
        return block

    def file(self, data, **other):
        block = self.store(data)
        return self.entry(5, self.form(), self.ad(len(data), block), len(data), recorded=-(-len(data) // self.bs), **other)

    def embedded(self, data, kind=5, **other):
        return self.entry(kind, EMBEDDED, data, len(data), **other)

    def identifier(self, name, place, traits=0, use=b"", location=0):
        ref, block = place
        body = struct.pack("<HBB", 1, traits, len(name)) + struct.pack("<IIH6x", self.bs, block, ref)
        body += struct.pack("<H", len(use)) + use + name
        body += bytes(-(len(body) + 16) % 4)
        return tagged(257, location, body, self.version)

    def directory(self, names, parent=None, block=None, spread=False, **other):
        """`names` are (stored name, place[, characteristics, other use])."""
        block = self.meta_block() if block is None else block
        parent = parent or (self.ref, block)
        data = self.identifier(b"", parent, 0x0A, location=block)
        data += b"".join(self.identifier(*name, location=block) for name in names)
        if not spread:
            return self.entry(4, EMBEDDED, data, len(data), block=block, **other)
        # Two extents, the second of which starts within a name.
        pieces = [data[: self.bs], data[self.bs :]]
        area = b""
        for piece in pieces:
            for at in range(0, len(piece), self.bs):
                part = piece[at : at + self.bs]
                if self.ref == 0:
                    area += self.short(len(part), self.store(part))
                    self.data_block()
                else:
                    where = self.meta_block()
                    self.write(self.ref, where, part)
                    area += self.long(len(part), where, self.ref)
        return self.entry(4, self.form(), area, len(data), block=block, recorded=-(-len(data) // self.bs), **other)

    def chain(self, pieces):
        """A file with an extent in each of some blocks of descriptors."""
        data, blocks = b"", []
        for nr in range(pieces):
            part = pattern(self.bs * (1 + nr % 3), nr) if nr < pieces - 1 else b"the end"
            blocks.append((len(part), self.store(part)))
            self.data_block()
            data += part
        where = [self.meta_block() for _ in blocks[1:]]
        pointer = lambda block: (
            self.short(3 << 30 | self.bs, block) if self.ref == 0 else self.long(3 << 30 | self.bs, block, self.ref)
        )
        size = 8 if self.ref == 0 else 16
        for nr, block in enumerate(where):
            area = self.ad(*blocks[nr + 1])
            if nr + 1 < len(where):
                area += pointer(where[nr + 1])
            body = struct.pack("<II", 0, len(area)) + area
            # Older writers cover the header only.
            self.write(self.ref, block, tagged(258, block, body, self.version, covered=8 if nr % 2 else None))
        return self.entry(5, self.form(), self.ad(*blocks[0]) + pointer(where[0]), len(data), recorded=len(data) // self.bs)

    def device(self, block, major, minor):
        # An attribute before it, which says something else.
        other = struct.pack("<IB3xI", 5, 1, 12 + 12) + NOW
        device = struct.pack("<IB3xIIII", 12, 1, 24 + 32, 32, major, minor) + regid("*make.py")
        header = tagged(262, block, struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF), self.version)
        return header + other + device

    # The tree.

    def tree(self):
        narrow = lambda text: b"\x08" + text.encode("latin-1")
        wide = lambda text: b"\x10" + text.encode("utf-16-be", "surrogatepass")
        component = lambda kind, name=b"": struct.pack("<BBH", kind, len(name), 0) + name
        root = self.meta_block()
        top = (self.ref, root)
        names = []
        add = lambda name, *rest: names.append((name, *rest))

        add(narrow("file"), self.file(pattern(5000)))
        add(narrow("embedded"), self.embedded(b"in the entry"))
        add(narrow("empty"), self.entry(5, self.form(), b"", 0))
        block = self.store(pattern(self.bs * 2 + 77, 9))
        hole = self.ad(2 << 30 | 3 * self.bs, 0)
        area = self.ad(self.bs, block) + hole + self.ad(self.bs + 77, block + 1)
        add(narrow("holes"), self.entry(5, self.form(), area, self.bs * 5 + 77, recorded=3))
        area = self.ad(1 << 30 | 2 * self.bs, self.data_block(2)) + self.ad(500, self.store(pattern(500)))
        add(narrow("reserved"), self.entry(5, self.form(), area, 2 * self.bs + 500, recorded=3))
        block = self.store(pattern(3 * self.bs, 5))
        area = self.ad(self.bs + 10, block) + self.ad(1 << 30 | self.bs, block + 2)
        add(narrow("more than its size"), self.entry(5, self.form(), area, self.bs + 10, recorded=3))
        add(narrow("less than its size"), self.entry(5, self.form(), self.ad(self.bs, block), 4 * self.bs + 1, recorded=1))
        area = self.ad(self.bs, block) + self.ad(0, 0) + self.ad(self.bs, block + 1)
        add(narrow("ends early"), self.entry(5, self.form(), area, 2 * self.bs, recorded=1))
        area = self.ad(self.bs, block) + self.ad(2 << 30, 0) + self.ad(self.bs, block + 1)
        add(narrow("with nothing within"), self.entry(5, self.form(), area, 2 * self.bs, recorded=2))
        add(narrow("chain"), self.chain(9))
        add(narrow("long form"), self.entry(5, LONG, self.long(1234, self.store(pattern(1234, 3))), 1234, recorded=1))
        if self.second:
            self.put(PARTITION + self.length + 1, pattern(self.bs, 7))
            self.put(PARTITION + self.length + 2, pattern(self.bs, 8))
            area = self.long(self.bs, block) + self.long(self.bs + 9, 1, 2)
            add(narrow("in two partitions"), self.entry(5, LONG, area, 2 * self.bs + 9, recorded=3))
            add(narrow("elsewhere"), self.entry(5, EMBEDDED, b"second", 6, block=3, ref=2))

        for stored in [narrow("gr\xfcn.t\xe9xt"), wide("日本語.txt"), wide("😀"), wide("a\ud83db"), wide("a\ud83d"), wide("\ude00b.c"),
                       narrow("a/b"), narrow("a//b.c"), narrow("nul\0l.x/z"), narrow("."), narrow(".."), narrow("..a"), narrow(".a"),
                       narrow("a."), narrow("x.four"), narrow("x/.five5"), narrow("x/.four"), wide("長" * 120 + ".text"),
                       wide("長" * 84), wide("長" * 85), narrow("l" * 254), narrow("l" * 249 + "/.abc"), wide("長" * 84 + "é.x"),
                       narrow("trailing "), narrow("\x01\x7f\x80")]:
            add(stored, self.embedded(stored))
        add(narrow("hidden"), self.embedded(b"hidden"), 1)
        add(narrow("deleted"), (0, 0), 4)
        add(b"\xfe" + b"deleted", (0, 0), 4)
        add(b"", self.embedded(b"no name"))
        add(narrow("other use"), self.embedded(b"use"), 0, b"*make.py with use of its own")
        add(narrow("metadata trait"), self.embedded(b"trait"), 0x10)

        for nr, time in enumerate([stamp(zone=90), stamp(zone=-300), stamp(zone=-2047), stamp(zone=90, kind=0), stamp(zone=90, kind=2),
                                   stamp(parts=(99, 99, 99)), stamp(parts=(100, 0, 0)), stamp(parts=(0, 0, 100)), bytes(12),
                                   stamp(year=1969, month=12, day=31), stamp(year=1601, month=1, day=1), stamp(year=9999),
                                   stamp(year=0, month=3), stamp(month=0), stamp(month=14, day=40, hour=30, minute=70, second=90)]):
            add(narrow(f"time{nr}"), self.embedded(b"time", times=(time, stamp(year=2000 + nr), time), larger=nr % 2 == 0))

        for nr, (bits, flags) in enumerate([(0x7FFF, 0), (0, 0), (0x1CE7, 0x40), (0x1085, 0x80), (0x0421, 0x100), (0x7BDE, 0x1C0)]):
            add(narrow(f"mode{nr}"), self.embedded(b"mode", permissions=bits, flags=flags, uid=1000 * nr, gid=2000 * nr))
        add(narrow("no one's"), self.embedded(b"no one", uid=0xFFFFFFFF, gid=0xFFFFFFFF))
        add(narrow("without a type"), self.embedded(b"type 0", kind=0))
        add(narrow("in real time"), self.embedded(b"type 249", kind=249))
        add(narrow("pipe"), self.embedded(b"", kind=9))
        add(narrow("socket"), self.embedded(b"", kind=10))
        for name, kind, major, minor in [("char", 7, 1, 3), ("block", 6, 259, 300000), ("too large", 7, 0x12345, 0x7FFFFFFF)]:
            block = self.meta_block()
            add(narrow(name), self.entry(kind, EMBEDDED, b"", 0, block=block, eas=self.device(block, major, minor)))
        with_eas = self.meta_block()
        add(narrow("with attributes"), self.entry(5, EMBEDDED, b"content", 7, block=with_eas, eas=self.device(with_eas, 5, 6)))

        links = [
            component(5, narrow("file")), component(2), component(1), component(2) + component(5, narrow("etc")) + component(5, narrow("passwd")),
            component(3) + component(4) + component(5, narrow("a/b.c")) + component(3), component(1, b"\0host") + component(5, narrow("x")),
            component(5, wide("日本")) + component(5, narrow("..")), component(5, narrow("gone")) + component(2) + component(5, narrow("z")),
        ]
        for nr, stored in enumerate(links):
            add(narrow(f"link{nr}"), self.embedded(stored, kind=12, permissions=0))
        stored = component(2) + b"".join(component(5, narrow(f"component{nr}")) for nr in range(25))
        add(narrow("long link"), self.entry(12, self.form(), self.ad(len(stored), self.store(stored)), len(stored), recorded=1))

        linked = self.embedded(b"three names", links=3)
        add(narrow("first name"), linked)
        add(narrow("second name"), linked)
        many = [(narrow(f"name number {nr} {'x' * (nr % 90)}"), self.embedded(b"%d" % nr)) for nr in range(60)]
        lower = self.directory([(narrow("third name"), linked)], parent=top, links=1, permissions=0x1CE7)
        add(narrow("directory"), lower, 2)
        add(narrow("many"), self.directory(many, parent=top, spread=True, links=1), 2)
        empty = self.entry(4, self.form(), b"", 0, links=1)
        add(narrow("nothing at all"), empty, 2)
        self.directory(names, block=root, spread=True, links=4)
        self.root = top

    # The volume.

    def maps(self):
        maps = [struct.pack("<BBHH", 1, 6, 1, 0)]
        kind = lambda name: bytes([2, 64, 0, 0]) + regid(name, struct.pack("<H", self.rev)) + struct.pack("<HH", 1, 0)
        if self.layout == SPARABLE:
            own = kind("*UDF Sparable Partition") + struct.pack("<HBBIII", PACKET, 2, 0, self.bs, 270, 271)
            maps = [own.ljust(64, b"\0")]
        if self.layout == METADATA:
            own = kind("*UDF Metadata Partition") + struct.pack("<IIIIHB", 10, 250, 0xFFFFFFFF, 1, 1, 1)
            maps.append(own.ljust(64, b"\0"))
        if self.layout == VIRTUAL:
            maps.append(kind("*UDF Virtual Partition").ljust(64, b"\0"))
        if self.second:
            # A map that no descriptor belongs to, so that the second partition has number 2.
            maps += [struct.pack("<BBHH", 1, 6, 1, 5), struct.pack("<BBHH", 1, 6, 1, 9)]
        return maps

    def sequence(self, first):
        domain = regid("*OSTA UDF Compliant", struct.pack("<HB", self.rev, 0))
        number = lambda nr, body: struct.pack("<I", nr) + body
        found = []
        old = "Not this one"
        for vdsn, label in ((1, old), (3, self.name), (2, old)):
            body = struct.pack("<I", 0) + dstring(label, 32) + struct.pack("<HHHHII", 1, 1, 2, 2, 1, 1)
            body += dstring("0123456789abcdefmake.py", 128) + CHARSET + CHARSET + bytes(16) + regid("*make.py") + NOW
            body += regid("*make.py") + bytes(64 + 4 + 2 + 22)
            found.append((1, number(vdsn, body)))
            maps = self.maps()
            table = b"".join(maps)
            body = CHARSET + dstring(label, 128) + struct.pack("<I", self.bs) + domain
            where = (10, self.ref) if label != old else (1, 0)
            body += struct.pack("<IIH6x", self.bs, self.file_set, where[1] if label != old else 0)
            body += struct.pack("<II", len(table), len(maps)) + regid("*make.py") + bytes(128)
            body += struct.pack("<II", 2 * self.bs, 80) + table
            found.append((6, number(vdsn, body)))
            parts = [(0, PARTITION, self.length)] + ([(9, PARTITION + self.length, 60)] if self.second else [])
            for nr, start, length in parts:
                use = bytearray(128)
                if label != old and nr == 0 and self.space:
                    struct.pack_into("<II", use, 8 if self.space == "bitmap" else 0, self.bs, 30)
                contents = regid("+NSR03" if self.rev >= 0x0200 else "+NSR02", flags=2)
                access = 2 if self.layout == VIRTUAL else 4
                body = struct.pack("<HH", 1, nr) + contents + bytes(use)
                body += struct.pack("<III", access, start if label != old else 9, length) + regid("*make.py") + bytes(128 + 156)
                found.append((5, number(vdsn, body)))
        # What follows is somewhere else.
        half = len(found) // 2
        pointer = number(9, struct.pack("<II", 8 * self.bs, first + 12))
        for at, (ident, body) in enumerate(found[:half] + [(3, pointer.ljust(496, b"\0"))]):
            self.put(first + at, tagged(ident, first + at, body, self.version))
        for at, (ident, body) in enumerate(found[half:] + [(8, bytes(496))]):
            self.put(first + 12 + at, tagged(ident, first + 12 + at, body, self.version))

    def finish(self, path):
        bs = self.bs
        for at, ident in enumerate([b"BEA01", b"NSR03" if self.rev >= 0x0200 else b"NSR02", b"TEA01"]):
            step = max(bs, 2048)
            self.image[32768 + at * step : 32768 + at * step + 7] = b"\0" + ident + b"\1"
        self.file_set = self.meta_block()
        self.tree()
        domain = regid("*OSTA UDF Compliant", struct.pack("<HB", self.rev, 0))
        body = NOW + struct.pack("<HHIIII", 3, 3, 1, 1, 0, 0) + CHARSET + dstring(self.name, 128) + CHARSET
        body += dstring("files", 32) + bytes(64) + struct.pack("<IIH6x", bs, self.root[1], self.root[0]) + domain + bytes(16 + 48)
        self.write(self.ref, self.file_set, tagged(256, self.file_set, body, self.version))
        if self.layout == METADATA:
            for block, kind, runs in ((10, 250, self.main), (250, 251, self.mirror)):
                runs = list(runs)
                area = b"".join(self.short(count * bs, start) for start, count in runs)
                if self.name == "half" and kind == 250:
                    (a, b), (c, d) = runs
                    area = self.short(b * bs, a) + self.short(1 << 30 | d * bs, c)
                size = sum(count for _, count in runs) * bs
                self.entry(kind, SHORT, area, size, block=block, links=0, ref=0, recorded=size // bs)
            if self.name == "mirror":
                self.put(PARTITION + 10, bytes(bs))
            if self.name == "half":
                for block in range(self.main[1][0], sum(self.main[1])):
                    self.put(PARTITION + block, bytes(bs))
            assert self.meta_next <= 200 and self.next < 500, (self.meta_next, self.next)
        free = self.length - self.next
        if self.space == "bitmap":
            bits = bytes([0xFF, 0x0F] + [0x81] * (self.length // 8 - 2))
            self.put(PARTITION + 30, tagged(264, 30, struct.pack("<II", self.length, len(bits)) + bits, self.version))
        if self.space == "table":
            area = self.short(1 << 30 | 17 * bs, 100) + self.short(1 << 30 | 5 * bs, 200)
            icb = struct.pack("<IHHHBBIHH", 0, 4, 0, 1, 0, 1, 0, 0, SHORT)
            self.put(PARTITION + 30, tagged(263, 30, icb + struct.pack("<I", len(area)) + area, self.version))
        count = len(self.maps())
        known = free if self.layout in (METADATA, SPARABLE) else UNKNOWN
        for at in range(3):
            tables = struct.pack(f"<{2 * count}I", *([known if known == UNKNOWN else known - at] * count + [self.length] * count))
            own = regid("*make.py") + struct.pack("<IIHHH", 100 + at, 7, min(self.rev, 0x0250), self.rev, self.rev)
            further = struct.pack("<II", *((bs, 86) if at == 1 else (0, 0)))
            body = NOW + struct.pack("<I", 1) + further + struct.pack("<Q24x", 999) + struct.pack("<II", count, len(own)) + tables + own
            where = 80 + at if at < 2 else 86
            self.put(where, tagged(9, where, body, self.version))
        self.sequence(96)
        self.sequence(128)
        anchor = struct.pack("<IIII", 12 * bs, 96, 12 * bs, 128)
        if self.layout == SPARABLE:
            moved = b"".join(struct.pack("<II", packet * PACKET, to) for packet, to in self.moved.items())
            moved += struct.pack("<II", 0xFFFFFFFF, 230)
            body = regid("*UDF Sparing Table") + struct.pack("<HHI", 3, 0, 1) + moved
            self.put(271, tagged(0, 271, body, self.version))
        if self.layout == VIRTUAL:
            old = self.rev < 0x0200
            table = b"".join(struct.pack("<I", entry) for entry in self.vat)
            if old:
                table += regid("*UDF Virtual Alloc Tbl") + struct.pack("<I", 0xFFFFFFFF)
            else:
                header = dstring(self.name, 128) + struct.pack("<IIIHHHH", 0xFFFFFFFF, 100, 7, self.rev, self.rev, self.rev, 0)
                table = struct.pack("<HH", 4 + len(header), 0) + header + table
            where = self.store(table)
            last = self.blocks - 1
            area = self.short(len(table), where)
            self.entry(0 if old else 248, SHORT, area, len(table), block=last - PARTITION, ref=0)
        else:
            self.put(self.blocks - 1, tagged(2, self.blocks - 1, anchor + bytes(480), self.version))
        assert self.layout == METADATA or self.next < self.length - 4, self.next
        self.put(256, tagged(2, 256, anchor + bytes(480), self.version))
        with open(path, "wb") as file:
            file.write(self.image)


VOLUMES = [
    Volume("odd", second=True),
    Volume("table", bs=512, blocks=1500, space="table"),
    Volume("metadata", METADATA, rev=0x0250, bs=4096, blocks=1400),
    Volume("mirror", METADATA, rev=0x0260, bs=4096, blocks=1400),
    Volume("half", METADATA, rev=0x0250, bs=4096, blocks=1400),
    Volume("small", METADATA, rev=0x0250, bs=512, blocks=1400),
    Volume("virtual150", VIRTUAL, rev=0x0150, space=None),
    Volume("virtual201", VIRTUAL, rev=0x0201, space=None),
    Volume("sparable", SPARABLE),
]

if __name__ == "__main__":
    name, path = sys.argv[1:]
    next(volume for volume in VOLUMES if volume.name == name).finish(path)

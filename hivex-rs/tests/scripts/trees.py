"""Reads hives with libhivex and checks the rules of their format by itself: trees.py HIVE...

Prints, for each hive, "==", and a line for each key and value of its tree, sorted: names and paths in hexadecimal, parts of paths joined
by "/". Exits with a message where a rule does not hold.
"""
import hashlib
import struct
import sys

import hivex

NONE = 0xFFFFFFFF


def tree(path):
    hive = hivex.Hivex(path)
    lines = []
    pending = [(hive.root(), "")]
    while pending:
        node, where = pending.pop()
        lines.append(f"N {where}")
        for value in hive.node_values(node):
            kind, data = hive.value_value(value)
            name = hive.value_key(value).encode().hex()
            lines.append(f"V {where} {name} {kind} {len(data)} {hashlib.sha1(data).hexdigest()}")
        for child in hive.node_children(node):
            pending.append((child, where + "/" + hive.node_name(child).encode().hex()))
    return sorted(lines)


class Checker:
    """The rules that a hive keeps that was written completely, by the descriptions of the format."""

    def __init__(self, path):
        self.path = path
        self.image = open(path, "rb").read()
        self.used = {}
        self.reached = {}
        self.security = {}

    def expect(self, holds, what):
        if not holds:
            sys.exit(f"{self.path}: {what}")

    def u16(self, at):
        return struct.unpack_from("<H", self.image, at)[0]

    def u32(self, at):
        return struct.unpack_from("<I", self.image, at)[0]

    def header(self):
        total = 0
        for at in range(0, 508, 4):
            total ^= self.u32(at)
        total = {0: 1, NONE: NONE - 1}.get(total, total)
        self.expect(total == self.u32(508), "sum of the base block")
        self.expect(self.u32(4) == self.u32(8), "sequence numbers")
        self.minor = self.u32(24)
        self.expect(len(self.image) >= 4096 + self.u32(40), "length of the file")

    def bins(self):
        at, end = 4096, 4096 + self.u32(40)
        while at < end:
            length = self.u32(at + 8)
            self.expect(self.image[at:at + 4] == b"hbin" and self.u32(at + 4) == at - 4096, f"bin at {at:#x}")
            self.expect(length % 4096 == 0 and at + length <= end, f"length of the bin at {at:#x}")
            cell, free_before = at + 32, False
            while cell < at + length:
                size = struct.unpack_from("<i", self.image, cell)[0]
                self.expect(size and size % 8 == 0 and cell + abs(size) <= at + length, f"cell at {cell:#x}")
                self.expect(size < 0 or not free_before, f"free cells side by side at {cell:#x}")
                free_before = size > 0
                if size < 0:
                    self.used[cell - 4096] = -size - 4
                cell += abs(size)
            at += length

    def cell(self, offset, need, what):
        """Where the content of a cell is, which is referred to once and at least so long."""
        self.expect(offset in self.used, f"{what} at {offset:#x} is no cell")
        self.expect(offset not in self.reached, f"{what} at {offset:#x} is a {self.reached.get(offset)} too")
        self.expect(self.used[offset] >= need, f"{what} at {offset:#x} is {self.used[offset]} bytes, not {need}")
        self.reached[offset] = what
        return offset + 4100

    def name(self, raw, narrow):
        return list(raw) if narrow else list(struct.unpack(f"<{len(raw) // 2}H", raw))

    def node(self, offset, parent):
        at = self.cell(offset, 76, "key")
        self.expect(self.image[at:at + 2] == b"nk", f"key at {offset:#x}")
        self.expect(parent is None or self.u32(at + 16) == parent, f"parent of {offset:#x}")
        security = self.u32(at + 44)
        self.security[security] = self.security.get(security, 0) + 1
        if self.u32(at + 48) != NONE:
            self.cell(self.u32(at + 48), self.u16(at + 74), "class")
        self.values(offset, at)
        entries = self.subkeys(self.u32(at + 28)) if self.u32(at + 28) != NONE else []
        self.expect(len(entries) == self.u32(at + 20), f"number of subkeys of {offset:#x}")
        longest, last = 0, None
        for child, kind, extra in entries:
            child_at = child + 4100
            narrow = self.u16(child_at + 2) & 0x20
            name = self.name(self.image[child_at + 76:child_at + 76 + self.u16(child_at + 72)], narrow)
            upper = [ord(chr(unit).upper()) if unit < 128 else unit for unit in name]
            if all(unit < 128 for unit in name):
                self.expect(last is None or last < upper, f"order of subkeys of {offset:#x}")
                last = upper
                value = 0
                for unit in upper:
                    value = (value * 37 + unit) & NONE
                self.expect(kind != "lh" or extra == value, f"hash of {child:#x}")
                hint = bytes((name + [0] * 4)[:4])
                self.expect(kind != "lf" or extra == struct.unpack("<I", hint)[0], f"hint of {child:#x}")
            longest = max(longest, 2 * len(name))
        if self.strict:
            self.expect(self.u32(at + 52) & 0xFFFF == longest, f"longest subkey of {offset:#x}")
        return [(child, offset) for child, _, _ in entries]

    def subkeys(self, offset):
        at = self.cell(offset, 4, "list")
        kind, count = self.image[at:at + 2].decode("latin-1"), self.u16(at + 2)
        self.expect(count > 0 or not self.strict, f"list at {offset:#x} is empty")
        if kind == "ri":
            self.expect(4 + 4 * count <= self.used[offset], f"list at {offset:#x} is longer than its cell")
            lists = [self.u32(at + 4 + 4 * i) for i in range(count)]
            return [entry for lower in lists for entry in self.subkeys(lower)]
        self.expect(kind in ("lf", "lh", "li"), f"list at {offset:#x}")
        self.expect(not self.strict or count <= 507, f"list at {offset:#x} has {count} elements")
        step = 4 if kind == "li" else 8
        self.expect(4 + step * count <= self.used[offset], f"list at {offset:#x} is longer than its cell")
        return [(self.u32(at + 4 + step * i), kind, self.u32(at + 8 + step * i)) for i in range(count)]

    def values(self, node, at):
        count, longest_name, longest_data = self.u32(at + 36), 0, 0
        if count:
            values = self.cell(self.u32(at + 40), 4 * count, "values")
            for i in range(count):
                offset = self.u32(values + 4 * i)
                value = self.cell(offset, 20, "value")
                self.expect(self.image[value:value + 2] == b"vk", f"value at {offset:#x}")
                length, data, narrow = self.u32(value + 4), self.u32(value + 8), self.u16(value + 16) & 1
                longest_name = max(longest_name, self.u16(value + 2) * (2 if narrow else 1))
                longest_data = max(longest_data, length & 0x7FFFFFFF)
                if length & 0x80000000:
                    self.expect(length & 0x7FFFFFFF <= 4, f"value at {offset:#x} is longer than its field")
                elif length > 16344 and self.minor >= 4 and (self.strict or self.used.get(data, 0) < length):
                    self.pieces(data, length)
                elif length:
                    self.cell(data, length, "data")
        else:
            self.expect(self.u32(at + 40) == NONE, f"values of {node:#x}")
        if self.strict:
            self.expect(self.u32(at + 60) == longest_name, f"longest value name of {node:#x}")
            self.expect(self.u32(at + 64) == longest_data, f"longest value data of {node:#x}")

    def pieces(self, offset, length):
        at = self.cell(offset, 8, "pieces")
        count, offsets = self.u16(at + 2), self.u32(at + 4)
        self.expect(self.image[at:at + 2] == b"db" and count == -(-length // 16344), f"pieces at {offset:#x}")
        offsets = self.cell(offsets, 4 * count, "list of pieces")
        for i in range(count):
            self.cell(self.u32(offsets + 4 * i), 16344 + 4, "piece")

    def ring(self):
        for offset, count in self.security.items():
            at = self.cell(offset, 20, "security")
            self.expect(self.image[at:at + 2] == b"sk", f"security at {offset:#x}")
            self.expect(self.u32(at + 12) == count, f"{count} keys with the security at {offset:#x}")
            for there, back in ((4, 8), (8, 4)):
                self.expect(self.u32(self.u32(at + there) + 4100 + back) == offset, f"ring at {offset:#x}")

    def run(self, strict):
        """`strict`: with what only holds if nobody but hivex-rs wrote to the hive."""
        self.strict = strict
        self.header()
        self.bins()
        pending = [(self.u32(36), None)]
        while pending:
            offset, parent = pending.pop()
            pending += self.node(offset, parent)
        self.ring()
        lost = set(self.used) - set(self.reached)
        self.expect(not strict or not lost, f"cells that nothing refers to: {sorted(map(hex, lost))[:5]}")


def main():
    strict = sys.argv[1] == "--strict"
    for path in sys.argv[2 if strict else 1:]:
        Checker(path).run(strict)
        print("==")
        print("\n".join(tree(path)))


main()

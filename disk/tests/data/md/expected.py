#!/usr/bin/python3
"""What the kernel had of each array: expected.py MAKE-LOG REPORT-LOG DISK... prints expected.json.

Sums are those of the kernel that put the arrays together from the finished disks. Where mdadm of the appliance leaves an array
out (those of other versions than 1.2), it is the sum of what was written to the array when it was made: every sector is known.
"""
import hashlib
import json
import os
import re
import sys

make, report = (open(name, encoding="utf-8", errors="replace").read() for name in sys.argv[1:3])
here = os.path.dirname(os.path.abspath(__file__))
names = [line.split()[0] for line in open(f"{here}/arrays.txt") if not line.startswith("#")]

# Written later by in-appliance.sh, 64 KiB at a time: text, first of those, sectors.
LATER = {"rebuilt090": [("rebuilt090:later", 2, 200)]}


def written(name, sectors):
    def text(word, count):
        return [b"%-511s\n" % f"{word}:{number}".encode() for number in range(count)]

    content = text(name, sectors)
    for word, first, count in LATER.get(name, []):
        content[first * 128 : first * 128 + count] = text(word, count)
    return hashlib.sha256(b"".join(content)).hexdigest()


arrays = {}
for block in report.split("@@array ")[1:]:
    value = dict(re.findall(r"(\w+)=(\S+)", block))
    name = value["MD_NAME"].removeprefix("host:")
    if name == "journal5":
        continue
    degraded = re.search(r"degraded=(\d+)", block)
    arrays[name] = {
        "size": int(value["size"]),
        "sha256": value["sha256"],
        "degraded": int(degraded.group(1)) if degraded else 0,
    }
# As the appliance that made them said: md45 : active raid10 … \n 512 blocks
for number, blocks in re.findall(r"^md(\d+) : active .*\n +(\d+) blocks", make, re.M):
    if int(number) <= len(names) and (name := names[int(number) - 1]) not in arrays and name != "journal5":
        sectors = int(blocks) * 2
        arrays[name] = {"size": sectors * 512, "sha256": written(name, sectors), "degraded": 0}
disks = [os.path.getsize(name) for name in sys.argv[3:]]
json.dump({"disks": disks, "arrays": dict(sorted(arrays.items()))}, sys.stdout, indent=1)
print()

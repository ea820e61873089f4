#!/usr/bin/env python3
"""Turns the log of make.sh into expected.json: what lvm reports, and checksums of the volumes' contents."""

import json
import re
import sys


def structs(text):
    """The structs that guestfish prints as `[0] = { name: value … }`."""
    result = []
    for line in text.splitlines():
        if re.fullmatch(r"\[\d+\] = \{", line):
            result.append({})
        elif m := re.fullmatch(r"  (\w+): ?(.*)", line):
            result[-1][m[1]] = m[2]
    return result


sections = dict(re.findall(r"^@@([\w-]+)\n(.*?)(?=^@@)", open(sys.argv[1]).read(), re.M | re.S))
expected = {}
for kind, key in (("pvs", "pv"), ("vgs", "vg"), ("lvs", "lv"), ("segs", "seg")):
    expected[kind] = json.loads(sections[kind])["report"][0][key]
for kind in ("pvs-full", "vgs-full", "lvs-full"):
    expected[kind.replace("-", "_")] = structs(sections[kind])
expected["lvs_call"] = sections["lvs-call"].split()
expected["public"] = sections["public"].split()
expected["sha256"] = {name.removeprefix("/dev/"): sum for sum, name in (line.split() for line in sections["sha256"].splitlines())}
json.dump(expected, sys.stdout, indent=1, sort_keys=True)
print()

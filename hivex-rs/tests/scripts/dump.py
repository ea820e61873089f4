"""Prints what libhivex reads of a hive, a line for each key and value: dump.py HIVE.

tests/support/mod.rs prints the same of what this crate reads. What libhivex refuses is "!".
"""
import hashlib
import itertools
import sys

import hivex


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except (RuntimeError, UnicodeDecodeError):
        return None


def text(name):
    return "!" if name is None else name.encode("utf-8", "surrogateescape").hex()


def meaning(hive, value, kind):
    """What the value means by its type."""
    if kind in (1, 2, 6):
        return text(attempt(hive.value_string, value))
    if kind == 7:
        strings = attempt(hive.value_multiple_strings, value)
        # libhivex counts the empty string that ends the list, and what follows it.
        return "!" if strings is None else "/".join(map(text, itertools.takewhile(len, strings))) + "."
    if kind in (4, 5, 11):
        number = attempt(hive.value_qword if kind == 11 else hive.value_dword, value)
        return "!" if number is None else number % (1 << (64 if kind == 11 else 32))
    return "-"


def main():
    hive = hivex.Hivex(sys.argv[1])
    print("H", hive.root(), hive.last_modified())
    pending = [hive.root()]
    while pending:
        node = pending.pop()
        children = attempt(hive.node_children, node)
        values = attempt(hive.node_values, node)
        print(
            "N", node, attempt(hive.node_parent, node) if node != hive.root() else 0, text(attempt(hive.node_name, node)),
            hive.node_timestamp(node), hive.node_struct_length(node),
            "!" if children is None else len(children), "!" if values is None else len(values),
        )
        for value in values or []:
            data = attempt(hive.value_value, value)
            print(
                "V", value, text(attempt(hive.value_key, value)), hive.value_type(value)[0], hive.value_type(value)[1],
                hive.value_struct_length(value), "!" if data is None else hashlib.sha1(data[1]).hexdigest(),
                meaning(hive, value, hive.value_type(value)[0]), *reversed(attempt(hive.value_data_cell_offset, value) or "!"),
            )
        pending += reversed(children or [])


main()

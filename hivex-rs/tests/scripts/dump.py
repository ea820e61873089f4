"""Prints what libhivex reads of a hive, a line for each key and value: dump.py HIVE.

tests/support/mod.rs prints the same of what this crate reads. What libhivex refuses is "!".
"""
import hashlib
import sys

import hivex


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except (RuntimeError, UnicodeDecodeError):
        return None


def text(name):
    return "!" if name is None else name.encode("utf-8", "surrogateescape").hex()


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
            )
        pending += reversed(children or [])


main()

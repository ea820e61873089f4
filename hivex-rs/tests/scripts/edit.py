"""Changes a hive with libhivex at random: edit.py SEED COUNT HIVE. Prints the tree that is meant, as trees.py does."""
import hashlib
import random
import sys

import hivex

LETTERS = ["a", "B", "c", "Z", "_", "\u00e9", "\u20ac", "\u0436", "\U0001f600"]


def name():
    if random.random() < 0.1:
        return random.choice("n\u20ac") * random.randint(1, 100)
    if random.random() < 0.5:
        return f"key {random.randrange(1000)}"
    return "".join(random.choice(LETTERS) for _ in range(random.randint(1, 4)))


def data():
    length = random.choice([0, 1, 3, 4, 5, 8, 100, random.randrange(5000), random.randrange(30000)])
    return bytes(random.getrandbits(8) for _ in range(length))


class Key:
    def __init__(self, name):
        self.name, self.children, self.values = name, {}, {}

    def lines(self, path, lines):
        lines.append(f"N {path}")
        for value, (kind, content) in self.values.items():
            lines.append(f"V {path} {value.encode().hex()} {kind} {len(content)} {hashlib.sha1(content).hexdigest()}")
        for child in self.children.values():
            child.lines(path + "/" + child.name.encode().hex(), lines)


def read(hive, node, name):
    key = Key(name)
    for value in hive.node_values(node):
        key.values[hive.value_key(value)] = hive.value_value(value)
    for child in hive.node_children(node):
        name = hive.node_name(child)
        key.children[name.lower()] = read(hive, child, name)
    return key


def main():
    seed, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    random.seed(seed)
    hive = hivex.Hivex(path, write=True)
    model = read(hive, hive.root(), "")
    for _ in range(count):
        key, node = model, hive.root()
        while key.children and random.random() < 0.6:
            key = random.choice(list(key.children.values()))
            node = hive.node_get_child(node, key.name)
        dice = random.random()
        if dice < 0.4:
            new = name()
            if new.lower() not in key.children:
                hive.node_add_child(node, new)
                key.children[new.lower()] = Key(new)
        elif dice < 0.5 and key.children:
            old = key.children.pop(random.choice(list(key.children)))
            hive.node_delete_child(hive.node_get_child(node, old.name))
        elif dice < 0.6:
            key.values = {name(): (random.randrange(13), data()) for _ in range(random.randrange(5))}
            unique = {}
            for value, content in key.values.items():
                unique.setdefault(value.lower(), (value, content))
            key.values = dict(unique.values())
            hive.node_set_values(node, [{"key": k, "t": t, "value": v} for k, (t, v) in key.values.items()])
        else:
            value, content = name(), (random.randrange(13), data())
            if value.lower() in map(str.lower, key.values) and value not in key.values:
                continue
            key.values[value] = content
            hive.node_set_value(node, {"key": value, "t": content[0], "value": content[1]})
    hive.commit(None)
    lines = []
    model.lines("", lines)
    print("\n".join(sorted(lines)))


main()

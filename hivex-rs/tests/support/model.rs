//! A tree of keys and values that is changed as a hive is, to compare with.

use std::fmt::Write as _;

use hivex::{Error, ErrorKind, Hive, NewValue, Node, ValueType, upcase};
use sha1::{Digest, Sha1};

use super::{Random, hex};

#[derive(Debug, Default, Clone)]
pub(crate) struct Key {
    name: String,
    children: Vec<Key>,
    values: Vec<(String, u32, Vec<u8>)>,
}

/// Are names the same to Windows?
fn same(a: &str, b: &str) -> bool {
    a.encode_utf16().map(upcase).eq(b.encode_utf16().map(upcase))
}

impl Key {
    /// What a hive has.
    pub(crate) fn read(hive: &Hive, node: Node) -> Key {
        Key {
            name: hive.node_name(node).unwrap().to_string(),
            children: hive
                .node_children(node)
                .unwrap()
                .into_iter()
                .map(|child| Key::read(hive, child))
                .collect(),
            values: hive
                .node_values(node)
                .unwrap()
                .into_iter()
                .map(|value| {
                    let name = hive.value_key(value).unwrap().to_string();
                    let data = hive.value_value(value).unwrap().into_owned();
                    (name, hive.value_type(value).unwrap().0, data)
                })
                .collect(),
        }
    }

    /// As `trees.py` prints it.
    pub(crate) fn dump(&self) -> String {
        let mut lines = Vec::new();
        self.lines("", &mut lines);
        lines.sort();
        lines.concat()
    }

    fn lines(&self, path: &str, lines: &mut Vec<String>) {
        lines.push(format!("N {path}\n"));
        for (name, kind, data) in &self.values {
            let mut line = format!("V {path} {} {kind} {} ", hex(name.as_bytes()), data.len());
            writeln!(line, "{}", hex(&Sha1::digest(data))).unwrap();
            lines.push(line);
        }
        for child in &self.children {
            child.lines(&format!("{path}/{}", hex(child.name.as_bytes())), lines);
        }
    }

    fn count(&self) -> usize {
        1 + self.children.iter().map(Key::count).sum::<usize>()
    }

    /// A key of the tree, and the names that lead to it.
    fn pick<'a>(&'a mut self, random: &mut Random, path: &mut Vec<String>) -> &'a mut Key {
        if self.children.is_empty() || random.below(3) == 0 {
            return self;
        }
        let child = random.below(self.children.len());
        let child = &mut self.children[child];
        path.push(child.name.clone());
        child.pick(random, path)
    }
}

/// A name: short ones, so that they meet again, in other cases too; long ones; of Latin-1, of the BMP and beyond.
fn name(random: &mut Random, max: usize) -> String {
    const LETTERS: &[&str] =
        &["a", "B", "c", "Z", "_", "\u{e9}", "\u{c9}", "\u{20ac}", "\u{436}", "\u{416}", "\u{1F600}"];
    match random.below(20) {
        0 => "n".repeat(random.below(max) + 1),
        1 => "\u{20ac}".repeat(random.below(max) + 1),
        2..=9 => format!("key {}", random.below(1000)),
        _ => (0..=random.below(3)).map(|_| *random.pick(LETTERS)).collect(),
    }
}

fn data(random: &mut Random) -> Vec<u8> {
    let len = match random.below(40) {
        0 => 16_340 + random.below(10),
        1 => random.below(100_000),
        2 => 2 * 16_344,
        3..=6 => random.below(6000),
        7..=20 => random.below(6),
        _ => random.below(200),
    };
    let byte = random.next().to_le_bytes()[0];
    (0..len).map(|at| byte.wrapping_add(at.to_le_bytes()[0])).collect()
}

fn kind(random: &mut Random) -> u32 {
    match random.below(10) {
        0 => u32::try_from(random.next() >> 32).unwrap(),
        _ => u32::try_from(random.below(12)).unwrap(),
    }
}

/// One change, of the hive and of the model.
pub(crate) fn change(hive: &mut Hive, model: &mut Key, random: &mut Random) {
    let mut path = Vec::new();
    let key = model.pick(random, &mut path);
    let node = path.iter().fold(hive.root(), |node, name| {
        let child = hive.node_get_child(node, name.as_str().into()).unwrap();
        child.unwrap_or_else(|| panic!("{name:?} of {path:?} is not there"))
    });
    match random.below(100) {
        0..=34 => add(hive, node, key, name(random, 255)),
        35 => {
            let first = random.below(1000);
            (first..first + random.below(1200)).for_each(|number| add(hive, node, key, format!("n{number}")));
        }
        36..=47 if !key.children.is_empty() => {
            let child = random.below(key.children.len());
            let child = key.children.swap_remove(child);
            let node = hive.node_get_child(node, child.name.as_str().into()).unwrap().unwrap();
            hive.node_delete_child(node).unwrap();
        }
        48 => {
            // Many at once.
            while key.children.len() > 3 {
                let child = random.below(key.children.len());
                let child = key.children.swap_remove(child);
                let node = hive.node_get_child(node, child.name.as_str().into()).unwrap().unwrap();
                hive.node_delete_child(node).unwrap();
            }
        }
        49..=60 if !key.values.is_empty() => {
            let value = random.below(key.values.len());
            let (name, _, _) = key.values.remove(value);
            hive.node_delete_value(node, name.as_str().into()).unwrap();
            let gone = hive.node_delete_value(node, name.as_str().into()).unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::NotFound);
        }
        61..=64 => {
            let mut values: Vec<(String, u32, Vec<u8>)> = Vec::new();
            for _ in 0..random.below(6) {
                let value = (name(random, 300), kind(random), data(random));
                if !values.iter().any(|(other, _, _)| same(other, &value.0)) {
                    values.push(value);
                }
            }
            let new = values.iter().map(|(name, kind, data)| NewValue {
                key: name.as_str().into(),
                kind: ValueType(*kind),
                data: data.clone(),
            });
            hive.node_set_values(node, &new.collect::<Vec<_>>()).unwrap();
            key.values = values;
        }
        _ => {
            let name = if random.below(10) == 0 { String::new() } else { name(random, 300) };
            let (kind, data) = (kind(random), data(random));
            hive.node_set_value(node, name.as_str().into(), ValueType(kind), &data).unwrap();
            match key.values.iter_mut().find(|(other, _, _)| same(other, &name)) {
                Some(value) => (value.1, value.2) = (kind, data),
                None => key.values.push((name, kind, data)),
            }
        }
    }
}

fn add(hive: &mut Hive, node: Node, key: &mut Key, name: String) {
    let result = hive.node_add_child(node, name.as_str().into());
    if key.children.iter().any(|child| same(&child.name, &name)) {
        assert_eq!(result.map_err(|error: Error| error.kind()), Err(ErrorKind::AlreadyExists), "{name:?}");
    } else {
        result.unwrap();
        key.children.push(Key { name, ..Key::default() });
    }
}

/// A model that does not grow for ever.
pub(crate) fn changes(hive: &mut Hive, model: &mut Key, random: &mut Random, count: usize) {
    for _ in 0..count {
        change(hive, model, random);
        if model.count() > 4000 {
            let child = model.children.swap_remove(0);
            let node = hive.node_get_child(hive.root(), child.name.as_str().into()).unwrap().unwrap();
            hive.node_delete_child(node).unwrap();
        }
    }
}

//! Opens a hive, reads all its keys and values, and says how long that took: `walk_hive HIVE [LOG...]`.
#![expect(clippy::print_stdout, reason = "a program that reports on its standard output")]

use std::time::Instant;
use std::{env, fs};

use hivex::{Error, Hive, Node, Options, Value, Visitor};

#[derive(Default)]
struct Count {
    keys: usize,
    values: usize,
    bytes: usize,
}

impl Visitor for Count {
    type Error = Error;

    fn node_start(&mut self, hive: &Hive, node: Node, _: usize) -> hivex::Result<bool> {
        self.keys = self.keys.saturating_add(1);
        self.bytes = self.bytes.saturating_add(hive.node_name(node)?.to_bstring().len());
        Ok(true)
    }

    fn value(&mut self, hive: &Hive, _: Node, value: Value) -> hivex::Result<()> {
        self.values = self.values.saturating_add(1);
        let (name, data) = (hive.value_key(value)?.to_bstring(), hive.value_value(value)?);
        self.bytes = self.bytes.saturating_add(name.len()).saturating_add(data.len());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = env::args_os().skip(1);
    let image = fs::read(paths.next().ok_or("usage: walk_hive HIVE [LOG...]")?)?;
    let logs = paths.map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let logs: Vec<&[u8]> = logs.iter().map(Vec::as_slice).collect();
    let start = Instant::now();
    let hive = Hive::open_with_logs(image, &logs, Options::default())?;
    let opened = start.elapsed();
    let mut count = Count::default();
    hive.visit(hive.root(), &mut count)?;
    let Count { keys, values, bytes } = count;
    println!(
        "{keys} keys, {values} values, {bytes} bytes of names and data; opened in {opened:?}, all in {:?}",
        start.elapsed()
    );
    println!("logs: {}", hive.replay());
    for note in hive.notes() {
        println!("{note}");
    }
    Ok(())
}

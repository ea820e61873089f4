//! Lists directories of a virtual machine.

fn main() {}

//! Prints files of a virtual machine.

fn main() {}

//! Whole guests in memory, inspected.

mod guests;
mod memory;
mod systems;

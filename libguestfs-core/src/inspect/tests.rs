//! Whole guests in memory, inspected.

mod guests;
mod media;
mod memory;
mod systems;
mod unusual;
mod windows;

//! What the fuzzers call: one function for each parser of guest bytes.
//!
//! Each takes any bytes, and panics where a parser breaks a promise: not only that it does not crash, but that what it
//! returns lies within its source, is bounded, and is the same when asked again. `cargo fuzz` and the driver `mutate`
//! call the same functions; [`TARGETS`] lists them.

mod archive;
mod conversation;
mod filesystem;
mod guest;
mod hive;
mod image;
mod journal;
mod luks;
mod ntfs;
mod packages;
mod reg;
mod seeds;
mod source;
mod tables;
mod udf;
mod windows;
mod wire;

pub use seeds::seeds;

/// A target: its name, and what to call with the fuzzer's bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("image", image::image),
    ("partition", tables::partition),
    ("lvm2", tables::lvm2),
    ("ldm", tables::ldm),
    ("md", tables::md),
    ("luks", luks::luks),
    ("probe", tables::probe),
    ("ext", filesystem::filesystem),
    ("filesystem", filesystem::filesystem),
    ("ntfs", ntfs::ntfs),
    ("udf", udf::udf),
    ("ext_journal", journal::journal),
    ("guest", guest::guest),
    ("packages_sqlite", packages::sqlite),
    ("packages_ndb", packages::ndb),
    ("packages_bdb", packages::bdb),
    ("packages_text", packages::text),
    ("archive", archive::archive),
    ("hive", hive::hive),
    ("reg", reg::reg),
    ("windows", windows::windows),
    ("wire_call", wire::call),
    ("wire_reply", wire::reply),
    ("wire_client", conversation::client),
    ("wire_server", conversation::server),
];

/// Runs the target of that name on `data`; a name that is not in [`TARGETS`] does nothing.
pub fn run(name: &str, data: &[u8]) {
    if let Some((_, target)) = TARGETS.iter().find(|(target, _)| *target == name) {
        target(data);
    }
}

//! XFS, versions 4 and 5: read as the kernel reads it.
//!
//! All checksums that the filesystem keeps are verified; what is wrong is `Corrupt`. Feature bits that are not known
//! are `Unsupported`, as are realtime devices and logs on other devices.

#![allow(dead_code, reason = "what reads it comes next")]

mod checksum;
mod features;
mod superblock;

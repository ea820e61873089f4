//! The daemon: answers the calls of the libguestfs protocol.

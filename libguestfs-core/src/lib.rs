//! The core: API, wire protocol, handle, drives, backends, inspection.

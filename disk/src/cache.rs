//! A bounded block cache with read-ahead, laid under a filesystem so that small metadata reads cost few reads below.

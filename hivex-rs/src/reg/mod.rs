//! Text of registry editors (`.reg` files): parsed into changes, applied to a hive, and written from one.
//!
//! ```text
//! Windows Registry Editor Version 5.00      or REGEDIT4
//!
//! [KEY\SUBKEY]                      the key is made, with all above it
//! @="default value"                 \\ and \" stand for \ and "
//! "name"=dword:0000000a
//! "name"=hex:01,02,\                bytes; a \ at the end goes on in the next line
//!   03
//! "name"=hex(7):61,00,00,00,00,00   bytes of the type that is in brackets, in hexadecimal
//! "name"=str(2):"%PATH%"            a string of that type, as hivexregedit writes it
//! "name"=-                          the value is deleted
//! [-KEY]                            the key is deleted, with all below it
//! ```
//!
//! Sources: Microsoft's "How to add, modify, or delete registry subkeys and values by using a .reg file", and hivexregedit
//! as a program, which the tests compare with. It differs in what it refuses: lines without an empty one between two keys,
//! comments, text that is not ASCII, keys whose parent is missing.

mod apply;
mod export;
mod parse;

pub use export::{Export, ExportError, HEADER, export};
pub use parse::{Action, Change, Strings, parse};

//! Derives everything that follows from the definition of the API: see [`macro@guestfs_api`].

mod definition;
mod generate;

use proc_macro::TokenStream;

/// Turns a trait with one method per call into the whole API.
///
/// ```ignore
/// #[guestfs_api]
/// pub trait Daemon: Host {
///     /// Is `path` a regular file?
///     #[call(37, optional(followsymlinks: bool))]
///     fn is_file(&mut self, path: &Pathname, opts: &IsFileOpts) -> Result<bool>;
/// }
/// ```
///
/// `#[call(NUMBER, …)]` gives the procedure number and, after it, any of `optional(name: type, …)`, `cancellable`,
/// `progress`, `replayed` (it changes what the daemon knows, so another daemon that takes over must be told too) and
/// `group = "name"` (the optional feature that the call belongs to). A parameter's type is its kind:
///
/// | type | kind | on the wire |
/// |---|---|---|
/// | `&Pathname` `&Device` `&Mountable` `&DevOrPath` `&MountableOrPath` `&PlainString` `&Filename` `&Guid` `&Key` | text, checked as its kind says | string |
/// | `&PathnameList` `&DeviceList` `&FilenameList` `&StringList` | list of such | list of strings |
/// | `Option<&PlainString>` | text or nothing | optional string |
/// | `bool` `i32` `i64` | | the same |
/// | `&Buffer` | bytes | opaque |
/// | `&mut FileIn<'_>` `&mut FileOut<'_>` | a file to or from the daemon | chunks after the message |
/// | `&mut Meter<'_>` | where a call without a file tells how far it is | nothing |
/// | `&IsFileOpts` | the optional arguments | bit mask and values |
///
/// From this come
/// * the trait itself, each method with a default body that says "not here" (`Error::needs_appliance`);
/// * a structure with the optional arguments of each call that has some, all of them `Option`;
/// * `dispatch`, which decodes a call, checks its arguments, makes it and replies;
/// * `CALLS`, the list of all calls with kinds and documentation;
/// * a method of the same name on `Guestfs`, which traces and encodes the call, sends it and decodes the reply.
#[proc_macro_attribute]
pub fn guestfs_api(_attribute: TokenStream, item: TokenStream) -> TokenStream {
    let definition = syn::parse_macro_input!(item as syn::ItemTrait);
    definition::Api::parse(&definition)
        .and_then(|api| generate::api(&definition, &api))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

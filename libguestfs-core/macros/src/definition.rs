//! What a definition says, taken from the trait's syntax.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, Ident, ItemTrait, LitInt, LitStr, Meta, Pat, Result, ReturnType, Token,
    TraitItem,
};
use syn::{GenericArgument, PathArguments, Type, parenthesized};

/// All calls, in the order in which they are written.
pub(crate) struct Api {
    pub(crate) calls: Vec<Call>,
}

/// One call.
pub(crate) struct Call {
    pub(crate) name: Ident,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) attribute: CallAttribute,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) result: Type,
}

/// One parameter after `self`.
pub(crate) struct Parameter {
    pub(crate) name: Ident,
    pub(crate) kind: Kind,
}

/// What a parameter is, from its type.
#[derive(Clone, PartialEq)]
pub(crate) enum Kind {
    /// One of the names of [`TEXT`].
    Text(Ident),
    /// One of the names of [`LISTS`].
    List(Ident),
    OptionalText,
    Bool,
    Int,
    Int64,
    Buffer,
    FileIn,
    FileOut,
    /// Where the call says how far it is: not an argument.
    Meter,
    /// The structure of optional arguments.
    Opts,
}

/// Kinds of text: aliases of `BStr` in `api`.
const TEXT: [&str; 9] = [
    "Pathname",
    "Device",
    "Mountable",
    "DevOrPath",
    "MountableOrPath",
    "PlainString",
    "Filename",
    "Guid",
    "Key",
];
/// Kinds of lists: aliases of `[BString]` in `api`.
const LISTS: [&str; 4] = ["PathnameList", "DeviceList", "FilenameList", "StringList"];

/// The content of `#[call(…)]`.
pub(crate) struct CallAttribute {
    pub(crate) number: LitInt,
    pub(crate) optional: Vec<Optional>,
    pub(crate) cancellable: bool,
    pub(crate) progress: bool,
    pub(crate) replayed: bool,
    pub(crate) group: Option<LitStr>,
}

/// One optional argument.
pub(crate) struct Optional {
    pub(crate) name: Ident,
    pub(crate) kind: OptionalKind,
}

/// What an optional argument is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum OptionalKind {
    Bool,
    Int,
    Int64,
    Text,
    List,
}

impl Parse for Optional {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        // Some of libguestfs's names are words of Rust: `r#unsafe`.
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        let kind: Ident = input.parse()?;
        let kind = match kind.to_string().as_str() {
            "bool" => OptionalKind::Bool,
            "i32" => OptionalKind::Int,
            "i64" => OptionalKind::Int64,
            "PlainString" => OptionalKind::Text,
            "StringList" => OptionalKind::List,
            _ => {
                return Err(Error::new(
                    kind.span(),
                    "an optional argument is bool, i32, i64, PlainString or StringList",
                ));
            }
        };
        Ok(Optional { name, kind })
    }
}

impl Parse for CallAttribute {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut call = CallAttribute {
            number: input.parse()?,
            optional: Vec::new(),
            cancellable: false,
            progress: false,
            replayed: false,
            group: None,
        };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "optional" => {
                    let list;
                    parenthesized!(list in input);
                    call.optional =
                        Punctuated::<Optional, Token![,]>::parse_terminated(&list)?.into_iter().collect();
                }
                "cancellable" => call.cancellable = true,
                "progress" => call.progress = true,
                "replayed" => call.replayed = true,
                "group" => {
                    input.parse::<Token![=]>()?;
                    call.group = Some(input.parse()?);
                }
                _ => {
                    return Err(Error::new(
                        word.span(),
                        "known here: optional(…), cancellable, progress, replayed, group = \"…\"",
                    ));
                }
            }
        }
        Ok(call)
    }
}

impl Api {
    /// Reads the definition, and refuses what has no meaning.
    pub(crate) fn parse(definition: &ItemTrait) -> Result<Api> {
        let mut calls: Vec<Call> = Vec::new();
        for item in &definition.items {
            let TraitItem::Fn(method) = item else {
                return Err(Error::new(item.span(), "the API has methods only"));
            };
            let call = Call::parse(method)?;
            if calls
                .iter()
                .any(|c| c.attribute.number.base10_digits() == call.attribute.number.base10_digits())
            {
                return Err(Error::new(call.attribute.number.span(), "another call has this number"));
            }
            calls.push(call);
        }
        Ok(Api { calls })
    }
}

impl Call {
    fn parse(method: &syn::TraitItemFn) -> Result<Call> {
        let name = method.sig.ident.clone();
        let mut docs = Vec::new();
        let mut attribute = None;
        for a in &method.attrs {
            match &a.meta {
                Meta::NameValue(v) if v.path.is_ident("doc") => docs.push(a.clone()),
                Meta::List(l) if l.path.is_ident("call") => {
                    attribute = Some(a.parse_args::<CallAttribute>()?);
                }
                _ => return Err(Error::new(a.span(), "a call has documentation and #[call(…)] only")),
            }
        }
        let attribute = attribute.ok_or_else(|| Error::new(name.span(), "#[call(NUMBER)] is missing"))?;
        if docs.is_empty() {
            return Err(Error::new(name.span(), "a call needs documentation"));
        }
        let mut parameters = Vec::new();
        for input in method.sig.inputs.iter().skip(1) {
            let FnArg::Typed(p) = input else {
                return Err(Error::new(input.span(), "expected `name: type`"));
            };
            let Pat::Ident(pattern) = p.pat.as_ref() else {
                return Err(Error::new(p.pat.span(), "expected a name"));
            };
            parameters.push(Parameter { name: pattern.ident.clone(), kind: Kind::of(&p.ty)? });
        }
        if parameters.iter().any(|p| p.kind == Kind::Opts) == attribute.optional.is_empty() {
            return Err(Error::new(name.span(), "optional(…) and a parameter `opts: &…Opts` go together"));
        }
        let metered = parameters.iter().any(|p| matches!(p.kind, Kind::Meter));
        if metered && !attribute.progress {
            return Err(Error::new(name.span(), "a call with a Meter is marked `progress`"));
        }
        Ok(Call { result: result_type(&method.sig.output)?, name, docs, attribute, parameters })
    }

    /// Does the call take or give a file?
    pub(crate) fn has(&self, kind: &Kind) -> bool {
        self.parameters.iter().any(|p| p.kind == *kind)
    }
}

impl Kind {
    fn of(ty: &Type) -> Result<Kind> {
        let unknown =
            || Error::new(ty.span(), "not one of the kinds that the documentation of guestfs_api lists");
        match ty {
            Type::Reference(reference) => {
                let ident = last_ident(&reference.elem).ok_or_else(unknown)?;
                let name = ident.to_string();
                Ok(match name.as_str() {
                    "Buffer" => Kind::Buffer,
                    "FileIn" if reference.mutability.is_some() => Kind::FileIn,
                    "FileOut" if reference.mutability.is_some() => Kind::FileOut,
                    "Meter" if reference.mutability.is_some() => Kind::Meter,
                    n if TEXT.contains(&n) => Kind::Text(ident),
                    n if LISTS.contains(&n) => Kind::List(ident),
                    n if n.ends_with("Opts") => Kind::Opts,
                    _ => return Err(unknown()),
                })
            }
            _ => match last_ident(ty).ok_or_else(unknown)?.to_string().as_str() {
                "bool" => Ok(Kind::Bool),
                "i32" => Ok(Kind::Int),
                "i64" => Ok(Kind::Int64),
                "Option" => Ok(Kind::OptionalText),
                _ => Err(unknown()),
            },
        }
    }
}

fn last_ident(ty: &Type) -> Option<Ident> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.last().map(|s| s.ident.clone())
}

/// The `T` of `-> Result<T>`.
fn result_type(output: &ReturnType) -> Result<Type> {
    let wrong = || Error::new(output.span(), "a call returns Result<…>");
    let ReturnType::Type(_, ty) = output else { return Err(wrong()) };
    let Type::Path(path) = ty.as_ref() else { return Err(wrong()) };
    let last = path.path.segments.last().filter(|s| s.ident == "Result").ok_or_else(wrong)?;
    match &last.arguments {
        PathArguments::AngleBracketed(args) => match args.args.first() {
            Some(GenericArgument::Type(ty)) => Ok(ty.clone()),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

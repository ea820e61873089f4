//! What comes out of a definition. Paths begin with `crate`: the macro is used inside `libguestfs-core` only.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Error, Ident, ItemTrait, Result, Type};

use crate::definition::{Api, Call, Kind, OptionalKind, Parameter};

/// All of it.
pub(crate) fn api(definition: &ItemTrait, api: &Api) -> Result<TokenStream> {
    let trait_docs = &definition.attrs;
    let (name, bounds) = (&definition.ident, &definition.supertraits);
    let methods = api.calls.iter().map(server_method);
    let options = api.calls.iter().filter_map(options_structure);
    let infos = api.calls.iter().map(info).collect::<Result<Vec<_>>>()?;
    let arms = api.calls.iter().enumerate().map(dispatch_arm);
    let stubs = api.calls.iter().enumerate().map(client_stub);
    let count = api.calls.len();
    Ok(quote! {
        #(#trait_docs)*
        pub trait #name: #bounds {
            #(#methods)*
        }

        #(#options)*

        /// Every call of this definition, in its order.
        pub(crate) static CALLS: [crate::api::CallInfo; #count] = [#(#infos),*];

        /// Makes the call that `call` holds if it is one of this definition; `None` if not. See [`crate::api::dispatch`].
        pub(crate) fn dispatch<D: #name + ?Sized>(
            daemon: &mut D,
            call: &mut crate::server::Call<'_>,
        ) -> Option<Result<()>> {
            match CALLS.iter().position(|info| info.procedure == call.procedure()) {
                #(#arms)*
                _ => None,
            }
        }

        /// The calls that a daemon answers.
        impl crate::Guestfs {
            #(#stubs)*
        }
    })
}

fn opts_name(call: &Call) -> Ident {
    let camel: String = call
        .name
        .to_string()
        .split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|c| c.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
        })
        .collect();
    format_ident!("{camel}Opts")
}

fn optional_type(kind: OptionalKind) -> TokenStream {
    match kind {
        OptionalKind::Bool => quote!(bool),
        OptionalKind::Int => quote!(i32),
        OptionalKind::Int64 => quote!(i64),
        OptionalKind::Text => quote!(bstr::BString),
        OptionalKind::List => quote!(Vec<bstr::BString>),
    }
}

fn server_method(call: &Call) -> TokenStream {
    let (name, docs, result) = (&call.name, &call.docs, &call.result);
    let parameters = call.parameters.iter().map(|Parameter { name, kind }| {
        let ty = match kind {
            Kind::Text(alias) => quote!(&crate::api::#alias),
            Kind::List(alias) => quote!(&crate::api::#alias),
            Kind::OptionalText => quote!(Option<&crate::api::PlainString>),
            Kind::Bool => quote!(bool),
            Kind::Int => quote!(i32),
            Kind::Int64 => quote!(i64),
            Kind::Buffer => quote!(&crate::api::Buffer),
            Kind::FileIn => quote!(&mut crate::server::FileIn<'_>),
            Kind::FileOut => quote!(&mut crate::server::FileOut<'_>),
            Kind::Meter => quote!(&mut crate::server::Meter<'_>),
            Kind::Opts => {
                let opts = opts_name(call);
                quote!(&#opts)
            }
        };
        quote!(#name: #ty)
    });
    let unused = call.parameters.iter().map(|p| &p.name);
    let text = name.to_string();
    quote! {
        #(#docs)*
        ///
        /// # Errors
        /// The error that the caller gets.
        fn #name(&mut self, #(#parameters),*) -> Result<#result> {
            #(let _ = #unused;)*
            Err(crate::api::not_here(#text))
        }
    }
}

fn options_structure(call: &Call) -> Option<TokenStream> {
    if call.attribute.optional.is_empty() {
        return None;
    }
    let name = opts_name(call);
    let docs = format!("Optional arguments of `{}`.", call.name);
    let fields = call.attribute.optional.iter().map(|o| {
        let (field, ty) = (&o.name, optional_type(o.kind));
        let docs = format!("`{field}`, if given.");
        quote!(#[doc = #docs] pub #field: Option<#ty>)
    });
    Some(quote! {
        #[doc = #docs]
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct #name { #(#fields),* }
    })
}

fn info(call: &Call) -> Result<TokenStream> {
    let name = call.name.to_string();
    let number = &call.attribute.number;
    let docs = call.docs.iter().map(|a| match &a.meta {
        syn::Meta::NameValue(v) => {
            let text = &v.value;
            quote!(#text)
        }
        _ => quote!(""),
    });
    let parameters = call.parameters.iter().filter(|p| !matches!(p.kind, Kind::Opts | Kind::Meter)).map(
        |Parameter { name, kind }| {
            let name = name.to_string();
            let kind = match kind {
                Kind::Text(alias) | Kind::List(alias) => quote!(#alias),
                Kind::OptionalText => quote!(OptString),
                Kind::Bool => quote!(Bool),
                Kind::Int => quote!(Int),
                Kind::Int64 => quote!(Int64),
                Kind::Buffer => quote!(BufferIn),
                Kind::FileIn => quote!(FileIn),
                Kind::FileOut => quote!(FileOut),
                Kind::Opts | Kind::Meter => quote!(),
            };
            quote!(crate::api::ParameterInfo { name: #name, kind: crate::api::Kind::#kind })
        },
    );
    let optional = call.attribute.optional.iter().map(|o| {
        let name = o.name.unraw().to_string();
        let kind = match o.kind {
            OptionalKind::Bool => quote!(Bool),
            OptionalKind::Int => quote!(Int),
            OptionalKind::Int64 => quote!(Int64),
            OptionalKind::Text => quote!(PlainString),
            OptionalKind::List => quote!(StringList),
        };
        quote!(crate::api::ParameterInfo { name: #name, kind: crate::api::Kind::#kind })
    });
    let result = result_info(&call.result)?;
    let (cancellable, progress) = (call.attribute.cancellable, call.attribute.progress);
    let replayed = call.attribute.replayed;
    let group = match &call.attribute.group {
        Some(group) => quote!(Some(#group)),
        None => quote!(None),
    };
    Ok(quote! {
        crate::api::CallInfo {
            name: #name,
            procedure: #number,
            documentation: concat!(#(#docs, "\n"),*),
            parameters: &[#(#parameters),*],
            optional: &[#(#optional),*],
            result: #result,
            cancellable: #cancellable,
            progress: #progress,
            replayed: #replayed,
            group: #group,
        }
    })
}

fn result_info(ty: &Type) -> Result<TokenStream> {
    let text = quote!(#ty).to_string().replace(' ', "");
    let name = match text.as_str() {
        "()" => "Nothing",
        "bool" => "Bool",
        "i32" => "Int",
        "i64" => "Int64",
        "BString" => "Text",
        "Vec<BString>" => "TextList",
        "Hashtable" => "Hashtable",
        "Vec<u8>" => "Buffer",
        _ => {
            let (variant, structure) = match text.strip_prefix("Vec<").and_then(|t| t.strip_suffix('>')) {
                Some(item) => (format_ident!("StructureList"), item),
                None => (format_ident!("Structure"), text.as_str()),
            };
            if !structure.chars().all(char::is_alphanumeric) {
                return Err(Error::new_spanned(ty, "not a result of the protocol"));
            }
            return Ok(quote!(crate::api::ResultKind::#variant(#structure)));
        }
    };
    let variant = format_ident!("{name}");
    Ok(quote!(crate::api::ResultKind::#variant))
}

/// Names of its own here are such as no parameter of the protocol has.
fn dispatch_arm((index, call): (usize, &Call)) -> TokenStream {
    let name = &call.name;
    let positional = call.parameters.iter().filter_map(|Parameter { name, kind }| match kind {
        Kind::Text(_) => Some(quote!(let #name: &bstr::BStr = wire_values.value()?;)),
        Kind::List(_) => Some(quote!(let #name: Vec<bstr::BString> = wire_values.value()?;)),
        Kind::OptionalText => Some(quote!(let #name: Option<&bstr::BStr> = wire_values.value()?;)),
        Kind::Bool | Kind::Int | Kind::Int64 => Some(quote!(let #name = wire_values.value()?;)),
        Kind::Buffer => Some(quote!(let #name: crate::wire::xdr::Bytes<'_> = wire_values.value()?;)),
        Kind::FileIn | Kind::FileOut | Kind::Meter | Kind::Opts => None,
    });
    let optional = call.attribute.optional.iter().enumerate().map(|(bit, o)| {
        let name = &o.name;
        let bit = u32::try_from(bit).unwrap_or(u32::MAX);
        quote!(#name: wire_values.optional(#bit)?)
    });
    let opts = if call.attribute.optional.is_empty() {
        quote!()
    } else {
        let structure = opts_name(call);
        quote!(let opts = #structure { #(#optional),* };)
    };
    let checks = call.parameters.iter().filter_map(|Parameter { name, kind }| match kind {
        Kind::Text(alias) => Some(quote!(daemon.check_argument(info, crate::api::Kind::#alias, #name)?;)),
        Kind::List(alias) => {
            Some(quote!(for item in &#name { daemon.check_argument(info, crate::api::Kind::#alias, item.as_ref())?; }))
        }
        _ => None,
    });
    let values = call.parameters.iter().map(|Parameter { name, kind }| match kind {
        Kind::List(_) => quote!(&#name),
        Kind::Buffer => quote!(#name.0),
        Kind::FileIn | Kind::FileOut => quote!(&mut transfer),
        Kind::Meter => quote!(&mut call.meter()),
        Kind::Opts => quote!(&opts),
        _ => quote!(#name),
    });
    let make = quote!(daemon.#name(#(#values),*));
    let make = if call.has(&Kind::FileOut) {
        quote! {
            let mut transfer = call.file_out();
            let result = #make;
            if let Err(error) = &result {
                daemon.note_failure(error);
            }
            transfer.finish(result)
        }
    } else if call.has(&Kind::FileIn) {
        quote! {
            let mut transfer = call.file_in();
            let result = #make?;
            transfer.finish()?;
            call.reply(&result)
        }
    } else {
        quote! {
            let result = #make?;
            call.reply(&result)
        }
    };
    quote! {
        Some(#index) => {
            let mut answer = || -> Result<()> {
                let info = &CALLS[#index];
                daemon.check_available(info)?;
                let mut wire_values = call.arguments(info)?;
                #(#positional)*
                #opts
                wire_values.finish()?;
                #(#checks)*
                #make
            };
            Some(answer())
        }
    }
}

fn client_stub((index, call): (usize, &Call)) -> TokenStream {
    let (name, docs, result) = (&call.name, &call.docs, &call.result);
    let given = call.parameters.iter().filter(|p| p.kind != Kind::Meter);
    let parameters = given.map(|Parameter { name, kind }| match kind {
        Kind::Meter => quote!(),
        Kind::Text(_) => quote!(#name: impl AsRef<[u8]>),
        Kind::List(_) => quote!(#name: &[impl AsRef<[u8]>]),
        Kind::OptionalText => quote!(#name: Option<&[u8]>),
        Kind::Bool => quote!(#name: bool),
        Kind::Int => quote!(#name: i32),
        Kind::Int64 => quote!(#name: i64),
        Kind::Buffer => quote!(#name: &[u8]),
        Kind::FileIn => quote!(#name: crate::client::Upload<'_>),
        Kind::FileOut => quote!(#name: &mut dyn std::io::Write),
        Kind::Opts => {
            let opts = opts_name(call);
            quote!(#name: &#opts)
        }
    });
    let encode = call.parameters.iter().filter_map(|Parameter { name, kind }| match kind {
        Kind::Text(alias) if alias == "Key" => Some(quote!(request.secret(#name.as_ref());)),
        Kind::Text(_) => Some(quote!(request.text(#name.as_ref());)),
        Kind::List(_) => Some(quote!(request.list(#name);)),
        Kind::OptionalText => Some(quote!(request.optional_text(#name);)),
        Kind::Bool | Kind::Int | Kind::Int64 => Some(quote!(request.number(#name);)),
        Kind::Buffer => Some(quote!(request.buffer(#name);)),
        Kind::FileIn | Kind::FileOut => Some(quote!(request.file();)),
        Kind::Meter | Kind::Opts => None,
    });
    let optional = call.attribute.optional.iter().map(|o| {
        let (field, text) = (&o.name, o.name.unraw().to_string());
        quote!(request.optional(#text, opts.#field.as_ref());)
    });
    let file = call.parameters.iter().find(|p| matches!(p.kind, Kind::FileIn | Kind::FileOut));
    let invoke = match file {
        Some(Parameter { name, kind: Kind::FileIn }) => quote!(self.invoke_upload(request, #name)),
        Some(Parameter { name, .. }) => quote!(self.invoke_download(request, #name)),
        None => quote!(self.invoke(request)),
    };
    quote! {
        #(#docs)*
        ///
        /// # Errors
        /// What the daemon answered, under the name of this call; or that there is no daemon (any more).
        pub fn #name(&self, #(#parameters),*) -> Result<#result> {
            let mut request = self.request(&CALLS[#index]);
            #(#encode)*
            #(#optional)*
            #invoke
        }
    }
}

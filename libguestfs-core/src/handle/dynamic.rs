//! Calls by name, with their arguments as words and their results as values that print: for shells, and for tests that
//! make the same calls on many daemons.
//!
//! Words and printed results have the forms of guestfish(1).

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use bstr::{BStr, BString, ByteSlice};

use super::{Guestfs, Request};
use crate::api::{self, CallInfo, Char, Hashtable, Kind, ParameterInfo, ResultKind, STRUCTURES, Trace, Uuid};
use crate::client::Upload;
use crate::wire::xdr::{Bytes, Decode, DecodeError, Reader};
use crate::{Error, Result};

/// What a call returned.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// It has no result.
    Nothing,
    /// A truth value.
    Bool(bool),
    /// A number, of any width.
    Number(i128),
    /// A share between 0 and 1, or -1 for none.
    Share(f32),
    /// Text.
    Text(BString),
    /// Bytes, printed as they are.
    Bytes(Vec<u8>),
    /// Several texts.
    List(Vec<BString>),
    /// Keys with values.
    Table(Vec<(BString, BString)>),
    /// Fields with values.
    Structure(Vec<(&'static str, Value)>),
    /// Several structures.
    Structures(Vec<Value>),
}

/// The body of a reply, to be decoded by the definition of its call.
struct Body(Vec<u8>);

impl<'a> Decode<'a> for Body {
    fn decode(input: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Body(input.rest().to_vec()))
    }
}

impl Trace for Body {
    fn trace(&self, line: &mut String) {
        line.push_str(&format!("<{} bytes>", self.0.len()));
    }
}

impl Guestfs {
    /// Makes the call `name`, of which `-` and `_` are the same, with its arguments as guestfish takes them: lists are
    /// words within a word, optional arguments `name:value`, files the names of local files. A file that the daemon
    /// sends goes to `output` if its name is `-`.
    ///
    /// # Errors
    /// If there is no such call, the arguments are not those of the call, or it fails.
    pub fn call_by_name(&self, name: &str, words: &[BString], output: &mut dyn Write) -> Result<Value> {
        let name = name.replace('-', "_");
        let info = api::call_named(&name).ok_or_else(|| Error::usage(format!("there is no call {name}")))?;
        let mut request = self.request(info);
        let (positional, optional) = arguments(info, words)?;
        let mut file = None;
        for (parameter, word) in info.parameters.iter().zip(positional) {
            if matches!(parameter.kind, Kind::FileIn | Kind::FileOut) {
                request.file();
                file = Some((parameter.kind, word.as_bstr()));
            } else {
                positional_argument(&mut request, parameter, word.as_bstr())?;
            }
        }
        for parameter in info.optional {
            optional_argument(&mut request, parameter, optional.iter().find(|(n, _)| *n == parameter.name))?;
        }
        let Body(body) = match file {
            None => self.invoke(request)?,
            Some((Kind::FileIn, name)) => {
                let (mut content, size) = open(name)?;
                self.invoke_upload(request, Upload { content: &mut content, size })?
            }
            Some((_, name)) if name == "-" => self.invoke_download(request, output)?,
            Some((_, name)) => {
                let path = path(name)?;
                let mut file = File::create(path).map_err(|e| Error::io(path.display().to_string(), e))?;
                self.invoke_download(request, &mut file)?
            }
        };
        let mut input = Reader::new(&body);
        let value = decode(info.result, &mut input).and_then(|value| input.finish().map(|()| value));
        value.map_err(|e| Error::protocol(format!("{name}: the daemon's reply can't be decoded: {e}")))
    }
}

/// The words of the positional arguments, and the names and values of the optional ones.
type Arguments<'a> = (&'a [BString], Vec<(&'a str, &'a BStr)>);

fn arguments<'a>(info: &CallInfo, words: &'a [BString]) -> Result<Arguments<'a>> {
    let count = info.parameters.len();
    let (Some(positional), Some(rest)) = (words.get(..count), words.get(count..)) else {
        return Err(Error::usage(format!("{} takes {count} arguments", info.name)));
    };
    let optional = rest.iter().map(|word| {
        let (name, value) = word.split_once_str(":").unwrap_or((word, b""));
        let name = name.to_str().unwrap_or_default();
        if !info.optional.iter().any(|o| o.name == name) {
            return Err(Error::usage(format!("{} has no argument {word}", info.name)));
        }
        Ok((name, value.as_bstr()))
    });
    Ok((positional, optional.collect::<Result<_>>()?))
}

fn positional_argument(request: &mut Request, parameter: &ParameterInfo, word: &BStr) -> Result<()> {
    match parameter.kind {
        Kind::Key => request.secret(word),
        Kind::PathnameList | Kind::DeviceList | Kind::FilenameList | Kind::StringList => {
            request.list(&list(word));
        }
        Kind::OptString => request.optional_text((!word.is_empty()).then_some(word.as_bytes())),
        Kind::Bool => request.number(truth(word)?),
        Kind::Int => request.number(number::<i32>(word)?),
        Kind::Int64 => request.number(number::<i64>(word)?),
        Kind::BufferIn => request.buffer(word),
        _ => request.text(word),
    }
    Ok(())
}

fn optional_argument(
    request: &mut Request,
    parameter: &ParameterInfo,
    given: Option<&(&str, &BStr)>,
) -> Result<()> {
    let name = parameter.name;
    let word = given.map(|(_, value)| *value);
    match parameter.kind {
        Kind::Bool => request.optional(name, word.map(truth).transpose()?.as_ref()),
        Kind::Int => request.optional(name, word.map(number::<i32>).transpose()?.as_ref()),
        Kind::Int64 => request.optional(name, word.map(number::<i64>).transpose()?.as_ref()),
        Kind::StringList => request.optional(name, word.map(list).as_ref()),
        _ => request.optional(name, word.map(ToOwned::to_owned).as_ref()),
    }
    Ok(())
}

fn list(word: &BStr) -> Vec<BString> {
    word.fields_with(|c| c == ' ').map(BString::from).collect()
}

fn truth(word: &BStr) -> Result<bool> {
    match word.as_bytes() {
        b"true" | b"t" | b"1" | b"yes" | b"y" | b"on" => Ok(true),
        b"false" | b"f" | b"0" | b"no" | b"n" | b"off" => Ok(false),
        _ => Err(Error::usage(format!("{word}: expecting true or false"))),
    }
}

/// A number: decimal, octal after `0`, hexadecimal after `0x`; with `K`, `M`, `G` or `T` in units of 1024 and its powers.
fn number<T: TryFrom<i64>>(word: &BStr) -> Result<T> {
    let wrong = || Error::usage(format!("{word}: expecting a number"));
    let text = word.to_str().map_err(|_| wrong())?;
    let (text, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        Some(b'T') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None => digits.parse::<i64>(),
    };
    let value = value.map_err(|_| wrong())?.checked_mul(1 << shift).ok_or_else(wrong)?;
    T::try_from(if negative { value.saturating_neg() } else { value }).map_err(|_| wrong())
}

fn path(name: &BStr) -> Result<&Path> {
    name.to_path().map_err(|_| Error::usage(format!("{name}: not the name of a file")))
}

fn open(name: &BStr) -> Result<(File, Option<u64>)> {
    let path = path(name)?;
    let broken = |e| Error::io(path.display().to_string(), e);
    let file = File::open(path).map_err(broken)?;
    let metadata = file.metadata().map_err(broken)?;
    Ok((file, metadata.is_file().then_some(metadata.len())))
}

fn decode(kind: ResultKind, input: &mut Reader<'_>) -> Result<Value, DecodeError> {
    Ok(match kind {
        ResultKind::Nothing => Value::Nothing,
        ResultKind::Bool => Value::Bool(input.value()?),
        ResultKind::Int => Value::Number(input.value::<i32>()?.into()),
        ResultKind::Int64 => Value::Number(input.value::<i64>()?.into()),
        ResultKind::Text => Value::Text(input.value()?),
        ResultKind::TextList => Value::List(input.value()?),
        ResultKind::Hashtable => Value::Table(input.value::<Hashtable>()?.0),
        ResultKind::Buffer => Value::Bytes(input.value::<Bytes<'_>>()?.0.to_vec()),
        ResultKind::Structure(name) => structure(name, input)?,
        ResultKind::StructureList(name) => {
            let count = input.value::<u32>()?;
            // Each has a field at least: the input ends before memory does.
            Value::Structures((0..count).map(|_| structure(name, input)).collect::<Result<_, _>>()?)
        }
    })
}

fn structure(name: &str, input: &mut Reader<'_>) -> Result<Value, DecodeError> {
    let fields = STRUCTURES.iter().find(|s| s.rust_name == name).map(|s| s.fields).unwrap_or_default();
    let value = |ty: &str, input: &mut Reader<'_>| {
        Ok(match ty {
            "i32" => Value::Number(input.value::<i32>()?.into()),
            "u32" => Value::Number(input.value::<u32>()?.into()),
            "i64" => Value::Number(input.value::<i64>()?.into()),
            "u64" => Value::Number(input.value::<u64>()?.into()),
            "f32" => Value::Share(input.value()?),
            "Char" => Value::Text(vec![input.value::<Char>()?.0].into()),
            "Uuid" => Value::Text(input.value::<Uuid>()?.0.to_vec().into()),
            "Vec<u8>" => Value::Bytes(input.value::<Bytes<'_>>()?.0.to_vec()),
            _ => Value::Text(input.value()?),
        })
    };
    Ok(Value::Structure(
        fields.iter().map(|(name, ty)| Ok((*name, value(ty, input)?))).collect::<Result<_, DecodeError>>()?,
    ))
}

impl Value {
    /// Prints the value as guestfish does. Nothing prints as nothing.
    ///
    /// # Errors
    /// If `out` can't be written.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        self.print_indented(out, "")
    }

    fn print_indented(&self, out: &mut dyn Write, indent: &str) -> std::io::Result<()> {
        match self {
            Value::Nothing => Ok(()),
            Value::Bytes(bytes) => out.write_all(bytes),
            Value::Structure(fields) => fields.iter().try_for_each(|(name, value)| {
                write!(out, "{indent}{name}: ")?;
                value.print(out)?;
                if matches!(value, Value::Bytes(_)) { writeln!(out) } else { Ok(()) }
            }),
            Value::Structures(structures) => structures.iter().enumerate().try_for_each(|(i, structure)| {
                writeln!(out, "[{i}] = {{")?;
                structure.print_indented(out, "  ")?;
                writeln!(out, "}}")
            }),
            Value::List(texts) => texts.iter().try_for_each(|text| {
                out.write_all(text)?;
                writeln!(out)
            }),
            Value::Table(entries) => entries.iter().try_for_each(|(key, value)| {
                out.write_all(key)?;
                out.write_all(b": ")?;
                out.write_all(value)?;
                writeln!(out)
            }),
            Value::Text(text) => {
                out.write_all(text)?;
                writeln!(out)
            }
            Value::Bool(truth) => writeln!(out, "{truth}"),
            Value::Number(number) => writeln!(out, "{number}"),
            Value::Share(share) => writeln!(out, "{share}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.print(&mut text).map_err(|_| fmt::Error)?;
        f.write_str(&text.to_str_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_guestfish() {
        for (word, expected) in
            [("0", 0), ("42", 42), ("0755", 0o755), ("0x1f", 31), ("2K", 2048), ("-1", -1), ("1G", 1 << 30)]
        {
            assert_eq!(number::<i64>(word.into()).unwrap(), expected, "{word}");
        }
        for word in ["", "x", "09", "1Q", "9999999999999T"] {
            assert!(number::<i64>(word.into()).is_err(), "{word}");
        }
        assert!(number::<i32>("4G".into()).is_err());
    }

    #[test]
    fn values_print_as_in_guestfish() {
        let fields = vec![("ino", Value::Number(2)), ("name", Value::Text("a".into()))];
        for (value, expected) in [
            (Value::Nothing, ""),
            (Value::Bool(true), "true\n"),
            (Value::List(vec!["a".into(), "b".into()]), "a\nb\n"),
            (Value::Table(vec![("k".into(), "v".into())]), "k: v\n"),
            (Value::Structure(fields.clone()), "ino: 2\nname: a\n"),
            (Value::Structures(vec![Value::Structure(fields)]), "[0] = {\n  ino: 2\n  name: a\n}\n"),
        ] {
            assert_eq!(value.to_string(), expected);
        }
    }

    #[test]
    fn arguments_are_told_apart() {
        let call = api::call_named("is_file").unwrap();
        let words: Vec<BString> = vec!["/x".into(), "followsymlinks:true".into()];
        let (positional, optional) = arguments(call, &words).unwrap();
        assert_eq!(positional, ["/x"]);
        assert_eq!(optional, [("followsymlinks", BStr::new("true"))]);
        assert!(arguments(call, &[]).is_err());
        assert!(arguments(call, &["/x".into(), "nothing:1".into()]).is_err());
    }
}

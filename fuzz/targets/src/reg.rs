//! `.reg` files of any bytes, applied to a new hive: what a hive takes can be read strictly, and its export is the same
//! once it was merged into another hive.

use hivex::reg::{Action, Export, Strings, export, parse};
use hivex::{FileTime, Hive, Options};

/// How many changes of a file are made.
const CHANGES: usize = 200;
const OPTIONS: Options = Options { strict: true, write: true, time: Some(FileTime(1)) };

/// A `.reg` file.
pub(crate) fn reg(data: &[u8]) {
    let Ok(changes) = parse(data, Strings::Utf16) else { return };
    assert!(changes.len() <= data.len(), "more changes than bytes");
    for change in &changes {
        if let Action::Set { data: value, .. } = &change.action {
            assert!(value.len() <= 2 * data.len() + 4, "{} bytes of data", value.len());
        }
    }
    let Ok(mut hive) = Hive::create(OPTIONS) else { return };
    for change in changes.iter().take(CHANGES) {
        // Some names can't be stored: they are refused.
        let _ = hive.apply(change.path.as_ref(), &change.action);
    }
    let committed = hive.commit();
    assert!(committed.is_ok(), "{committed:?}");
    let text = exported(&hive);
    let again = Hive::open(hive.into_image(), OPTIONS);
    assert!(again.is_ok(), "a hive that was merged into does not open: {:?}", again.err());

    // A name may end in what the syntax has another meaning for: such a text is not read as what it was.
    let Ok(changes) = parse(&text, Strings::Utf16) else { return };
    let Ok(mut second) = Hive::create(OPTIONS) else { return };
    let applied = changes.iter().try_for_each(|change| second.apply(change.path.as_ref(), &change.action));
    if applied.is_ok()
        && !changes.iter().any(|change| change.path.iter().any(|byte| b";]\n\r".contains(byte)))
    {
        assert!(exported(&second) == text, "an export that is merged is not the same");
    }
}

fn exported(hive: &Hive) -> Vec<u8> {
    let mut text = Vec::new();
    let result = export(hive, hive.root(), &Export::default(), &mut text);
    assert!(result.is_ok(), "{result:?}");
    text
}

/// Files of both encodings.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let text = "Windows Registry Editor Version 5.00\r\n\r\n; comment\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\A]\r\n@=\"default\"\r\n\
        \"a \\\"b\\\" \\\\c\"=dword:0000000a\r\n\"b\"=hex:01,02,\\\r\n  03\r\n\"c\"=str(2):\"%P%\"\r\n\"d\"=-\r\n\
        \"e\"=hex(7):61,00,00,00,00,00\r\n\r\n[-HKEY_LOCAL_MACHINE\\SOFTWARE\\B]\r\n\r\n[HKEY_LOCAL_MACHINE\\\u{20ac}]\r\n\
        \"\u{e9}\"=hex(b):01,02,03,04,05,06,07,08\r\n\"f\"=\"two\r\nlines\"\r\n";
    let wide = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    vec![
        text.as_bytes().to_vec(),
        wide,
        text.replacen("Windows Registry Editor Version 5.00", "REGEDIT4", 1).into_bytes(),
    ]
}

//! Comma-separated values, quoted as the original tools do.

/// Adds `field` to `line`: in double quotes, with those within doubled, if a space, a comma, a double quote or a line break
/// is in it.
pub fn field(field: &[u8], line: &mut Vec<u8>) {
    if !field.iter().any(|b| b" ,\"\n".contains(b)) {
        line.extend_from_slice(field);
        return;
    }
    line.push(b'"');
    for &byte in field {
        if byte == b'"' {
            line.push(b'"');
        }
        line.push(byte);
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_would_break_a_line_is_quoted() {
        for (field, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("c,d", "\"c,d\""),
            ("a\nb", "\"a\nb\""),
            ("a\tb\r", "a\tb\r"),
        ] {
            let mut line = Vec::new();
            super::field(field.as_bytes(), &mut line);
            assert_eq!(line, expected.as_bytes());
        }
    }
}

//! Comma-separated values, RFC 4180.

/// Longest field that is read, in octets.
const MAX_FIELD: usize = 64 * 1024;

/// Why a text is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CsvError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl CsvError {
    /// A fault in a line.
    #[must_use]
    pub fn new(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line,
            reason: reason.into(),
        }
    }
}

/// A row and the line it starts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// From 1.
    pub line: usize,
    /// Its fields, quotes undone.
    pub fields: Vec<String>,
}

/// Reads rows; empty lines are passed over. Lines may end in CR LF or LF.
///
/// # Errors
/// [`CsvError`] for a quote that is not closed or stands inside a field, or a field over 64 KiB.
pub fn rows(text: &str, separator: char) -> Result<Vec<Row>, CsvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let mut characters = text.chars().peekable();
    let mut line = 1;
    let mut row = Row {
        line,
        fields: Vec::new(),
    };
    let mut field = String::new();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        if field.len() > MAX_FIELD {
            return Err(CsvError::new(line, "a field over 64 KiB"));
        }
        match character {
            '"' if field.is_empty() && !quoted => {
                quoted = true;
                loop {
                    match characters.next() {
                        None => return Err(CsvError::new(line, "a quoted field is not closed")),
                        Some('"') if characters.peek() == Some(&'"') => {
                            characters.next();
                            field.push('"');
                        }
                        Some('"') => break,
                        Some(other) => {
                            line += usize::from(other == '\n');
                            field.push(other);
                        }
                    }
                    if field.len() > MAX_FIELD {
                        return Err(CsvError::new(line, "a field over 64 KiB"));
                    }
                }
            }
            '"' => return Err(CsvError::new(line, "a quote inside a field")),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                end_row(&mut found, &mut row, &mut field, quoted);
                quoted = false;
                line += 1;
                row.line = line;
            }
            other if other == separator => {
                row.fields.push(std::mem::take(&mut field));
                quoted = false;
            }
            _ if quoted => return Err(CsvError::new(line, "text after a quoted field")),
            other => field.push(other),
        }
    }
    end_row(&mut found, &mut row, &mut field, quoted);
    Ok(found)
}

fn end_row(found: &mut Vec<Row>, row: &mut Row, field: &mut String, quoted: bool) {
    if row.fields.is_empty() && field.is_empty() && !quoted {
        return;
    }
    row.fields.push(std::mem::take(field));
    found.push(Row {
        line: row.line,
        fields: std::mem::take(&mut row.fields),
    });
}

/// A field as it is written: quoted where it must be.
#[must_use]
pub fn field(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_line_ends() {
        let table = rows("a,b\r\n\"x,\"\"y\"\"\nz\",\n\n1,2", ',').unwrap();
        let fields: Vec<_> = table
            .iter()
            .map(|row| (row.line, row.fields.join("|")))
            .collect();
        assert_eq!(
            fields,
            [
                (1, "a|b".to_owned()),
                (2, "x,\"y\"\nz|".to_owned()),
                (5, "1|2".to_owned())
            ]
        );
        assert!(
            rows("\"a", ',').is_err() && rows("a\"b", ',').is_err() && rows("\"a\"b", ',').is_err()
        );
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(table in proptest::collection::vec(proptest::collection::vec("[a-c,\"\r\n ]{0,6}", 2), 1..4)) {
            let text: String = table.iter().map(|row| row.iter().map(|f| field(f)).collect::<Vec<_>>().join(",") + "\r\n").collect();
            let read: Vec<Vec<String>> = rows(&text, ',').unwrap().into_iter().map(|row| row.fields).collect();
            proptest::prop_assert_eq!(read, table);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
            let _ = rows(&text, ';');
        }
    }
}

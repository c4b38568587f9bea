//! Many rows as one argument, for statements that write a whole batch.
//!
//! The argument is a JSON object of arrays, one for each row. `json_each(json($1))` takes it apart on both
//! engines, and `value ->> 0` is the first column of a row. (An array at the outside would not do:
//! `json_each` of `PostgreSQL` knows objects alone.)

use std::fmt::Write as _;

use symbolon_core::Timestamp;
use symbolon_core::id::Id;

use crate::sql::Value;

/// One column of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Int(i64),
    Text(&'a str),
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<K> From<Id<K>> for Cell<'_> {
    fn from(id: Id<K>) -> Self {
        Self::Int(id.raw())
    }
}

impl From<Timestamp> for Cell<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.unix_ms())
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// Rows in their order.
pub(crate) fn rows<'a, const N: usize>(rows: impl IntoIterator<Item = [Cell<'a>; N]>) -> Value {
    let mut json = String::from("{");
    for (number, row) in rows.into_iter().enumerate() {
        let opening = if number == 0 { "" } else { "," };
        let _ = write!(json, "{opening}\"{number}\":");
        for (column, cell) in row.into_iter().enumerate() {
            json.push(if column == 0 { '[' } else { ',' });
            match cell {
                Cell::Int(number) => {
                    let _ = write!(json, "{number}");
                }
                Cell::Text(text) => push_text(&mut json, text),
            }
        }
        json.push(']');
    }
    json.push('}');
    Value::from(json)
}

/// RFC 8259 §7.
fn push_text(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\x1f' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_arrays_in_an_object_and_text_is_escaped() {
        let written = rows([
            [Cell::Int(i64::MIN), Cell::Text("a\"\\\n\u{7f}\u{e9}")],
            [Cell::Int(2), Cell::Text("")],
        ]);

        let Value::Text(Some(json)) = written else { panic!("{written:?}") };
        let expected =
            "{\"0\":[-9223372036854775808,\"a\\\"\\\\\\u000a\u{7f}\u{e9}\"],\"1\":[2,\"\"]}";
        assert_eq!(json, expected);
    }

    #[test]
    fn no_rows_are_an_empty_object() {
        let written = rows::<1>([]);

        assert!(matches!(written, Value::Text(Some(json)) if json == "{}"));
    }
}

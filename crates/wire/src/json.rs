//! JSON bodies: from structs of ours by serde, and piece by piece where an answer must not cost an
//! allocation.

use serde::Serialize;

/// Renders `body` without white space.
///
/// Only for structs of strings, numbers and truth values with derived `Serialize`, which cannot
/// fail.
pub(crate) fn render(body: &impl Serialize) -> String {
    serde_json::to_string(body)
        .expect("structs of strings, numbers and truth values always serialise")
}

/// Appends `text` as a JSON string, escaped as serde does (RFC 8259 §7).
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    let bytes = text.as_bytes();
    out.push(b'"');
    // All bytes are looked at, also after one that is not plain: that can be done many at a time.
    if bytes.iter().fold(true, |all, &byte| all & plain(byte)) {
        out.extend_from_slice(bytes);
    } else {
        for &byte in bytes {
            if plain(byte) { out.push(byte) } else { push_escape(out, byte) }
        }
    }
    out.push(b'"');
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\x08' => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        b'\x0c' => b'f',
        b'\r' => b'r',
        _ => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Appends `number` in decimal.
pub(crate) fn push_number(out: &mut Vec<u8>, number: i64) {
    // 2^63 has 19 digits.
    let mut digits = [0_u8; 20];
    let mut begin = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        begin -= 1;
        digits[begin] = b'-';
    }
    out.extend_from_slice(&digits[begin..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{push_number, push_text};

    fn text(text: &str) -> String {
        let mut out = Vec::new();
        push_text(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn number(number: i64) -> String {
        let mut out = Vec::new();
        push_number(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_json_must_escape_is_escaped_as_serde_does() {
        let every: String = (0..=0x100).filter_map(char::from_u32).collect();

        assert_eq!(text(&every), serde_json::to_string(&every).unwrap());
        assert_eq!(text("a\"\\\u{1f}é"), r#""a\"\\\u001fé""#);
    }

    #[test]
    fn numbers_reach_both_ends() {
        for end in [i64::MIN, -10, -1, 0, 9, 10, i64::MAX] {
            assert_eq!(number(end), end.to_string());
        }
    }

    proptest! {
        #[test]
        fn texts_and_numbers_are_written_as_serde_does(any_text in any::<String>(), any_number in any::<i64>()) {
            prop_assert_eq!(text(&any_text), serde_json::to_string(&any_text).unwrap());
            prop_assert_eq!(number(any_number), any_number.to_string());
        }
    }
}

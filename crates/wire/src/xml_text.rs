//! What may stand in XML 1.0 text, and how ours is escaped (CWE-91).
//!
//! Only element text is ever written from outside strings, never an attribute or a name.

/// Says whether `character` may stand in an XML 1.0 document (production 2, `Char`).
pub(crate) const fn is_xml_char(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        // A char is never a surrogate, so nothing else above the controls is missing.
        _ => character >= ' ',
    }
}

/// Appends `text` so that it reads back as itself, on one line, whatever it holds.
///
/// Characters that XML cannot carry are left out. Line breaks become references: some clients cut
/// answers apart with expressions whose `.` stops at the end of a line.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            _ if is_xml_char(character) => out.push(character),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::push_escaped;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        push_escaped(&mut out, text);
        out
    }

    #[test]
    fn markup_is_escaped_and_illegal_characters_vanish() {
        assert_eq!(escaped("</faultstring>"), "&lt;/faultstring&gt;");
        assert_eq!(escaped("a&b\"c'd"), "a&amp;b&quot;c&apos;d");
        assert_eq!(escaped("\u{0}a\u{1b}[31m\u{fffe}b\u{ffff}"), "a[31mb");
        assert_eq!(escaped("]]>"), "]]&gt;");
        assert_eq!(escaped("two\r\nlines"), "two&#13;&#10;lines");
        assert_eq!(escaped("Zoë 🦀"), "Zoë 🦀");
    }
}

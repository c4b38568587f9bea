//! A strict reader of `application/x-www-form-urlencoded`, for OAuth requests and for our own
//! pages.
//!
//! Percent signs are decoded exactly once, the result must be UTF-8 without NUL, and a name may
//! occur once: two values for one name are read differently by different layers, which is how
//! checks are walked around. Every value is treated as a secret, because the reader does not know
//! which are.

use std::iter::from_fn;

use memchr::{memchr, memchr2};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::presented::wiped_text;
use crate::{Presented, PresentedText};

/// Fields that one form may have. Our largest page has fewer than twenty.
pub const MAX_FIELDS: usize = 64;

/// Why a form was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FormError {
    /// More than [`MAX_FIELDS`] fields.
    #[error("the form has too many fields")]
    TooManyFields,
    /// A percent sign without two hexadecimal digits after it.
    #[error("the form holds a malformed percent escape")]
    BadEscape,
    /// Bytes that are not UTF-8 once decoded.
    #[error("the form is not UTF-8")]
    NotUtf8,
    /// A NUL character, which ends strings in too many systems.
    #[error("the form holds a NUL character")]
    Nul,
    /// The same name twice.
    #[error("the form names a field twice")]
    DuplicateField,
}

/// The fields of a form, in the order sent.
#[derive(Debug)]
pub struct Form {
    fields: Vec<(String, Presented)>,
}

impl Form {
    /// Reads a request body or a query string.
    ///
    /// # Errors
    ///
    /// The first [`FormError`] met, reading from the front. It never says what was sent.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut fields: Vec<(String, Presented)> = Vec::new();
        for pair in pairs(body) {
            let (name, value) = pair?;
            if fields.iter().any(|(known, _)| known == name.reveal()) {
                return Err(FormError::DuplicateField);
            }
            fields.push((name.reveal().to_owned(), value.into_owned()));
        }
        Ok(Self { fields })
    }

    /// Takes the value of `name` out of the form, so that it has one owner.
    pub fn take(&mut self, name: &str) -> Option<Presented> {
        let at = self.fields.iter().position(|(known, _)| known == name)?;
        Some(self.fields.remove(at).1)
    }

    /// Shows the value of `name`. Only for fields that hold no secret.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.reveal())
    }

    /// Finds the first name that is not in `allowed`.
    pub fn unknown_fields(&self, allowed: &[&str]) -> Option<&str> {
        self.names().find(|name| !allowed.contains(name))
    }

    /// Lists the names in the order sent.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }
}

/// Reads names and values from the front, and copies none that is spelled as it is meant.
///
/// Whether a name may occur twice is left to the caller.
pub(crate) fn pairs(
    body: &[u8],
) -> impl Iterator<Item = Result<(PresentedText<'_>, PresentedText<'_>), FormError>> {
    pieces(body).filter(|pair| !pair.is_empty()).enumerate().map(|(at, pair)| {
        if at >= MAX_FIELDS {
            return Err(FormError::TooManyFields);
        }
        let equals = memchr(b'=', pair).unwrap_or(pair.len());
        let name = decode_text(&pair[..equals])?;
        let value = decode_text(pair.get(equals + 1..).unwrap_or_default())?;
        Ok((name, value))
    })
}

/// What stands between ampersands.
fn pieces(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(body);
    from_fn(move || {
        let all = left?;
        let end = memchr(b'&', all);
        left = end.map(|end| &all[end + 1..]);
        Some(&all[..end.unwrap_or(all.len())])
    })
}

/// [`decode`], without a copy where there is nothing to decode.
pub(crate) fn decode_text(raw: &[u8]) -> Result<PresentedText<'_>, FormError> {
    if is_encoded(raw) {
        return Ok(PresentedText::wiped(decode(raw)?.into()));
    }
    if memchr(0, raw).is_some() {
        return Err(FormError::Nul);
    }
    let text = str::from_utf8(raw).map_err(|_| FormError::NotUtf8)?;
    Ok(PresentedText::borrowed(text))
}

/// Says whether there is anything to decode.
pub(crate) fn is_encoded(raw: &[u8]) -> bool {
    memchr2(b'+', b'%', raw).is_some()
}

/// Decodes one name or value: `+` is a space, `%xx` a byte, everything else itself.
pub(crate) fn decode(raw: &[u8]) -> Result<Zeroizing<String>, FormError> {
    // Decoding never lengthens, so the buffer never grows and leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(raw.len()));
    let mut rest = raw;
    while let Some(at) = memchr2(b'+', b'%', rest) {
        bytes.extend_from_slice(&rest[..at]);
        let (byte, behind) = match &rest[at..] {
            [b'%', high, low, behind @ ..] => (hex_digit(*high)? << 4 | hex_digit(*low)?, behind),
            [b'+', behind @ ..] => (b' ', behind),
            _ => return Err(FormError::BadEscape),
        };
        bytes.push(byte);
        rest = behind;
    }
    bytes.extend_from_slice(rest);
    if memchr(0, &bytes).is_some() {
        return Err(FormError::Nul);
    }
    wiped_text(bytes).ok_or(FormError::NotUtf8)
}

fn hex_digit(byte: u8) -> Result<u8, FormError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(FormError::BadEscape),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Form, FormError, MAX_FIELDS};

    fn refusal(body: &[u8]) -> FormError {
        Form::parse(body).unwrap_err()
    }

    #[test]
    fn percent_signs_are_decoded_exactly_once() {
        let form = Form::parse(b"a=%2541&b=x+y%2Bz&c&=empty").unwrap();

        assert_eq!(form.text("a"), Some("%41"));
        assert_eq!(form.text("b"), Some("x y+z"));
        assert_eq!(form.text("c"), Some(""));
        assert_eq!(form.text(""), Some("empty"));
        assert_eq!(form.text("d"), None);
    }

    #[test]
    fn only_the_first_equals_sign_divides() {
        assert_eq!(Form::parse(b"a=b=c").unwrap().text("a"), Some("b=c"));
    }

    #[test]
    fn taken_field_is_gone() {
        let mut form = Form::parse(b"password=p&username=u").unwrap();

        assert_eq!(form.take("password").unwrap().reveal(), "p");
        assert!(form.take("password").is_none());
        assert_eq!(form.names().collect::<Vec<_>>(), ["username"]);
    }

    #[test]
    fn first_field_that_is_not_allowed_is_named() {
        let form = Form::parse(b"username=u&is_admin=1&x=2").unwrap();

        assert_eq!(form.unknown_fields(&["username"]), Some("is_admin"));
        assert_eq!(form.unknown_fields(&["username", "is_admin", "x"]), None);
    }

    #[test]
    fn each_malformed_form_is_refused_for_its_own_reason() {
        assert_eq!(refusal(b"a=%"), FormError::BadEscape);
        assert_eq!(refusal(b"a=%4"), FormError::BadEscape);
        assert_eq!(refusal(b"a=%zz"), FormError::BadEscape);
        assert_eq!(refusal(b"a=%00"), FormError::Nul);
        assert_eq!(refusal(b"a=\0"), FormError::Nul);
        assert_eq!(refusal(b"a=%ff"), FormError::NotUtf8);
        assert_eq!(refusal(b"a=\xc3"), FormError::NotUtf8);
        assert_eq!(refusal(b"a=1&%61=2"), FormError::DuplicateField);
    }

    #[test]
    fn field_count_is_bounded() {
        let body =
            |count: usize| (0..count).map(|n| format!("f{n}=v")).collect::<Vec<_>>().join("&");

        assert!(Form::parse(body(MAX_FIELDS).as_bytes()).is_ok());
        assert_eq!(refusal(body(MAX_FIELDS + 1).as_bytes()), FormError::TooManyFields);
    }

    #[test]
    fn debug_shows_names_but_no_value() {
        let form = Form::parse(b"password=hunter2").unwrap();

        assert_eq!(format!("{form:?}"), r#"Form { fields: [("password", Presented(..))] }"#);
    }

    proptest! {
        #[test]
        fn encoded_fields_read_back(fields in prop::collection::btree_map("[^\0]{0,8}", "[^\0]{0,20}", 0..8)) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            let form = Form::parse(body.as_bytes()).unwrap();

            for (name, value) in &fields {
                prop_assert_eq!(form.text(name), Some(value.as_str()));
            }
            prop_assert_eq!(form.names().count(), fields.len());
        }

        #[test]
        fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in "[%a-f0-9&=+]{0,50}") {
            let _ = Form::parse(&body);
            let _ = Form::parse(text.as_bytes());
        }
    }
}

//! The six-digit code that is mailed to whoever logs in from a browser that is not known yet.
//!
//! It says that somebody reads the user's mail, and no more: it is no second factor. It is derived from
//! the nonce of its letter, as tokens are, and stands in the database only as a keyed digest that is
//! bound to one challenge.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::id::{Challenge, Id};
use crate::secret::{Nonce, TypedCode};

/// Digits of a code: 20 bits, of which few are ever tried.
const DIGITS: usize = 6;

/// A mailed code in the clear.
pub struct MailedCode(Zeroizing<String>);

impl MailedCode {
    /// Derives the code of a letter (HKDF-SHA-256, RFC 5869): the same each time.
    pub(crate) fn derive(key: &[u8; 32], nonce: &Nonce, letter_id: i64) -> Self {
        let mut bytes = Zeroizing::new([0_u8; 16]);
        Hkdf::<Sha256>::new(Some(nonce.reveal()), key)
            .expand_multi_info(
                &[b"symbolon/1 code", &letter_id.to_be_bytes()],
                bytes.as_mut_slice(),
            )
            .expect("16 bytes are within the limit of HKDF-SHA-256");
        // Of 2^128 numbers the remainders are even but for one part in 2^108.
        let number = u128::from_be_bytes(*bytes) % 1_000_000;
        Self(Zeroizing::new(format!("{number:06}")))
    }

    /// Reads a code as it was typed, spaces and dashes aside; `None` if it cannot be one.
    pub fn parse(typed: &TypedCode) -> Option<Self> {
        let mut digits = Zeroizing::new(String::with_capacity(DIGITS));
        for c in typed.reveal().chars().filter(|c| *c != '-' && !c.is_whitespace()) {
            if !c.is_ascii_digit() || digits.len() == DIGITS {
                return None;
            }
            digits.push(c);
        }
        (digits.len() == DIGITS).then_some(Self(digits))
    }

    /// The code in the clear. Never log, store or format what this returns.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is digested in its place: a code of one challenge is worth nothing at another.
    pub fn to_digest(&self, challenge: Id<Challenge>) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(challenge.raw().to_be_bytes().to_vec());
        bytes.extend_from_slice(self.0.as_bytes());
        bytes
    }
}

impl fmt::Debug for MailedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailedCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Option<String> {
        let code = MailedCode::parse(&TypedCode::new(typed.to_owned()))?;
        Some(code.reveal().to_owned())
    }

    #[test]
    fn a_letter_yields_the_same_six_digits_each_time_and_another_letter_others() {
        let nonce = Nonce::from_bytes(&[7; 32]).unwrap();
        let code = |letter| MailedCode::derive(&[1; 32], &nonce, letter).reveal().to_owned();

        assert_eq!(code(1), code(1));
        assert_ne!(code(1), code(2));
        assert!(code(1).len() == DIGITS && code(1).bytes().all(|b| b.is_ascii_digit()));
    }

    #[test]
    fn a_code_may_be_typed_with_spaces_and_nothing_else_is_one() {
        assert_eq!(parse(" 123 456 ").as_deref(), Some("123456"));
        assert_eq!(parse("123-456").as_deref(), Some("123456"));
        for typed in ["", "12345", "1234567", "12345a", "१२३४५६"] {
            assert_eq!(parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn a_code_is_bound_to_its_challenge() {
        let code = MailedCode::parse(&TypedCode::new("123456".to_owned())).unwrap();

        assert_ne!(code.to_digest(Id::from_raw(1)), code.to_digest(Id::from_raw(2)));
    }
}

//! Recovery codes: ten of them, written down at enrolment, each good once in place of a lost factor.
//!
//! Sixteen characters of Crockford's base 32, 80 bits, in four groups: NIST SP 800-63B-4 §4.2.1.1 demands 64. Who copies one by hand is
//! forgiven upper case, dashes, spaces and the look-alikes `o`, `i` and `l`.

use std::fmt;

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::id::{Id, User};
use crate::secret::TypedCode;

/// How many a user has when they are made.
pub const COUNT: usize = 10;
/// So many left, or fewer, and the owner is told to make new ones.
pub const FEW: u32 = 3;

const LENGTH: usize = 16;
const GROUP: usize = 4;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A recovery code.
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Draws a new code.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        rng.fill_bytes(&mut *bytes);
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        // 32 divides 256, so each character is as likely as any other.
        text.extend(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])));
        Self(text)
    }

    /// Reads a code as it was typed; `None` if it cannot be one.
    pub fn parse(typed: &TypedCode) -> Option<Self> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        for c in typed.reveal().chars().filter(|c| *c != '-' && !c.is_whitespace()) {
            let c = match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            if text.len() == LENGTH || !c.is_ascii() || !ALPHABET.contains(&(c as u8)) {
                return None;
            }
            text.push(c);
        }
        (text.len() == LENGTH).then_some(Self(text))
    }

    /// The code as it is shown, once: `xxxx-xxxx-xxxx-xxxx`.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut written = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
        for (at, c) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                written.push('-');
            }
            written.push(c);
        }
        written
    }

    /// What its digest is made of: the code, and whose it is, so that a row that is moved to another
    /// user opens nothing there.
    pub fn to_digest(&self, user: Id<User>) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&user.raw().to_be_bytes(), self.0.as_bytes()].concat())
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    fn parsed(text: &str) -> Option<String> {
        RecoveryCode::parse(&TypedCode::new(text.to_owned())).map(|code| code.reveal().to_string())
    }

    #[test]
    fn case_dashes_spaces_and_look_alikes_are_forgiven() {
        let code = Some("0a1b-1c2d-3e4f-5g6h".to_owned());

        for text in [
            "0a1b-1c2d-3e4f-5g6h",
            "0A1B1C2D3E4F5G6H",
            " oAiB lC2d 3e4F 5g6H ",
            "0a1b1c-2d3e4f5g6h",
        ] {
            assert_eq!(parsed(text), code, "{text}");
        }
    }

    #[test]
    fn what_has_another_length_or_a_foreign_character_is_no_code() {
        for text in [
            "",
            "0a1b-1c2d-3e4f",
            "0a1b-1c2d-3e4f-5g6",
            "0a1b-1c2d-3e4f-5g6h7",
            "0a1b-1c2d-3e4f-5g6u",
            "0a1b-1c2d-3e4f-5g6é",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn the_same_code_of_two_users_is_digested_from_different_bytes() {
        let code = RecoveryCode::parse(&TypedCode::new("0a1b-1c2d-3e4f-5g6h".to_owned())).unwrap();

        assert_ne!(code.to_digest(Id::from_raw(1)), code.to_digest(Id::from_raw(2)));
    }

    proptest! {
        #[test]
        fn a_code_survives_being_shown_and_typed(seed: u64) {
            let shown = RecoveryCode::draw(&mut StdRng::seed_from_u64(seed)).reveal();

            prop_assert_eq!(shown.len(), 19);
            prop_assert_eq!(parsed(&shown), Some(shown.to_string()));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = parsed(&text);
        }
    }
}

//! API session ids in Salesforce's shape: `{org15}!{96 characters of [A-Za-z0-9._]}`.
//!
//! Clients take the organization from the part before `!`, and secret scanners know the whole
//! shape. The opaque part is 72 bytes, six bits a character, without padding, so every session id
//! has exactly one spelling. What the bytes mean is not known here.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::salesforce_id;

/// Bytes behind the opaque part.
pub const OPAQUE_BYTES: usize = 72;

const ORGANIZATION_LENGTH: usize = 15;
const OPAQUE_LENGTH: usize = OPAQUE_BYTES / 3 * 4;
const LENGTH: usize = ORGANIZATION_LENGTH + 1 + OPAQUE_LENGTH;

const ALPHABET: Alphabet =
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._") {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("the alphabet has 64 different characters"),
    };
const ENGINE: GeneralPurpose = GeneralPurpose::new(&ALPHABET, NO_PAD);

/// Why a text is not a session id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SessionIdError {
    /// Not exactly 112 characters.
    #[error("a session id has 112 characters")]
    WrongLength,
    /// The part before `!` is not the id of an organization.
    #[error("a session id begins with an organization id and an exclamation mark")]
    WrongOrganization,
    /// A character outside `[A-Za-z0-9._]` after the `!`.
    #[error("a session id holds a character that is not allowed")]
    WrongAlphabet,
}

/// The two parts of a session id.
pub struct SessionIdParts<'a> {
    /// The 15-character id of the organization.
    pub organization: &'a str,
    /// The bytes behind the opaque part.
    pub opaque: Zeroizing<[u8; OPAQUE_BYTES]>,
}

impl fmt::Debug for SessionIdParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionIdParts")
            .field("organization", &self.organization)
            .finish_non_exhaustive()
    }
}

/// Renders the session id of `org15` (15 characters) with the given opaque bytes.
#[must_use]
pub fn render(org15: &str, opaque: &[u8; OPAQUE_BYTES]) -> String {
    // The exact capacity, so that no half-written copy is left behind by growing.
    let mut id = String::with_capacity(LENGTH);
    id.push_str(org15);
    id.push('!');
    ENGINE.encode_string(opaque, &mut id);
    id
}

/// Reads a session id, strict in length and alphabet.
///
/// # Errors
///
/// The first [`SessionIdError`] that applies, in the order of its variants.
pub fn parse(id: &str) -> Result<SessionIdParts<'_>, SessionIdError> {
    let (organization, opaque) = halves(id)?;
    let mut bytes = Zeroizing::new([0; OPAQUE_BYTES]);
    // 96 characters decode to exactly 72 bytes, or not at all.
    match ENGINE.decode_slice(opaque, &mut *bytes) {
        Ok(OPAQUE_BYTES) => Ok(SessionIdParts { organization, opaque: bytes }),
        Ok(_) | Err(_) => Err(SessionIdError::WrongAlphabet),
    }
}

/// Finds the 96 characters after the `!`, in exactly the texts that [`parse`] reads.
///
/// It decodes and copies nothing: what a look-up hashes is the text.
///
/// # Security
///
/// A wrong *yes* costs a look-up that finds nothing; a wrong *no* refuses a live session.
#[must_use]
pub fn secret_part(id: &str) -> Option<&str> {
    let (_, opaque) = halves(id).ok()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    // All bytes are looked at, also after a wrong one: that can be done many at a time.
    opaque.bytes().fold(true, |all, byte| all & allowed(byte)).then_some(opaque)
}

/// Parts an id at its `!`; the first half is the id of an organization, the second not yet looked at.
fn halves(id: &str) -> Result<(&str, &str), SessionIdError> {
    if id.len() != LENGTH {
        return Err(SessionIdError::WrongLength);
    }
    // An id holds no `!`, so this is the first.
    id.split_at_checked(ORGANIZATION_LENGTH)
        .and_then(|(organization, rest)| Some((organization, rest.strip_prefix('!')?)))
        .filter(|(organization, _)| {
            salesforce_id::is_15_of(salesforce_id::ORGANIZATION, organization)
        })
        .ok_or(SessionIdError::WrongOrganization)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SessionIdError, parse, render, secret_part};
    use crate::salesforce_id::to_15;

    const ORG: &str = "00D000000000001";

    #[test]
    fn shape_is_what_scanners_and_clients_look_for() {
        assert_eq!(render(ORG, &[0; 72]), format!("{ORG}!{}", "A".repeat(96)));
        assert_eq!(render(ORG, &[255; 72]), format!("{ORG}!{}", "_".repeat(96)));
    }

    #[test]
    fn each_malformed_session_id_is_refused_for_its_own_reason() {
        let refusal = |text: &str| parse(text).map(|_| ()).unwrap_err();

        assert_eq!(refusal(""), SessionIdError::WrongLength);
        assert_eq!(refusal(&format!("{ORG}!{}", "A".repeat(95))), SessionIdError::WrongLength);
        assert_eq!(
            refusal(&format!("{ORG}?{}", "A".repeat(96))),
            SessionIdError::WrongOrganization
        );
        assert_eq!(
            refusal(&format!("005000000000001!{}", "A".repeat(96))),
            SessionIdError::WrongOrganization
        );
        assert_eq!(
            refusal(&format!("00D000!{}", "A".repeat(105))),
            SessionIdError::WrongOrganization
        );
        assert_eq!(refusal(&format!("{ORG}!{}=", "A".repeat(95))), SessionIdError::WrongAlphabet);
        assert_eq!(refusal(&format!("{ORG}!{}+", "A".repeat(95))), SessionIdError::WrongAlphabet);
        assert_eq!(refusal(&format!("{ORG}!{}é", "A".repeat(94))), SessionIdError::WrongAlphabet);
    }

    #[test]
    fn debug_of_the_parts_hides_the_opaque_bytes() {
        let id = render(ORG, &[7; 72]);

        assert_eq!(
            format!("{:?}", parse(&id).unwrap()),
            r#"SessionIdParts { organization: "00D000000000001", .. }"#
        );
    }

    proptest! {
        #[test]
        fn every_session_id_reads_back(number in 0..i64::MAX as u64, opaque in any::<[[u8; 24]; 3]>()) {
            let org = to_15("00D", number);
            let bytes: [u8; 72] = opaque.concat().try_into().unwrap();
            let id = render(&org, &bytes);
            let parts = parse(&id).unwrap();

            prop_assert_eq!(parts.organization, org);
            prop_assert_eq!(*parts.opaque, bytes);
            prop_assert_eq!(secret_part(&id), Some(&id[16..]));
        }

        #[test]
        fn secret_part_speaks_the_language_of_the_parser(
            org in "(00D|005)[0-9A-Za-z]{12}|00D00[0-9a-z!]{10}",
            tail in "[A-Za-z0-9._]{96}",
            change in prop::option::of((0..112_usize, any::<char>())),
            cut in 0..120_usize,
        ) {
            let mut id: Vec<char> = format!("{org}!{tail}").chars().collect();
            if let Some((at, character)) = change {
                id[at] = character;
            }
            let id: String = id.into_iter().collect();
            let cut: String = id.chars().take(cut).collect();

            for text in [&id, &cut] {
                prop_assert_eq!(secret_part(text).is_some(), parse(text).is_ok());
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,120}", tail in "[^a-z]{96}") {
            let with_tail = format!("{ORG}!{tail}");

            prop_assert_eq!(secret_part(&text).is_some(), parse(&text).is_ok());
            prop_assert_eq!(secret_part(&with_tail).is_some(), parse(&with_tail).is_ok());
        }
    }
}

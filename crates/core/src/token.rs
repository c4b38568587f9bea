//! The security token: its format, its two forms in the clear, and how a letter's nonce becomes one.
//!
//! `sbn`, 22 random characters and 5 check characters, all `[0-9A-Za-z]`, 30 in all. The check is
//! CRC-32 (IEEE) of the first 25 characters, modulo 62^5, in base 62, most significant digit first.
//! The fixed length is what lets `password + token` be split; the check lets junk be refused, and
//! leaked tokens be found, without a look-up.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::{Credential, LinkSecret, Nonce, Password, TypedCode};

/// Length of a token in characters (and bytes).
pub const LENGTH: usize = 30;
/// What every token begins with, so that scanners find it.
pub const PREFIX: &str = "sbn";
const RANDOM: usize = 22;
const CHECK: usize = 5;
/// Digits of base 62 in the order of their value.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A security token in the clear that was just derived for its letter. It is never stored or logged.
pub struct TokenSecret(Zeroizing<String>);

/// A security token in the clear that somebody presented: of the right shape and check.
pub struct PresentedToken(Zeroizing<String>);

/// Why a text is no security token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Not 30 characters that begin with `sbn` and are all alphanumeric.
    #[error("not of the shape of a security token")]
    Shape,
    /// The right shape, but mistyped or cut: the check characters are of another text.
    #[error("the check characters do not match: mistyped or cut")]
    Check,
}

impl TokenSecret {
    /// Derives the token of one letter from the letter's nonce.
    ///
    /// The same key, nonce and letter always yield the same token, so each delivery attempt mails
    /// the same one and nothing in the clear has to be kept between attempts.
    pub(crate) fn derive(key: &[u8; 32], nonce: &Nonce, letter_id: i64) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        text.push_str(PREFIX);
        derive_base62(key, nonce, b"symbolon/1 security token", letter_id, RANDOM, &mut text);
        let check = check_characters(text.as_bytes());
        for byte in check {
            text.push(char::from(byte));
        }
        Self(text)
    }

    /// The token in the clear, for its mail and its digest alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl PresentedToken {
    /// Takes `text` for a token if its length, alphabet, prefix and check are right.
    ///
    /// # Errors
    /// [`FormatError`] tells a wrong shape from a wrong check.
    ///
    /// # Security
    /// A wrong *no* locks a client out; a wrong *yes* costs one look-up and no more.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        check_format(text)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The token in the clear, for its digest alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(..)")
    }
}

impl fmt::Debug for PresentedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedToken(..)")
    }
}

/// What followed the password in a credential.
#[derive(Debug)]
pub enum TokenPart {
    /// Nothing of a token's shape.
    Absent,
    /// A token's shape with a wrong check.
    Mistyped,
    /// A token that may exist.
    Given(PresentedToken),
}

/// Splits what an API client sends, `password + token`, into its halves.
///
/// No password may end in something of token shape ([`crate::password`]), so the split is unambiguous.
pub fn split_credential(credential: &Credential) -> (Password, TokenPart) {
    let text = credential.reveal();
    let whole = || (Password::new(text.to_owned()), TokenPart::Absent);
    let Some(at) = text.len().checked_sub(LENGTH) else {
        return whole();
    };
    let Some((password, token)) = text.split_at_checked(at) else {
        return whole();
    };
    match PresentedToken::parse(token) {
        Ok(token) => (Password::new(password.to_owned()), TokenPart::Given(token)),
        Err(FormatError::Check) => (Password::new(password.to_owned()), TokenPart::Mistyped),
        Err(FormatError::Shape) => whole(),
    }
}

/// Digits of a code that may stand behind the password in the token's place.
const CODE_DIGITS: usize = 6;

/// Splits `password + code`, as a user under the duty of a second factor sends it in the token's place;
/// `None` if it does not end in six digits.
///
/// A password may itself end in digits, so who is under no such duty must not be asked for a split.
pub fn split_code(password: &Password) -> Option<(Password, TypedCode)> {
    let text = password.reveal();
    let (password, code) = text.split_at_checked(text.len().checked_sub(CODE_DIGITS)?)?;
    let digits = code.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| (Password::new(password.to_owned()), TypedCode::new(code.to_owned())))
}

/// Whether `text` has the length, alphabet, prefix and check of a token.
///
/// # Errors
/// [`FormatError`] tells a wrong shape from a wrong check.
#[inline]
pub fn check_format(text: &str) -> Result<(), FormatError> {
    check_bytes(text.as_bytes())
}

/// The same of bytes that need not be text.
#[inline]
pub(crate) fn check_bytes(bytes: &[u8]) -> Result<(), FormatError> {
    if !have_token_shape(bytes) {
        return Err(FormatError::Shape);
    }
    let (body, check) = bytes.split_at(LENGTH - CHECK);
    if check == check_characters(body) { Ok(()) } else { Err(FormatError::Check) }
}

/// Whether `text` could be taken for a token, whatever its check characters say.
#[inline]
pub fn has_token_shape(text: &str) -> bool {
    have_token_shape(text.as_bytes())
}

#[inline]
fn have_token_shape(bytes: &[u8]) -> bool {
    bytes.len() == LENGTH
        && bytes.starts_with(PREFIX.as_bytes())
        // All bytes are looked at, also after a wrong one: that can be done many at a time.
        && bytes.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric())
}

/// `body` with the check characters that make a token of it.
#[cfg(test)]
pub(crate) fn with_check(body: &str) -> String {
    let check = check_characters(body.as_bytes());
    format!("{body}{}", String::from_utf8_lossy(&check))
}

/// Derives the secret of a single-use link from its letter's nonce: 22 characters, 131 bits. A letter may
/// carry one link for each label.
pub(crate) fn derive_link(
    key: &[u8; 32],
    nonce: &Nonce,
    label: &[u8],
    letter_id: i64,
) -> LinkSecret {
    let mut text = String::with_capacity(RANDOM);
    derive_base62(key, nonce, label, letter_id, RANDOM, &mut text);
    LinkSecret::new(text)
}

/// Appends `count` evenly distributed base-62 characters: HKDF-SHA-256 (RFC 5869) with the nonce as
/// salt and label and letter as info; bytes of 248 and above are skipped, as 248 = 4 × 62.
fn derive_base62(
    key: &[u8; 32],
    nonce: &Nonce,
    label: &[u8],
    letter_id: i64,
    count: usize,
    text: &mut String,
) {
    // 22 characters need 22 of these 256 bytes; that more than 234 are skipped has chance 2^-1000.
    let mut stream = Zeroizing::new([0_u8; 256]);
    Hkdf::<Sha256>::new(Some(nonce.reveal()), key)
        .expand_multi_info(&[label, &letter_id.to_be_bytes()], stream.as_mut_slice())
        .expect("256 bytes are within the limit of HKDF-SHA-256, 8160");
    stream
        .iter()
        .filter(|byte| **byte < 248)
        .take(count)
        .for_each(|byte| text.push(char::from(BASE62[usize::from(byte % 62)])));
}

#[inline]
fn check_characters(body: &[u8]) -> [u8; CHECK] {
    let mut rest = crc32fast::hash(body) % 62_u32.pow(5);
    let mut characters = [b'0'; CHECK];
    for character in characters.iter_mut().rev() {
        *character = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    characters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token_of(nonce: u8) -> String {
        let nonce = Nonce::from_bytes(&[nonce; 32]).unwrap();
        TokenSecret::derive(&[1; 32], &nonce, 5).reveal().to_owned()
    }

    #[test]
    fn a_derived_token_has_the_public_format() {
        let token = token_of(9);

        assert_eq!(token.len(), LENGTH);
        assert!(PresentedToken::parse(&token).is_ok());
    }

    #[test]
    fn the_check_is_crc32_modulo_62_to_the_5_in_base_62() {
        // Computed apart from this code, from contract §3.
        let token = format!("sbn{}", "0".repeat(22));
        let crc = crc32fast::hash(token.as_bytes()) % 916_132_832;
        let digits: String = [62_u32.pow(4), 62_u32.pow(3), 62_u32.pow(2), 62, 1]
            .iter()
            .map(|weight| char::from(BASE62[(crc / weight % 62) as usize]))
            .collect();

        assert!(PresentedToken::parse(&(token + &digits)).is_ok());
    }

    #[test]
    fn each_letter_has_its_own_token_and_each_attempt_the_same() {
        let nonce = Nonce::from_bytes(&[3; 32]).unwrap();

        let first = TokenSecret::derive(&[1; 32], &nonce, 5);
        let again = TokenSecret::derive(&[1; 32], &nonce, 5);
        let other = TokenSecret::derive(&[1; 32], &nonce, 6);

        assert_eq!(first.reveal(), again.reveal());
        assert_ne!(first.reveal(), other.reveal());
    }

    #[test]
    fn a_mistyped_character_is_told_from_a_wrong_shape() {
        let token = token_of(1);
        let last = if token.ends_with('0') { "1" } else { "0" };
        let mistyped = format!("{}{last}", &token[..LENGTH - 1]);

        assert_eq!(PresentedToken::parse(&mistyped).unwrap_err(), FormatError::Check);
        assert_eq!(PresentedToken::parse(&token[1..]).unwrap_err(), FormatError::Shape);
        assert_eq!(
            PresentedToken::parse(&token.to_lowercase().replacen("sbn", "SBN", 1)).unwrap_err(),
            FormatError::Shape
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = PresentedToken::parse(&text);
        }

        #[test]
        fn a_credential_splits_into_exactly_what_was_joined(password in "\\PC{0,80}", nonce: u8) {
            let token = token_of(nonce);
            let joined = Credential::new(format!("{password}{token}"));

            let (half, part) = split_credential(&joined);

            prop_assert_eq!(half.reveal(), password.as_str());
            prop_assert!(matches!(part, TokenPart::Given(given) if given.reveal() == token));
        }

        #[test]
        fn a_code_is_the_last_six_digits_and_nothing_else(password in "\\PC{0,40}", code in "[0-9]{6}") {
            let (half, split) = split_code(&Password::new(format!("{password}{code}"))).unwrap();

            prop_assert_eq!((half.reveal(), split.reveal()), (password.as_str(), code.as_str()));
            let none = split_code(&Password::new(format!("{code}{password}x"))).is_none();
            prop_assert!(none);
        }

        #[test]
        fn a_credential_without_a_token_stays_whole(password in "\\PC{0,80}") {
            prop_assume!(!password.get(password.len().saturating_sub(LENGTH)..).is_some_and(has_token_shape));

            let (half, part) = split_credential(&Credential::new(password.clone()));

            prop_assert_eq!(half.reveal(), password.as_str());
            prop_assert!(matches!(part, TokenPart::Absent));
        }
    }
}

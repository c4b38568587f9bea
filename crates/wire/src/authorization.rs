//! The `Authorization` header: `Bearer`, `OAuth` (restforce's older name for it) and `Basic`.
//!
//! Parsing only: whether a head admits a scheme, and what a refused header is answered, it decides
//! itself. nforce sends
//! `OAuth oauth_nonce="…"` to the token endpoint; that is no credential and comes out as
//! [`AuthorizationError::Malformed`].

use std::fmt;

use base64::engine::general_purpose::STANDARD;
use base64::{Engine as _, decoded_len_estimate};
use memchr::memchr;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::Presented;
use crate::presented::wiped_text;

/// Bytes that the header may have. Our longest credential is a session id of 112 characters; a
/// password may have hundreds.
pub const MAX_LENGTH: usize = 4096;

/// The credential in a header.
#[derive(Debug)]
pub enum Authorization {
    /// `Bearer <token>` (RFC 6750).
    Bearer(Presented),
    /// `OAuth <token>`, which Salesforce's REST clients send with the same meaning.
    OAuth(Presented),
    /// `Basic <base64>` (RFC 7617).
    Basic(Basic),
}

/// The two halves of a `Basic` credential.
#[derive(Debug)]
pub struct Basic {
    /// What stands before the first colon.
    pub username: String,
    /// What stands after it; it may hold colons.
    pub password: Presented,
}

/// Both halves of a `Basic` credential, in one buffer that is wiped when it is dropped.
pub struct BasicPair {
    text: Zeroizing<String>,
    /// Where the first half ends; the second begins a byte later.
    end_of_username: usize,
}

impl BasicPair {
    /// What stands before the colon.
    pub fn username(&self) -> &str {
        &self.text[..self.end_of_username]
    }

    /// Shows what stands after it. Never hand the result to a log, an error, an id or a URL.
    pub fn reveal_password(&self) -> &str {
        &self.text[self.end_of_username + 1..]
    }

    /// Reads what stands after the scheme of a `Basic` header.
    pub(crate) fn decode(credential: &str) -> Result<Self, AuthorizationError> {
        let mut bytes = Zeroizing::new(vec![0; decoded_len_estimate(credential.len())]);
        let length = STANDARD
            .decode_slice(credential, &mut bytes)
            .map_err(|_| AuthorizationError::NotBase64)?;
        bytes.truncate(length);
        let text = wiped_text(bytes).ok_or(AuthorizationError::NotUtf8)?;
        if has_control_character(&text) {
            return Err(AuthorizationError::ControlCharacter);
        }
        let colon = memchr(b':', text.as_bytes());
        let end_of_username = colon.ok_or(AuthorizationError::NoColon)?;
        Ok(Self { text, end_of_username })
    }

    /// Puts two halves together; the first may hold colons.
    pub(crate) fn join(username: &str, password: &str) -> Self {
        // The exact capacity, so that no half-written copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(username.len() + password.len() + 1));
        text.push_str(username);
        text.push(':');
        text.push_str(password);
        Self { text, end_of_username: username.len() }
    }
}

impl fmt::Debug for BasicPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicPair").field("username", &self.username()).finish_non_exhaustive()
    }
}

/// Why a header was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AuthorizationError {
    /// Longer than [`MAX_LENGTH`].
    #[error("the authorization header is too long")]
    TooLong,
    /// No scheme, no credential, or one with a character that no token has.
    #[error("the authorization header is malformed")]
    Malformed,
    /// A scheme that we do not speak.
    #[error("the authorization scheme is unknown")]
    UnknownScheme,
    /// `Basic` with something that is not canonical base64.
    #[error("the basic credential is not base64")]
    NotBase64,
    /// `Basic` with bytes that are not UTF-8.
    #[error("the basic credential is not UTF-8")]
    NotUtf8,
    /// `Basic` without a colon.
    #[error("the basic credential has no colon")]
    NoColon,
    /// `Basic` with a control character, which RFC 7617 §2 forbids.
    #[error("the basic credential holds a control character")]
    ControlCharacter,
}

/// Reads the value of an `Authorization` header.
///
/// # Errors
///
/// The [`AuthorizationError`] that applies. It never says what was sent.
pub fn parse(header: &str) -> Result<Authorization, AuthorizationError> {
    if header.len() > MAX_LENGTH {
        return Err(AuthorizationError::TooLong);
    }
    let (scheme, credential) = split(header).ok_or(AuthorizationError::Malformed)?;
    if scheme.eq_ignore_ascii_case("Bearer") {
        return token(credential).map(|token| Authorization::Bearer(own(token)));
    }
    if scheme.eq_ignore_ascii_case("OAuth") {
        return token(credential).map(|token| Authorization::OAuth(own(token)));
    }
    if scheme.eq_ignore_ascii_case("Basic") {
        return basic(credential).map(Authorization::Basic);
    }
    Err(AuthorizationError::UnknownScheme)
}

/// Says whether the header claims to be `Basic`, well-formed or not.
pub(crate) fn is_basic(header: &str) -> bool {
    let scheme = header.split(' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("Basic")
}

/// Parts scheme and credential at one or more spaces (RFC 9110 §11.4).
pub(crate) fn split(header: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = header.split_once(' ')?;
    let credential = rest.trim_matches(' ');
    (!scheme.is_empty() && !credential.is_empty()).then_some((scheme, credential))
}

/// Takes a token. RFC 6750's alphabet lacks the `!` of a session id, so any visible ASCII passes
/// that does not belong to the list syntax of headers.
pub(crate) fn token(credential: &str) -> Result<&str, AuthorizationError> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    // All bytes are looked at, also after a wrong one: that can be done many at a time.
    let all_allowed = credential.bytes().fold(true, |all, byte| all & allowed(byte));
    all_allowed.then_some(credential).ok_or(AuthorizationError::Malformed)
}

/// Says whether `text` holds a control character (Unicode's category Cc).
pub(crate) fn has_control_character(text: &str) -> bool {
    // Those beyond ASCII are U+0080 to U+009F, which begin with this byte; others do too. All bytes
    // are looked at, also after one that decides: that can be done many at a time.
    let suspect = |byte: u8| byte < b' ' || byte == 0x7f || byte == 0xc2;
    text.bytes().fold(false, |any, byte| any | suspect(byte)) && text.chars().any(char::is_control)
}

fn own(token: &str) -> Presented {
    Presented::new(token.to_owned())
}

fn basic(credential: &str) -> Result<Basic, AuthorizationError> {
    let pair = BasicPair::decode(credential)?;
    Ok(Basic { username: pair.username().to_owned(), password: own(pair.reveal_password()) })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::{Authorization, AuthorizationError, MAX_LENGTH, has_control_character, parse};

    fn basic(bytes: &[u8]) -> String {
        format!("Basic {}", STANDARD.encode(bytes))
    }

    fn refusal(header: &str) -> AuthorizationError {
        parse(header).unwrap_err()
    }

    #[test]
    fn session_id_passes_as_bearer_and_as_oauth() {
        let Ok(Authorization::Bearer(bearer)) = parse("Bearer 00D000000000001!AQ.x_") else {
            panic!("not a bearer")
        };
        let Ok(Authorization::OAuth(oauth)) = parse("oauth  00D000000000001!AQ.x_") else {
            panic!("not oauth")
        };

        assert_eq!(bearer.reveal(), "00D000000000001!AQ.x_");
        assert_eq!(oauth.reveal(), "00D000000000001!AQ.x_");
    }

    #[test]
    fn basic_parts_at_the_first_colon() {
        let Ok(Authorization::Basic(basic)) = parse(&basic("zoë:a:b".as_bytes())) else {
            panic!("not basic")
        };

        assert_eq!(basic.username, "zoë");
        assert_eq!(basic.password.reveal(), "a:b");
    }

    #[test]
    fn each_malformed_header_is_refused_for_its_own_reason() {
        assert_eq!(refusal(""), AuthorizationError::Malformed);
        assert_eq!(refusal("Bearer"), AuthorizationError::Malformed);
        assert_eq!(refusal("Bearer  "), AuthorizationError::Malformed);
        assert_eq!(refusal("Bearer a b"), AuthorizationError::Malformed);
        assert_eq!(refusal("Bearer é"), AuthorizationError::Malformed);
        assert_eq!(
            refusal("OAuth oauth_nonce=\"x\",oauth_version=\"1.0\""),
            AuthorizationError::Malformed
        );
        assert_eq!(refusal("Digest a"), AuthorizationError::UnknownScheme);
        assert_eq!(refusal("Basic a"), AuthorizationError::NotBase64);
        assert_eq!(refusal("Basic YTpi=="), AuthorizationError::NotBase64);
        assert_eq!(refusal(&basic(b"a:\xff")), AuthorizationError::NotUtf8);
        assert_eq!(refusal(&basic(b"ab")), AuthorizationError::NoColon);
        assert_eq!(refusal(&basic(b"a\r\n:b")), AuthorizationError::ControlCharacter);
        assert_eq!(
            refusal(&format!("Bearer {}", "a".repeat(MAX_LENGTH))),
            AuthorizationError::TooLong
        );
    }

    proptest! {
        #[test]
        fn every_basic_credential_reads_back(username in "[^:\\p{Cc}]{0,20}", password in "[^\\p{Cc}]{0,20}") {
            let header = basic(format!("{username}:{password}").as_bytes());
            let Ok(Authorization::Basic(read)) = parse(&header) else { panic!("not basic") };

            prop_assert_eq!(read.username, username);
            prop_assert_eq!(read.password.reveal(), password);
        }

        #[test]
        fn control_characters_are_those_of_unicode(text in "[a\\x1f-\\x21\\x7e-\\xa2é😀]{0,6}|.{0,9}|\\PC{0,9}\\p{Cc}?") {
            prop_assert_eq!(has_control_character(&text), text.chars().any(char::is_control));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&text);
            let _ = parse(&format!("Basic {text}"));
            let _ = parse(&basic(&bytes));
        }
    }
}

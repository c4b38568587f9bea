//! Proof that a form was filled in on our own page.
//!
//! Each form carries a nonce: the keyed digest of the session it was shown to, or, before a log-in,
//! of a random value in a cookie (a signed double submit). Nothing is stored. Beside it, what
//! browsers say of the request's origin is believed where it speaks against the request.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use symbolon_core::id::{Id, Session};
use symbolon_core::keys::{KeyRing, Purpose};
use symbolon_core::secret::Digest;

/// Whom a form was shown to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ShownTo<'a> {
    /// The holder of this session.
    Session(Id<Session>),
    /// The browser that holds this value in its form cookie.
    Browser(&'a str),
}

/// The nonce that a form for `reader` carries.
pub(crate) fn nonce(keys: &KeyRing, reader: ShownTo<'_>) -> String {
    hex(keys.digest(Purpose::Form, &subject(reader)).as_bytes())
}

/// Whether `presented` is the nonce of a form for `reader`, made with any key of the ring.
///
/// # Security
/// A wrong *yes* lets another site act in the user's name. Compared in constant time.
pub(crate) fn proves(keys: &KeyRing, reader: ShownTo<'_>, presented: Option<&str>) -> bool {
    let Some(presented) = presented.and_then(unhex) else {
        return false;
    };
    keys.digests(Purpose::Form, &subject(reader)).contains(&presented)
}

/// Whether the browser says that the request comes from elsewhere.
///
/// `Origin: null` says nothing: it is what our own `Referrer-Policy` makes browsers send.
pub(crate) fn comes_from_elsewhere(headers: &HeaderMap, public_url: &str) -> bool {
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return true;
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let Ok(origin) = origin.to_str() else {
        return true;
    };
    // A proxy may rewrite Host, so our public URL counts as well.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let same =
        host_of(origin).is_some_and(|from| Some(from) == host || Some(from) == host_of(public_url));
    origin != "null" && !same
}

fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next()
}

fn subject(reader: ShownTo<'_>) -> Vec<u8> {
    match reader {
        ShownTo::Session(session) => format!("session {session}").into_bytes(),
        ShownTo::Browser(value) => format!("browser {value}").into_bytes(),
    }
}

/// Digits of a digest, as a form carries them.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The digest of these digits.
pub(super) fn unhex(text: &str) -> Option<Digest> {
    let value =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (value(pair[0])? << 4) | value(pair[1])?;
    }
    Some(Digest::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use symbolon_core::keys::{KeyId, MasterKey};

    use super::*;

    fn ring(numbers: &[u8]) -> KeyRing {
        let masters =
            numbers.iter().map(|n| (KeyId(u32::from(*n)), MasterKey::from_bytes([*n; 32])));
        KeyRing::new(masters.collect()).unwrap()
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn a_nonce_proves_the_session_it_was_made_for_and_no_other() {
        let keys = ring(&[1]);
        let mine = ShownTo::Session(Id::from_raw(1));
        let other = ShownTo::Session(Id::from_raw(2));

        let shown = nonce(&keys, mine);

        assert!(proves(&keys, mine, Some(&shown)));
        assert!(!proves(&keys, other, Some(&shown)));
        assert!(!proves(&keys, ShownTo::Browser("0SS000000000001"), Some(&shown)));
    }

    #[test]
    fn a_form_shown_before_a_key_rotation_is_still_valid_after_it() {
        let shown = nonce(&ring(&[1]), ShownTo::Browser("x"));

        assert!(proves(&ring(&[1, 2]), ShownTo::Browser("x"), Some(&shown)));
        assert!(!proves(&ring(&[2]), ShownTo::Browser("x"), Some(&shown)));
    }

    #[test]
    fn a_missing_cut_or_garbled_nonce_proves_nothing() {
        let keys = ring(&[1]);
        let reader = ShownTo::Browser("x");
        let shown = nonce(&keys, reader);

        for presented in [None, Some(""), Some(&shown[1..]), Some("zz"), Some(&*"é".repeat(32))] {
            assert!(!proves(&keys, reader, presented), "{presented:?}");
        }
    }

    #[test]
    fn what_the_browser_calls_cross_site_is_refused() {
        let public = "https://id.example.com";
        let elsewhere = |lines| comes_from_elsewhere(&headers(lines), public);

        assert!(elsewhere(&[("sec-fetch-site", "cross-site")]));
        assert!(elsewhere(&[("origin", "https://evil.example"), ("host", "id.example.com")]));
        assert!(!elsewhere(&[("origin", "null"), ("host", "id.example.com")]));
        assert!(!elsewhere(&[("origin", "https://id.example.com"), ("host", "127.0.0.1:8080")]));
        assert!(!elsewhere(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
        assert!(!elsewhere(&[("sec-fetch-site", "same-origin")]));
    }
}

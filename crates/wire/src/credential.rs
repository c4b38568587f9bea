//! Where the credential of a verification stands in the headers of a request.
//!
//! `Authorization: Bearer`, then `Authorization: Basic`, then `X-Api-Key`. The first that is present
//! alone is looked at: whoever falls through from a bad credential to the next lets a client choose
//! which of two it is judged by, and the proxy in front may have looked at the other one. For the same
//! reason two lines of one header are never resolved into one. Whether a credential is any good is
//! decided elsewhere.

use thiserror::Error;

use crate::authorization::{self, BasicPair, MAX_LENGTH};
use crate::{HeaderLines, PresentedText, RequestHeader};

/// A credential as a request presents it.
#[derive(Debug)]
pub enum Credential<'a> {
    /// `Authorization: Bearer <credential>`.
    Bearer(PresentedText<'a>),
    /// `Authorization: Basic`, a username and the credential as its password.
    Basic(BasicPair),
    /// `X-Api-Key: <credential>`.
    ApiKey(PresentedText<'a>),
}

/// Why no credential is read from headers that have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// Several lines of the header that counts.
    #[error("the request presents several credentials")]
    Ambiguous,
    /// Longer than [`MAX_LENGTH`], an unknown scheme, or a value that is no credential.
    #[error("the credential of the request cannot be read")]
    Unreadable,
}

/// Finds the credential; `None` if the request presents none.
///
/// `Bearer` and `X-Api-Key` are borrowed, `Basic` is decoded into a buffer that is wiped.
///
/// # Errors
///
/// The [`CredentialError`] of the first header that is present. It never says what was sent.
pub fn find(headers: &impl HeaderLines) -> Result<Option<Credential<'_>>, CredentialError> {
    if let Some(value) = only_line(headers, RequestHeader::Authorization)? {
        return in_authorization(value).map(Some).ok_or(CredentialError::Unreadable);
    }
    if let Some(value) = only_line(headers, RequestHeader::ApiKey)? {
        return token(value.trim_matches(' ')).map(Credential::ApiKey).map(Some);
    }
    Ok(None)
}

fn only_line(
    headers: &impl HeaderLines,
    header: RequestHeader,
) -> Result<Option<&str>, CredentialError> {
    let mut lines = headers.lines(header);
    let Some(value) = lines.next() else { return Ok(None) };
    // No scheme of ours has a comma, so one that joins lines is not mistaken.
    if lines.next().is_some() || headers.lines_may_be_joined() && value.contains(&b',') {
        return Err(CredentialError::Ambiguous);
    }
    if value.len() > MAX_LENGTH {
        return Err(CredentialError::Unreadable);
    }
    str::from_utf8(value).map(Some).map_err(|_| CredentialError::Unreadable)
}

fn in_authorization(value: &str) -> Option<Credential<'_>> {
    let (scheme, credential) = authorization::split(value)?;
    if scheme.eq_ignore_ascii_case("Bearer") {
        return token(credential).map(Credential::Bearer).ok();
    }
    if scheme.eq_ignore_ascii_case("Basic") {
        return BasicPair::decode(credential).map(Credential::Basic).ok();
    }
    None
}

fn token(text: &str) -> Result<PresentedText<'_>, CredentialError> {
    match authorization::token(text) {
        Ok(token) if !token.is_empty() => Ok(PresentedText::borrowed(token)),
        Ok(_) | Err(_) => Err(CredentialError::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::authorization::Authorization;
    use crate::header_lines::tests::{Joined, Lines};

    const AUTHORIZATION: &str = "authorization";
    const API_KEY: &str = "x-api-key";

    /// What was found, as text that can be compared.
    fn found(lines: &[(&str, &str)]) -> Result<Option<String>, CredentialError> {
        Ok(find(&Lines::of(lines))?.map(|credential| match credential {
            Credential::Bearer(token) => format!("bearer {}", token.reveal()),
            Credential::Basic(pair) => {
                format!("basic {} {}", pair.username(), pair.reveal_password())
            }
            Credential::ApiKey(key) => format!("key {}", key.reveal()),
        }))
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn each_place_is_read() {
        let found = |lines: &[(&str, &str)]| found(lines).unwrap().unwrap();

        assert_eq!(found(&[(AUTHORIZATION, "Bearer 00D!a.b_")]), "bearer 00D!a.b_");
        assert_eq!(found(&[(AUTHORIZATION, "bEARER  a ")]), "bearer a");
        assert_eq!(found(&[(AUTHORIZATION, &basic("zoë:a:b"))]), "basic zoë a:b");
        assert_eq!(found(&[(API_KEY, " sbn1 ")]), "key sbn1");
    }

    #[test]
    fn a_request_without_either_header_presents_nothing() {
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(found(&[("x-symbolon-min-revision", "1"), ("cookie", "a=b")]), Ok(None));
    }

    #[test]
    fn authorization_goes_before_the_key_whatever_the_order_of_lines() {
        let key = (API_KEY, "key");
        let bearer = (AUTHORIZATION, "Bearer a");

        assert_eq!(found(&[key, bearer]), Ok(Some("bearer a".to_owned())));
        assert_eq!(found(&[bearer, key, key]), Ok(Some("bearer a".to_owned())));
    }

    #[test]
    fn a_bad_credential_is_not_made_good_by_the_next() {
        let long = format!("Bearer {}", "a".repeat(MAX_LENGTH));
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer é",
            "Basic a",
            &basic("no colon"),
            "Digest username=\"u\"",
            "OAuth 00D!a",
            "00D!a",
            &long,
        ] {
            assert_eq!(
                found(&[(AUTHORIZATION, bad), (API_KEY, "key")]),
                Err(CredentialError::Unreadable),
                "{bad}"
            );
        }
        for bad in ["", " ", "a b", "a,b", "é", &long] {
            assert_eq!(found(&[(API_KEY, bad)]), Err(CredentialError::Unreadable), "{bad}");
        }
    }

    #[test]
    fn two_lines_of_the_header_that_counts_are_ambiguous() {
        let bearer = (AUTHORIZATION, "Bearer a");

        assert_eq!(found(&[bearer, bearer]), Err(CredentialError::Ambiguous));
        assert_eq!(
            found(&[bearer, (AUTHORIZATION, &basic("u:p"))]),
            Err(CredentialError::Ambiguous)
        );
        assert_eq!(found(&[(API_KEY, "key"), (API_KEY, "key")]), Err(CredentialError::Ambiguous));
    }

    #[test]
    fn two_lines_that_were_joined_on_the_way_are_ambiguous_too() {
        let joined = |lines: &[(&str, &str)]| find(&Joined(Lines::of(lines))).map(|_| ());

        assert_eq!(joined(&[(AUTHORIZATION, "Bearer a")]), Ok(()));
        assert_eq!(
            joined(&[(AUTHORIZATION, "Bearer a,Bearer b")]),
            Err(CredentialError::Ambiguous)
        );
        assert_eq!(joined(&[(API_KEY, "a,a")]), Err(CredentialError::Ambiguous));
    }

    #[test]
    fn value_that_is_not_utf8_is_unreadable() {
        let headers = Lines(vec![(AUTHORIZATION.to_owned(), b"Bearer \xff".to_vec())]);

        assert_eq!(find(&headers).map(|_| ()), Err(CredentialError::Unreadable));
    }

    #[test]
    fn debug_of_a_credential_shows_no_secret() {
        for lines in [
            [(AUTHORIZATION, "Bearer hunter2")],
            [(AUTHORIZATION, &basic("u:hunter2"))],
            [(API_KEY, "hunter2")],
        ] {
            let headers = Lines::of(&lines);
            let shown = format!("{:?}", find(&headers).unwrap());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn every_basic_credential_reads_back(username in "[^:\\p{Cc}]{0,20}", password in "[^\\p{Cc}]{0,40}") {
            let header = basic(&format!("{username}:{password}"));

            prop_assert_eq!(
                found(&[(AUTHORIZATION, &header)]),
                Ok(Some(format!("basic {username} {password}")))
            );
        }

        /// The reader of the other heads is the measure, but for `OAuth`, which is Salesforce's alone.
        #[test]
        fn authorization_is_read_as_everywhere_else(scheme in "Bearer|Basic|basic|OAuth|Digest|", rest in "[ -~]{0,20}|[A-Za-z0-9+/]{4,12}=?", text in ".{0,30}") {
            for header in [format!("{scheme} {rest}"), basic(&text)] {
                let expected = match authorization::parse(&header) {
                    Ok(Authorization::Bearer(token)) => Ok(Some(format!("bearer {}", token.reveal()))),
                    Ok(Authorization::Basic(basic)) => {
                        Ok(Some(format!("basic {} {}", basic.username, basic.password.reveal())))
                    }
                    Ok(Authorization::OAuth(_)) | Err(_) => Err(CredentialError::Unreadable),
                };
                prop_assert_eq!(found(&[(AUTHORIZATION, &header)]), expected);
            }
        }

        #[test]
        fn no_bytes_make_the_finder_panic(name in "authorization|x-api-key", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let headers = Lines(vec![(name, bytes)]);
            let _ = find(&headers);
            let _ = find(&Joined(headers));
        }
    }
}

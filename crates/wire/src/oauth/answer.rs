//! The answer of the token endpoint.
//!
//! `issued_at` is a string of milliseconds, and `signature` must be there: some clients refuse
//! answers without either.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use crate::{Presented, json};

/// What a token request is answered with.
#[derive(Clone, Copy)]
pub struct TokenAnswer<'a> {
    /// The session id that was opened.
    pub access_token: &'a Presented,
    /// The public base URL, without a slash at its end.
    pub instance_url: &'a str,
    /// The identity URL, `{public}/id/{org18}/{user18}`.
    pub id: &'a str,
    /// When it was issued, in milliseconds since the Unix epoch.
    pub issued_at_ms: i64,
    /// See [`signature`].
    pub signature: &'a str,
    /// Space-separated scopes, if the grant has any.
    pub scope: Option<&'a str>,
    /// The refresh token, if the grant yields one.
    pub refresh_token: Option<&'a Presented>,
}

impl TokenAnswer<'_> {
    /// Renders the body.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            access_token: &'a str,
            instance_url: &'a str,
            id: &'a str,
            token_type: &'a str,
            issued_at: String,
            signature: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            refresh_token: Option<&'a str>,
        }
        let body = Body {
            access_token: self.access_token.reveal(),
            instance_url: self.instance_url,
            id: self.id,
            token_type: "Bearer",
            issued_at: self.issued_at_ms.to_string(),
            signature: self.signature,
            scope: self.scope,
            refresh_token: self.refresh_token.map(Presented::reveal),
        };
        json::render(&body)
    }
}

impl fmt::Debug for TokenAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("id", &self.id)
            .field("issued_at_ms", &self.issued_at_ms)
            .finish_non_exhaustive()
    }
}

/// Computes the member `signature`: base64 of HMAC-SHA-256 under the client's secret over `id` and
/// `issued_at`.
///
/// A client without a secret has an empty one.
#[must_use]
pub fn signature(client_secret: &Presented, id: &str, issued_at_ms: i64) -> String {
    let mut mac = keyed(client_secret);
    mac.update(id.as_bytes());
    mac.update(issued_at_ms.to_string().as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn keyed(secret: &Presented) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use super::{TokenAnswer, signature};
    use crate::Presented;

    const ID: &str = "https://h/id/00D000000000001EAA/005000000000001AAA";

    #[test]
    fn answer_has_the_members_of_the_reference_in_its_order() {
        let access_token = Presented::new("00D000000000001!AQ".to_owned());
        let refresh_token = Presented::new("r".to_owned());
        let short = TokenAnswer {
            access_token: &access_token,
            instance_url: "https://h",
            id: ID,
            issued_at_ms: 1_700_000_000_000,
            signature: "sig=",
            scope: None,
            refresh_token: None,
        };
        let long = TokenAnswer { scope: Some("api"), refresh_token: Some(&refresh_token), ..short };

        assert_eq!(
            short.to_json(),
            format!(
                r#"{{"access_token":"00D000000000001!AQ","instance_url":"https://h","id":"{ID}","token_type":"Bearer","issued_at":"1700000000000","signature":"sig="}}"#
            )
        );
        assert!(
            long.to_json().ends_with(r#""signature":"sig=","scope":"api","refresh_token":"r"}"#)
        );
        assert!(!format!("{long:?}").contains("AQ"));
    }

    #[test]
    fn signature_covers_id_and_time_of_issue() {
        // printf '%s' 'https://h/id/00D000000000001EAA/005000000000001AAA1700000000000' |
        //   openssl dgst -sha256 -hmac secret -binary | base64
        let secret = Presented::new("secret".to_owned());

        assert_eq!(
            signature(&secret, ID, 1_700_000_000_000),
            "dr700/6P/KlM9ZDixpJh7yrLWgh431CZ3ZquRMwoJTA="
        );
        assert_ne!(
            signature(&secret, ID, 1_700_000_000_001),
            signature(&secret, ID, 1_700_000_000_000)
        );
    }
}

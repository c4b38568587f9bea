//! Requests to the token and revocation endpoints.
//!
//! The client may name itself in the form or in `Authorization: Basic`; any other `Authorization`
//! is ignored, because nforce sends an OAuth 1 header of its own. A parameter without a value
//! counts as omitted (RFC 6749 §3.2), unknown parameters are ignored, repeated ones refused.

use crate::Presented;
use crate::authorization::{self, Authorization};
use crate::form::{self, Form};
use crate::oauth::error::{OAuthError, RequestFault};

/// A request for a token.
#[derive(Debug)]
pub struct TokenRequest {
    /// Who asks.
    pub client: ClientCredentials,
    /// What they offer for it.
    pub grant: Grant,
}

/// A client as it names itself.
#[derive(Debug)]
pub struct ClientCredentials {
    /// `client_id`, never empty.
    pub id: String,
    /// `client_secret`, if one was presented.
    pub secret: Option<Presented>,
}

/// What is offered for a token.
#[derive(Debug)]
pub enum Grant {
    /// `password`: the password with the security token appended.
    Password {
        /// Whose password it is.
        username: String,
        /// Password and token, not yet split.
        password: Presented,
    },
    /// `refresh_token`.
    RefreshToken {
        /// The token to exchange.
        refresh_token: Presented,
    },
    /// `client_credentials`: the client speaks for itself.
    ClientCredentials,
}

/// A request to end a token.
#[derive(Debug)]
pub struct RevokeRequest {
    /// The token to end.
    pub token: Presented,
    /// Where to look first; a hint that we do not know is no hint (RFC 7009 §2.1).
    pub token_type_hint: Option<TokenTypeHint>,
}

/// What kind of token a caller says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTypeHint {
    /// `access_token`
    AccessToken,
    /// `refresh_token`
    RefreshToken,
}

/// Reads a request to the token endpoint from its body and its `Authorization` header.
///
/// # Errors
///
/// `invalid_request`, `unsupported_grant_type`, `invalid_client_id` (no client named) or
/// `invalid_client` (a `Basic` header that cannot be read).
pub fn parse_token_request(
    form: &[u8],
    authorization: Option<&str>,
) -> Result<TokenRequest, OAuthError> {
    let mut form = Form::parse(form)?;
    let grant_type = required(&mut form, "grant_type")?;
    let client = client(&mut form, authorization)?;
    let grant = match grant_type.reveal() {
        "password" => Grant::Password {
            username: required(&mut form, "username")?.reveal().to_owned(),
            password: required(&mut form, "password")?,
        },
        "refresh_token" => {
            Grant::RefreshToken { refresh_token: required(&mut form, "refresh_token")? }
        }
        "client_credentials" => Grant::ClientCredentials,
        _ => return Err(OAuthError::UnsupportedGrantType),
    };
    Ok(TokenRequest { client, grant })
}

/// Reads a request to the revocation endpoint from its body or, for `GET`, its query string.
///
/// # Errors
///
/// `invalid_request`.
pub fn parse_revoke_request(form: &[u8]) -> Result<RevokeRequest, OAuthError> {
    let mut form = Form::parse(form)?;
    let token = required(&mut form, "token")?;
    let token_type_hint = match form.text("token_type_hint") {
        Some("access_token") => Some(TokenTypeHint::AccessToken),
        Some("refresh_token") => Some(TokenTypeHint::RefreshToken),
        Some(_) | None => None,
    };
    Ok(RevokeRequest { token, token_type_hint })
}

fn optional(form: &mut Form, name: &str) -> Option<Presented> {
    form.take(name).filter(|value| !value.is_empty())
}

fn required(form: &mut Form, name: &'static str) -> Result<Presented, OAuthError> {
    optional(form, name).ok_or(OAuthError::InvalidRequest(RequestFault::Missing(name)))
}

fn client(form: &mut Form, authorization: Option<&str>) -> Result<ClientCredentials, OAuthError> {
    let form_id = optional(form, "client_id").map(|id| id.reveal().to_owned());
    let form_secret = optional(form, "client_secret");
    let Some(header) = authorization.filter(|header| authorization::is_basic(header)) else {
        // The same answer as for an unknown client: the caller learns nothing from leaving it out.
        let id = form_id.ok_or(OAuthError::InvalidClientId)?;
        return Ok(ClientCredentials { id, secret: form_secret });
    };
    let from_header = basic_client(header)?;
    let id_differs = form_id.is_some_and(|id| id != from_header.id);
    // Both come from the same caller, so comparing them tells nobody anything.
    let secret_differs = form_secret.is_some_and(|secret| {
        from_header.secret.as_ref().is_none_or(|other| other.reveal() != secret.reveal())
    });
    if id_differs || secret_differs {
        return Err(OAuthError::InvalidRequest(RequestFault::ClientGivenTwice));
    }
    Ok(from_header)
}

/// Reads the client from `Basic`, each half form-encoded once more (RFC 6749 §2.3.1).
fn basic_client(header: &str) -> Result<ClientCredentials, OAuthError> {
    let Ok(Authorization::Basic(basic)) = authorization::parse(header) else {
        return Err(OAuthError::InvalidClient);
    };
    let id = form::decode(basic.username.as_bytes()).map_err(|_| OAuthError::InvalidClient)?;
    let secret =
        form::decode(basic.password.reveal().as_bytes()).map_err(|_| OAuthError::InvalidClient)?;
    if id.is_empty() {
        return Err(OAuthError::InvalidClient);
    }
    let secret = Some(Presented::from(secret)).filter(|secret| !secret.is_empty());
    Ok(ClientCredentials { id: id.as_str().to_owned(), secret })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::form::FormError;

    const LOGIN: &str =
        "grant_type=password&client_id=c&client_secret=s&username=u%40x&password=p%26TOKEN";

    fn basic(credential: &str) -> String {
        format!("Basic {}", STANDARD.encode(credential))
    }

    fn refusal(form: &str, authorization: Option<&str>) -> OAuthError {
        parse_token_request(form.as_bytes(), authorization).unwrap_err()
    }

    fn request_fault(form: &str, authorization: Option<&str>) -> RequestFault {
        let refusal = refusal(form, authorization);
        let OAuthError::InvalidRequest(fault) = refusal else { panic!("{refusal:?}") };
        fault
    }

    #[test]
    fn password_grant_is_read_from_the_form() {
        let request = parse_token_request(LOGIN.as_bytes(), None).unwrap();
        let Grant::Password { username, password } = request.grant else {
            panic!("not a password grant")
        };

        assert_eq!(request.client.id, "c");
        assert_eq!(request.client.secret.unwrap().reveal(), "s");
        assert_eq!(username, "u@x");
        assert_eq!(password.reveal(), "p&TOKEN");
    }

    #[test]
    fn client_is_read_from_basic_and_decoded_once() {
        let request =
            parse_token_request(b"grant_type=client_credentials", Some(&basic("a%3Ab:s%2525")))
                .unwrap();

        assert!(matches!(request.grant, Grant::ClientCredentials));
        assert_eq!(request.client.id, "a:b");
        assert_eq!(request.client.secret.unwrap().reveal(), "s%25");
    }

    #[test]
    fn authorization_other_than_basic_is_ignored() {
        for header in
            ["OAuth oauth_nonce=\"x\",oauth_version=\"1.0\"", "Bearer dead", "", "Basically c:s"]
        {
            assert_eq!(parse_token_request(LOGIN.as_bytes(), Some(header)).unwrap().client.id, "c");
        }
    }

    #[test]
    fn client_in_form_and_header_must_be_the_same() {
        let twice = Some(basic("c:s"));

        assert!(parse_token_request(LOGIN.as_bytes(), twice.as_deref()).is_ok());
        assert!(
            parse_token_request(b"grant_type=client_credentials&client_id=c", twice.as_deref())
                .is_ok()
        );
        for other in ["d:s", "c:other", "c:"] {
            assert_eq!(request_fault(LOGIN, Some(&basic(other))), RequestFault::ClientGivenTwice);
        }
    }

    #[test]
    fn unreadable_basic_is_an_invalid_client() {
        for header in
            ["Basic", "Basic ????", &basic("no colon"), &basic(":secret"), &basic("c:%zz")]
        {
            assert_eq!(
                refusal("grant_type=client_credentials", Some(header)),
                OAuthError::InvalidClient
            );
        }
    }

    #[test]
    fn request_without_a_client_looks_like_an_unknown_client() {
        assert_eq!(
            refusal("grant_type=password&username=u&password=p", None),
            OAuthError::InvalidClientId
        );
    }

    #[test]
    fn grants_that_we_do_not_offer_are_unsupported() {
        for grant in
            ["urn:ietf:params:oauth:grant-type:jwt-bearer", "authorization_code", "PASSWORD"]
        {
            let form = format!("grant_type={grant}&client_id=c");
            assert_eq!(refusal(&form, None), OAuthError::UnsupportedGrantType);
        }
    }

    #[test]
    fn empty_parameters_count_as_missing() {
        let login = "grant_type=password&client_id=c";

        assert_eq!(request_fault("", None), RequestFault::Missing("grant_type"));
        assert_eq!(request_fault("grant_type=", None), RequestFault::Missing("grant_type"));
        assert_eq!(
            request_fault(&format!("{login}&username="), None),
            RequestFault::Missing("username")
        );
        assert_eq!(
            request_fault(&format!("{login}&username=u&password="), None),
            RequestFault::Missing("password")
        );
        assert_eq!(
            request_fault("grant_type=refresh_token&client_id=c", None),
            RequestFault::Missing("refresh_token")
        );
    }

    #[test]
    fn malformed_forms_are_invalid_requests_and_unknown_parameters_are_not() {
        assert_eq!(request_fault("a=%00", None), RequestFault::Form(FormError::Nul));
        assert_eq!(request_fault("a=%ff", None), RequestFault::Form(FormError::NotUtf8));
        assert_eq!(
            request_fault(&format!("{LOGIN}&username=v"), None),
            RequestFault::Form(FormError::DuplicateField)
        );
        assert!(parse_token_request(format!("{LOGIN}&format=json").as_bytes(), None).is_ok());
    }

    #[test]
    fn revocation_takes_a_token_and_an_optional_hint() {
        let hint = |form: &str| parse_revoke_request(form.as_bytes()).unwrap().token_type_hint;

        assert_eq!(parse_revoke_request(b"token=a%21b").unwrap().token.reveal(), "a!b");
        assert_eq!(hint("token=a"), None);
        assert_eq!(
            hint("token=a&token_type_hint=refresh_token"),
            Some(TokenTypeHint::RefreshToken)
        );
        assert_eq!(hint("token=a&token_type_hint=access_token"), Some(TokenTypeHint::AccessToken));
        assert_eq!(hint("token=a&token_type_hint=saml2"), None);
        assert_eq!(
            parse_revoke_request(b"").unwrap_err(),
            OAuthError::InvalidRequest(RequestFault::Missing("token"))
        );
    }

    #[test]
    fn debug_of_a_request_shows_no_secret() {
        let shown = format!("{:?}", parse_token_request(LOGIN.as_bytes(), None).unwrap());

        assert!(!shown.contains("TOKEN") && !shown.contains("\"s\""), "{shown}");
    }

    proptest! {
        #[test]
        fn every_login_reads_back(username in "[^\0]{1,20}", password in "[^\0]{1,40}", secret in "[^\0]{1,20}") {
            let form = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("grant_type", "password"), ("client_id", "c"), ("client_secret", &secret)])
                .extend_pairs([("username", &username), ("password", &password)])
                .finish();
            let request = parse_token_request(form.as_bytes(), None).unwrap();
            let Grant::Password { username: read_username, password: read_password } = request.grant else {
                panic!("not a password grant")
            };

            prop_assert_eq!(read_username, username);
            prop_assert_eq!(read_password.reveal(), password);
            let read_secret = request.client.secret.unwrap();
            prop_assert_eq!(read_secret.reveal(), secret);
        }

        #[test]
        fn no_bytes_make_the_parsers_panic(form in prop::collection::vec(any::<u8>(), 0..200), header in ".{0,60}") {
            let _ = parse_token_request(&form, Some(&header));
            let _ = parse_token_request(LOGIN.as_bytes(), Some(&format!("Basic {header}")));
            let _ = parse_token_request(LOGIN.as_bytes(), Some(&basic(&header)));
            let _ = parse_revoke_request(&form);
        }
    }
}

//! The errors of the OAuth endpoints and their two renderings.
//!
//! One table gives name and description. A wrong user, password or token, a frozen, an unknown and
//! a locked-out user are all [`OAuthError::AuthenticationFailure`]: the enum has no finer word that
//! could leak.

use std::borrow::Cow;

use serde::Serialize;
use thiserror::Error;

use crate::form::FormError;
use crate::json;

/// What an OAuth endpoint answers instead of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OAuthError {
    /// The request itself is wrong.
    #[error("invalid request: {0}")]
    InvalidRequest(RequestFault),
    /// The grant is unknown to us or not offered.
    #[error("grant type not supported")]
    UnsupportedGrantType,
    /// No such client, or none named.
    #[error("client identifier invalid")]
    InvalidClientId,
    /// The client did not prove itself.
    #[error("invalid client credentials")]
    InvalidClient,
    /// The one refusal of a login, whatever its cause.
    #[error("authentication failure")]
    AuthenticationFailure,
    /// The password was right and the security token missing. An oracle: only where the
    /// administrator wants it.
    #[error("API security token required")]
    SecurityTokenRequired,
    /// The refresh token is dead.
    #[error("expired access/refresh token")]
    ExpiredToken,
    /// The user behind a refresh token may no longer log in.
    #[error("user is inactive")]
    InactiveUser,
    /// The organization is closed.
    #[error("organization is inactive")]
    InactiveOrganization,
    /// Too many logins.
    #[error("login rate exceeded")]
    RateLimitExceeded,
    /// Revocation of something that is not a token of ours, where that is told at all (RFC 7009
    /// §2.2.1).
    #[error("token type not supported")]
    UnsupportedTokenType,
    /// We cannot know the answer now.
    #[error("temporarily unavailable")]
    TemporarilyUnavailable,
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestFault {
    /// The body is not a form that we read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A parameter is absent or empty.
    #[error("missing required parameter: {0}")]
    Missing(&'static str),
    /// A parameter whose value is not what it must be.
    #[error("malformed parameter: {0}")]
    Malformed(&'static str),
    /// The form and the `Authorization` header name different clients (RFC 6749 §2.3 allows one way
    /// at a time).
    #[error("client credentials given twice")]
    ClientGivenTwice,
    /// What the head found wrong before it read the form: method, media type, length.
    #[error("{0}")]
    Refused(&'static str),
}

impl OAuthError {
    /// The member `error`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidClientId => "invalid_client_id",
            Self::InvalidClient => "invalid_client",
            Self::AuthenticationFailure | Self::SecurityTokenRequired | Self::ExpiredToken => {
                "invalid_grant"
            }
            Self::InactiveUser => "inactive_user",
            Self::InactiveOrganization => "inactive_org",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// The member `error_description`, without a correlation id.
    pub fn description(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::InvalidRequest(fault) => return Cow::Owned(fault.to_string()),
            Self::UnsupportedGrantType => "grant type not supported",
            Self::InvalidClientId => "client identifier invalid",
            Self::InvalidClient => "invalid client credentials",
            Self::AuthenticationFailure => "authentication failure",
            Self::SecurityTokenRequired => {
                "authentication failure - Failed: API security token required"
            }
            Self::ExpiredToken => "expired access/refresh token",
            Self::InactiveUser => "user is inactive",
            Self::InactiveOrganization => "organization is inactive",
            Self::RateLimitExceeded => "login rate exceeded",
            Self::UnsupportedTokenType => "token type not supported",
            Self::TemporarilyUnavailable => "retry your request",
        })
    }

    /// Renders the body of the token endpoint. A correlation id is appended to the description in
    /// parentheses.
    #[must_use]
    pub fn to_json(self, correlation_id: Option<&str>) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            error: &'a str,
            error_description: &'a str,
        }
        let description = self.description_with(correlation_id);
        json::render(&Body { error: self.name(), error_description: &description })
    }

    /// Renders the body of the revocation endpoint, which jsforce reads as a query string.
    #[must_use]
    pub fn to_form(self, correlation_id: Option<&str>) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("error", self.name())
            .append_pair("error_description", &self.description_with(correlation_id))
            .finish()
    }

    fn description_with(self, correlation_id: Option<&str>) -> Cow<'static, str> {
        match correlation_id {
            Some(id) => Cow::Owned(format!("{} ({id})", self.description())),
            None => self.description(),
        }
    }
}

impl From<FormError> for OAuthError {
    fn from(fault: FormError) -> Self {
        Self::InvalidRequest(fault.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{OAuthError, RequestFault};

    #[test]
    fn json_has_the_bytes_of_the_reference() {
        assert_eq!(
            OAuthError::AuthenticationFailure.to_json(None),
            r#"{"error":"invalid_grant","error_description":"authentication failure"}"#
        );
        assert_eq!(
            OAuthError::SecurityTokenRequired.to_json(Some("c0ffee")),
            r#"{"error":"invalid_grant","error_description":"authentication failure - Failed: API security token required (c0ffee)"}"#
        );
        assert_eq!(
            OAuthError::InvalidRequest(RequestFault::Missing("username")).to_json(None),
            r#"{"error":"invalid_request","error_description":"missing required parameter: username"}"#
        );
    }

    #[test]
    fn revocation_error_is_form_encoded() {
        assert_eq!(
            OAuthError::UnsupportedTokenType.to_form(Some("1")),
            "error=unsupported_token_type&error_description=token+type+not+supported+%281%29"
        );
    }
}

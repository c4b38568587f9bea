//! OAuth 2 as Salesforce's clients speak it: token, revocation, user info, identity and metadata.
//!
//! Requests are RFC 6749 and RFC 7009, read strictly; answers carry the members and spellings that
//! existing clients look for, down to `issued_at` being a string. Introspection, which no client of
//! Salesforce's knows, is in [`crate::introspection`].

mod answer;
mod error;
mod identity;
mod metadata;
mod request;

pub use answer::{TokenAnswer, signature};
pub use error::{OAuthError, RequestFault};
pub use identity::{
    Identity, IdentityFormat, identity_json, identity_urlencoded, identity_xml, userinfo_json,
};
pub use metadata::metadata_json;
pub use request::{
    ClientCredentials, Grant, RevokeRequest, TokenRequest, TokenTypeHint, parse_revoke_request,
    parse_token_request,
};

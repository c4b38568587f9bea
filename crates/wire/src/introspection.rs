//! RFC 7662: a relying service asks whether a token is active and whose it is.
//!
//! The form is read as strictly as the other OAuth forms: a name twice, a broken escape or a value
//! that is no number is an error, an unknown name is not. Nothing is copied that is spelled as it is
//! meant, and the answer is written into the caller's buffer: this and [`crate::verify_batch`] are
//! asked millions of times. Whether the token is active is decided elsewhere.

use crate::client_proof::ClientProof;
use crate::form::{self, FormError};
use crate::freshness::{self, Freshness};
use crate::oauth::{OAuthError, RequestFault};
use crate::timestamp::seconds;
use crate::used_by::{self, UsedBy};
use crate::{PresentedText, json};

/// The whole answer about a token that is not active, for whatever reason (RFC 7662 §2.2).
pub const INACTIVE: &str = r#"{"active":false}"#;

/// A question about one token.
#[derive(Debug)]
pub struct IntrospectionRequest<'a> {
    /// Who asks.
    pub client: ClientProof<'a>,
    /// The token in question, never empty. `token_type_hint` is ignored, as RFC 7662 §2.1 allows:
    /// there is one place to look.
    pub token: PresentedText<'a>,
    /// How new the answer must be; members `min_revision` and `deadline_ms`, which are ours.
    pub freshness: Freshness,
    /// Who presented it; members `client_address` and `client_agent`, which are ours, too.
    pub used_by: UsedBy<'a>,
}

/// What is told about an active token. Instants are given in milliseconds since the Unix epoch and
/// written in seconds, rounded down.
#[derive(Clone, Copy, Debug)]
pub struct Active<'a> {
    /// `sub`: the id of the user.
    pub sub: &'a str,
    /// `username`: what the user logs in with.
    pub username: &'a str,
    /// `client_id`: the API client through which it was issued, if there was one.
    pub client_id: Option<&'a str>,
    /// `iat`: when it was issued.
    pub issued_at_ms: i64,
    /// `exp`: the first instant at which it is no longer active, if one is known.
    pub expires_at_ms: Option<i64>,
    /// `auth_time`: when its user last proved who they are to get it.
    pub authenticated_at_ms: i64,
    /// `iss`: the public URL of the authority.
    pub iss: &'a str,
    /// `device_type`: what it is bound to; a session that was opened without a security token is
    /// bound to nothing.
    pub device_type: Option<&'a str>,
    /// `profile`: the name of the user's profile.
    pub profile: &'a str,
    /// `revision`: the state that the answer comes from.
    pub revision: i64,
}

/// Reads a request to the introspection endpoint from its body and its `Authorization` header.
///
/// # Errors
///
/// `invalid_request`, or `invalid_client` if none is named, it presents no secret or its `Basic`
/// header cannot be read. The client comes first: whoever does not prove itself learns nothing else.
pub fn parse_introspection_request<'a>(
    body: &'a [u8],
    authorization: Option<&str>,
) -> Result<IntrospectionRequest<'a>, OAuthError> {
    let fields = read_fields(body)?;
    let given = |field: Option<PresentedText<'a>>| field.filter(|value| !value.is_empty());
    let client = ClientProof::from_header_or_form(
        authorization,
        given(fields.client_id),
        given(fields.client_secret),
    )?;
    let token = given(fields.token).ok_or(invalid(RequestFault::Missing("token")))?;
    let freshness = Freshness {
        min_revision: read_as("min_revision", given(fields.min_revision), freshness::revision)?,
        deadline: read_as("deadline_ms", given(fields.deadline_ms), freshness::deadline)?,
    };
    let used_by = UsedBy {
        address: read_as("client_address", given(fields.client_address), used_by::address)?,
        agent: agent(given(fields.client_agent))?,
    };
    Ok(IntrospectionRequest { client, token, freshness, used_by })
}

impl Active<'_> {
    /// Appends the answer to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"active":true,"sub":"#);
        json::push_text(out, self.sub);
        push_text_member(out, br#","username":"#, Some(self.username));
        push_text_member(out, br#","client_id":"#, self.client_id);
        out.extend_from_slice(br#","token_type":"Bearer""#);
        push_number_member(out, br#","iat":"#, Some(seconds(self.issued_at_ms)));
        push_number_member(out, br#","exp":"#, self.expires_at_ms.map(seconds));
        push_number_member(out, br#","auth_time":"#, Some(seconds(self.authenticated_at_ms)));
        push_text_member(out, br#","iss":"#, Some(self.iss));
        push_text_member(out, br#","device_type":"#, self.device_type);
        push_text_member(out, br#","profile":"#, Some(self.profile));
        push_number_member(out, br#","revision":"#, Some(self.revision));
        out.push(b'}');
    }
}

#[derive(Default)]
struct Fields<'a> {
    token: Option<PresentedText<'a>>,
    token_type_hint: Option<PresentedText<'a>>,
    min_revision: Option<PresentedText<'a>>,
    deadline_ms: Option<PresentedText<'a>>,
    client_address: Option<PresentedText<'a>>,
    client_agent: Option<PresentedText<'a>>,
    client_id: Option<PresentedText<'a>>,
    client_secret: Option<PresentedText<'a>>,
}

fn read_fields(body: &[u8]) -> Result<Fields<'_>, FormError> {
    let mut fields = Fields::default();
    let mut unknown_names: Vec<PresentedText<'_>> = Vec::new();
    for pair in form::pairs(body) {
        let (name, value) = pair?;
        let field = match name.reveal() {
            "token" => &mut fields.token,
            "token_type_hint" => &mut fields.token_type_hint,
            "min_revision" => &mut fields.min_revision,
            "deadline_ms" => &mut fields.deadline_ms,
            "client_address" => &mut fields.client_address,
            "client_agent" => &mut fields.client_agent,
            "client_id" => &mut fields.client_id,
            "client_secret" => &mut fields.client_secret,
            unknown => {
                if unknown_names.iter().any(|known| known.reveal() == unknown) {
                    return Err(FormError::DuplicateField);
                }
                unknown_names.push(name);
                continue;
            }
        };
        if field.replace(value).is_some() {
            return Err(FormError::DuplicateField);
        }
    }
    Ok(fields)
}

fn read_as<T>(
    name: &'static str,
    value: Option<PresentedText<'_>>,
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, OAuthError> {
    let Some(value) = value else { return Ok(None) };
    read(value.reveal()).map(Some).ok_or(invalid(RequestFault::Malformed(name)))
}

fn agent(value: Option<PresentedText<'_>>) -> Result<Option<PresentedText<'_>>, OAuthError> {
    match value {
        Some(text) if !used_by::is_agent(text.reveal()) => {
            Err(invalid(RequestFault::Malformed("client_agent")))
        }
        value => Ok(value),
    }
}

fn invalid(fault: RequestFault) -> OAuthError {
    OAuthError::InvalidRequest(fault)
}

/// `name` brings the comma before it and the colon after it.
fn push_text_member(out: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let Some(text) = value {
        out.extend_from_slice(name);
        json::push_text(out, text);
    }
}

fn push_number_member(out: &mut Vec<u8>, name: &[u8], value: Option<i64>) {
    if let Some(number) = value {
        out.extend_from_slice(name);
        json::push_number(out, number);
    }
}

#[cfg(test)]
mod tests;

//! SOAP requests: from a tree of elements to one of our operations.
//!
//! Elements are recognised by namespace and local name. Headers and members that we do not know are
//! ignored, as the WSDL of a newer version may add some; those that we do know may occur once,
//! because two readers of a document with two passwords need not agree on which one counts.

use std::fmt;

use crate::Presented;
use crate::soap::document::{self, Element, SoapParseError};
use crate::soap::{ENVELOPE, Flavor};

/// Bytes that a login may have. Anyone may send one, so it is kept small.
pub const LOGIN_BODY_LIMIT: usize = 10 * 1024;

const ENVELOPE_12: &str = "http://www.w3.org/2003/05/soap-envelope";
const MAX_CLIENT_CHARACTERS: usize = 100;
const MAX_NAME_CHARACTERS: usize = 64;

/// A SOAP request.
#[derive(Debug)]
pub struct SoapRequest {
    /// From the namespace of the operation. The head compares it with the path's.
    pub flavor: Flavor,
    /// What is asked for.
    pub operation: Operation,
    /// `CallOptions/client`: a name the client gives itself, at most 100 characters, none of them a control character.
    pub client: Option<String>,
    /// `SessionHeader/sessionId`.
    pub session_id: Option<Presented>,
    /// `LoginScopeHeader/organizationId`, as sent.
    pub organization_id: Option<String>,
}

/// What a request asks for.
#[derive(Debug)]
pub enum Operation {
    /// `login`
    Login {
        /// As sent.
        username: String,
        /// Password and security token, not yet split.
        password: Presented,
    },
    /// `logout`
    Logout,
    /// `getUserInfo`
    GetUserInfo,
    /// `getServerTimestamp`
    GetServerTimestamp,
    /// `setPassword`
    SetPassword {
        /// As sent.
        user_id: String,
        /// The new password.
        password: Presented,
    },
    /// `changeOwnPassword`
    ChangeOwnPassword {
        /// The password until now.
        old_password: Presented,
        /// The password from now on.
        new_password: Presented,
    },
    /// `resetPassword`
    ResetPassword {
        /// As sent.
        user_id: String,
    },
    /// `invalidateSessions`
    InvalidateSessions {
        /// In the order sent; the answer has one result for each.
        session_ids: Vec<Presented>,
    },
    /// An operation that we do not have.
    Unknown(OperationName),
}

/// The name of an operation that we do not have, safe to repeat: at most 64 characters of
/// `[A-Za-z0-9_.-]`.
#[derive(Clone, PartialEq, Eq)]
pub struct OperationName(String);

impl OperationName {
    fn sanitised(name: &str) -> Self {
        let harmless = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
        };
        let replaced =
            name.chars().map(|character| if harmless(character) { character } else { '_' });
        Self(replaced.take(MAX_NAME_CHARACTERS).collect())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OperationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Reads a request body, already inflated.
///
/// # Errors
///
/// A [`SoapParseError`]; [`SoapParseError::NotWellFormed`] is what a password with unescaped `&` or
/// `<` comes out as.
///
/// # Security
///
/// Nothing outside the body is ever fetched, and work is bounded by its length.
pub fn parse_request(body: &[u8]) -> Result<SoapRequest, SoapParseError> {
    let envelope = document::parse(body)?;
    let (header, operation) = open_envelope(envelope)?;
    let flavor =
        Flavor::of_namespace(&operation.namespace).ok_or(SoapParseError::UnknownNamespace)?;
    let mut request = SoapRequest {
        flavor,
        operation: read_operation(operation)?,
        client: None,
        session_id: None,
        organization_id: None,
    };
    for entry in header {
        read_header(&mut request, entry)?;
    }
    let is_login = matches!(request.operation, Operation::Login { .. });
    if is_login && body.len() > LOGIN_BODY_LIMIT {
        return Err(SoapParseError::TooLarge);
    }
    Ok(request)
}

/// Takes an envelope apart into its header entries and its one operation.
fn open_envelope(envelope: Element) -> Result<(Vec<Element>, Element), SoapParseError> {
    if envelope.is(ENVELOPE_12, "Envelope") {
        return Err(SoapParseError::Soap12);
    }
    if !envelope.is(ENVELOPE, "Envelope") || envelope.has_text() {
        return Err(SoapParseError::NotAnEnvelope);
    }
    let mut parts = envelope.children.into_iter().peekable();
    let header = parts.next_if(|part| part.is(ENVELOPE, "Header"));
    let body = parts
        .next()
        .filter(|part| part.is(ENVELOPE, "Body"))
        .ok_or(SoapParseError::NotAnEnvelope)?;
    if parts.next().is_some() || body.has_text() || header.as_ref().is_some_and(Element::has_text) {
        return Err(SoapParseError::NotAnEnvelope);
    }
    let mut operations = body.children.into_iter();
    match (operations.next(), operations.next()) {
        (Some(operation), None) => {
            Ok((header.map(|header| header.children).unwrap_or_default(), operation))
        }
        (Some(_), Some(_)) | (None, _) => Err(SoapParseError::NotAnEnvelope),
    }
}

fn read_header(request: &mut SoapRequest, entry: Element) -> Result<(), SoapParseError> {
    let known = Flavor::of_namespace(&entry.namespace).is_some();
    match entry.name.as_str() {
        "CallOptions" if known => {
            let client = Members::of(entry)?.optional("client")?;
            set_once(&mut request.client, client.map(|text| label(text.reveal())), "CallOptions")
        }
        "LoginScopeHeader" if known => {
            let organization = Members::of(entry)?.optional("organizationId")?;
            let organization = organization.map(|text| text.reveal().to_owned());
            set_once(&mut request.organization_id, organization, "LoginScopeHeader")
        }
        "SessionHeader" if known => {
            let session_id = Members::of(entry)?.optional("sessionId")?;
            set_once(&mut request.session_id, session_id, "SessionHeader")
        }
        _ if entry.must_understand => Err(SoapParseError::HeaderNotUnderstood),
        _ => Ok(()),
    }
}

fn set_once<T>(
    slot: &mut Option<T>,
    value: Option<T>,
    header: &'static str,
) -> Result<(), SoapParseError> {
    match (&slot, value) {
        (_, None) => Ok(()),
        (Some(_), Some(_)) => Err(SoapParseError::DuplicateElement(header)),
        (None, value) => {
            *slot = value;
            Ok(())
        }
    }
}

fn read_operation(element: Element) -> Result<Operation, SoapParseError> {
    let name = element.name.clone();
    let members = || Members::of(element);
    match name.as_str() {
        "login" => {
            let mut members = members()?;
            Ok(Operation::Login {
                username: members.text("username")?,
                password: members.secret("password")?,
            })
        }
        "logout" => Ok(Operation::Logout),
        "getUserInfo" => Ok(Operation::GetUserInfo),
        "getServerTimestamp" => Ok(Operation::GetServerTimestamp),
        "setPassword" => {
            let mut members = members()?;
            Ok(Operation::SetPassword {
                user_id: members.text("userId")?,
                password: members.secret("password")?,
            })
        }
        "changeOwnPassword" => {
            let mut members = members()?;
            Ok(Operation::ChangeOwnPassword {
                old_password: members.secret("oldPassword")?,
                new_password: members.secret("newPassword")?,
            })
        }
        "resetPassword" => Ok(Operation::ResetPassword { user_id: members()?.text("userId")? }),
        "invalidateSessions" => {
            Ok(Operation::InvalidateSessions { session_ids: members()?.all("sessionIds")? })
        }
        _ => Ok(Operation::Unknown(OperationName::sanitised(&name))),
    }
}

/// The members of an operation or header: children in its own namespace. Others are not ours to
/// read.
struct Members(Vec<Element>);

impl Members {
    fn of(element: Element) -> Result<Self, SoapParseError> {
        if element.has_text() {
            return Err(SoapParseError::NotAnEnvelope);
        }
        let Element { namespace, children, .. } = element;
        Ok(Self(children.into_iter().filter(|child| child.namespace == namespace).collect()))
    }

    fn all(&mut self, name: &'static str) -> Result<Vec<Presented>, SoapParseError> {
        let mut found = Vec::new();
        for member in self.0.extract_if(.., |member| member.name == name) {
            if !member.children.is_empty() {
                return Err(SoapParseError::UnexpectedMarkup(name));
            }
            found.push(Presented::from(member.text));
        }
        Ok(found)
    }

    fn optional(&mut self, name: &'static str) -> Result<Option<Presented>, SoapParseError> {
        let mut found = self.all(name)?.into_iter();
        match (found.next(), found.next()) {
            (first, None) => Ok(first.filter(|text| !text.is_empty())),
            (_, Some(_)) => Err(SoapParseError::DuplicateElement(name)),
        }
    }

    fn secret(&mut self, name: &'static str) -> Result<Presented, SoapParseError> {
        self.optional(name)?.ok_or(SoapParseError::MissingElement(name))
    }

    fn text(&mut self, name: &'static str) -> Result<String, SoapParseError> {
        Ok(self.secret(name)?.reveal().to_owned())
    }
}

/// A name that a client gave itself, made fit to be shown and kept.
fn label(text: &str) -> String {
    let printable =
        text.chars().map(|character| if character.is_control() { ' ' } else { character });
    printable.take(MAX_CLIENT_CHARACTERS).collect()
}

#[cfg(test)]
mod tests;

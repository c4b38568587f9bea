//! Bodies of the Salesforce REST head: versions, resources, errors and the password resource.
//!
//! Only what logins and password calls need is here; there is no data behind this API.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::error::Category;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Presented, json};

/// The oldest version that Salesforce still serves, so the oldest that we list.
pub const FIRST_VERSION: u16 = 31;
/// The newest version that has `login()`.
pub const LAST_VERSION: u16 = 64;
/// Bytes that a password body may have: a long password, fully escaped, and some white space.
pub const PASSWORD_BODY_LIMIT: usize = 4096;

/// Codes of REST errors. Clients compare them, so none is invented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestErrorCode {
    /// The session is dead. Clients answer it by logging in again.
    InvalidSessionId,
    /// The session lives but may not do this.
    InsufficientAccess,
    /// Basic policy of the new password was not met.
    InvalidNewPassword,
    /// Nothing here.
    NotFound,
    /// The resource does not know the method.
    MethodNotAllowed,
    /// The body is not the JSON that the resource takes.
    JsonParserError,
    /// Too many requests.
    RequestLimitExceeded,
    /// We cannot know the answer now.
    ServerUnavailable,
    /// Something failed that the caller cannot mend.
    UnknownException,
}

impl RestErrorCode {
    /// The code as it stands in the body.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidSessionId => "INVALID_SESSION_ID",
            Self::InsufficientAccess => "INSUFFICIENT_ACCESS",
            Self::InvalidNewPassword => "INVALID_NEW_PASSWORD",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::JsonParserError => "JSON_PARSER_ERROR",
            Self::RequestLimitExceeded => "REQUEST_LIMIT_EXCEEDED",
            Self::ServerUnavailable => "SERVER_UNAVAILABLE",
            Self::UnknownException => "UNKNOWN_EXCEPTION",
        }
    }
}

/// Why a password body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordBodyError {
    /// Longer than [`PASSWORD_BODY_LIMIT`].
    #[error("the password body is too large")]
    TooLarge,
    /// Not JSON, or something after it.
    #[error("the password body is not JSON")]
    NotJson,
    /// JSON, but not one object with exactly the member `NewPassword`, a string without NUL.
    #[error("the password body is not an object with the one member NewPassword")]
    WrongShape,
}

/// Renders the answer to `GET /services/data`: every version, oldest first.
#[must_use]
pub fn versions_json() -> String {
    #[derive(Serialize)]
    struct Version {
        label: String,
        url: String,
        #[serde(rename = "version")]
        number: String,
    }
    let version = |number: u16| Version {
        label: release_label(number),
        url: format!("/services/data/v{number}.0"),
        number: format!("{number}.0"),
    };
    json::render(&(FIRST_VERSION..=LAST_VERSION).map(version).collect::<Vec<_>>())
}

/// Reads the version segment of a path, `v59.0`, as its number.
///
/// It may be a version that we do not list; the head decides what that means.
pub fn parse_version(segment: &str) -> Option<u16> {
    let digits = segment.strip_prefix('v')?.strip_suffix(".0")?;
    let plain = matches!(digits.len(), 1..=3) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Renders the resource map of one version. Restforce and jsforce look for `identity`.
#[must_use]
pub fn resources_json(version: u16, identity_url: &str) -> String {
    #[derive(Serialize)]
    struct Resources<'a> {
        identity: &'a str,
        sobjects: String,
    }
    json::render(&Resources {
        identity: identity_url,
        sobjects: format!("/services/data/v{version}.0/sobjects"),
    })
}

/// Renders an error as the array with one member that REST clients expect.
#[must_use]
pub fn error_array_json(code: RestErrorCode, message: &str) -> String {
    json::render(&[RestError { message, error_code: code.as_str() }])
}

/// Renders the answer to `GET …/password`.
#[must_use]
pub fn password_state_json(is_expired: bool) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct PasswordState {
        is_expired: bool,
    }
    json::render(&PasswordState { is_expired })
}

/// Renders the answer to `DELETE …/password`: the temporary password.
#[must_use]
pub fn temporary_password_json(password: &Presented) -> String {
    #[derive(Serialize)]
    struct TemporaryPassword<'a> {
        #[serde(rename = "NewPassword")]
        new_password: &'a str,
    }
    json::render(&TemporaryPassword { new_password: password.reveal() })
}

/// Reads the body of `POST …/password`: `{"NewPassword": "…"}`.
///
/// The name is matched without regard to case (nforce sends `newPassword`), no other member is
/// allowed, and none twice.
///
/// # Errors
///
/// The [`PasswordBodyError`] that applies. It never says what was sent.
pub fn parse_new_password(body: &[u8]) -> Result<Presented, PasswordBodyError> {
    if body.len() > PASSWORD_BODY_LIMIT {
        return Err(PasswordBodyError::TooLarge);
    }
    let parsed: Result<NewPassword, _> = serde_json::from_slice(body);
    match parsed {
        Ok(NewPassword(password)) => Ok(password),
        Err(fault) => Err(match fault.classify() {
            Category::Data => PasswordBodyError::WrongShape,
            Category::Io | Category::Syntax | Category::Eof => PasswordBodyError::NotJson,
        }),
    }
}

#[derive(Serialize)]
struct RestError<'a> {
    message: &'a str,
    #[serde(rename = "errorCode")]
    error_code: &'a str,
}

/// Names a version after its season, as Salesforce does: three a year, 31.0 was Summer '14.
fn release_label(number: u16) -> String {
    let since = number - FIRST_VERSION;
    let (season, year) = match since % 3 {
        0 => ("Summer", 14 + since / 3),
        1 => ("Winter", 15 + since / 3),
        _ => ("Spring", 15 + since / 3),
    };
    format!("{season} '{year}")
}

struct NewPassword(Presented);

impl<'de> Deserialize<'de> for NewPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NewPasswordVisitor)
    }
}

struct NewPasswordVisitor;

// Messages below are never shown: only the category of the fault leaves the module.
impl<'de> Visitor<'de> for NewPasswordVisitor {
    type Value = NewPassword;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the member NewPassword")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NewPassword, A::Error> {
        let mut password = None;
        while let Some(name) = map.next_key::<String>()? {
            if !name.eq_ignore_ascii_case("NewPassword") || password.is_some() {
                return Err(A::Error::custom("unknown or repeated member"));
            }
            let text = Zeroizing::new(map.next_value::<String>()?);
            if text.contains('\0') {
                return Err(A::Error::custom("a password holds no NUL"));
            }
            password = Some(NewPassword(text.into()));
        }
        password.ok_or_else(|| A::Error::custom("no password"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_run_from_31_to_64_with_the_names_of_their_seasons() {
        let json = versions_json();

        assert!(json.starts_with(
            r#"[{"label":"Summer '14","url":"/services/data/v31.0","version":"31.0"},"#
        ));
        assert!(
            json.contains(
                r#"{"label":"Winter '24","url":"/services/data/v59.0","version":"59.0"}"#
            )
        );
        assert!(
            json.contains(
                r#"{"label":"Spring '24","url":"/services/data/v60.0","version":"60.0"}"#
            )
        );
        assert!(
            json.ends_with(
                r#"{"label":"Summer '25","url":"/services/data/v64.0","version":"64.0"}]"#
            )
        );
        assert_eq!(json.matches("label").count(), 34);
    }

    #[test]
    fn version_segments_are_read_strictly() {
        assert_eq!(parse_version("v59.0"), Some(59));
        for segment in ["59.0", "v59", "v.0", "v+9.0", "v59.1", "v5959.0", "V59.0", "v59.0/"] {
            assert_eq!(parse_version(segment), None, "{segment}");
        }
    }

    #[test]
    fn resource_map_names_the_identity_url() {
        assert_eq!(
            resources_json(59, "https://h/id/00D/005"),
            r#"{"identity":"https://h/id/00D/005","sobjects":"/services/data/v59.0/sobjects"}"#
        );
    }

    #[test]
    fn errors_have_the_bytes_of_the_reference() {
        assert_eq!(
            error_array_json(RestErrorCode::InvalidSessionId, "Session expired or invalid"),
            r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#
        );
    }

    #[test]
    fn password_answers_have_the_bytes_of_the_reference() {
        assert_eq!(password_state_json(false), r#"{"isExpired":false}"#);
        assert_eq!(
            temporary_password_json(&Presented::new("a\"b".to_owned())),
            r#"{"NewPassword":"a\"b"}"#
        );
    }

    #[test]
    fn new_password_is_found_whatever_the_case_of_its_name() {
        for body in [
            r#"{"NewPassword":"p\u00e4ss"}"#,
            r#" { "newpassword" : "päss" } "#,
            r#"{"NEWPASSWORD":"päss"}"#,
        ] {
            assert_eq!(parse_new_password(body.as_bytes()).unwrap().reveal(), "päss");
        }
    }

    #[test]
    fn each_malformed_password_body_is_refused_for_its_own_reason() {
        let refusal = |body: &str| parse_new_password(body.as_bytes()).unwrap_err();

        for body in
            ["", "{", r#"{"NewPassword":"a"} x"#, r#"{"NewPassword":"a",}"#, "{'NewPassword':'a'}"]
        {
            assert_eq!(refusal(body), PasswordBodyError::NotJson, "{body}");
        }
        for body in [
            "{}",
            "[]",
            "null",
            r#"{"NewPassword":1}"#,
            r#"{"NewPassword":null}"#,
            r#"{"NewPassword":"a","x":1}"#,
            r#"{"NewPassword":"a","newPassword":"b"}"#,
            r#"{"NewPassword":"a\u0000"}"#,
        ] {
            assert_eq!(refusal(body), PasswordBodyError::WrongShape, "{body}");
        }
        let long = format!(r#"{{"NewPassword":"{}"}}"#, "a".repeat(PASSWORD_BODY_LIMIT));
        assert_eq!(refusal(&long), PasswordBodyError::TooLarge);
        assert_eq!(
            parse_new_password(b"{\"NewPassword\":\"\xff\"}").unwrap_err(),
            PasswordBodyError::NotJson
        );
    }

    proptest! {
        #[test]
        fn rendered_password_reads_back(password in "[^\0]{0,100}") {
            let body = temporary_password_json(&Presented::new(password.clone()));
            let read = parse_new_password(body.as_bytes()).unwrap();

            prop_assert_eq!(read.reveal(), password);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200), text in r#"[\{\}\[\]":,a\\u0 ]{0,60}"#) {
            let _ = parse_new_password(&body);
            let _ = parse_new_password(text.as_bytes());
        }
    }
}

//! `POST /api/v1/leaked-tokens`: tokens that somebody has found where others can read them.
//!
//! Who finds one needs no account with us, so everything here is bounded. What is no token does not spoil
//! the report for the others: a finder may not know our format. [`github`] is the form in which GitHub's
//! secret scanning reports.

pub mod github;

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::Presented;

/// Bytes that a body may have: a thousand tokens, each with an address of some 450 characters.
pub const MAX_BODY: usize = 512 * 1024;
/// Tokens that a report may name.
pub const MAX_TOKENS: usize = 1000;
/// Bytes that what is reported as a token may have: there may be a password before it.
pub const MAX_TEXT: usize = 1024;
/// Bytes that the address of a place may have.
pub const MAX_URL: usize = 2048;

/// What one finder reports.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeakReport {
    /// What was found, 1 to [`MAX_TOKENS`].
    pub tokens: Vec<SeenToken>,
}

/// A token, and where it was seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenToken {
    /// What was found; it need not be a token.
    #[serde(deserialize_with = "presented")]
    pub token: Presented,
    /// Where.
    pub url: Option<String>,
}

/// Why a report was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LeakReportError {
    /// Not JSON with the members that a report has, each once and of the right type.
    #[error("the body is not a JSON object of tokens, each with token and url")]
    Malformed,
    /// No token at all.
    #[error("the report names no token")]
    NoTokens,
    /// More than [`MAX_TOKENS`].
    #[error("the report names more than {MAX_TOKENS} tokens")]
    TooManyTokens,
    /// A member that is longer than it may be.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

impl LeakReport {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// The [`LeakReportError`] that applies. It never says what was sent.
    pub fn parse(body: &[u8]) -> Result<Self, LeakReportError> {
        let report: Self = serde_json::from_slice(body).map_err(|_| LeakReportError::Malformed)?;
        check_count(report.tokens.len())?;
        for seen in &report.tokens {
            check_lengths(&seen.token, seen.url.as_deref().unwrap_or_default())?;
        }
        Ok(report)
    }
}

fn check_count(count: usize) -> Result<(), LeakReportError> {
    match count {
        0 => Err(LeakReportError::NoTokens),
        1..=MAX_TOKENS => Ok(()),
        _ => Err(LeakReportError::TooManyTokens),
    }
}

fn check_lengths(token: &Presented, url: &str) -> Result<(), LeakReportError> {
    if token.reveal().len() > MAX_TEXT {
        return Err(LeakReportError::TooLong("token"));
    }
    if url.len() > MAX_URL {
        return Err(LeakReportError::TooLong("url"));
    }
    Ok(())
}

/// Reads a secret so that no copy of it outlives its wiping.
fn presented<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Presented, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = Presented;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a token")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Presented, E> {
            Ok(Presented::new(text.to_owned()))
        }
    }
    deserializer.deserialize_str(Text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn refusal(body: &str) -> LeakReportError {
        LeakReport::parse(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_report_names_tokens_and_where_they_were_seen() {
        let body = br#"{"tokens":[{"token":"a\u0062c","url":"https://x/y"},{"token":""}]}"#;

        let report = LeakReport::parse(body).unwrap();

        let read: Vec<(&str, Option<&str>)> =
            report.tokens.iter().map(|seen| (seen.token.reveal(), seen.url.as_deref())).collect();
        assert_eq!(read, [("abc", Some("https://x/y")), ("", None)]);
    }

    #[test]
    fn everything_in_a_report_is_bounded() {
        let many = |count: usize| json!({ "tokens": vec![json!({ "token": "t" }); count] });
        let one = |token: usize, url: usize| json!({ "tokens": [{ "token": "t".repeat(token), "url": "u".repeat(url) }] });

        assert!(LeakReport::parse(many(MAX_TOKENS).to_string().as_bytes()).is_ok());
        assert!(LeakReport::parse(one(MAX_TEXT, MAX_URL).to_string().as_bytes()).is_ok());
        assert_eq!(refusal(&many(0).to_string()), LeakReportError::NoTokens);
        assert_eq!(refusal(&many(MAX_TOKENS + 1).to_string()), LeakReportError::TooManyTokens);
        assert_eq!(refusal(&one(MAX_TEXT + 1, 0).to_string()), LeakReportError::TooLong("token"));
        assert_eq!(refusal(&one(1, MAX_URL + 1).to_string()), LeakReportError::TooLong("url"));
    }

    #[test]
    fn anything_else_is_malformed() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"tokens":"a"}"#,
            r#"{"tokens":["a"]}"#,
            r#"{"tokens":[{"token":1}]}"#,
            r#"{"tokens":[{"url":"a"}]}"#,
            r#"{"tokens":[{"token":"a","token":"b"}]}"#,
            r#"{"tokens":[{"token":"a","extra":1}]}"#,
            r#"{"tokens":[{"token":"a"}],"extra":1}"#,
            r#"{"tokens":[{"token":"a"}]} x"#,
        ] {
            assert_eq!(refusal(body), LeakReportError::Malformed, "{body}");
        }
    }

    #[test]
    fn debug_of_a_report_shows_no_token() {
        let report = LeakReport::parse(br#"{"tokens":[{"token":"hunter2"}]}"#).unwrap();

        assert!(!format!("{report:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-z0-9]{0,80}") {
            let _ = LeakReport::parse(&bytes);
            let _ = LeakReport::parse(text.as_bytes());
            let _ = LeakReport::parse(format!(r#"{{"tokens":[{text}]}}"#).as_bytes());
        }
    }
}

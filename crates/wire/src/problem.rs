//! RFC 9457 problem details, the error body of our own JSON API.
//!
//! Refusals must look alike outside, so nothing here is derived: the head passes every word.

use serde::Serialize;

use crate::json;

/// The media type of the body.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// The members of a problem body.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Problem<'a> {
    /// A stable URI reference that names the kind of problem (RFC 9457 §3.1.1).
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// A short sentence, the same for every occurrence.
    pub title: &'a str,
    /// The status code, repeated for readers that lost the status line.
    pub status: u16,
    /// What happened this time, for a human.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// Finds this very request in logs and audit trail.
    pub correlation_id: &'a str,
}

impl Problem<'_> {
    /// Renders the body.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::render(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;

    #[test]
    fn body_has_the_members_in_the_order_of_the_rfc() {
        let problem = Problem {
            kind: "urn:symbolon:problem:locked",
            title: "Locked out",
            status: 403,
            detail: Some("say \"please\""),
            correlation_id: "c0ffee",
        };

        assert_eq!(
            problem.to_json(),
            r#"{"type":"urn:symbolon:problem:locked","title":"Locked out","status":403,"detail":"say \"please\"","correlation_id":"c0ffee"}"#
        );
    }

    #[test]
    fn missing_detail_is_left_out() {
        let problem = Problem {
            kind: "about:blank",
            title: "Gone",
            status: 410,
            detail: None,
            correlation_id: "1",
        };

        assert_eq!(
            problem.to_json(),
            r#"{"type":"about:blank","title":"Gone","status":410,"correlation_id":"1"}"#
        );
    }
}

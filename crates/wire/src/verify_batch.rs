//! `POST /api/v1/verify`: up to a thousand credentials in one request, one answer for each, in the
//! order asked.
//!
//! A batch is for gateways and log readers, who ask about so many that each must cost next to
//! nothing: credentials stay where they lie in the body, and answers are written one by one into the
//! caller's buffer. Unknown and repeated members are errors, so that a misspelt demand is not
//! silently dropped.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::freshness::{self, Freshness};
use crate::introspection::{Active, INACTIVE};
use crate::used_by::{self, UsedBy};
use crate::{Presented, PresentedText, json};

/// Bytes that a body may have.
pub const MAX_BODY: usize = 256 * 1024;
/// Credentials that a batch may have.
pub const MAX_CREDENTIALS: usize = 1000;

/// A question about many credentials.
#[derive(Debug)]
pub struct VerifyBatch<'a> {
    /// The credentials, 1 to [`MAX_CREDENTIALS`] of them, in the order asked. What cannot be a credential is
    /// none that is active; it does not spoil the batch for the others.
    pub credentials: Vec<PresentedText<'a>>,
    /// How new the state must be that all of them are answered from.
    pub freshness: Freshness,
    /// Who presented all of them.
    pub used_by: UsedBy<'a>,
}

/// Why a batch was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VerifyBatchError {
    /// More than [`MAX_BODY`] bytes.
    #[error("the body is longer than {MAX_BODY} bytes")]
    BodyTooLong,
    /// Not a JSON object with the members that a batch has, each once and of the right type.
    #[error(
        "the body is not a JSON object of credentials, client_address, client_agent, min_revision and \
         deadline_ms"
    )]
    Malformed,
    /// No credential at all.
    #[error("the batch holds no credential")]
    NoCredentials,
    /// More than [`MAX_CREDENTIALS`].
    #[error("the batch holds more than {MAX_CREDENTIALS} credentials")]
    TooManyCredentials,
    /// A `min_revision` below nought or beyond 2^63, or a `deadline_ms` outside 1 to 5000.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A `client_address` that is none.
    #[error("client_address is no address")]
    NoAddress,
    /// A `client_agent` of more than [`used_by::MAX_AGENT`] bytes.
    #[error("client_agent is longer than {} bytes", used_by::MAX_AGENT)]
    AgentTooLong,
}

impl<'a> VerifyBatch<'a> {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// The [`VerifyBatchError`] that applies. It never says what was sent.
    pub fn parse(body: &'a [u8]) -> Result<Self, VerifyBatchError> {
        if body.len() > MAX_BODY {
            return Err(VerifyBatchError::BodyTooLong);
        }
        let body = str::from_utf8(body).map_err(|_| VerifyBatchError::Malformed)?;
        // serde would also take the members as a list without names.
        if !body.trim_start().starts_with('{') {
            return Err(VerifyBatchError::Malformed);
        }
        // serde's own words may quote the body, so none of them leaves here.
        let body: Body<'_> = serde_json::from_str(body).map_err(|_| VerifyBatchError::Malformed)?;
        match body.credentials.count {
            0 => return Err(VerifyBatchError::NoCredentials),
            1..=MAX_CREDENTIALS => {}
            _ => return Err(VerifyBatchError::TooManyCredentials),
        }
        let credentials = body.credentials.first;
        if body.min_revision.is_some_and(i64::is_negative) {
            return Err(VerifyBatchError::OutOfRange("min_revision"));
        }
        let deadline = match body.deadline_ms {
            Some(ms) => Some(deadline(ms).ok_or(VerifyBatchError::OutOfRange("deadline_ms"))?),
            None => None,
        };
        let used_by = used_by_of(body.client_address, body.client_agent)?;
        let freshness = Freshness { min_revision: body.min_revision, deadline };
        Ok(Self { credentials, freshness, used_by })
    }
}

fn used_by_of<'a>(
    address: Option<Text<'a>>,
    agent: Option<Text<'a>>,
) -> Result<UsedBy<'a>, VerifyBatchError> {
    let address = match address {
        Some(Text(text)) => {
            Some(used_by::address(text.reveal()).ok_or(VerifyBatchError::NoAddress)?)
        }
        None => None,
    };
    let agent = agent.map(|Text(text)| text);
    if agent.as_ref().is_some_and(|text| !used_by::is_agent(text.reveal())) {
        return Err(VerifyBatchError::AgentTooLong);
    }
    Ok(UsedBy { address, agent })
}

fn deadline(ms: i64) -> Option<Duration> {
    freshness::deadline_of_ms(ms.try_into().ok()?)
}

/// Writes the answer: one call for each credential, in the order asked.
#[derive(Debug)]
#[must_use = "the answer is whole only after `end`"]
pub struct VerifyBatchAnswer<'out> {
    out: &'out mut Vec<u8>,
    /// What stands before the next answer.
    separator: &'static str,
}

impl<'out> VerifyBatchAnswer<'out> {
    /// Begins the answer in `out`. `revision` is the state that all of it comes from.
    pub fn begin(out: &'out mut Vec<u8>, revision: i64) -> Self {
        out.extend_from_slice(br#"{"revision":"#);
        json::push_number(out, revision);
        out.extend_from_slice(br#","results":["#);
        Self { out, separator: "" }
    }

    /// Answers the next credential: it is active.
    pub fn push_active(&mut self, active: &Active<'_>) {
        self.separate();
        active.write_to(self.out);
    }

    /// Answers the next credential: it is not active.
    pub fn push_inactive(&mut self) {
        self.separate();
        self.out.extend_from_slice(INACTIVE.as_bytes());
    }

    /// Ends the answer.
    pub fn end(self) {
        self.out.extend_from_slice(b"]}");
    }

    fn separate(&mut self) {
        self.out.extend_from_slice(self.separator.as_bytes());
        self.separator = ",";
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    credentials: Credentials<'a>,
    min_revision: Option<i64>,
    deadline_ms: Option<i64>,
    #[serde(borrow)]
    client_address: Option<Text<'a>>,
    #[serde(borrow)]
    client_agent: Option<Text<'a>>,
}

/// The first [`MAX_CREDENTIALS`] credentials, and how many there are in all.
struct Credentials<'a> {
    first: Vec<PresentedText<'a>>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Credentials<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Listed;
        impl<'de> Visitor<'de> for Listed {
            type Value = Credentials<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of credentials")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut first = Vec::new();
                while first.len() < MAX_CREDENTIALS {
                    let Some(Text(text)) = list.next_element()? else { break };
                    first.push(text);
                }
                let mut count = first.len();
                // What is too much is read over, and takes no memory.
                while count >= MAX_CREDENTIALS && list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Credentials { first, count })
            }
        }
        deserializer.deserialize_seq(Listed)
    }
}

struct Text<'a>(PresentedText<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Told;
        impl<'de> Visitor<'de> for Told {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(PresentedText::borrowed(text)))
            }

            /// Only what holds escapes must be copied.
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(PresentedText::wiped(Presented::new(text.to_owned()))))
            }
        }
        deserializer.deserialize_str(Told)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn refusal(body: &str) -> VerifyBatchError {
        VerifyBatch::parse(body.as_bytes()).unwrap_err()
    }

    fn shown<'a>(batch: &'a VerifyBatch<'_>) -> Vec<&'a str> {
        batch.credentials.iter().map(PresentedText::reveal).collect()
    }

    fn batch_of(count: usize, credential: &str) -> String {
        json!({ "credentials": vec![credential; count] }).to_string()
    }

    #[test]
    fn credentials_are_read_in_the_order_asked() {
        let body =
            br#" {"min_revision":7, "credentials":["b","a\u0021\n","b",""],"deadline_ms":250}"#;
        let batch = VerifyBatch::parse(body).unwrap();

        assert_eq!(shown(&batch), ["b", "a!\n", "b", ""]);
        assert_eq!(
            batch.freshness,
            Freshness { min_revision: Some(7), deadline: Some(Duration::from_millis(250)) }
        );
        let bare = VerifyBatch::parse(br#"{"credentials":["a"],"min_revision":null}"#).unwrap();
        assert_eq!(bare.freshness, Freshness::default());
    }

    #[test]
    fn the_number_of_credentials_and_the_length_of_the_body_are_bounded() {
        let full = batch_of(MAX_CREDENTIALS, &"c".repeat(200));

        assert_eq!(shown(&VerifyBatch::parse(full.as_bytes()).unwrap()).len(), MAX_CREDENTIALS);
        assert_eq!(
            refusal(&batch_of(MAX_CREDENTIALS + 1, "c")),
            VerifyBatchError::TooManyCredentials
        );
        assert_eq!(refusal(r#"{"credentials":[]}"#), VerifyBatchError::NoCredentials);
        assert_eq!(refusal(&batch_of(1, &"c".repeat(MAX_BODY))), VerifyBatchError::BodyTooLong);
    }

    #[test]
    fn demands_on_freshness_must_be_within_their_bounds() {
        let refusal_of = |member: &str| refusal(&format!(r#"{{"credentials":["a"],{member}}}"#));

        for deadline in ["0", "-1", "5001"] {
            assert_eq!(
                refusal_of(&format!(r#""deadline_ms":{deadline}"#)),
                VerifyBatchError::OutOfRange("deadline_ms")
            );
        }
        assert_eq!(
            refusal_of(r#""min_revision":-1"#),
            VerifyBatchError::OutOfRange("min_revision")
        );
        assert_eq!(
            refusal_of(r#""min_revision":9223372036854775808"#),
            VerifyBatchError::Malformed
        );
    }

    #[test]
    fn who_presented_them_is_told_once_for_all() {
        let parse = |members: &str| {
            let body = format!(r#"{{"credentials":["a"],{members}}}"#);
            VerifyBatch::parse(body.as_bytes()).map(|batch| {
                let agent = batch.used_by.agent.map(|agent| agent.reveal().to_owned());
                (batch.used_by.address, agent)
            })
        };
        let longest = "a".repeat(used_by::MAX_AGENT);
        let too_long = format!(r#""client_agent":"{longest}a""#);

        let told = parse(r#""client_address":"2001:db8::7","client_agent":"a\\b""#);
        assert_eq!(told, Ok((Some("2001:db8::7".parse().unwrap()), Some("a\\b".to_owned()))));
        assert_eq!(parse(r#""client_address":null"#), Ok((None, None)));
        let told = parse(&format!(r#""client_agent":"{longest}""#));
        assert_eq!(told, Ok((None, Some(longest))));
        for (members, fault) in [
            (r#""client_address":"""#, VerifyBatchError::NoAddress),
            (r#""client_address":"[::1]""#, VerifyBatchError::NoAddress),
            (r#""client_address":"192.0.2.7:80""#, VerifyBatchError::NoAddress),
            (r#""client_address":"unknown""#, VerifyBatchError::NoAddress),
            (&too_long, VerifyBatchError::AgentTooLong),
            (r#""client_address":7"#, VerifyBatchError::Malformed),
            (r#""client_agent":"a","client_agent":"a""#, VerifyBatchError::Malformed),
        ] {
            assert_eq!(parse(members), Err(fault), "{members}");
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"[["a"],1,2]"#,
            r#"{"credentials":"a"}"#,
            r#"{"credentials":[1]}"#,
            r#"{"credentials":[null]}"#,
            r#"{"credentials":["a"]} x"#,
            r#"{"credentials":["a"],"credentials":["b"]}"#,
            r#"{"credentials":["a"],"deadline_ms":1,"deadline_ms":1}"#,
            r#"{"credentials":["a"],"deadline":1}"#,
            r#"{"credentials":["a"],"min_revision":"1"}"#,
            r#"{"credentials":["a"],"min_revision":1.0}"#,
            r#"{"credentials":["a\ud800"]}"#,
            "{\"credentials\":[\"a\nb\"]}",
        ] {
            assert_eq!(refusal(body), VerifyBatchError::Malformed, "{body}");
        }
        let not_utf8 = VerifyBatch::parse(b"{\"credentials\":[\"\xff\"]}");
        assert_eq!(not_utf8.unwrap_err(), VerifyBatchError::Malformed);
    }

    #[test]
    fn debug_of_a_batch_shows_no_credential() {
        let batch = VerifyBatch::parse(br#"{"credentials":["hunter2"]}"#).unwrap();

        assert!(!format!("{batch:?}").contains("hunter2"));
    }

    #[test]
    fn answers_stand_in_the_order_in_which_they_were_pushed() {
        let active = Active {
            sub: "005000000000001AAA",
            username: "u@x",
            client_id: None,
            issued_at_ms: 1000,
            expires_at_ms: None,
            authenticated_at_ms: 1000,
            iss: "https://h",
            device_type: Some("server"),
            profile: "Standard",
            revision: 9,
        };
        let mut out = Vec::new();
        let mut answer = VerifyBatchAnswer::begin(&mut out, 9);
        answer.push_inactive();
        answer.push_active(&active);
        answer.push_inactive();
        answer.end();

        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"revision":9,"results":[{"active":false},"#,
                r#"{"active":true,"sub":"005000000000001AAA","username":"u@x","token_type":"Bearer","#,
                r#""iat":1,"auth_time":1,"iss":"https://h","device_type":"server","#,
                r#""profile":"Standard","revision":9},{"active":false}]}"#
            )
        );
    }

    proptest! {
        #[test]
        fn every_batch_reads_back(
            credentials in prop::collection::vec("\\PC{0,40}|[\0-\x1f\"\\\\]{0,5}", 1..20),
            min_revision in prop::option::of(0..=i64::MAX),
            deadline_ms in prop::option::of(1..=freshness::MAX_DEADLINE_MS),
        ) {
            let body = json!({
                "credentials": credentials,
                "min_revision": min_revision,
                "deadline_ms": deadline_ms,
            });
            let body = body.to_string();
            let batch = VerifyBatch::parse(body.as_bytes()).unwrap();

            prop_assert_eq!(shown(&batch), credentials);
            prop_assert_eq!(batch.freshness.min_revision, min_revision);
            prop_assert_eq!(batch.freshness.deadline, deadline_ms.map(Duration::from_millis));
        }

        #[test]
        fn an_answer_of_any_length_is_json(verdicts in prop::collection::vec(any::<bool>(), 0..20), revision: i64, text: String) {
            let mut out = Vec::new();
            let mut answer = VerifyBatchAnswer::begin(&mut out, revision);
            for verdict in &verdicts {
                if *verdict {
                    answer.push_active(&Active {
                        sub: &text,
                        username: &text,
                        client_id: Some(&text),
                        issued_at_ms: 0,
                        expires_at_ms: Some(revision),
                        authenticated_at_ms: 0,
                        iss: &text,
                        device_type: None,
                        profile: &text,
                        revision,
                    });
                } else {
                    answer.push_inactive();
                }
            }
            answer.end();
            let read: Value = serde_json::from_slice(&out).unwrap();
            let results = read["results"].as_array().unwrap();

            prop_assert_eq!(&read["revision"], &json!(revision));
            prop_assert_eq!(results.iter().map(|each| each["active"] == true).collect::<Vec<_>>(), verdicts);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-e_0-9\\\\u]{0,80}") {
            let _ = VerifyBatch::parse(&bytes);
            let _ = VerifyBatch::parse(text.as_bytes());
            let _ = VerifyBatch::parse(format!(r#"{{"credentials":[{text}]}}"#).as_bytes());
            let _ = VerifyBatch::parse(format!(r#"{{"credentials":["a"],{text}}}"#).as_bytes());
        }
    }
}

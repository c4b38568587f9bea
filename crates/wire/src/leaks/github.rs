//! The alerts of GitHub's secret scanning, in the form of its partner programme.
//!
//! An alert is a JSON array of `{token, type, url, source}`. Two headers prove that GitHub has sent it: the
//! identifier of one of its public keys, and the signature of the raw body by that key (ECDSA over P-256
//! with SHA-256, as ASN.1 in base 64). The keys are those that GitHub publishes; they come from a file, for
//! nothing here asks the network.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{LeakReportError, check_count, check_lengths, presented};
use crate::{Presented, json};

/// Header with the identifier of the key.
pub const KEY_HEADER: &str = "github-public-key-identifier";
/// Header with the signature.
pub const SIGNATURE_HEADER: &str = "github-public-key-signature";

/// The beginning of a `SubjectPublicKeyInfo` (RFC 5480) whose key is an uncompressed point of P-256.
const P256_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of an uncompressed point.
const POINT: usize = 65;

/// One finding of an alert.
#[derive(Debug, Deserialize)]
pub struct Finding {
    /// What was found.
    #[serde(deserialize_with = "presented")]
    pub token: Presented,
    /// The name that GitHub knows our format by.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Where it was found; may be empty.
    #[serde(default)]
    pub url: String,
    /// In what kind of place: `content`, `commit`, `issue`, …
    #[serde(default)]
    pub source: String,
}

/// Reads the body of an alert. Members that GitHub may add are not looked at.
///
/// # Errors
/// The [`LeakReportError`] that applies.
pub fn parse(body: &[u8]) -> Result<Vec<Finding>, LeakReportError> {
    let findings: Vec<Finding> =
        serde_json::from_slice(body).map_err(|_| LeakReportError::Malformed)?;
    check_count(findings.len())?;
    for finding in &findings {
        check_lengths(&finding.token, &finding.url)?;
        if finding.kind.len() > 200 || finding.source.len() > 200 {
            return Err(LeakReportError::TooLong("type or source"));
        }
    }
    Ok(findings)
}

/// Whether a finding is a token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// It is, or was.
    TruePositive,
    /// It never was.
    FalsePositive,
}

/// The answer that GitHub learns from: one label for each finding.
///
/// It repeats what GitHub has just sent: by the time it is written, none of it is alive.
pub fn feedback<'a>(findings: impl Iterator<Item = (&'a Finding, Label)>) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        token_raw: &'a str,
        token_type: &'a str,
        label: &'static str,
    }
    let told: Vec<Told<'a>> = findings
        .map(|(finding, label)| Told {
            token_raw: finding.token.reveal(),
            token_type: &finding.kind,
            label: match label {
                Label::TruePositive => "true_positive",
                Label::FalsePositive => "false_positive",
            },
        })
        .collect();
    json::render(&told)
}

/// GitHub's public keys, by their identifiers.
#[derive(Debug, Clone)]
pub struct SigningKeys(BTreeMap<String, [u8; POINT]>);

/// Why a file of public keys was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeysError {
    /// Not the JSON that GitHub publishes.
    #[error("is not a JSON object of public_keys, each with key_identifier and key")]
    Malformed,
    /// A key of another kind.
    #[error("holds a key that is no PEM of a P-256 key")]
    NotP256,
    /// No key at all.
    #[error("holds no key")]
    Empty,
}

/// Why an alert is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// No key has that identifier: GitHub may have a new one.
    #[error("no key of this identifier is known")]
    UnknownKey,
    /// It is not that key's signature of this body.
    #[error("the signature is not of this body by that key")]
    Wrong,
}

impl SigningKeys {
    /// Reads keys as GitHub publishes them. Those that are no longer current are taken too: alerts may be
    /// under way that they have signed.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        #[derive(Deserialize)]
        struct Published {
            public_keys: Vec<PublishedKey>,
        }
        #[derive(Deserialize)]
        struct PublishedKey {
            key_identifier: String,
            key: String,
        }
        let published: Published = serde_json::from_str(text).map_err(|_| KeysError::Malformed)?;
        let keys = published.public_keys.into_iter();
        let keys = keys.map(|key| Ok((key.key_identifier, point_of(&key.key)?)));
        let keys: BTreeMap<_, _> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(KeysError::Empty) } else { Ok(Self(keys)) }
    }

    /// Checks that the key of this identifier has signed `body`.
    ///
    /// # Errors
    /// [`SignatureError`].
    ///
    /// # Security
    /// A wrong *yes* lets strangers ask whether a token was ever ours; a wrong *no* leaves a leaked one
    /// alive.
    pub fn verify(&self, key: &str, signature: &str, body: &[u8]) -> Result<(), SignatureError> {
        let point = self.0.get(key).ok_or(SignatureError::UnknownKey)?;
        let signature = STANDARD.decode(signature).map_err(|_| SignatureError::Wrong)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            .verify(body, &signature)
            .map_err(|_| SignatureError::Wrong)
    }
}

fn point_of(pem: &str) -> Result<[u8; POINT], KeysError> {
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        .ok_or(KeysError::NotP256)?;
    let lines: String = body.split_whitespace().collect();
    let info = STANDARD.decode(lines).map_err(|_| KeysError::NotP256)?;
    let point = info.strip_prefix(&P256_INFO).ok_or(KeysError::NotP256)?;
    point.try_into().map_err(|_| KeysError::NotP256)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A key pair that was made for this test, and its signature of BODY; made with OpenSSL.
    const KEYS: &str = include_str!("test_keys.json");
    const BODY: &[u8] =
        br#"[{"token":"sbnX","type":"symbolon_token","url":"https://x/y","source":"content"}]"#;
    const SIGNATURE: &str = include_str!("test_signature.txt");

    #[test]
    fn what_github_has_signed_is_believed() {
        let keys = SigningKeys::parse(KEYS).unwrap();

        assert_eq!(keys.verify("first", SIGNATURE.trim(), BODY), Ok(()));
    }

    #[test]
    fn what_anybody_else_has_signed_is_not() {
        let keys = SigningKeys::parse(KEYS).unwrap();
        let wrong = Err(SignatureError::Wrong);

        assert_eq!(keys.verify("other", SIGNATURE.trim(), BODY), wrong);
        assert_eq!(keys.verify("first", SIGNATURE.trim(), b"[]"), wrong);
        assert_eq!(keys.verify("first", "AAAA", BODY), wrong);
        assert_eq!(keys.verify("first", "no base 64!", BODY), wrong);
        assert_eq!(keys.verify("first", "", BODY), wrong);
        let unknown = keys.verify("third", SIGNATURE.trim(), BODY);
        assert_eq!(unknown, Err(SignatureError::UnknownKey));
    }

    #[test]
    fn only_keys_of_the_right_kind_are_taken() {
        let fault = |text: &str| SigningKeys::parse(text).unwrap_err();

        assert_eq!(fault("[]"), KeysError::Malformed);
        assert_eq!(fault(r#"{"public_keys":[]}"#), KeysError::Empty);
        assert_eq!(
            fault(r#"{"public_keys":[{"key_identifier":"a","key":"nonsense"}]}"#),
            KeysError::NotP256
        );
        let cut = KEYS.replacen("MFkw", "MFk", 1);
        assert_eq!(fault(&cut), KeysError::NotP256);
    }

    #[test]
    fn an_alert_is_read_and_answered_in_its_order() {
        let findings = parse(BODY).unwrap();
        let labels = [Label::FalsePositive];

        assert_eq!(findings[0].token.reveal(), "sbnX");
        assert_eq!(
            (findings[0].url.as_str(), findings[0].source.as_str()),
            ("https://x/y", "content")
        );
        assert_eq!(
            feedback(findings.iter().zip(labels)),
            r#"[{"token_raw":"sbnX","token_type":"symbolon_token","label":"false_positive"}]"#
        );
        assert_eq!(parse(b"[]").unwrap_err(), LeakReportError::NoTokens);
        assert_eq!(parse(b"{}").unwrap_err(), LeakReportError::Malformed);
    }
}

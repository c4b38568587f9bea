//! What is sent: the client's proof and the bodies, each in memory that is wiped; and what is not.
//!
//! Bodies are written into memory that is large enough from the start, so that no growing buffer
//! leaves a copy of a credential behind.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::HeaderValue;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::config::ClientSecret;

/// As many credentials as one batch may hold.
pub const MOST_CREDENTIALS: usize = 1000;

/// The authority takes no longer ones. [`MOST_CREDENTIALS`] of these fit into the 256 KiB that it
/// reads of a batch.
const LONGEST_CREDENTIAL: usize = 256;

/// What the authority is willing to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Whether `text` can be a credential at all: up to 256 printable characters of ASCII, no space, no
/// quotation mark, no backslash.
///
/// The authority issues no others. It would refuse the whole question, so that one visitor's junk
/// would leave a whole batch without verdicts.
pub(crate) fn is_presentable(text: &str) -> bool {
    (1..=LONGEST_CREDENTIAL).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// How new the state must be that a verdict is drawn from.
///
/// Every reset returns a revision. A verifier that has heard of one names it and is then answered
/// from a state at least as new, or not at all.
///
/// ```
/// use std::time::Duration;
/// use symbolon_client::AtLeast;
///
/// let patient = AtLeast::revision(4711).within(Duration::from_millis(250));
/// let simple: AtLeast = 4711.into();
/// # assert_ne!(patient, simple);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtLeast {
    pub(crate) revision: u64,
    deadline: Option<Duration>,
}

impl AtLeast {
    /// A state that has seen `revision`.
    pub const fn revision(revision: u64) -> Self {
        Self { revision, deadline: None }
    }

    /// How long the authority may wait for that state before it answers that it cannot tell: in whole
    /// milliseconds, from one to 5000. It has a limit of its own where none is given. The
    /// verifier's timeout runs beside it.
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Within what the authority takes: it refuses other numbers altogether.
    fn deadline_ms(self) -> Option<u64> {
        let ms = self.deadline?.min(LONGEST_WAIT).as_millis();
        u64::try_from(ms.max(1)).ok()
    }
}

impl From<u64> for AtLeast {
    fn from(revision: u64) -> Self {
        Self::revision(revision)
    }
}

/// Bytes of a client's own word that are passed on; the authority takes no more.
const LONGEST_AGENT: usize = 1024;

/// Whoever presented a credential to you, as far as you tell the authority.
///
/// Rules about addresses are judged by it: without an address a credential whose device type or profile says
/// from where it may be used is not good. Rules about kinds of client are judged by the agent, and not at
/// all without one. And its owner sees who uses it, from where.
///
/// ```
/// use symbolon_client::Presenter;
///
/// let presenter = Presenter::at([198, 51, 100, 7]).with_agent("python-requests/2.32.3");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presenter {
    address: IpAddr,
    agent: Option<String>,
}

impl Presenter {
    /// Somebody at this address: the client's own, not that of a proxy in between.
    pub fn at(address: impl Into<IpAddr>) -> Self {
        Self { address: address.into(), agent: None }
    }

    /// What the client says it is, as in its `User-Agent`. Control characters are left out, and what is beyond
    /// the first thousand bytes.
    #[must_use]
    pub fn with_agent(mut self, agent: &str) -> Self {
        let mut shown: String = agent.chars().filter(|character| !character.is_control()).collect();
        shown.truncate(shown.floor_char_boundary(LONGEST_AGENT));
        self.agent = Some(shown).filter(|agent| !agent.is_empty());
        self
    }
}

/// The value of `Authorization`, marked so that nobody prints it.
pub(crate) fn proof(client_id: &str, secret: &ClientSecret) -> HeaderValue {
    let longest = 3 * (client_id.len() + secret.reveal().len()) + 1;
    let mut pair = Zeroizing::new(String::with_capacity(longest));
    // RFC 6749 §2.3.1: both halves are form-encoded first, so that neither can hold a colon.
    pair.extend(form_urlencoded::byte_serialize(client_id.as_bytes()));
    pair.push(':');
    pair.extend(form_urlencoded::byte_serialize(secret.reveal().as_bytes()));

    let mut value = Zeroizing::new(String::with_capacity(6 + pair.len().div_ceil(3) * 4));
    value.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut value);
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(Wiped(value)))
        .expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

/// The form that asks about one credential.
pub(crate) fn form(
    credential: &str,
    at_least: Option<AtLeast>,
    presenter: Option<&Presenter>,
) -> Bytes {
    let agent = presenter.and_then(|presenter| presenter.agent.as_deref());
    // Four names, two numbers of 20 digits at most and an address go behind the credential, and the agent.
    let longest = 3 * (credential.len() + agent.map_or(0, str::len) + 45) + 120;
    let mut form = Zeroizing::new(String::with_capacity(longest));
    form.push_str("token=");
    form.extend(form_urlencoded::byte_serialize(credential.as_bytes()));
    if let Some(at_least) = at_least {
        form.push_str("&min_revision=");
        form.push_str(&at_least.revision.to_string());
        if let Some(ms) = at_least.deadline_ms() {
            form.push_str("&deadline_ms=");
            form.push_str(&ms.to_string());
        }
    }
    if let Some(presenter) = presenter {
        form.push_str("&client_address=");
        form.extend(form_urlencoded::byte_serialize(presenter.address.to_string().as_bytes()));
    }
    if let Some(agent) = agent {
        form.push_str("&client_agent=");
        form.extend(form_urlencoded::byte_serialize(agent.as_bytes()));
    }
    Bytes::from_owner(Wiped(form))
}

#[derive(Serialize)]
struct Batch<'a> {
    credentials: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    min_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_agent: Option<&'a str>,
}

/// The JSON that asks about many.
pub(crate) fn batch(
    credentials: &[&str],
    at_least: Option<AtLeast>,
    presenter: Option<&Presenter>,
) -> Bytes {
    let batch = Batch {
        credentials,
        min_revision: at_least.map(|at_least| at_least.revision),
        deadline_ms: at_least.and_then(AtLeast::deadline_ms),
        client_address: presenter.map(|presenter| presenter.address),
        client_agent: presenter.and_then(|presenter| presenter.agent.as_deref()),
    };
    let mut length = Length(0);
    serde_json::to_writer(&mut length, &batch).expect("texts and numbers always serialise");
    let mut json = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *json, &batch).expect("texts and numbers always serialise");
    Bytes::from_owner(json)
}

/// Counts what is written, to know how much memory it takes.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A text that is wiped when the last who reads it is done.
struct Wiped(Zeroizing<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_the_proof_are_form_encoded_before_base64() {
        let value = proof("my:client", &ClientSecret::new("a b+c/ü".to_owned()));

        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"my%3Aclient:a+b%2Bc%2F%C3%BC");
        assert_eq!(format!("{value:?}"), "Sensitive");
    }

    #[test]
    fn a_credential_cannot_add_members_to_the_form() {
        let at_least = AtLeast::revision(u64::MAX).within(Duration::MAX);

        let alone = form("00D!x.y_z&active=1 %", None, None);
        assert_eq!(alone, "token=00D%21x.y_z%26active%3D1+%25");
        assert_eq!(
            form("t", Some(at_least), None),
            "token=t&min_revision=18446744073709551615&deadline_ms=5000"
        );
    }

    #[test]
    fn who_presented_it_goes_along_and_cannot_add_members_either() {
        let presenter = Presenter::at(std::net::Ipv6Addr::LOCALHOST).with_agent("a&b\n\"\\\u{e9}");

        assert_eq!(
            form("t", None, Some(&presenter)),
            "token=t&client_address=%3A%3A1&client_agent=a%26b%22%5C%C3%A9"
        );
        assert_eq!(
            batch(&["t"], None, Some(&presenter)),
            "{\"credentials\":[\"t\"],\"client_address\":\"::1\",\"client_agent\":\"a&b\\\"\\\\\u{e9}\"}"
        );
        let nobody = Presenter::at([192, 0, 2, 7]).with_agent("\t");
        assert_eq!(form("t", None, Some(&nobody)), "token=t&client_address=192.0.2.7");
    }

    #[test]
    fn no_agent_is_longer_than_the_authority_takes() {
        let presenter = Presenter::at([192, 0, 2, 7]).with_agent(&"\u{e9}".repeat(600));

        assert_eq!(presenter.agent.unwrap().len(), 1024);
    }

    #[test]
    fn a_wait_stays_within_what_the_authority_takes() {
        let ms = |wait| AtLeast::revision(1).within(wait).deadline_ms();

        assert_eq!(ms(Duration::ZERO), Some(1));
        assert_eq!(ms(Duration::from_micros(2500)), Some(2));
        assert_eq!(ms(Duration::from_secs(5)), Some(5000));
        assert_eq!(ms(Duration::from_millis(5001)), Some(5000));
        assert_eq!(AtLeast::revision(1).deadline_ms(), None);
    }

    #[test]
    fn what_cannot_be_a_credential_is_known_without_asking() {
        let session = format!("00D000000000001!{}", "aZ0._".repeat(19));

        for good in [session.as_str(), "sbn0123456789", "a", "<&=+%;'>", &"x".repeat(256)] {
            assert!(is_presentable(good), "{good}");
        }
        for bad in ["", " ", "a b", "a\0", "a\n", "\u{7f}", "a\"b", "a\\b", "é", &"x".repeat(257)]
        {
            assert!(!is_presentable(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_largest_batch_fits_into_what_the_authority_reads() {
        let longest = "x".repeat(LONGEST_CREDENTIAL);
        let credentials = vec![longest.as_str(); MOST_CREDENTIALS];
        let at_least = AtLeast::revision(u64::MAX).within(LONGEST_WAIT);

        let address = std::net::Ipv6Addr::from([0xabcd; 8]);
        let presenter = Presenter::at(address).with_agent(&"\"".repeat(2000));

        assert!(batch(&credentials, Some(at_least), Some(&presenter)).len() <= 256 * 1024);
    }

    #[test]
    fn a_batch_names_only_what_was_asked_for() {
        let at_least = AtLeast::revision(7).within(Duration::from_millis(250));

        assert_eq!(batch(&["a", "b"], None, None), r#"{"credentials":["a","b"]}"#);
        assert_eq!(
            batch(&["a"], Some(at_least), None),
            r#"{"credentials":["a"],"min_revision":7,"deadline_ms":250}"#
        );
    }
}

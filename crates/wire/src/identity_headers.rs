//! The headers by which an allowed request tells the service behind a proxy who is calling.
//!
//! Always all of them, empty where a value is not known: a proxy replaces only what an answer names,
//! so a header that is left out is one that a client can forge. HTTP and Envoy's gRPC answer with the
//! same table. The names are Authelia's, which services already read, and ours beside them.

use std::borrow::Cow;

use crate::authorization::has_control_character;
use crate::json::push_number;
use crate::timestamp::push_iso_seconds;

/// Names of the headers in lower case, in the order of [`Identity::lines`].
pub const NAMES: [&str; 7] = [
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
    "x-symbolon-device-type",
    "x-symbolon-expires-at",
    "x-symbolon-revision",
];

/// Whose credential it was that was allowed.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// `Remote-User`: the username.
    pub username: &'a str,
    /// `Remote-Email`
    pub email: Option<&'a str>,
    /// `Remote-Name`: the name of the person.
    pub name: Option<&'a str>,
    /// `Remote-Groups`: the user's profile.
    pub profile: Option<&'a str>,
    /// `X-Symbolon-Device-Type`: what the credential is bound to.
    pub device_type: Option<&'a str>,
    /// `X-Symbolon-Expires-At`: the end of the credential in milliseconds since the Unix epoch,
    /// written as RFC 3339 in whole seconds.
    pub expires_at_ms: Option<i64>,
    /// `X-Symbolon-Revision`: the state that the answer comes from.
    pub revision: i64,
}

/// The values of all headers, one behind the other in the order of [`NAMES`]: UTF-8 without control
/// characters, so each is always the value of a header.
#[derive(Debug)]
pub struct Values {
    /// All of them.
    pub all: Vec<u8>,
    /// Where each ends.
    pub ends: [usize; NAMES.len()],
}

impl Identity<'_> {
    /// Every header with its value.
    pub fn lines(&self) -> [(&'static str, Cow<'static, str>); NAMES.len()] {
        let Values { all, ends } = self.values();
        let mut begin = 0;
        let mut ends = ends.into_iter();
        NAMES.map(|name| {
            let end = ends.next().unwrap_or(begin);
            let value = String::from_utf8_lossy(&all[begin..end]).into_owned();
            begin = end;
            (name, Cow::Owned(value))
        })
    }

    /// The values, in one piece of memory.
    pub fn values(&self) -> Values {
        let values = self.values_as(Cow::Borrowed);
        // They are looked through together, for that can be done many bytes at a time.
        let clean = str::from_utf8(&values.all).is_ok_and(|all| !has_control_character(all));
        if clean { values } else { self.values_as(sanitised) }
    }

    fn values_as<'a>(&'a self, written: impl Fn(&'a str) -> Cow<'a, str>) -> Values {
        let texts = [Some(self.username), self.email, self.name, self.profile, self.device_type];
        let mut all = Vec::with_capacity(160);
        let mut ends = [0; NAMES.len()];
        let (of_texts, of_numbers) = ends.split_at_mut(texts.len());
        for (text, end) in texts.into_iter().zip(of_texts) {
            all.extend_from_slice(written(text.unwrap_or_default()).as_bytes());
            *end = all.len();
        }
        if let Some(expires_at_ms) = self.expires_at_ms {
            push_iso_seconds(&mut all, expires_at_ms);
        }
        of_numbers[0] = all.len();
        push_number(&mut all, self.revision);
        of_numbers[1] = all.len();
        Values { all, ends }
    }
}

/// Makes `text` fit for a header: each control character becomes a space.
///
/// Everything else stays, also commas and what is not ASCII: a reader that splits or decodes must know
/// what it reads.
pub fn sanitised(text: &str) -> Cow<'_, str> {
    if has_control_character(text) {
        return Cow::Owned(text.replace(char::is_control, " "));
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: Identity<'static> = Identity {
        username: "zoe@example.com",
        email: Some("zoe@example.com"),
        name: Some("Zoë, of Athens"),
        profile: Some("Standard"),
        device_type: Some("server"),
        expires_at_ms: Some(1_795_417_200_999),
        revision: 42,
    };

    fn values(identity: &Identity<'_>) -> Vec<String> {
        identity.lines().map(|(_, value)| value.into_owned()).into()
    }

    #[test]
    fn every_header_has_its_value() {
        assert_eq!(
            WHOLE.lines().map(|(name, value)| format!("{name}: {value}")),
            [
                "remote-user: zoe@example.com",
                "remote-email: zoe@example.com",
                "remote-name: Zoë, of Athens",
                "remote-groups: Standard",
                "x-symbolon-device-type: server",
                "x-symbolon-expires-at: 2026-11-23T07:00:00Z",
                "x-symbolon-revision: 42",
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_told_as_empty() {
        let nobody = Identity {
            email: None,
            name: None,
            profile: None,
            device_type: None,
            expires_at_ms: None,
            ..WHOLE
        };

        assert_eq!(values(&nobody), ["zoe@example.com", "", "", "", "", "", "42"]);
        assert_eq!(nobody.lines().map(|(name, _)| name), NAMES);
    }

    #[test]
    fn values_cannot_begin_a_line_of_their_own() {
        let forged = Identity {
            username: "zoe\r\nRemote-Groups: Administrators",
            name: Some("\u{85}a\u{7f}b\tc\0"),
            ..WHOLE
        };

        assert_eq!(values(&forged)[0], "zoe  Remote-Groups: Administrators");
        assert_eq!(values(&forged)[2], " a b c ");
    }

    proptest! {
        #[test]
        fn sanitised_text_keeps_its_length_and_all_but_control_characters(text: String) {
            let clean = sanitised(&text);

            prop_assert_eq!(clean.chars().count(), text.chars().count());
            for (before, after) in text.chars().zip(clean.chars()) {
                prop_assert_eq!(after, if before.is_control() { ' ' } else { before });
            }
            prop_assert_eq!(matches!(clean, Cow::Borrowed(_)), !text.chars().any(char::is_control));
        }
    }
}

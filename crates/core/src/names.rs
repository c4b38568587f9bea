//! Names that come from outside, parsed once at the edge and carried as proof from there on.
//!
//! Each has a length and an alphabet; none can hold a line break, a NUL or another control
//! character, so none can break a header, a log line or a page.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

use crate::foreign_text::is_shown;
use crate::token_search;

/// Why a text is no such name. `Display` is a whole sentence part: "username must …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// Longer than the limit.
    #[error("must not be longer than {limit} characters")]
    TooLong {
        /// The limit in characters.
        limit: usize,
    },
    /// A character that this kind of name does not have.
    #[error("must not contain {0:?}")]
    Character(char),
    /// An e-mail address without its two halves.
    #[error("must be an e-mail address such as name@example.com")]
    NotAnAddress,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

name_type! {
    /// What a user logs in with: 1 to 80 of `[A-Za-z0-9._@+-]`, unique without regard to case.
    Username
}
name_type! {
    /// Where mail for a user goes. ASCII, at most 254 characters (RFC 5321 §4.5.3.1.3), one `@`, no
    /// quoted local part: whatever could end a header or an SMTP command cannot be in it.
    EmailAddress
}
name_type! {
    /// A person's name or a label, as shown: 1 to 100 characters, no control characters.
    DisplayName
}
name_type! {
    /// What kind of thing holds a token: `any`, `desktop`, `server`, …: 1 to 32 of `[a-z0-9-]`.
    DeviceType
}

impl Username {
    /// # Errors
    /// See the type.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._@+-".contains(c);
        let text = checked(text, 80, allowed)?;
        // `.` and `..` would be folders in a path.
        match text.chars().find(char::is_ascii_alphanumeric) {
            Some(_) => Ok(Self(text)),
            None => Err(NameError::Character('.')),
        }
    }

    /// What makes two usernames the same: the lower-case form.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl EmailAddress {
    /// # Errors
    /// See the type.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.@".contains(c);
        let text = checked(text, 254, allowed)?;
        let (local, domain) = text.split_once('@').ok_or(NameError::NotAnAddress)?;
        let dots_inside = |part: &str| part.split('.').all(|label| !label.is_empty());
        let host = |label: &str| {
            !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        // A leading `-` would be an option where an address reaches a command line.
        let sound = local.len() <= 64
            && !local.starts_with('-')
            && dots_inside(local)
            && dots_inside(domain)
            && domain.split('.').all(host);
        if sound { Ok(Self(text)) } else { Err(NameError::NotAnAddress) }
    }

    /// Enough to recognise one's own address, too little to learn another's: `j•••@e•••.com`.
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or((&self.0, ""));
        let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
        let ending = domain.rsplit_once('.').map_or("", |(_, ending)| ending);
        let dot = if ending.is_empty() { "" } else { "." };
        format!("{}•••@{}•••{dot}{ending}", first(local), first(domain))
    }
}

impl DisplayName {
    /// # Errors
    /// See the type.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bidirectional =
            |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let breaks = |c: char| matches!(c, '\u{2028}' | '\u{2029}');
        let allowed = |c: char| !c.is_control() && !bidirectional(c) && !breaks(c);
        checked(text.trim(), 100, allowed).map(Self)
    }
}

impl DeviceType {
    /// # Errors
    /// See the type.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        checked(text, 32, allowed).map(Self)
    }

    /// The device type of a reset that names none.
    pub fn any() -> Self {
        Self("any".to_owned())
    }
}

fn checked(text: &str, limit: usize, allowed: impl Fn(char) -> bool) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    // Bytes first: a text of megabytes is refused without being walked.
    if text.len() > limit * 4 || text.chars().count() > limit {
        return Err(NameError::TooLong { limit });
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(NameError::Character(c)),
        None => Ok(text.to_owned()),
    }
}

/// Where a request came from: the peer's address, or what a trusted proxy says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// An IPv4 address that came in IPv6 clothes (`::ffff:10.1.2.3`) is taken for what it is.
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// What failures are counted under: the address, or the 64-bit network of an IPv6 address, for
    /// whoever has one of those addresses has all of them.
    pub fn counted_as(self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                format!("{}/64", Ipv6Addr::from(network))
            }
        }
    }

    /// The address.
    pub const fn address(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a client says it is, as shown in the login history: at most 120 characters, each of which shows
/// itself and hides nothing, and no token. Clients put their credential into the wrong field now and then,
/// and it would lie there in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ClientName(String);

/// Characters of it that are looked at. A mask is a third as long as a token, so none that is cut off here comes
/// near to what is kept.
const LOOKED_AT: usize = 1024;

impl ClientName {
    /// Keeps what can be shown of `text`; never fails, for a client's name decides nothing.
    pub fn sanitised(text: &str) -> Self {
        // Hidden characters go first: without them, a token may stand there that was none before.
        let shown: String = text.chars().filter(|c| is_shown(*c)).take(LOOKED_AT).collect();
        let masked = token_search::masked(&shown);
        Self(masked.chars().take(120).collect::<String>().trim().to_owned())
    }

    /// The text; empty if the client said nothing.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_cannot_carry_a_second_header() {
        for text in [
            "a@b.c\r\nBcc: x@y.z",
            "a@b.c\n",
            "a\0@b.c",
            "\"a b\"@c.d",
            "a@b@c.d",
            "-a@b.c",
            "a@b..c",
            "@b.c",
            "a@",
        ] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_masked_address_is_recognised_by_its_owner_alone() {
        let address = EmailAddress::parse("jane.doe@example.com").unwrap();

        assert_eq!(address.masked(), "j•••@e•••.com");
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_count_as_one() {
        let counted = |text: &str| Source::new(text.parse().unwrap()).counted_as();

        assert_eq!(counted("2001:db8:0:1::7"), counted("2001:db8:0:1:ffff::9"));
        assert_ne!(counted("2001:db8:0:1::7"), counted("2001:db8:0:2::7"));
        assert_eq!(counted("::ffff:10.1.2.3"), "10.1.2.3");
    }

    #[test]
    fn usernames_are_the_same_without_regard_to_case() {
        let typed = Username::parse("Jane@Example.com").unwrap();

        assert_eq!(typed.key(), "jane@example.com");
    }

    #[test]
    fn a_username_can_stand_in_a_path() {
        assert!(Username::parse("..").is_err());
        assert!(Username::parse("j.").is_ok());
    }

    #[test]
    fn the_name_of_a_client_keeps_no_token_and_nothing_hidden() {
        let token = crate::token::with_check(&format!("sbn{}", "Ab3".repeat(7) + "x"));
        let hidden = format!("{}\u{200b}{}", &token[..9], &token[9..]);

        for said in [&token, &hidden] {
            let kept = ClientName::sanitised(&format!("{}{said}", "x".repeat(100)));

            assert!(!kept.as_str().contains(&token[..20]), "{kept:?}");
            assert!(kept.as_str().contains("sbn…"), "{kept:?}");
        }
        assert_eq!(ClientName::sanitised("a\u{202e}b\u{ad}c").as_str(), "abc");
    }

    proptest! {
        #[test]
        fn parsing_a_name_never_panics_and_never_lets_a_control_character_in(text in "[\\PC\\x00-\\x1f]{0,300}") {
            let names = [
                Username::parse(&text).map(|n| n.0),
                EmailAddress::parse(&text).map(|n| n.0),
                DisplayName::parse(&text).map(|n| n.0),
                DeviceType::parse(&text).map(|n| n.0),
            ];
            for name in names.into_iter().flatten() {
                prop_assert!(!name.chars().any(char::is_control));
            }
            prop_assert!(!ClientName::sanitised(&text).0.chars().any(char::is_control));
        }
    }
}

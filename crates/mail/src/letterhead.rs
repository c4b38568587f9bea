//! What is the same on every letter of an installation, and what is written on one envelope.

use symbolon_core::Id;
use symbolon_core::Timestamp;
use symbolon_core::id::Letter;
use symbolon_core::names::{DisplayName, EmailAddress};

use crate::link::Link;

/// What is the same on every letter.
#[derive(Debug, Clone)]
pub struct Letterhead {
    /// In whose name letters are written.
    pub organization: DisplayName,
    /// The sender, in the header and on the SMTP envelope.
    pub from: EmailAddress,
    /// Where the pages are; its host is the domain of every `Message-ID`.
    pub public_url: String,
}

/// Whom one letter goes to.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The recipient.
    pub to: &'a EmailAddress,
    /// The recipient's name, for the greeting and the `To` header.
    pub name: Option<&'a DisplayName>,
    /// Which letter of the outbox it is: its `Message-ID` is made of this.
    pub letter: Id<Letter>,
    /// When the letter was written: its `Date`, the same at every attempt.
    pub dated: Timestamp,
    /// Opens the page that freezes the account's tokens after one confirming click: "It wasn't me".
    pub freeze: Option<&'a Link>,
}

/// The host of an absolute URL, with the brackets of an IPv6 address; `None` if there is none.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host_and_port = authority.rsplit('@').next()?;
    let end = match host_and_port.find(']') {
        Some(bracket) => bracket + 1,
        None => host_and_port.find(':').unwrap_or(host_and_port.len()),
    };
    let host = &host_and_port[..end];
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    (!host.is_empty() && host.bytes().all(allowed)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_public_url_is_found_whatever_surrounds_it() {
        for (url, host) in [
            ("https://symbolon.example", Some("symbolon.example")),
            ("https://symbolon.example:8443/base/", Some("symbolon.example")),
            ("http://127.0.0.1:8080", Some("127.0.0.1")),
            ("http://[::1]:8080/", Some("[::1]")),
            ("symbolon.example", None),
            ("https://", None),
            ("https://a\r\nb/", None),
        ] {
            assert_eq!(host_of(url), host, "{url:?}");
        }
    }
}

//! The single-use link of a letter: an address that is a key.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// An absolute `https:` or `http:` address with a secret in it. Wiped when dropped, never printed.
///
/// It opens a page and no more: what it is for happens after a click on that page, for mail
/// scanners fetch every link.
pub struct Link(Zeroizing<String>);

/// A text that no letter may show as a link. It does not repeat the text, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a link must begin with https:// or http:// and be plain ASCII without blanks and quotes")]
pub struct LinkError;

impl Link {
    /// Takes an address into custody.
    ///
    /// # Errors
    /// [`LinkError`] where the address could be cut or misread in a mail: other schemes, blanks,
    /// quotes, angle brackets, anything beyond ASCII.
    pub fn parse(text: String) -> Result<Self, LinkError> {
        let text = Zeroizing::new(text);
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte);
        match rest {
            Some(rest) if !rest.is_empty() && rest.bytes().all(plain) => Ok(Self(text)),
            Some(_) | None => Err(LinkError),
        }
    }

    /// The address in the clear, for its letter alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What follows the last separator: where the secret stands.
    pub(crate) fn secret_part(&self) -> &str {
        self.0.rsplit(['/', '#', '=', '?', '&']).next().unwrap_or_default()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_that_survives_a_mail_is_a_link() {
        assert!(Link::parse("https://symbolon.example/freeze/Ab3".to_owned()).is_ok());
        for text in [
            "",
            "https://",
            "javascript:alert(1)",
            "https://a/b c",
            "https://a/\"b",
            "http://a/\r\nb",
        ] {
            assert_eq!(Link::parse(text.to_owned()).map(drop), Err(LinkError), "{text:?}");
        }
    }

    #[test]
    fn a_link_does_not_show_itself() {
        let link = Link::parse("https://symbolon.example/freeze/Ab3".to_owned()).unwrap();

        assert_eq!(format!("{link:?}"), "Link(..)");
        assert_eq!(link.secret_part(), "Ab3");
    }
}

//! Leaks: who says that a token lies where others can read it, and where.
//!
//! What a finder says of the place comes from outside and is shown to the owner, in a mail also. So it is
//! one line of bounded length, holds nothing that reorders or hides text, no password of an address, and no
//! token: a place such as `https://host/?key=sbn…` would keep the token at rest in the clear.

use std::fmt;

use crate::foreign_text::{self, is_shown};
use crate::token_search;
use crate::words::{of_word, word_of};

/// Characters of a place that are kept.
const MOST_CHARACTERS: usize = 300;

/// Who reported a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporter {
    /// Whoever found it.
    Anyone,
    /// GitHub's secret scanning, which has proved itself by a signature.
    GitHub,
}

impl Reporter {
    /// All reporters, with the words that the database and scripts know them by.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Anyone, "anyone"), (Self::GitHub, "github")];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The reporter with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }
}

/// Where a token was seen, as its finder says; empty where he does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sighting(String);

impl Sighting {
    /// What may be kept and shown of `text`.
    pub fn sanitised(text: &str) -> Self {
        // Hidden characters go first: without them, a token may stand there that was none before.
        let shown: String = text.chars().filter(|c| is_shown(*c)).collect();
        let masked = token_search::masked(&shown);
        let kept: String = without_userinfo(masked.trim()).chars().take(MOST_CHARACTERS).collect();
        Self(kept.trim().to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a mail may have it, so that no program makes a link of it; `None` if there is none. The
    /// place is a stranger's word, and the mail must not lend it ours.
    pub fn without_links(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        Some(foreign_text::without_links(&self.0))
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address without the name and password that may stand before its host.
fn without_userinfo(text: &str) -> std::borrow::Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{path}").into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token;

    fn a_token() -> String {
        let body = format!("sbn{}", "Ab3".repeat(7) + "x");
        token::with_check(&body)
    }

    #[test]
    fn a_place_is_kept_as_it_was_said() {
        let place = "https://git.example/a/b/blob/1f2e/config.yml#L7";

        assert_eq!(Sighting::sanitised(place).as_str(), place);
        assert_eq!(Sighting::sanitised("  \n").without_links(), None);
    }

    #[test]
    fn a_place_keeps_no_token_and_no_password() {
        let place = format!("https://jane:hunter2@host/?key={}&x=1", a_token());

        let kept = Sighting::sanitised(&place);

        assert!(!kept.as_str().contains(&a_token()));
        assert!(!kept.as_str().contains("hunter2"));
        assert!(kept.as_str().starts_with("https://host/?key=sbn"));
        assert!(kept.as_str().ends_with("&x=1"));
    }

    #[test]
    fn no_place_becomes_a_link() {
        let place = Sighting::sanitised("see https://evil.example and www.evil.example");

        assert_eq!(
            place.without_links().unwrap(),
            "see https[:]//evil[.]example and www[.]evil[.]example"
        );
    }

    proptest! {
        #[test]
        fn a_place_is_one_short_line(text in ".*") {
            let kept = Sighting::sanitised(&text);

            prop_assert!(kept.as_str().chars().count() <= MOST_CHARACTERS);
            prop_assert!(kept.as_str().chars().all(is_shown));
            prop_assert_eq!(Sighting::sanitised(kept.as_str()), kept);
        }
    }
}

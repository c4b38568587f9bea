//! Finds tokens in anything: `sbn`, 27 more characters of the alphabet, and the right check.
//!
//! What stands before and behind does not matter: `password + token`, as API clients send it, is found,
//! and so is a token in the middle of a longer run of letters. The check makes that affordable: of random
//! base 62 or base 64 one place in 250,000 begins with `sbn`, and of those one in 916 million (62^5) has
//! the right check. That is one false finding in some 200 TB of it; in other text, fewer still.

use memchr::memmem::Finder;

use crate::token::{LENGTH, PREFIX, PresentedToken, check_bytes};

/// Bytes before the end of a piece that may be the beginning of a token which the next piece ends.
pub const OVERLAP: usize = LENGTH - 1;

/// Finds tokens in pieces of text, as they are read.
#[derive(Debug)]
pub struct TokenSearch {
    prefix: Finder<'static>,
}

impl Default for TokenSearch {
    fn default() -> Self {
        Self { prefix: Finder::new(PREFIX.as_bytes()) }
    }
}

impl TokenSearch {
    /// Where tokens begin in `text`, in their order.
    pub fn find_iter<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        // Two cannot overlap by chance more often than a check is right by chance; both are told.
        self.prefix.find_iter(text).filter(|begin| {
            text.get(*begin..begin + LENGTH).is_some_and(|candidate| check_bytes(candidate).is_ok())
        })
    }
}

/// The tokens in `text`, in their order.
pub fn tokens_in(text: &str) -> impl Iterator<Item = PresentedToken> {
    let search = TokenSearch::default();
    let begins: Vec<usize> = search.find_iter(text.as_bytes()).collect();
    begins.into_iter().filter_map(|begin| {
        // All of a token is ASCII, so what is found lies between characters.
        PresentedToken::parse(text.get(begin..begin + LENGTH)?).ok()
    })
}

/// The same text with nothing left of each token but what tells it from another: its prefix and the last
/// four characters, which are part of the check.
pub fn masked(text: &str) -> String {
    let search = TokenSearch::default();
    let mut masked = String::with_capacity(text.len());
    let mut told = 0;
    for begin in search.find_iter(text.as_bytes()) {
        if begin < told {
            continue;
        }
        masked.push_str(&text[told..begin]);
        masked.push_str(&mask(&text.as_bytes()[begin..begin + LENGTH]));
        told = begin + LENGTH;
    }
    masked.push_str(&text[told..]);
    masked
}

/// What is shown of a token: `sbn…` and its last four characters. They are of the check: who knows them
/// has 24 bits less to guess, of 131.
pub fn mask(token: &[u8]) -> String {
    let last = token.get(token.len().saturating_sub(4)..).unwrap_or_default();
    format!("{PREFIX}…{}", String::from_utf8_lossy(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token;

    fn token_of(random: &str) -> String {
        token::with_check(&format!("sbn{random}"))
    }

    fn found(text: &str) -> Vec<usize> {
        TokenSearch::default().find_iter(text.as_bytes()).collect()
    }

    #[test]
    fn a_token_is_found_whatever_stands_around_it() {
        let token = token_of("0123456789abcdefghijkl");

        assert_eq!(found(&token), [0]);
        assert_eq!(found(&format!("password{token}")), [8]);
        assert_eq!(found(&format!("sbnsbn{token}0sbn {token}")), [6, 41]);
        assert_eq!(found(&format!("\"token\": \"{token}\",")), [10]);
    }

    #[test]
    fn what_only_looks_like_a_token_is_not_found() {
        let token = token_of("0123456789abcdefghijkl");

        assert_eq!(found(&token[..LENGTH - 1]), [0_usize; 0]);
        assert_eq!(found(&token.replace("sbn", "SBN")), [0_usize; 0]);
        assert_eq!(found(&token.replacen('5', "6", 1)), [0_usize; 0]);
        assert_eq!(found(&format!("{} {}", &token[..10], &token[10..])), [0_usize; 0]);
    }

    #[test]
    fn a_masked_text_holds_no_token_and_is_otherwise_the_same() {
        let token = token_of("0123456789abcdefghijkl");

        let masked = masked(&format!("a {token} é {token}b"));

        let shown = format!("sbn…{}", &token[26..]);
        assert_eq!(masked, format!("a {shown} é {shown}b"));
    }

    proptest! {
        #[test]
        fn each_token_is_found_at_its_place(
            before in ".{0,60}", random in "[0-9A-Za-z]{22}", after in ".{0,60}",
        ) {
            let text = format!("{before}{}{after}", token_of(&random));

            prop_assert!(found(&text).contains(&before.len()));
            prop_assert!(found(&masked(&text)).is_empty());
        }

        #[test]
        fn no_bytes_make_the_search_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(TokenSearch::default().find_iter(&bytes).count(), 0);
        }
    }
}

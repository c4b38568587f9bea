//! The rules of a new password.
//!
//! NIST SP 800-63B-4 §3.1.1.2: length counts, composition rules do not, and what others would try
//! first is refused with the reason told. Passwords are taken exactly as typed.

use std::fmt;

use zxcvbn::{Score, zxcvbn};

use crate::secret::Password;
use crate::token;

/// Fewest characters of a password.
pub const MIN_LENGTH: usize = 12;
/// Most bytes of a password: far beyond what anybody types, little enough to hash at once.
pub const MAX_BYTES: usize = 1024;
/// A word of the user's own that is shorter than this is not looked for in the password.
const SHORTEST_WORD: usize = 5;

/// Why a password cannot be taken; the text is shown to who chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordFault {
    /// Fewer than [`MIN_LENGTH`] characters.
    TooShort,
    /// More than [`MAX_BYTES`] bytes.
    TooLong,
    /// A control character, which some client could not send.
    ControlCharacter,
    /// It contains this word of the user's own data or of this service.
    ContainsKnown(String),
    /// Its end could be taken for a security token.
    EndsLikeToken,
    /// Too easy to guess, with what makes it so.
    Guessable(String),
}

impl fmt::Display for PasswordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "Use at least {MIN_LENGTH} characters."),
            Self::TooLong => write!(f, "Use at most {MAX_BYTES} bytes."),
            Self::ControlCharacter => {
                f.write_str("Leave out control characters such as tabs and line breaks.")
            }
            Self::ContainsKnown(word) => write!(f, "Leave out \"{word}\": it is known to others."),
            Self::EndsLikeToken => {
                f.write_str("Do not end it in something that looks like a security token.")
            }
            Self::Guessable(why) => write!(f, "Too easy to guess. {why}"),
        }
    }
}

/// Judges a new password against the rules and the words that belong to its user.
///
/// # Errors
/// The first rule that it breaks.
pub fn judge_new_password(password: &Password, own_words: &[&str]) -> Result<(), PasswordFault> {
    let text = password.reveal();
    if text.len() > MAX_BYTES {
        return Err(PasswordFault::TooLong);
    }
    if text.chars().count() < MIN_LENGTH {
        return Err(PasswordFault::TooShort);
    }
    if text.chars().any(char::is_control) {
        return Err(PasswordFault::ControlCharacter);
    }
    if ends_like_token(text) {
        return Err(PasswordFault::EndsLikeToken);
    }
    if let Some(word) = known_word_in(text, own_words) {
        return Err(PasswordFault::ContainsKnown(word));
    }
    let estimate = zxcvbn(text, own_words);
    if estimate.score() < Score::Three {
        let feedback = estimate.feedback();
        let warning = feedback.and_then(zxcvbn::feedback::Feedback::warning);
        let why = warning.map_or_else(|| "Add a few uncommon words.".to_owned(), |w| w.to_string());
        return Err(PasswordFault::Guessable(why));
    }
    Ok(())
}

fn ends_like_token(text: &str) -> bool {
    let at = text.len().checked_sub(token::LENGTH);
    at.and_then(|at| text.get(at..)).is_some_and(token::has_token_shape)
}

fn known_word_in(text: &str, own_words: &[&str]) -> Option<String> {
    let text = text.to_lowercase();
    own_words
        .iter()
        // Of an address, what is before the `@`: half the world has `example` or `mail` behind it.
        .filter_map(|words| words.split('@').next())
        .flat_map(|words| words.split(|c: char| !c.is_alphanumeric()))
        .chain(["symbolon"])
        .filter(|word| word.chars().count() >= SHORTEST_WORD)
        .find(|word| text.contains(&word.to_lowercase()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(text: &str) -> Result<(), PasswordFault> {
        judge_new_password(&Password::new(text.to_owned()), &["jane@example.com", "Jane Lovelace"])
    }

    #[test]
    fn a_long_uncommon_phrase_is_taken_whatever_it_is_made_of() {
        assert_eq!(judged("correct horse battery staple"), Ok(()));
        assert_eq!(judged("häßliche möwen über 北京 &<>"), Ok(()));
    }

    #[test]
    fn each_rule_is_told_by_its_own_fault() {
        let token = format!("violet{}{}", "sbn", "0".repeat(27));

        assert_eq!(judged("kx9#mQ2!vb7"), Err(PasswordFault::TooShort));
        assert_eq!(judged(&"kx9#".repeat(300)), Err(PasswordFault::TooLong));
        assert_eq!(judged("violet tundra\tmarble"), Err(PasswordFault::ControlCharacter));
        assert_eq!(
            judged("violet lovelace marble"),
            Err(PasswordFault::ContainsKnown("Lovelace".to_owned()))
        );
        assert_eq!(judged(&token), Err(PasswordFault::EndsLikeToken));
        assert!(matches!(judged("password1234"), Err(PasswordFault::Guessable(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn judging_never_panics(text in ".{0,200}") {
            let _ = judged(&text);
        }
    }
}

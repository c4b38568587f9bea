//! The rules of a new password.
//!
//! NIST SP 800-63B-4 §3.1.1.2: length counts, composition rules do not, and what others would try
//! first is refused with the reason told. Passwords are taken exactly as typed. A profile may ask for
//! more ([`PasswordPolicy`]), never for less. Whether one was used before takes hashes: not here.
//!
//! Breached passwords are refused offline, by the 30 000 that were found most often in published breaches:
//! `zxcvbn` carries them. Nobody is asked over the network, and no longer list can be loaded.

use std::fmt;

use zxcvbn::{Score, zxcvbn};

use crate::policy::PasswordPolicy;
use crate::secret::Password;
use crate::token;

/// Fewest characters of a password, whatever a profile says.
pub const MIN_LENGTH: u32 = 12;
/// Most bytes of a password: far beyond what anybody types, little enough to hash at once.
pub const MAX_BYTES: usize = 1024;
/// A word of the user's own that is shorter than this is not looked for in the password.
const SHORTEST_WORD: usize = 5;

/// Why a password cannot be taken; the text is shown to who chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordFault {
    /// Fewer than so many characters.
    TooShort(u32),
    /// More than [`MAX_BYTES`] bytes.
    TooLong,
    /// A control character, which some client could not send.
    ControlCharacter,
    /// It contains this word of the user's own data or of this service.
    ContainsKnown(String),
    /// Its end could be taken for a security token.
    EndsLikeToken,
    /// Characters of fewer than so many of the four kinds.
    TooFewKinds(u32),
    /// Too easy to guess, with what makes it so.
    Guessable(String),
    /// It is the current one, or one of those before.
    UsedBefore,
}

impl fmt::Display for PasswordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(least) => write!(f, "Use at least {least} characters."),
            Self::TooLong => write!(f, "Use at most {MAX_BYTES} bytes."),
            Self::ControlCharacter => {
                f.write_str("Leave out control characters such as tabs and line breaks.")
            }
            Self::ContainsKnown(word) => write!(f, "Leave out \"{word}\": it is known to others."),
            Self::EndsLikeToken => {
                f.write_str("Do not end it in something that looks like a security token.")
            }
            Self::TooFewKinds(4..) => f.write_str(
                "Use all four kinds of characters: lower-case letters, upper-case letters, digits and others.",
            ),
            Self::TooFewKinds(least) => write!(
                f,
                "Use characters of at least {least} of these kinds: lower-case letters, upper-case letters, \
                 digits, others."
            ),
            Self::UsedBefore => f.write_str("This password was used before. Choose another."),
            Self::Guessable(why) => write!(f, "Too easy to guess. {why}"),
        }
    }
}

/// Judges a new password against the rules, those of its user's profile and the words that belong to him.
///
/// # Errors
/// The first rule that it breaks.
pub fn judge_new_password(
    password: &Password,
    policy: PasswordPolicy,
    own_words: &[&str],
) -> Result<(), PasswordFault> {
    let text = password.reveal();
    if text.len() > MAX_BYTES {
        return Err(PasswordFault::TooLong);
    }
    let least = policy.min_length.max(MIN_LENGTH);
    if u32::try_from(text.chars().count()).is_ok_and(|length| length < least) {
        return Err(PasswordFault::TooShort(least));
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
    if kinds_in(text) < policy.kinds {
        return Err(PasswordFault::TooFewKinds(policy.kinds));
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

/// Of how many of the four kinds there are characters. A letter of a script without cases is an "other".
fn kinds_in(text: &str) -> u32 {
    let lower = text.chars().any(char::is_lowercase);
    let upper = text.chars().any(char::is_uppercase);
    let digit = text.chars().any(char::is_numeric);
    let other = text.chars().any(|c| !(c.is_lowercase() || c.is_uppercase() || c.is_numeric()));
    [lower, upper, digit, other].into_iter().map(u32::from).sum()
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
    use crate::policy::Policy;

    fn judged(text: &str) -> Result<(), PasswordFault> {
        judged_by(Policy::default().password, text)
    }

    fn judged_by(policy: PasswordPolicy, text: &str) -> Result<(), PasswordFault> {
        let own_words = ["jane@example.com", "Jane Lovelace"];
        judge_new_password(&Password::new(text.to_owned()), policy, &own_words)
    }

    #[test]
    fn a_long_uncommon_phrase_is_taken_whatever_it_is_made_of() {
        assert_eq!(judged("correct horse battery staple"), Ok(()));
        assert_eq!(judged("häßliche möwen über 北京 &<>"), Ok(()));
    }

    #[test]
    fn each_rule_is_told_by_its_own_fault() {
        let token = format!("violet{}{}", "sbn", "0".repeat(27));

        assert_eq!(judged("kx9#mQ2!vb7"), Err(PasswordFault::TooShort(12)));
        assert_eq!(judged(&"kx9#".repeat(300)), Err(PasswordFault::TooLong));
        assert_eq!(judged("violet tundra\tmarble"), Err(PasswordFault::ControlCharacter));
        assert_eq!(
            judged("violet lovelace marble"),
            Err(PasswordFault::ContainsKnown("Lovelace".to_owned()))
        );
        assert_eq!(judged(&token), Err(PasswordFault::EndsLikeToken));
        assert!(matches!(judged("password1234"), Err(PasswordFault::Guessable(_))));
    }

    #[test]
    fn passwords_of_published_breaches_are_refused_also_in_disguise() {
        // Of the list itself those that are long enough to get as far as the estimate.
        let listed = [
            "1q2w3e4r5t6y",
            "1qaz2wsx3edc4rfv",
            "gfhjkmgfhjkm",
            "leavemealone",
            "sonyericsson",
            "finalfantasy",
            "contortionist",
            "thecakeisalie",
            "weihnachtsbaum",
            "mailcreated5240",
        ];
        let disguised =
            ["Contortionist", "c0nt0rtionist", "leavemealone1", "tsinoitrotnoc", "L34veMeAlone"];
        for text in listed.into_iter().chain(disguised) {
            assert!(matches!(judged(text), Err(PasswordFault::Guessable(_))), "{text}");
        }
    }

    #[test]
    fn a_profile_can_demand_more_characters_and_no_fewer_than_everybody_must_have() {
        let long = PasswordPolicy { min_length: 20, ..Policy::default().password };
        let short = PasswordPolicy { min_length: 4, ..Policy::default().password };

        assert_eq!(judged_by(long, "violet tundra marbl"), Err(PasswordFault::TooShort(20)));
        assert_eq!(judged_by(long, "violet tundra marble"), Ok(()));
        assert_eq!(judged_by(short, "kx9#mQ2!vb7"), Err(PasswordFault::TooShort(12)));
    }

    #[test]
    fn a_profile_can_demand_several_of_the_four_kinds_of_characters() {
        let table = [
            (1, "violettundramarble", Ok(())),
            (2, "violettundramarble", Err(PasswordFault::TooFewKinds(2))),
            (2, "violet tundra marble", Ok(())),
            (3, "violet tundra marble", Err(PasswordFault::TooFewKinds(3))),
            (3, "violet tundra marble 42", Ok(())),
            (4, "violet tundra marble 42", Err(PasswordFault::TooFewKinds(4))),
            (4, "Violet tundra marble 42", Ok(())),
        ];
        for (kinds, text, expected) in table {
            let policy = PasswordPolicy { kinds, ..Policy::default().password };
            assert_eq!(judged_by(policy, text), expected, "{kinds} kinds in {text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn judging_never_panics(text in ".{0,200}") {
            let _ = judged(&text);
        }
    }
}

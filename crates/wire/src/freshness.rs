//! How new the state must be that a verification is answered from, and how long the answer may wait
//! for it.
//!
//! Every reset tells its revision; a verifier that names it is answered from a state at least as new,
//! or not at all. Introspection, batches and forward-auth ask alike, so the rules stand here once.

use std::time::Duration;

/// Milliseconds that a verifier may ask to wait at most.
pub const MAX_DEADLINE_MS: u64 = 5000;

/// What a verifier demands of the state behind its answer. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// The oldest revision that the answer may come from; never negative.
    pub min_revision: Option<i64>,
    /// How long the answer may wait for that revision: 1 to [`MAX_DEADLINE_MS`] milliseconds.
    pub deadline: Option<Duration>,
}

impl Freshness {
    /// Both demands at once: the newer revision, the shorter wait.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let shorter = match (self.deadline, other.deadline) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        // `None` is smaller than any revision.
        Self { min_revision: self.min_revision.max(other.min_revision), deadline: shorter }
    }
}

/// Reads a revision in decimal digits, without a sign.
pub(crate) fn revision(text: &str) -> Option<i64> {
    digits(text)?.parse().ok()
}

/// Reads a wait in milliseconds, in decimal digits.
pub(crate) fn deadline(text: &str) -> Option<Duration> {
    deadline_of_ms(digits(text)?.parse().ok()?)
}

/// A wait that a verifier may ask for; `None` for any other.
pub(crate) fn deadline_of_ms(ms: u64) -> Option<Duration> {
    (1..=MAX_DEADLINE_MS).contains(&ms).then_some(Duration::from_millis(ms))
}

/// `str::parse` alone would take a `+`.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn revisions_are_numbers_without_a_sign() {
        assert_eq!(revision("0"), Some(0));
        assert_eq!(revision("007"), Some(7));
        assert_eq!(revision("9223372036854775807"), Some(i64::MAX));
        for junk in ["", "-1", "+1", "1.0", " 1", "0x1", "9223372036854775808", "١"] {
            assert_eq!(revision(junk), None, "{junk}");
        }
    }

    #[test]
    fn waits_are_one_to_five_thousand_milliseconds() {
        assert_eq!(deadline("1"), Some(Duration::from_millis(1)));
        assert_eq!(deadline("5000"), Some(Duration::from_secs(5)));
        for junk in ["", "0", "5001", "-1", "+1", "1ms", "99999999999999999999"] {
            assert_eq!(deadline(junk), None, "{junk}");
        }
    }

    #[test]
    fn two_demands_are_the_newer_revision_and_the_shorter_wait() {
        let wait = |ms| Some(Duration::from_millis(ms));
        let one = Freshness { min_revision: Some(7), deadline: wait(20) };
        let other = Freshness { min_revision: Some(9), deadline: wait(30) };

        assert_eq!(one.and(other), Freshness { min_revision: Some(9), deadline: wait(20) });
        assert_eq!(one.and(other), other.and(one));
        assert_eq!(one.and(Freshness::default()), one);
        assert_eq!(Freshness::default().and(one), one);
    }

    proptest! {
        #[test]
        fn every_number_reads_back(number in 0..=i64::MAX, ms in 1..=MAX_DEADLINE_MS) {
            prop_assert_eq!(revision(&number.to_string()), Some(number));
            prop_assert_eq!(deadline(&ms.to_string()), Some(Duration::from_millis(ms)));
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in ".{0,24}") {
            let _ = (revision(&text), deadline(&text));
        }
    }
}

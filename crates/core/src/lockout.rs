//! Lockout: how failures are counted, and when they lock somebody out.
//!
//! Of a user, failures in a row count, whatever door they came through. Of a source address, the
//! number of different names counts, so that one address cannot try many names while a client that
//! fails again and again on its own name is the user's lockout's business.

use std::time::Duration;

use crate::policy::{Policy, SourcePolicy};
use crate::time::Timestamp;

/// The failures of one user so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// Failures in a row.
    pub count: u32,
    /// When the last of them was.
    pub last_at: Option<Timestamp>,
    /// Until when the user is locked out.
    pub locked_until: Option<Timestamp>,
}

impl Failures {
    /// Until when the user is locked out, if so at `now`.
    pub fn locked_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.locked_until.filter(|until| now < *until)
    }

    /// The count after one more failure at `now`.
    ///
    /// The failure that reaches the limit locks and starts the count anew; failures that lie longer
    /// back than the lockout lasts are forgotten. An attempt during a lockout neither counts nor
    /// prolongs it: otherwise a stale client would lock its owner out for good.
    #[must_use]
    pub fn after_failure(self, now: Timestamp, policy: &Policy) -> Self {
        if self.locked_at(now).is_some() {
            return self;
        }
        let recent = self.last_at.is_some_and(|at| now.since(at) < policy.lockout_period);
        let count = if recent { self.count.saturating_add(1) } else { 1 };
        if count < policy.lockout_failures {
            return Self { count, last_at: Some(now), locked_until: None };
        }
        Self { count: 0, last_at: Some(now), locked_until: Some(now + policy.lockout_period) }
    }
}

/// Wrong codes in a row that lock.
const WRONG_CODES: u32 = 10;
/// How long the first of those locks lasts; each further one twice as long.
const FIRST_CODE_LOCK: Duration = Duration::from_hours(1);
/// Doublings after which it lasts longest: 16 hours.
const MOST_DOUBLINGS: u32 = 4;

impl Failures {
    /// The count after one more wrong code of a second factor, or mailed code, at `now`.
    ///
    /// Whoever enters codes knows the password already, and a code has only six digits: so nothing is
    /// forgotten by waiting, and every tenth wrong one locks for twice as long as the one before. Only a
    /// right second factor or an administrator begins the count anew. `docs/second-factors.md` works out
    /// what a guesser's chance is.
    #[must_use]
    pub fn after_wrong_code(self, now: Timestamp) -> Self {
        if self.locked_at(now).is_some() {
            return self;
        }
        let count = self.count.saturating_add(1);
        let locks = count / WRONG_CODES;
        let locked_until = count.is_multiple_of(WRONG_CODES).then(|| {
            now + FIRST_CODE_LOCK * 2_u32.pow(locks.saturating_sub(1).min(MOST_DOUBLINGS))
        });
        Self { count, last_at: Some(now), locked_until }
    }

    /// The count after a right code at an API, which takes back one wrong one, and no lock.
    ///
    /// A client of an API is known by what it says it is, so that a guesser may stand where a program of the
    /// owner's logs in again and again. If each right code began the count anew, nine guesses between any
    /// two of them would never lock anybody.
    #[must_use]
    pub fn after_right_code_at_api(self) -> Self {
        let taken_back = u32::from(!self.count.is_multiple_of(WRONG_CODES));
        Self { count: self.count - taken_back, ..self }
    }
}

/// The failures of one source address within the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceFailures {
    /// Different names that failed.
    pub names: u32,
    /// Failures in all.
    pub failures: u32,
}

impl SourceFailures {
    /// Whether the address is to be refused without a look at what it presents.
    pub const fn locked(self, policy: &SourcePolicy) -> bool {
        self.names >= policy.names || self.failures >= policy.failures
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn fail(times: u32, from: Failures) -> Failures {
        (0..times).fold(from, |failures, _| failures.after_failure(T0, &Policy::default()))
    }

    #[test]
    fn the_tenth_failure_locks_for_fifteen_minutes() {
        let nine = fail(9, Failures::default());
        let ten = fail(1, nine);

        assert_eq!(nine.locked_at(T0), None);
        assert_eq!(ten.locked_at(T0), Some(T0 + 900 * SECOND));
        assert_eq!(ten.locked_at(T0 + 900 * SECOND), None);
    }

    #[test]
    fn an_attempt_during_a_lockout_does_not_prolong_it() {
        let locked = fail(10, Failures::default());

        assert_eq!(locked.after_failure(T0 + SECOND, &Policy::default()), locked);
    }

    #[test]
    fn failures_are_forgotten_after_a_quiet_time() {
        let nine = fail(9, Failures::default());

        let later = nine.after_failure(T0 + 900 * SECOND, &Policy::default());

        assert_eq!(later.count, 1);
    }

    #[test]
    fn every_tenth_wrong_code_locks_for_twice_as_long_up_to_sixteen_hours() {
        let hour = 3_600 * SECOND;
        let mut codes = Failures::default();
        let mut now = T0;
        for hours in [1, 2, 4, 8, 16, 16] {
            for _ in 0..9 {
                codes = codes.after_wrong_code(now);
                assert_eq!(codes.locked_at(now), None);
            }
            codes = codes.after_wrong_code(now);
            assert_eq!(codes.locked_at(now), Some(now + hours * hour));
            assert_eq!(codes.after_wrong_code(now), codes);
            // Waiting makes nothing forgotten.
            now = now + 100 * hour;
        }
    }

    /// What `docs/second-factors.md` says a guesser can try within so many hours.
    fn documented(hours: u32) -> u32 {
        match hours {
            24 | 31 => 50,
            720 => 490,
            8760 => 5510,
            _ => unreachable!("the page has no line for it"),
        }
    }

    /// Who logs in beside a guesser, now and then.
    #[derive(Debug, Clone, Copy)]
    enum Owner {
        /// By a second factor on the web, where strangers are counted.
        InBrowser,
        /// By a code at an API, where the guesser is counted.
        ByProgram,
    }

    /// Lets somebody guess for `hours` whenever he may, but for the last guess before a lock, which he keeps
    /// for `patience` hours in case that somebody's right code begins the count anew; tells how often he
    /// guessed, and how often each owner got in.
    fn guess_for(hours: u32, patience: u32, owners: &[(u32, Owner)]) -> (u32, u32, u32) {
        let minute = 60 * SECOND;
        let (mut codes, mut tries, mut browsers, mut programs) = (Failures::default(), 0, 0, 0);
        let mut kept_for = 0;
        for at in 0..hours * 60 {
            let now = T0 + at * minute;
            let open = |codes: Failures| codes.locked_at(now).is_none();
            while open(codes)
                && (codes.count % WRONG_CODES != WRONG_CODES - 1 || kept_for >= patience * 60)
            {
                codes = codes.after_wrong_code(now);
                tries += 1;
                kept_for = 0;
            }
            kept_for += 1;
            for (_, owner) in owners.iter().filter(|(minute, _)| *minute == at) {
                match owner {
                    _ if !open(codes) => {}
                    Owner::InBrowser => {
                        codes = Failures::default();
                        browsers += 1;
                    }
                    Owner::ByProgram => {
                        codes = codes.after_right_code_at_api();
                        programs += 1;
                    }
                }
            }
        }
        (tries, browsers, programs)
    }

    #[test]
    fn a_guesser_as_fast_as_the_rules_allow_has_the_tries_that_the_page_tells() {
        for hours in [24, 31, 720, 8760] {
            assert_eq!(guess_for(hours, 0, &[]), (documented(hours), 0, 0), "{hours} hours");
        }
    }

    #[test]
    fn a_right_code_at_an_api_takes_back_one_wrong_one_and_no_lock() {
        let wrong =
            |times: u32, from| (0..times).fold(from, |it: Failures, _| it.after_wrong_code(T0));
        let nine = wrong(9, Failures::default());
        let ten = wrong(1, nine);

        assert_eq!(nine.after_right_code_at_api().count, 8);
        assert_eq!(ten.after_right_code_at_api(), ten);
        assert_eq!(Failures::default().after_right_code_at_api(), Failures::default());
    }

    #[test]
    fn one_name_that_fails_often_does_not_lock_its_address() {
        let policy = SourcePolicy::default();

        assert!(!SourceFailures { names: 1, failures: 99 }.locked(&policy));
        assert!(SourceFailures { names: 10, failures: 10 }.locked(&policy));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The bounds that `docs/second-factors.md` tells, whenever owners log in and however patient the
        /// guesser is.
        #[test]
        fn log_ins_of_owners_give_a_guesser_no_more_than_the_page_tells(
            hours in prop_oneof![Just(31_u32), Just(720)],
            patience in 0_u32..48,
            owners in proptest::collection::vec(
                (0_u32..720 * 60, prop_oneof![Just(Owner::InBrowser), Just(Owner::ByProgram)]),
                0..40,
            ),
        ) {
            let (tries, browsers, programs) = guess_for(hours, patience, &owners);

            prop_assert!(tries <= documented(hours) + 50 * browsers + programs);
        }
    }

    proptest! {
        #[test]
        fn nobody_gets_more_guesses_than_the_limit_within_a_period(
            gaps in proptest::collection::vec(0_u32..2_000, 1..200),
        ) {
            let policy = Policy::default();
            let mut failures = Failures::default();
            let mut now = T0;
            let mut evaluated: Vec<Timestamp> = Vec::new();
            for gap in gaps {
                now = now + gap * SECOND;
                if failures.locked_at(now).is_none() {
                    evaluated.push(now);
                }
                failures = failures.after_failure(now, &policy);
            }
            // Up to 9 may lie just before a quiet time; then 10 more lock.
            for (at, first) in evaluated.iter().enumerate() {
                let within = evaluated[at..].iter().filter(|t| t.since(*first) < policy.lockout_period);
                prop_assert!(within.count() <= policy.lockout_failures as usize);
            }
        }
    }
}

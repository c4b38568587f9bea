//! The policy of a profile: the figures that decisions are made with.

use std::time::Duration;

/// A day.
pub const DAY: Duration = Duration::from_hours(24);

/// What holds for the users of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Age at which a token dies; 365 days by default, at least one.
    pub token_max_age: Duration,
    /// Failures in a row that lock a user out; 10 by default.
    pub lockout_failures: u32,
    /// How long a lockout lasts, and after which quiet time failures are forgotten; 15 minutes.
    pub lockout_period: Duration,
    /// Inactivity after which a session ends; two hours.
    pub session_idle: Duration,
    /// Whether a reset ends the sessions that its retired tokens opened; yes.
    pub on_reset: SessionsOnReset,
    /// What a voluntary change of the password does to tokens; nothing.
    pub on_password_change: TokensOnPasswordChange,
}

/// What becomes of API sessions when the token that opened them is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionsOnReset {
    /// They end with the token.
    End,
    /// They live on until they are idle for too long.
    Keep,
}

/// What becomes of tokens when their owner changes the password of his own will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokensOnPasswordChange {
    /// They live on.
    Keep,
    /// They are retired, and a new one is mailed: what Salesforce does.
    Reset,
}

impl Policy {
    /// Whether the figures are within their bounds.
    ///
    /// # Errors
    /// What is wrong, in words for the administrator who set it.
    pub fn check(&self) -> Result<(), &'static str> {
        let hours = |hours| Duration::from_hours(hours);
        if self.token_max_age < DAY || self.token_max_age > 3660 * DAY {
            return Err("the age of tokens must be between one day and ten years");
        }
        // NIST SP 800-63B-4 §3.2.2: no more than 100 failures in a row.
        if !(1..=100).contains(&self.lockout_failures) {
            return Err("the lockout must come after 1 to 100 failures");
        }
        if self.lockout_period < Duration::from_mins(1) || self.lockout_period > hours(24) {
            return Err("a lockout must last between one minute and a day");
        }
        if self.session_idle < Duration::from_mins(5) || self.session_idle > hours(24) {
            return Err("a session must end after five minutes to a day of inactivity");
        }
        Ok(())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            token_max_age: 365 * DAY,
            lockout_failures: 10,
            lockout_period: Duration::from_mins(15),
            session_idle: Duration::from_hours(2),
            on_reset: SessionsOnReset::End,
            on_password_change: TokensOnPasswordChange::Keep,
        }
    }
}

/// How one source address is kept from trying many names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourcePolicy {
    /// Different names that may fail from one address within the period.
    pub names: u32,
    /// Failures of any kind from one address within the period.
    pub failures: u32,
    /// The period, and how long the address is refused after it went over.
    pub period: Duration,
}

impl Default for SourcePolicy {
    fn default() -> Self {
        Self { names: 10, failures: 100, period: Duration::from_mins(15) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_bounds_and_what_is_beyond_is_told() {
        let eternal = Policy { token_max_age: 4000 * DAY, ..Policy::default() };
        let lax = Policy { lockout_failures: 0, ..Policy::default() };

        assert_eq!(Policy::default().check(), Ok(()));
        assert!(eternal.check().is_err_and(|why| why.contains("ten years")));
        assert!(lax.check().is_err());
    }
}

//! Sessions: what a successful login yields, and when it has ended.

use std::time::Duration;

use crate::time::Timestamp;

/// How often the last use of a session is written down, at most.
///
/// Inactivity is measured in hours, so a minute's grain costs nobody a session and spares a write
/// for nearly every request.
pub const TOUCH_INTERVAL: Duration = Duration::from_mins(1);

/// What kind of session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// A browser's, held by a cookie.
    Web,
    /// An API client's: an access token, also called session id.
    Api,
}

/// The instants that decide whether a session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimes {
    /// When the login was.
    pub started_at: Timestamp,
    /// The last use that was written down.
    pub last_used_at: Timestamp,
    /// When it was ended, by whatever.
    pub ended_at: Option<Timestamp>,
}

impl SessionTimes {
    /// Whether the session lives at `now`. It ends at the first instant that is not earlier than
    /// `idle` after the last use, or than `lifetime` after its start. Web sessions have a lifetime
    /// ([`crate::policy::Policy::web_lifetime`]), those of APIs have none.
    pub fn live_at(&self, now: Timestamp, idle: Duration, lifetime: Option<Duration>) -> bool {
        let too_old = lifetime.is_some_and(|lifetime| now.since(self.started_at) >= lifetime);
        self.ended_at.is_none() && !too_old && now.since(self.last_used_at) < idle
    }

    /// Whether a use at `now` is worth writing down.
    pub fn touch_due(&self, now: Timestamp) -> bool {
        now.since(self.last_used_at) >= TOUCH_INTERVAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
    const IDLE: Duration = Duration::from_hours(2);
    const LIFETIME: Duration = Duration::from_hours(12);
    const MS: Duration = Duration::from_millis(1);

    fn session() -> SessionTimes {
        SessionTimes { started_at: T0, last_used_at: T0, ended_at: None }
    }

    #[test]
    fn a_session_ends_when_it_has_been_idle_for_two_hours() {
        assert!(session().live_at(T0 + IDLE - MS, IDLE, None));
        assert!(!session().live_at(T0 + IDLE, IDLE, None));
    }

    #[test]
    fn a_web_session_ends_at_its_lifetime_however_busy() {
        let busy = SessionTimes { last_used_at: T0 + LIFETIME, ..session() };

        assert!(busy.live_at(T0 + LIFETIME - MS, IDLE, Some(LIFETIME)));
        assert!(!busy.live_at(T0 + LIFETIME, IDLE, Some(LIFETIME)));
        assert!(busy.live_at(T0 + LIFETIME, IDLE, None), "a session of an API has none");
    }
}

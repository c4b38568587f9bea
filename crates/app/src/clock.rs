//! The one clock.

use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};
use symbolon_core::Timestamp;

/// Tells the time. Each use case asks once and passes the instant on.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// The instant of the last tick, a few milliseconds ago at most: for what is asked so often that the
    /// reading of the clock counts, and stamps nothing that others are measured by.
    fn tick(&self) -> Timestamp {
        self.now()
    }
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_unix_ms(
            seconds.saturating_mul(1000).saturating_add(since_epoch.subsec_millis().into()),
        )
    }

    #[cfg(target_os = "linux")]
    fn tick(&self) -> Timestamp {
        let tick = clock_gettime(ClockId::RealtimeCoarse);
        let seconds = tick.tv_sec.max(0);
        Timestamp::from_unix_ms(
            seconds.saturating_mul(1000).saturating_add(tick.tv_nsec / 1_000_000),
        )
    }
}

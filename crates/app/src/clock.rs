//! The one clock.

use std::time::{SystemTime, UNIX_EPOCH};

use symbolon_core::Timestamp;

/// Tells the time. Each use case asks once and passes the instant on.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;
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
}

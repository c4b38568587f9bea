//! How many reports one address may send: a burst, and then one every few seconds. And how many may be in
//! hand at once, whoever sent them.
//!
//! Counted in memory and for each node: what is to be kept small is the work of this one. The map is
//! bounded; an address that has been quiet long enough to have its whole burst again is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::names::Source;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::AppError;

/// Reports that may come at once from one address.
const BURST: u32 = 10;
/// After which time it may send one more.
const PAUSE: Duration = Duration::from_secs(6);
/// How many reports one address may send in which time, in the words of a policy.
pub const REPORT_QUOTA: (u32, Duration) = (BURST, PAUSE.saturating_mul(BURST));
/// Addresses that are remembered: some 1 MiB. Beyond it, whoever is new waits.
const MOST_ADDRESSES: usize = 10_000;

/// Reports that are in hand at once: they share one writer, and each holds its tokens in memory.
const MOST_IN_HAND: u32 = 32;

/// Who has reported lately, and what is in hand.
#[derive(Debug)]
pub struct ReportLimit {
    /// For each address the instant from which on it has its whole burst again.
    rested_at: Mutex<HashMap<String, Timestamp>>,
    places: Arc<Semaphore>,
}

impl Default for ReportLimit {
    fn default() -> Self {
        let places = usize::try_from(MOST_IN_HAND).unwrap_or(usize::MAX);
        Self { rested_at: Mutex::default(), places: Arc::new(Semaphore::new(places)) }
    }
}

/// A report in hand; its place is free when the last copy is dropped.
#[derive(Debug, Clone)]
pub struct ReportPlace {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl ReportLimit {
    /// A place for a report of a stranger, if there is one.
    ///
    /// # Errors
    /// [`AppError::Busy`] where too many reports are in hand.
    pub fn place(&self) -> Result<ReportPlace, AppError> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| AppError::Busy)?;
        Ok(ReportPlace { _permit: Arc::new(permit) })
    }

    /// A place for a report of somebody who has proved who he is, as soon as there is one: before strangers.
    ///
    /// # Errors
    /// [`AppError::Busy`] if there never will be one.
    pub async fn next_place(&self) -> Result<ReportPlace, AppError> {
        let permit = Arc::clone(&self.places).acquire_owned().await.map_err(|_| AppError::Busy)?;
        Ok(ReportPlace { _permit: Arc::new(permit) })
    }

    /// Waits until no report is in hand: for a server that stops.
    pub async fn all_done(&self) {
        drop(self.places.acquire_many(MOST_IN_HAND).await);
    }

    /// Counts a report from `source`.
    ///
    /// # Errors
    /// [`AppError::TooMany`] where it is one too many; it is not counted then.
    pub fn admit(&self, source: Source, now: Timestamp) -> Result<(), AppError> {
        let mut rested_at = self.rested_at.lock().unwrap_or_else(PoisonError::into_inner);
        let address = source.counted_as();
        if rested_at.len() >= MOST_ADDRESSES && !rested_at.contains_key(&address) {
            rested_at.retain(|_, at| *at > now);
            if rested_at.len() >= MOST_ADDRESSES {
                return Err(AppError::TooMany { retry_after: PAUSE });
            }
        }
        let known = rested_at.get(&address).copied();
        // A clock that was set back must not lock anybody out for longer than a burst lasts.
        let latest = now + PAUSE * BURST;
        let rested = known.map_or(now, |at| at.max(now).min(latest));
        let next = rested + PAUSE;
        if next > latest {
            rested_at.insert(address, rested);
            let wait = next.since(latest);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Err(AppError::TooMany { retry_after: Duration::from_secs(seconds.max(1)) });
        }
        rested_at.insert(address, next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

    fn from(address: &str) -> Source {
        Source::new(address.parse().unwrap())
    }

    fn wait(outcome: Result<(), AppError>) -> Option<u64> {
        match outcome {
            Ok(()) => None,
            Err(AppError::TooMany { retry_after }) => Some(retry_after.as_secs()),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn an_address_has_a_burst_and_then_one_report_a_pause() {
        let limit = ReportLimit::default();
        for _ in 0..BURST {
            assert_eq!(wait(limit.admit(from("192.0.2.1"), T0)), None);
        }

        assert_eq!(wait(limit.admit(from("192.0.2.1"), T0)), Some(6));
        assert_eq!(wait(limit.admit(from("192.0.2.2"), T0)), None);
        let soon = T0 + Duration::from_millis(1500);
        assert_eq!(wait(limit.admit(from("192.0.2.1"), soon)), Some(5));
        assert_eq!(wait(limit.admit(from("192.0.2.1"), T0 + PAUSE)), None);
        assert_eq!(wait(limit.admit(from("192.0.2.1"), T0 + PAUSE)), Some(6));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_long() {
        let limit = ReportLimit::default();
        limit.admit(from("192.0.2.1"), T0 + Duration::from_hours(1)).unwrap();

        assert_eq!(wait(limit.admit(from("192.0.2.1"), T0)), Some(6));
        assert_eq!(wait(limit.admit(from("192.0.2.1"), T0 + PAUSE)), None);
    }

    #[tokio::test]
    async fn places_are_bounded_and_who_stops_waits_for_the_last() {
        let limit = ReportLimit::default();
        let mut taken: Vec<ReportPlace> =
            (0..MOST_IN_HAND).map(|_| limit.place().unwrap()).collect();
        assert!(matches!(limit.place(), Err(AppError::Busy)));

        let last = taken.pop().unwrap();
        let (copy, done) = (last.clone(), limit.all_done());
        tokio::pin!(done);
        drop((taken, last));
        let early = tokio::select! {
            biased;
            () = &mut done => true,
            () = tokio::task::yield_now() => false,
        };
        drop(copy);
        done.await;

        assert!(!early);
        assert!(limit.place().is_ok());
    }

    #[test]
    fn memory_is_bounded_and_who_is_quiet_is_forgotten() {
        let limit = ReportLimit::default();
        for number in 0..MOST_ADDRESSES {
            let address = format!("10.0.{}.{}", number / 256, number % 256);
            limit.admit(from(&address), T0).unwrap();
        }

        assert_eq!(wait(limit.admit(from("192.0.2.1"), T0)), Some(6));
        assert_eq!(wait(limit.admit(from("192.0.2.1"), T0 + PAUSE)), None);
        assert_eq!(limit.rested_at.lock().unwrap().len(), 1);
    }
}

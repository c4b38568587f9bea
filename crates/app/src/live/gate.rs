//! The gate before the live view: open only while the view is known to be current.
//!
//! A change that is committed while the gate is closed need not be waited for, since nobody answers from
//! memory; but the gate must not open again before it is applied. Both are decided under one lock.
//!
//! Where other nodes change the database too, the gate is open on a lease: it closes by itself at an
//! instant of this node's monotonic clock, however long its process was stopped or cut off. That clock stands
//! while the whole machine is suspended: what is left of the lease then is left when it wakes (SECURITY.md).

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// See the module.
pub struct Gate {
    /// Written under the lock alone; read by every verification.
    open: AtomicBool,
    /// Milliseconds from `began` at which it closes by itself.
    until: AtomicU64,
    began: Instant,
    /// What must be applied before the gate may open.
    floor: Mutex<i64>,
}

/// How long the gate may stay open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    /// Nobody else changes the database.
    Unlimited,
    /// Others wait for this node until here.
    Until(Instant),
}

/// What a committed change has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// The gate is open: wait until the change is applied.
    Open,
    /// It is closed, and stays so until the change is applied.
    Closed,
}

const FOR_EVER: u64 = u64::MAX;

impl Gate {
    pub(super) fn closed() -> Self {
        Self {
            open: AtomicBool::new(false),
            until: AtomicU64::new(FOR_EVER),
            began: Instant::now(),
            floor: Mutex::new(0),
        }
    }

    /// Whether the view may be asked.
    pub fn is_open(&self) -> bool {
        if !self.open.load(Ordering::Acquire) {
            return false;
        }
        let until = self.until.load(Ordering::Acquire);
        until == FOR_EVER || self.since_began(Instant::now()) < until
    }

    /// Opens the gate unless something was committed while it was closed and is not applied; tells whether
    /// it is open. One that is open stays open: whoever commits then applies the change himself before he
    /// answers, or closes it.
    pub(super) fn open(&self, applied: i64, lease: Lease) -> bool {
        let floor = self.lock();
        let open = self.open.load(Ordering::Acquire) || applied >= *floor;
        let until = match lease {
            Lease::Unlimited => FOR_EVER,
            Lease::Until(instant) => self.since_began(instant),
        };
        self.until.store(until, Ordering::Release);
        self.open.store(open, Ordering::Release);
        open
    }

    /// Closes the gate.
    pub(super) fn close(&self) {
        let _floor = self.lock();
        self.open.store(false, Ordering::Release);
    }

    /// Forgets what was committed so far: the view is read anew, from a log that may have lost it.
    pub(super) fn forget_floor(&self) {
        *self.lock() = 0;
    }

    /// Asks what the change `revision` has to wait for.
    pub(super) fn passage(&self, revision: i64) -> Passage {
        let mut floor = self.lock();
        *floor = revision.max(*floor);
        // A lease that has run out is no reason not to wait: it may be renewed in this very moment.
        if self.open.load(Ordering::Acquire) { Passage::Open } else { Passage::Closed }
    }

    fn since_began(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.began).as_millis()).unwrap_or(FOR_EVER)
    }

    fn lock(&self) -> MutexGuard<'_, i64> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "open" } else { "closed" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[test]
    fn a_change_that_came_while_the_gate_was_closed_keeps_it_closed_until_it_is_applied() {
        let gate = Gate::closed();

        assert_eq!(gate.passage(7), Passage::Closed);

        assert!(!gate.open(6, Lease::Unlimited));
        assert!(!gate.is_open());
        assert!(gate.open(7, Lease::Unlimited));
        assert_eq!(gate.passage(8), Passage::Open);
    }

    #[test]
    fn a_gate_that_is_open_stays_open_for_whoever_applies_his_own_change() {
        let gate = Gate::closed();
        assert!(gate.open(0, Lease::Unlimited));

        assert_eq!(gate.passage(3), Passage::Open);
        assert!(gate.open(2, Lease::Unlimited));

        gate.close();
        assert!(!gate.open(2, Lease::Unlimited));
        assert!(gate.open(3, Lease::Unlimited));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_not_renewed_closes_the_gate_by_itself() {
        let gate = Gate::closed();
        let second = Duration::from_secs(1);
        assert!(gate.open(0, Lease::Until(Instant::now() + second)));

        advance(Duration::from_millis(999)).await;
        assert!(gate.is_open());
        advance(Duration::from_millis(1)).await;

        assert!(!gate.is_open());
        assert_eq!(gate.passage(1), Passage::Open);
    }
}

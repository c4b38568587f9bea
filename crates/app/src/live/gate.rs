//! The gate before the live view: open only while the view is known to be current.
//!
//! A change that is committed while the gate is closed need not be waited for, since nobody answers from
//! memory; but the gate must not open again before it is applied. Both are decided under one lock.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module.
pub struct Gate {
    /// Written under the lock alone; read by every verification.
    open: AtomicBool,
    /// What must be applied before the gate may open.
    floor: Mutex<i64>,
}

/// What a committed change has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// The gate is open: wait until the change is applied.
    Open,
    /// It is closed, and stays so until the change is applied.
    Closed,
}

impl Gate {
    pub(super) fn closed() -> Self {
        Self { open: AtomicBool::new(false), floor: Mutex::new(0) }
    }

    /// Whether the view may be asked.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Opens the gate unless something was committed that is not applied; tells whether it is open.
    pub(super) fn open(&self, applied: i64) -> bool {
        let floor = self.lock();
        let current = applied >= *floor;
        self.open.store(current, Ordering::Release);
        current
    }

    /// Closes the gate.
    pub(super) fn close(&self) {
        let _floor = self.lock();
        self.open.store(false, Ordering::Release);
    }

    /// Asks what the change `revision` has to wait for.
    pub(super) fn passage(&self, revision: i64) -> Passage {
        let mut floor = self.lock();
        *floor = revision.max(*floor);
        if self.is_open() { Passage::Open } else { Passage::Closed }
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
    use super::*;

    #[test]
    fn a_change_that_came_while_the_gate_was_closed_keeps_it_closed_until_it_is_applied() {
        let gate = Gate::closed();

        assert_eq!(gate.passage(7), Passage::Closed);

        assert!(!gate.open(6));
        assert!(!gate.is_open());
        assert!(gate.open(7));
        assert_eq!(gate.passage(8), Passage::Open);
    }

    #[test]
    fn a_gate_that_is_open_closes_when_it_is_found_behind() {
        let gate = Gate::closed();
        assert!(gate.open(0));

        assert_eq!(gate.passage(3), Passage::Open);
        assert!(!gate.open(2));

        assert!(!gate.is_open());
    }
}

//! Lets the logins of one name through one after the other.
//!
//! Failures are counted after the password was verified. If a hundred guesses at one name were verified
//! side by side, all would be evaluated before the first was counted; behind the turnstile the eleventh
//! finds the door locked (invariant I14). The bound holds for each node: with `n` nodes a burst may have
//! `n` times as many guesses evaluated.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// More than enough that two names seldom share a gate; if they do, they only wait for each other.
const GATES: usize = 4096;

/// The turnstile.
pub struct Turnstile {
    gates: Vec<Mutex<()>>,
    state: RandomState,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self { gates: (0..GATES).map(|_| Mutex::new(())).collect(), state: RandomState::new() }
    }
}

impl Turnstile {
    /// Waits until nobody else of this name is at it; passed on when the guard is dropped.
    pub async fn pass(&self, name: &str) -> MutexGuard<'_, ()> {
        let gate = self.state.hash_one(name) % GATES as u64;
        // The remainder is below GATES, which a usize holds.
        self.gates[usize::try_from(gate).unwrap_or(0)].lock().await
    }
}

impl fmt::Debug for Turnstile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turnstile")
    }
}

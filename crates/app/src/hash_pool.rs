//! The bounded pool that hashes passwords.
//!
//! A hash takes tens of milliseconds of a core, so only so many run at once and only so many wait; who
//! comes on top of that is told to come back, and everything else stays quick.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::error::AppError;

/// The bounded pool.
pub struct Hasher {
    at_work: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
}

impl Hasher {
    /// `threads` hashes at once, at most `queue` waiting.
    pub fn new(threads: usize, queue: usize) -> Self {
        Self { at_work: Arc::new(Semaphore::new(threads)), waiting: AtomicUsize::new(0), queue }
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AppError> {
        let place = Place::take(self)?;
        let permit = Arc::clone(&self.at_work).acquire_owned().await.map_err(|_| AppError::Busy)?;
        drop(place);
        // The permit goes along: a request that gives up does not make room before its hash is done.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await.map_err(|_| AppError::Corrupt("password hash"))
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({} free)", self.at_work.available_permits())
    }
}

/// A place in the queue, given up when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(hasher: &'a Hasher) -> Result<Self, AppError> {
        let limit = hasher.queue + hasher.at_work.available_permits();
        let before = hasher.waiting.fetch_add(1, Ordering::AcqRel);
        let place = Self(&hasher.waiting);
        if before < limit { Ok(place) } else { Err(AppError::Busy) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

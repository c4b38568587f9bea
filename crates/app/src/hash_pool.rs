//! The bounded pool that hashes passwords.
//!
//! A hash takes tens of milliseconds of a core and 19 MiB, so only so many run at once, in memory that is
//! used again and again, and only so many wait; who comes on top of that is told to come back, and
//! everything else stays quick.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::Block;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::AppError;

/// What one hash works in.
pub(crate) type Memory = Vec<Block>;

/// The bounded pool.
pub struct Hasher {
    at_work: Arc<Semaphore>,
    memories: Arc<Mutex<Vec<Memory>>>,
    waiting: AtomicUsize,
    queue: usize,
}

/// A turn to hash: one of so many. It lasts until it is dropped, so that what follows from a hash can be
/// written down before the next one begins.
pub(crate) struct Turn {
    permit: Arc<OwnedSemaphorePermit>,
    memories: Arc<Mutex<Vec<Memory>>>,
}

impl Hasher {
    /// `threads` hashes at once, at most `queue` waiting.
    pub fn new(threads: usize, queue: usize) -> Self {
        Self {
            at_work: Arc::new(Semaphore::new(threads)),
            memories: Arc::default(),
            waiting: AtomicUsize::new(0),
            queue,
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`AppError::Busy`] if too many wait already.
    pub(crate) async fn turn(&self) -> Result<Turn, AppError> {
        let place = Place::take(self)?;
        let permit = Arc::clone(&self.at_work).acquire_owned().await.map_err(|_| AppError::Busy)?;
        drop(place);
        Ok(Turn { permit: Arc::new(permit), memories: Arc::clone(&self.memories) })
    }
}

impl Turn {
    /// Does the work of one hash away from the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, AppError> {
        // The permit goes along: a request that gives up does not make room before its hash is done.
        let permit = Arc::clone(&self.permit);
        let memories = Arc::clone(&self.memories);
        let done = tokio::task::spawn_blocking(move || {
            let kept = || memories.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = kept().pop().unwrap_or_default();
            let result = work(&mut memory);
            kept().push(memory);
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

//! Group commit: many small write transactions of `SQLite` share one `COMMIT`, and its flush to disk.
//!
//! `SQLite` has one writer. Its connection sits in a [`Slot`] behind a fair mutex. Whoever gets the slot
//! joins the group's transaction behind a savepoint (`BEGIN IMMEDIATE` if there is none), works, and
//! either commits the group or, when others queue for the slot, hands it on and waits for the group's
//! outcome. Nobody is told `Ok` before the `COMMIT` returned.
//!
//! Three rules keep this whole:
//! - *Nobody waits for ever.* The first to hand the slot on queues for it again, behind those already
//!   waiting, and commits the group if it is still open then: a cancelled successor costs nothing.
//! - *Nothing stops half-way.* Opening, committing and rolling back run in tasks of their own. A request
//!   that goes away drops its [`Member`], and the slot moves on only after the rollback.
//! - *A doubtful connection is not used again.* `SQLite` may roll back the whole transaction by itself
//!   (full disk, I/O error). Then every member is told so, the connection is closed, which undoes what
//!   is open, and the next member gets a new one.
//!
//! A deferred constraint would fail in the `COMMIT`, for the whole group: the schema must hold none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::StoreError;
use crate::sql::slot::{Outcome, Slot, closed};
use crate::sql::sqlite::Opener;

/// Beyond 64 a member's share of the flush is small beside its statements (64 in one transaction write
/// 17 000 a second, 8 write 9 000), while the first one's wait keeps growing.
const GROUP_LIMIT: usize = 64;

/// How long a transaction queues for the slot. With the wait for another process's lock it makes 10 s.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

/// The one writer of a `SQLite` database.
pub(super) struct Writer {
    slot: Arc<Mutex<Slot>>,
    /// Transactions queueing in [`Writer::begin`]. A hint when to hand on; nothing rests on it.
    waiting: AtomicUsize,
    commits: AtomicU64,
    opener: Opener,
    runtime: Handle,
}

impl Writer {
    /// Takes over an open connection; must be called within the runtime.
    pub(super) fn new(connection: SqliteConnection, opener: Opener) -> Arc<Self> {
        Arc::new(Self {
            slot: Arc::new(Mutex::new(Slot::new(connection))),
            waiting: AtomicUsize::new(0),
            commits: AtomicU64::new(0),
            opener,
            runtime: Handle::current(),
        })
    }

    /// How many `COMMIT`s have returned well.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Waits for the slot and begins.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Member, StoreError> {
        let queued = Queued::enter(&self.waiting);
        let lock = Arc::clone(&self.slot).lock_owned();
        let mut slot = timeout(QUEUE_WAIT, lock).await.map_err(|_| StoreError::Busy)?;
        drop(queued);
        let writer = Arc::clone(self);
        if slot.join() {
            return Ok(Member { writer, slot: Some(slot) });
        }
        joined(self.runtime.spawn(writer.open(slot))).await
    }

    /// Closes the connection once the transaction at work is over.
    pub(super) async fn close(&self) {
        self.slot.lock().await.close(&self.commits).await;
    }

    async fn open(self: Arc<Self>, mut slot: OwnedMutexGuard<Slot>) -> Result<Member, StoreError> {
        slot.open(&self.opener).await?;
        Ok(Member { writer: self, slot: Some(slot) })
    }

    async fn commit(self: Arc<Self>, mut slot: OwnedMutexGuard<Slot>) -> Outcome {
        let released = slot.released();
        if self.waiting.load(Ordering::Acquire) == 0 || released + 1 >= GROUP_LIMIT {
            return slot.commit(&self.commits).await;
        }
        let mut outcome = slot.hand_on().await?;
        drop(slot);
        if released > 0 {
            return told(&mut outcome).await;
        }
        // The first of its group sees to it that the group is committed, whatever becomes of the others.
        tokio::select! {
            biased;
            outcome = told(&mut outcome) => outcome,
            mut slot = Arc::clone(&self.slot).lock_owned() => slot.settle(&outcome, &self.commits).await,
        }
    }
}

/// A write transaction in the slot. Dropped without a commit, it rolls back before the slot moves on.
pub(super) struct Member {
    writer: Arc<Writer>,
    /// Taken by `commit` and `drop` alone.
    slot: Option<OwnedMutexGuard<Slot>>,
}

impl Member {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.slot.as_mut().ok_or_else(closed)?.connection()
    }

    /// Keeps the work. Runs on when the caller goes away.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let slot = self.slot.take().ok_or_else(closed)?;
        let writer = Arc::clone(&self.writer);
        joined(self.writer.runtime.spawn(writer.commit(slot))).await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut slot) = self.slot.take() {
            // A statement that was cancelled may still run; the rollback queues behind it.
            self.writer.runtime.spawn(async move { slot.roll_back_member().await });
        }
    }
}

/// Counts a waiting transaction for as long as it waits.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn told(outcome: &mut watch::Receiver<Option<Outcome>>) -> Outcome {
    let known = match outcome.wait_for(Option::is_some).await {
        Ok(known) => known.clone(),
        Err(_) => None,
    };
    known.unwrap_or_else(|| Err(StoreError::unavailable("the group of a transaction was lost")))
}

async fn joined<T>(task: JoinHandle<Result<T, StoreError>>) -> Result<T, StoreError> {
    match task.await {
        Ok(result) => result,
        Err(_) => Err(StoreError::unavailable("the task of a transaction ended early")),
    }
}

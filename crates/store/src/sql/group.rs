//! Group commit: many small write transactions of `SQLite` share one `COMMIT`, and its flush to disk.
//!
//! `SQLite` has one writer. Its connection sits in a [`Slot`] behind a fair mutex. Whoever gets the slot
//! opens a savepoint inside the group's transaction (`BEGIN IMMEDIATE` if there is none), works, and
//! either commits the group or, when others queue for the slot, releases its savepoint, hands the
//! slot on and waits for the group's outcome. Nobody is told `Ok` before the `COMMIT` returned.
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
//! The schema must hold no deferred constraint: it would fail in the `COMMIT`, for the whole group.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::StoreError;
use crate::sql::classify;
use crate::sql::sqlite::Opener;

/// Beyond 64 a member's share of the flush is small beside its statements (64 in one transaction write
/// 17 000 a second, 8 write 9 000), while the first one's wait keeps growing.
const GROUP_LIMIT: usize = 64;

/// How long a transaction queues for the slot.
const QUEUE_WAIT: Duration = Duration::from_secs(10);

const BEGIN: &str = "BEGIN IMMEDIATE; SAVEPOINT member";
const JOIN: &str = "SAVEPOINT member";
const RELEASE: &str = "RELEASE member";
const RELEASE_AND_COMMIT: &str = "RELEASE member; COMMIT";
const COMMIT: &str = "COMMIT";
const LEAVE: &str = "ROLLBACK TO member; RELEASE member";
const ROLLBACK: &str = "ROLLBACK";

type Outcome = Result<(), StoreError>;

/// The one writer of a `SQLite` database.
pub(super) struct Writer {
    slot: Arc<Mutex<Slot>>,
    /// Transactions queueing in [`Writer::begin`]. A hint when to hand on; nothing rests on it.
    waiting: AtomicUsize,
    commits: AtomicU64,
    opener: Opener,
    runtime: Handle,
}

struct Slot {
    /// `None` after a failure, and once closed.
    connection: Option<SqliteConnection>,
    /// The open transaction.
    group: Option<Group>,
    /// Whether a savepoint is open. Still set when the slot is free only if a task died with it.
    member_open: bool,
    closed: bool,
}

struct Group {
    /// Members that released their savepoint and wait for the outcome.
    released: usize,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Writer {
    /// Takes over an open connection; must be called within the runtime.
    pub(super) fn new(connection: SqliteConnection, opener: Opener) -> Arc<Self> {
        let slot =
            Slot { connection: Some(connection), group: None, member_open: false, closed: false };
        Arc::new(Self {
            slot: Arc::new(Mutex::new(slot)),
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

    /// Waits for the slot and opens a savepoint.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Member, StoreError> {
        let queued = Queued::enter(&self.waiting);
        let lock = Arc::clone(&self.slot).lock_owned();
        let slot = timeout(QUEUE_WAIT, lock).await.map_err(|_| StoreError::Busy)?;
        drop(queued);
        let writer = Arc::clone(self);
        joined(self.runtime.spawn(writer.open_member(slot))).await
    }

    /// Closes the connection once the transaction at work is over.
    pub(super) async fn close(&self) {
        let mut slot = self.slot.lock().await;
        slot.closed = true;
        slot.give_up(&StoreError::unavailable("the store was closed")).await;
    }

    async fn open_member(
        self: Arc<Self>,
        mut slot: OwnedMutexGuard<Slot>,
    ) -> Result<Member, StoreError> {
        slot.open_member(&self.opener).await?;
        Ok(Member { writer: self, slot: Some(slot) })
    }

    async fn commit(self: Arc<Self>, mut slot: OwnedMutexGuard<Slot>) -> Outcome {
        let released = slot.group.as_ref().map_or(0, |group| group.released);
        if self.waiting.load(Ordering::Acquire) == 0 || released + 1 >= GROUP_LIMIT {
            return slot.commit(RELEASE_AND_COMMIT, &self.commits).await;
        }
        let mut outcome = slot.release().await?;
        drop(slot);
        if released > 0 {
            return told(&mut outcome).await;
        }
        // The first of its group: see that the group is committed, whatever becomes of the others.
        tokio::select! {
            biased;
            outcome = told(&mut outcome) => outcome,
            mut slot = Arc::clone(&self.slot).lock_owned() => {
                let known = outcome.borrow().clone();
                match known {
                    Some(outcome) => outcome,
                    None => slot.commit(COMMIT, &self.commits).await,
                }
            }
        }
    }
}

impl Slot {
    async fn open_member(&mut self, opener: &Opener) -> Result<(), StoreError> {
        if self.member_open {
            self.give_up(&StoreError::unavailable("a transaction was lost half-way")).await;
        }
        if self.closed {
            return Err(StoreError::unavailable("the store was closed"));
        }
        if self.connection.is_none() {
            self.connection = Some(opener.open_writer().await?);
        }
        let opening = if self.group.is_some() { JOIN } else { BEGIN };
        if let Err(error) = self.run(opening).await {
            // A busy BEGIN opened nothing. Any other failure leaves doubt.
            if self.group.is_some() || !matches!(error, StoreError::Busy) {
                self.give_up(&error).await;
            }
            return Err(error);
        }
        self.member_open = true;
        self.group.get_or_insert_with(|| Group { released: 0, outcome: watch::Sender::new(None) });
        Ok(())
    }

    /// Closes the member's savepoint, keeping its work in the group's transaction.
    async fn release(&mut self) -> Result<watch::Receiver<Option<Outcome>>, StoreError> {
        if let Err(error) = self.run(RELEASE).await {
            return Err(self.give_up(&error).await);
        }
        self.member_open = false;
        let Some(group) = &mut self.group else {
            return Err(StoreError::unavailable("a transaction was lost half-way"));
        };
        group.released += 1;
        Ok(group.outcome.subscribe())
    }

    /// Ends the group's transaction and tells its members.
    async fn commit(&mut self, ending: &'static str, commits: &AtomicU64) -> Outcome {
        if let Err(error) = self.run(ending).await {
            return Err(self.give_up(&error).await);
        }
        commits.fetch_add(1, Ordering::Relaxed);
        self.member_open = false;
        if let Some(group) = self.group.take() {
            group.outcome.send_replace(Some(Ok(())));
        }
        Ok(())
    }

    /// Undoes the member's work alone; the group's transaction stays if others are in it.
    async fn roll_back_member(&mut self) {
        let alone = self.group.as_ref().is_none_or(|group| group.released == 0);
        if let Err(error) = self.run(if alone { ROLLBACK } else { LEAVE }).await {
            self.give_up(&error).await;
            return;
        }
        self.member_open = false;
        if alone {
            self.group = None;
        }
    }

    /// Gives up the group and its connection. Closing undoes what is open; only then are the members told.
    async fn give_up(&mut self, error: &StoreError) -> StoreError {
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
        self.member_open = false;
        let error = as_unavailable(error);
        if let Some(group) = self.group.take() {
            group.outcome.send_replace(Some(Err(error.clone())));
        }
        error
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        sqlx::query(sql).execute(connection).await.map(|_| ()).map_err(classify::error)
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
        let slot = self.slot.as_mut().ok_or_else(closed)?;
        slot.connection.as_mut().ok_or_else(closed)
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

fn as_unavailable(error: &StoreError) -> StoreError {
    if matches!(error, StoreError::Unavailable(_)) {
        return error.clone();
    }
    StoreError::Unavailable(Arc::new(error.clone()))
}

fn closed() -> StoreError {
    StoreError::unavailable("the connection of the transaction is closed")
}

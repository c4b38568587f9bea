//! The writing connection of `SQLite` and the transaction that is open on it.
//!
//! Every method leaves the connection in a known state: between transactions, in a group's transaction
//! before its next member, or, after anything doubtful, closed. See [`super::group`] for who calls when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::watch;

use crate::error::StoreError;
use crate::sql::classify;
use crate::sql::sqlite::Opener;

// While a group's transaction is open there is a savepoint before its next member, so that joining
// takes no statement. COMMIT and ROLLBACK end it, too.
const BEGIN: &str = "BEGIN IMMEDIATE; SAVEPOINT member";
const HAND_ON: &str = "RELEASE member; SAVEPOINT member";
const COMMIT: &str = "COMMIT";
const LEAVE: &str = "ROLLBACK TO member";
const ROLLBACK: &str = "ROLLBACK";

/// What became of a group: the same for all its members.
pub(super) type Outcome = Result<(), StoreError>;

/// The connection, held by one transaction at a time.
pub(super) struct Slot {
    /// `None` after a failure, and once closed.
    connection: Option<SqliteConnection>,
    /// The open transaction.
    group: Option<Group>,
    /// Whether a member is at work. Still set when the slot is free only if a task died with it.
    member_open: bool,
    closed: bool,
}

struct Group {
    /// Members that have done their part and wait for the outcome.
    released: usize,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Slot {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection: Some(connection), group: None, member_open: false, closed: false }
    }

    /// How many members of the open group have done their part.
    pub(super) fn released(&self) -> usize {
        self.group.as_ref().map_or(0, |group| group.released)
    }

    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.connection.as_mut().ok_or_else(closed)
    }

    /// Lets a member join the open group; `false` if there is none to join.
    pub(super) fn join(&mut self) -> bool {
        let open = self.group.is_some() && !self.member_open && !self.closed;
        self.member_open |= open;
        open
    }

    /// Opens a group's transaction for its first member.
    pub(super) async fn open(&mut self, opener: &Opener) -> Result<(), StoreError> {
        self.forget_lost_member().await;
        if self.closed {
            return Err(StoreError::unavailable("the store was closed"));
        }
        if self.connection.is_none() {
            self.connection = Some(opener.open_writer().await?);
        }
        if let Err(error) = self.run(BEGIN).await {
            // A busy BEGIN opened nothing. Any other failure leaves doubt.
            if !matches!(error, StoreError::Busy) {
                self.give_up(&error).await;
            }
            return Err(error);
        }
        self.member_open = true;
        self.group = Some(Group { released: 0, outcome: watch::Sender::new(None) });
        Ok(())
    }

    /// Keeps the member's work in the group's transaction, for another to commit.
    pub(super) async fn hand_on(&mut self) -> Result<watch::Receiver<Option<Outcome>>, StoreError> {
        if let Err(error) = self.run(HAND_ON).await {
            return Err(self.give_up(&error).await);
        }
        self.member_open = false;
        let group = self.group.as_mut().ok_or_else(closed)?;
        group.released += 1;
        Ok(group.outcome.subscribe())
    }

    /// Ends the group's transaction and tells its members.
    pub(super) async fn commit(&mut self, commits: &AtomicU64) -> Outcome {
        if let Err(error) = self.run(COMMIT).await {
            return Err(self.give_up(&error).await);
        }
        commits.fetch_add(1, Ordering::Relaxed);
        self.member_open = false;
        if let Some(group) = self.group.take() {
            group.outcome.send_replace(Some(Ok(())));
        }
        Ok(())
    }

    /// Commits the group when no member is at work.
    ///
    /// `outcome` is that of the caller's group, which may be over: then this slot serves another one.
    pub(super) async fn settle(
        &mut self,
        outcome: &watch::Receiver<Option<Outcome>>,
        commits: &AtomicU64,
    ) -> Outcome {
        self.forget_lost_member().await;
        let known = outcome.borrow().clone();
        match known {
            Some(outcome) => outcome,
            None => self.commit(commits).await,
        }
    }

    /// Undoes the member's work alone; the group's transaction stays if others are in it.
    pub(super) async fn roll_back_member(&mut self) {
        let alone = self.released() == 0;
        if let Err(error) = self.run(if alone { ROLLBACK } else { LEAVE }).await {
            self.give_up(&error).await;
            return;
        }
        self.member_open = false;
        if alone {
            self.group = None;
        }
    }

    /// Commits what is open, closes the connection and admits nobody any more.
    pub(super) async fn close(&mut self, commits: &AtomicU64) {
        self.closed = true;
        self.forget_lost_member().await;
        if self.group.is_some() {
            // Its members are told the outcome, whatever it is.
            let _ = self.commit(commits).await;
        }
        self.give_up(&closed()).await;
    }

    /// Gives up a group whose member died with its task, lest others commit half of that member's work.
    async fn forget_lost_member(&mut self) {
        if self.member_open {
            let lost = StoreError::unavailable("a transaction was lost half-way");
            self.give_up(&lost).await;
        }
    }

    /// Gives up the group and its connection.
    ///
    /// Closing undoes what is open; only then are the members told.
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
        let connection = self.connection()?;
        sqlx::query(sql).execute(connection).await.map(|_| ()).map_err(classify::error)
    }
}

/// The same error for a whole group: whatever broke one member's commit made the store unavailable to all.
fn as_unavailable(error: &StoreError) -> StoreError {
    if matches!(error, StoreError::Unavailable(_)) {
        return error.clone();
    }
    StoreError::Unavailable(Arc::new(error.clone()))
}

/// What a transaction is told whose connection is gone.
pub(super) fn closed() -> StoreError {
    StoreError::unavailable("the connection of the transaction is closed")
}

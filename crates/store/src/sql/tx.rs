//! The two kinds of connection: [`Tx`] writes, [`Reader`] reads; both are a [`Conn`].
//!
//! Every write states how many rows it expects: `execute_one`, `execute_at_most_one`, or, where any
//! number will do, `execute`.

use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::Sqlite;

use crate::error::{Rows, StoreError};
use crate::sql::conn::{Conn, Link, counted, execute, run_script};
use crate::sql::group::Member;
use crate::sql::postgres::Session;
use crate::sql::value::Value;

/// A write transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
#[must_use = "a transaction that is not committed is rolled back"]
pub struct Tx {
    conn: Conn,
    revision: Option<i64>,
}

impl Tx {
    pub(super) fn sqlite(member: Member) -> Self {
        Self { conn: Conn::new(Link::SqliteTx(member)), revision: None }
    }

    pub(super) fn postgres(session: Session) -> Self {
        Self { conn: Conn::new(Link::PostgresTx(session)), revision: None }
    }

    /// The last revision that the transaction took: what it changes is to be seen from there on.
    pub fn revision(&self) -> Option<i64> {
        self.revision
    }

    pub(crate) fn note_revision(&mut self, revision: i64) {
        self.revision = Some(revision);
    }

    /// Runs a write and returns how many rows it changed.
    pub async fn execute(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, StoreError> {
        self.conn.guarded(async |link| execute(link, sql, args).await).await
    }

    /// Runs a write that must change exactly one row.
    ///
    /// # Errors
    /// [`StoreError::Arity`] for another count; the transaction is over then.
    pub async fn execute_one(
        &mut self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<(), StoreError> {
        self.conn
            .guarded(async |link| counted(Rows::ExactlyOne, execute(link, sql, args).await?))
            .await
    }

    /// Runs a write that may change one row, and tells whether it did.
    ///
    /// # Errors
    /// [`StoreError::Arity`] for more; the transaction is over then.
    pub async fn execute_at_most_one(
        &mut self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<bool, StoreError> {
        self.conn
            .guarded(async |link| {
                let found = execute(link, sql, args).await?;
                counted(Rows::AtMostOne, found)?;
                Ok(found == 1)
            })
            .await
    }

    /// Runs a `SELECT` that locks its rows for the rest of the transaction. There is nothing to lock, and
    /// nothing is run, where one transaction writes at a time.
    pub(crate) async fn lock(
        &mut self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<(), StoreError> {
        match self.conn.link {
            Link::SqliteTx(_) | Link::SqliteReader(_) => Ok(()),
            Link::PostgresTx(_) | Link::PostgresReader(_) => {
                self.conn.fetch_all(sql, args).await.map(|_| ())
            }
        }
    }

    /// Runs a script of several statements without arguments.
    pub(crate) async fn run_script(&mut self, script: &'static str) -> Result<(), StoreError> {
        self.conn.guarded(async |link| run_script(link, script).await).await
    }

    /// Makes the transaction's work durable, then returns.
    ///
    /// A caller that goes away while this waits does not undo it.
    ///
    /// # Errors
    /// [`StoreError::Aborted`] after a failure in the transaction, [`StoreError::Unavailable`] when nothing
    /// was kept, [`StoreError::Unknown`] when that cannot be told.
    pub async fn commit(self) -> Result<(), StoreError> {
        if self.conn.failed {
            return Err(StoreError::Aborted);
        }
        match self.conn.link {
            Link::SqliteTx(member) => member.commit().await,
            Link::PostgresTx(session) => session.commit().await,
            Link::SqliteReader(_) | Link::PostgresReader(_) => Ok(()),
        }
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// A connection that cannot write. Each statement sees the last commit of its own moment.
pub struct Reader {
    conn: Conn,
}

impl Reader {
    pub(super) fn sqlite(connection: PoolConnection<Sqlite>) -> Self {
        Self { conn: Conn::new(Link::SqliteReader(connection)) }
    }

    pub(super) fn postgres(session: Session) -> Self {
        Self { conn: Conn::new(Link::PostgresReader(session)) }
    }
}

impl Deref for Reader {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

macro_rules! opaque_debug {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )+};
}

opaque_debug!(Tx, Reader);

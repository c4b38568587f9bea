//! Statements over a connection: one text for both engines, bound, run and counted.
//!
//! A transaction that met a failure is over, on both engines alike. `PostgreSQL` refuses what follows and
//! answers the `COMMIT` with a silent rollback; `SQLite` may have rolled back by itself and would run
//! the next statement outside of any transaction. So the seam says [`StoreError::Aborted`] before either.

use std::fmt;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteConnection};

use crate::error::{Rows, StoreError};
use crate::sql::classify;
use crate::sql::group::Member;
use crate::sql::postgres::Session;
use crate::sql::row::{Driver, Row};
use crate::sql::unique;
use crate::sql::value::{Value, check_arity, postgres_arguments, sqlite_arguments};

/// A connection that answers statements.
pub struct Conn {
    pub(super) link: Link,
    /// Whether a statement failed, or was cancelled, since the transaction began.
    pub(super) failed: bool,
}

pub(super) enum Link {
    SqliteTx(Member),
    SqliteReader(PoolConnection<Sqlite>),
    PostgresTx(Session),
    PostgresReader(Session),
}

impl Link {
    fn writes(&self) -> bool {
        matches!(self, Self::SqliteTx(_) | Self::PostgresTx(_))
    }
}

impl Conn {
    pub(super) fn new(link: Link) -> Self {
        Self { link, failed: false }
    }

    /// Runs `sql` and returns all rows.
    pub async fn fetch_all(
        &mut self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        self.guarded(async |link| fetch(link, sql, args).await).await
    }

    /// Runs `sql` and returns its row, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Arity`] for a second row.
    pub async fn fetch_optional(
        &mut self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<Option<Row>, StoreError> {
        self.guarded(async |link| {
            let mut rows = fetch(link, sql, args).await?;
            counted(Rows::AtMostOne, rows.len() as u64)?;
            Ok(rows.pop())
        })
        .await
    }

    /// Runs `sql` and returns its row.
    ///
    /// # Errors
    /// [`StoreError::Arity`] for none, or a second.
    pub async fn fetch_one(
        &mut self,
        sql: &'static str,
        args: &[Value],
    ) -> Result<Row, StoreError> {
        self.guarded(async |link| {
            let mut rows = fetch(link, sql, args).await?;
            counted(Rows::ExactlyOne, rows.len() as u64)?;
            Ok(rows.swap_remove(0))
        })
        .await
    }

    /// Runs `work`; in a transaction any failure, and a cancellation, is the last thing that happens.
    pub(super) async fn guarded<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::Aborted);
        }
        self.failed = self.link.writes();
        let result = work(&mut self.link).await;
        self.failed = self.failed && result.is_err();
        result
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Conn(..)")
    }
}

async fn fetch(link: &mut Link, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, StoreError> {
    check_arity(sql, args)?;
    match link {
        Link::SqliteTx(member) => fetch_sqlite(member.connection()?, sql, args).await,
        Link::SqliteReader(connection) => fetch_sqlite(connection, sql, args).await,
        Link::PostgresTx(session) | Link::PostgresReader(session) => {
            let bound = postgres_arguments(args).map_err(classify::error)?;
            let rows = session
                .answer(async |connection| sqlx::query_with(sql, bound).fetch_all(connection).await)
                .await?;
            Ok(rows.into_iter().map(|row| Row(Driver::Postgres(row))).collect())
        }
    }
}

async fn fetch_sqlite(
    connection: &mut SqliteConnection,
    sql: &'static str,
    args: &[Value],
) -> Result<Vec<Row>, StoreError> {
    let bound = sqlite_arguments(args).map_err(classify::error)?;
    match sqlx::query_with(sql, bound).fetch_all(&mut *connection).await {
        Ok(rows) => Ok(rows.into_iter().map(|row| Row(Driver::Sqlite(row))).collect()),
        Err(error) => Err(unique::sqlite_error(connection, error).await),
    }
}

pub(super) async fn execute(
    link: &mut Link,
    sql: &'static str,
    args: &[Value],
) -> Result<u64, StoreError> {
    check_arity(sql, args)?;
    match link {
        Link::SqliteTx(member) => execute_sqlite(member.connection()?, sql, args).await,
        Link::SqliteReader(connection) => execute_sqlite(connection, sql, args).await,
        Link::PostgresTx(session) | Link::PostgresReader(session) => {
            let bound = postgres_arguments(args).map_err(classify::error)?;
            let done = session
                .answer(async |connection| sqlx::query_with(sql, bound).execute(connection).await)
                .await?;
            Ok(done.rows_affected())
        }
    }
}

async fn execute_sqlite(
    connection: &mut SqliteConnection,
    sql: &'static str,
    args: &[Value],
) -> Result<u64, StoreError> {
    let bound = sqlite_arguments(args).map_err(classify::error)?;
    match sqlx::query_with(sql, bound).execute(&mut *connection).await {
        Ok(done) => Ok(done.rows_affected()),
        Err(error) => Err(unique::sqlite_error(connection, error).await),
    }
}

pub(super) async fn run_script(link: &mut Link, script: &'static str) -> Result<(), StoreError> {
    let done = match link {
        Link::SqliteTx(member) => {
            let connection = member.connection()?;
            sqlx::raw_sql(script).execute(connection).await.map(|_| ())
        }
        Link::SqliteReader(connection) => {
            sqlx::raw_sql(script).execute(&mut **connection).await.map(|_| ())
        }
        // No deadline of ours: a migration may take its time.
        Link::PostgresTx(session) | Link::PostgresReader(session) => {
            let connection = session.connection()?;
            sqlx::raw_sql(script).execute(connection).await.map(|_| ())
        }
    };
    done.map_err(classify::error)
}

pub(super) fn counted(expected: Rows, found: u64) -> Result<(), StoreError> {
    if expected.admits(found) {
        return Ok(());
    }
    Err(StoreError::Arity { expected, found })
}

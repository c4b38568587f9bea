//! `PostgreSQL`: two pools, sessions that refuse a standby, and transactions with a deadline here.
//!
//! Statements are bounded by the server (`statement_timeout`, `lock_timeout`) and, for the case that
//! the network swallows the answer, by us. A connection whose answer did not come is dropped, not
//! returned: what it would say next belongs to somebody else's question.
//!
//! A `COMMIT` is never cancelled: with synchronous replication a cancelled wait leaves the transaction
//! committed on one node alone. When its answer does not come the outcome is unknown, and said so.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::error::StoreError;
use crate::sql::classify;
use crate::sql::target::PostgresUrl;

/// Writers and readers together stay at 16 connections a node: a server admits 100 by default.
const WRITERS: u32 = 8;
const READERS: u32 = 8;
const ACQUIRE_WAIT: Duration = Duration::from_secs(5);
/// Above `statement_timeout`, so that a server that lives answers first.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// How long a transaction waits to begin once it has a connection.
const BEGIN_WAIT: Duration = Duration::from_secs(5);

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

const SESSION: &str = "
    SET lock_timeout = '10s';
    SET statement_timeout = '15s';
    SET idle_in_transaction_session_timeout = '30s';
    SET default_transaction_isolation = 'read committed';
    SET client_min_messages = warning";
const SESSION_READS: &str = "SET default_transaction_read_only = on";
const WAIT_FOR_FLUSH: &str = "SET synchronous_commit = on";

const SERVER: &str = "
    SELECT pg_is_in_recovery()::text, current_setting('transaction_read_only'),
           current_setting('synchronous_commit')";

/// A `PostgreSQL` database.
pub(super) struct PostgresStore {
    writers: PgPool,
    readers: PgPool,
    commits: Arc<AtomicU64>,
    runtime: Handle,
}

impl PostgresStore {
    pub(super) async fn open(url: &PostgresUrl) -> Result<Self, StoreError> {
        let options = url
            .reveal_options()
            .clone()
            .application_name("symbolon")
            .statement_cache_capacity(512)
            .disable_statement_logging();
        // The pools retry until their wait runs out and keep the reason to themselves; ask once, here.
        let first = timeout(ACQUIRE_WAIT, first_connection(&options)).await;
        first
            .map_err(|_| StoreError::unavailable("the database server did not answer in time"))??;
        Ok(Self {
            writers: pool(WRITERS, options.clone(), &[SESSION]),
            readers: pool(READERS, options, &[SESSION, SESSION_READS]),
            commits: Arc::default(),
            runtime: Handle::current(),
        })
    }

    /// How many `COMMIT`s have returned well.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) async fn begin(&self) -> Result<Session, StoreError> {
        let mut session = self.session(&self.writers).await?;
        // From here on a drop rolls back, also when it is this future that is dropped.
        session.in_transaction = true;
        let begun = timeout(BEGIN_WAIT, sqlx::raw_sql(BEGIN).execute(session.connection()?)).await;
        match begun {
            Ok(Ok(_)) => Ok(session),
            Ok(Err(error)) => Err(classify::error(error)),
            Err(_) => {
                session.discard();
                Err(StoreError::Busy)
            }
        }
    }

    pub(super) async fn read(&self) -> Result<Session, StoreError> {
        self.session(&self.readers).await
    }

    pub(super) async fn close(&self) {
        self.writers.close().await;
        self.readers.close().await;
    }

    async fn session(&self, pool: &PgPool) -> Result<Session, StoreError> {
        let connection = pool.acquire().await.map_err(classify::error)?;
        Ok(Session {
            connection: Some(connection),
            in_transaction: false,
            asking: false,
            commits: Arc::clone(&self.commits),
            runtime: self.runtime.clone(),
        })
    }
}

/// A connection out of a pool; with a transaction it rolls back on drop.
pub(super) struct Session {
    /// `None` once it is given back or given up.
    connection: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
    /// Whether an answer is outstanding; still set on drop if the wait for it was cancelled.
    asking: bool,
    commits: Arc<AtomicU64>,
    runtime: Handle,
}

impl Session {
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.connection.as_deref_mut().ok_or_else(lost)
    }

    /// Waits for an answer, and gives the connection up when it does not come.
    pub(super) async fn answer<T>(
        &mut self,
        ask: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.asking = true;
        let answer = timeout(ANSWER_WAIT, ask(self.connection()?)).await;
        self.asking = false;
        if let Ok(answer) = answer {
            return answer.map_err(classify::error);
        }
        self.discard();
        Err(StoreError::unavailable("the database server did not answer in time"))
    }

    /// Keeps the work. Runs on when the caller goes away.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let connection = self.connection.take().ok_or_else(lost)?;
        let commits = Arc::clone(&self.commits);
        match self.runtime.spawn(commit(connection, commits)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::unknown("the task of a transaction ended early")),
        }
    }

    fn discard(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Detached, the socket is closed at once instead of being asked to finish.
            drop(connection.detach());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.in_transaction {
            if self.asking {
                // The pool would wait for that answer without a limit.
                self.discard();
            }
            return;
        }
        if let Some(mut connection) = self.connection.take() {
            self.runtime.spawn(async move {
                let rolled_back =
                    within(ANSWER_WAIT, sqlx::raw_sql("ROLLBACK").execute(&mut *connection)).await;
                if !matches!(rolled_back, Some(Ok(_))) {
                    drop(connection.detach());
                }
            });
        }
    }
}

async fn commit(
    mut connection: PoolConnection<Postgres>,
    commits: Arc<AtomicU64>,
) -> Result<(), StoreError> {
    let outcome = within(ANSWER_WAIT, sqlx::raw_sql("COMMIT").execute(&mut *connection)).await;
    match outcome {
        Some(Ok(_)) => {
            commits.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Some(Err(error)) => {
            drop(connection.detach());
            Err(classify::commit_error(error))
        }
        None => {
            drop(connection.detach());
            Err(StoreError::unknown("the database server did not answer the commit in time"))
        }
    }
}

async fn first_connection(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = options.connect().await.map_err(classify::error)?;
    check_server(&mut connection).await.map_err(classify::error)?;
    connection.close().await.map_err(classify::error)
}

fn pool(size: u32, options: PgConnectOptions, session: &'static [&'static str]) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE_WAIT)
        // Each is asked whether it lives: after a restart of the server a request would fail for every
        // dead one in the pool.
        .test_before_acquire(true)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                let durability = check_server(connection).await?;
                for setting in session.iter().copied().chain(durability) {
                    sqlx::raw_sql(setting).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

/// Refuses a server that cannot write, and names the setting that a commit still needs.
///
/// A node that was cut off comes back as a standby with old rows: reading there would admit dead tokens.
async fn check_server(connection: &mut PgConnection) -> Result<Option<&'static str>, sqlx::Error> {
    let (in_recovery, read_only, synchronous_commit): (String, String, String) =
        sqlx::query_as(SERVER).fetch_one(connection).await?;
    if in_recovery != "false" {
        return Err(sqlx::Error::Configuration("the database server is a standby".into()));
    }
    if read_only != "off" {
        return Err(sqlx::Error::Configuration("the database server is read-only".into()));
    }
    let strict = matches!(synchronous_commit.as_str(), "on" | "remote_apply");
    Ok((!strict).then_some(WAIT_FOR_FLUSH))
}

async fn within<T>(wait: Duration, work: impl Future<Output = T>) -> Option<T> {
    timeout(wait, work).await.ok()
}

fn lost() -> StoreError {
    StoreError::unavailable("the connection of the transaction is closed")
}

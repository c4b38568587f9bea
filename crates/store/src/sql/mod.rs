//! The SQL seam: both drivers behind one small `Store`, `Tx`, `Reader` and `Row`.
//!
//! The seam lies *under* the SQL. A statement is one portable text (`$1…`, `BIGINT`, `TEXT`, `BLOB`,
//! `NULL`; instants as milliseconds; no booleans); here it is bound, run and counted. Nothing outside of
//! this module names an engine. No query builder, no mapping of rows to types: the aggregates do that.

mod classify;
mod clock;
mod conn;
mod group;
mod migration;
mod postgres;
mod row;
mod schema;
mod slot;
mod sqlite;
mod target;
mod tx;
mod unique;
mod value;

use std::fmt;
use std::sync::Arc;

pub use conn::Conn;
pub(crate) use migration::{begin_migration, script_of};
pub use row::Row;
pub use schema::{Column, columns};
pub use target::{DatabaseTarget, PostgresUrl, TargetError};
pub use tx::{Reader, Tx};
pub use value::Value;

use crate::error::StoreError;
use crate::sql::postgres::PostgresStore;
use crate::sql::sqlite::SqliteStore;

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
}

enum Backend {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

/// Which engine it is: for figures and reports, not to decide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// `SQLite`.
    Sqlite,
    /// `PostgreSQL`.
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

impl Store {
    /// Connects, creating a missing `SQLite` file with mode 0600. Does not migrate.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], also for a `PostgreSQL` standby or a read-only server.
    pub async fn open(target: &DatabaseTarget) -> Result<Self, StoreError> {
        let backend = match target {
            DatabaseTarget::SqliteFile(path) => {
                Backend::Sqlite(SqliteStore::open_file(path).await?)
            }
            DatabaseTarget::SqliteMemory => Backend::Sqlite(SqliteStore::open_memory().await?),
            DatabaseTarget::Postgres(url) => Backend::Postgres(PostgresStore::open(url).await?),
        };
        Ok(Self { backend: Arc::new(backend) })
    }

    /// Begins a write transaction.
    ///
    /// On `SQLite` there is one at a time: nothing but this database may be awaited inside it.
    ///
    /// A second one begun while the first is held by the same task waits in vain.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after at most 10 s; [`StoreError::Unavailable`].
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        match &*self.backend {
            Backend::Sqlite(store) => store.writer.begin().await.map(Tx::sqlite),
            Backend::Postgres(store) => store.begin().await.map(Tx::postgres),
        }
    }

    /// Takes a connection that only reads.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Unavailable`] when none is free within 10 s.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        match &*self.backend {
            Backend::Sqlite(store) => store.read().await.map(Reader::sqlite),
            Backend::Postgres(store) => store.read().await.map(Reader::postgres),
        }
    }

    /// Which engine this is.
    pub fn engine(&self) -> Engine {
        match &*self.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// Whether other processes may be using the database too: a server is shared, an embedded file is held by
    /// whoever holds the data dir.
    pub fn is_shared(&self) -> bool {
        match &*self.backend {
            Backend::Sqlite(_) => false,
            Backend::Postgres(_) => true,
        }
    }

    /// How many commits of the engine have succeeded; on `SQLite` fewer than transactions.
    pub fn commits(&self) -> u64 {
        match &*self.backend {
            Backend::Sqlite(store) => store.writer.commits(),
            Backend::Postgres(store) => store.commits(),
        }
    }

    /// Waits for the transactions at work and closes all connections.
    pub async fn close(&self) {
        match &*self.backend {
            Backend::Sqlite(store) => store.close().await,
            Backend::Postgres(store) => store.close().await,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.engine())
    }
}

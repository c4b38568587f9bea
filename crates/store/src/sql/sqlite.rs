//! SQLite: how its connections are opened, and the pool of those that only read.
//!
//! A file is in WAL mode, so readers see the last commit while the writer works. A memory database is
//! a file of the `memdb` VFS: separate connections with real locks, hence the same answers as a file.
//! (Not a shared cache: there a reader fails at once where it meets an uncommitted row.)

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;

use crate::error::StoreError;
use crate::sql::classify;
use crate::sql::group::Writer;

/// How long SQLite itself waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reader waits for a connection of the pool.
const READER_WAIT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
/// More than the statements of this program, so that each is prepared once.
const STATEMENT_CACHE: usize = 512;

/// A SQLite database.
pub(super) struct SqliteStore {
    pub(super) writer: Arc<Writer>,
    readers: SqlitePool,
    /// A memory database vanishes with its last connection.
    keeper: Mutex<Option<SqliteConnection>>,
}

impl SqliteStore {
    pub(super) async fn open_file(path: &Path) -> Result<Self, StoreError> {
        create_private(path).map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        // A relative path with a directory before it can be neither ":memory:" nor a "file:" URI.
        let path = Path::new(".").join(path);
        let options = common(SqliteConnectOptions::new().filename(path));
        Self::open(Opener { options, journal: "wal" }, None).await
    }

    pub(super) async fn open_memory() -> Result<Self, StoreError> {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        // The leading slash lets the connections of this process share the database.
        let name = format!("/symbolon-{}", OPENED.fetch_add(1, Ordering::Relaxed));
        let options =
            SqliteConnectOptions::new().filename(name).vfs("memdb").create_if_missing(true);
        let opener = Opener { options: common(options), journal: "memory" };
        let keeper = opener.open_writer().await?;
        Self::open(opener, Some(keeper)).await
    }

    async fn open(opener: Opener, keeper: Option<SqliteConnection>) -> Result<Self, StoreError> {
        let connection = opener.open_writer().await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READER_WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(opener.options.clone().pragma("query_only", "ON"));
        Ok(Self { writer: Writer::new(connection, opener), readers, keeper: Mutex::new(keeper) })
    }

    pub(super) async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        match self.readers.acquire().await {
            Ok(reader) => Ok(reader),
            Err(sqlx::Error::PoolTimedOut) => Err(StoreError::Busy),
            Err(error) => Err(classify::error(error)),
        }
    }

    pub(super) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
        if let Some(keeper) = self.keeper.lock().await.take() {
            let _ = keeper.close().await;
        }
    }
}

/// Opens the writing connection, at the start and again after a failure.
pub(super) struct Opener {
    options: SqliteConnectOptions,
    journal: &'static str,
}

impl Opener {
    /// # Errors
    /// Refuses a file system on which the settings that durability rests on do not take.
    pub(super) async fn open_writer(&self) -> Result<SqliteConnection, StoreError> {
        let options = self.options.clone().pragma("journal_mode", self.journal);
        let mut connection = options.connect().await.map_err(classify::error)?;
        let journal: String = pragma(&mut connection, "PRAGMA journal_mode").await?;
        let synchronous: i64 = pragma(&mut connection, "PRAGMA synchronous").await?;
        let foreign_keys: i64 = pragma(&mut connection, "PRAGMA foreign_keys").await?;
        // 2 is FULL. https://www.sqlite.org/pragma.html#pragma_synchronous
        if journal != self.journal || synchronous != 2 || foreign_keys != 1 {
            return Err(StoreError::unavailable(
                "the database does not take WAL, synchronous=FULL and foreign_keys=ON: is it on a network file system?",
            ));
        }
        Ok(connection)
    }
}

fn common(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        .statement_cache_capacity(STATEMENT_CACHE)
        .thread_name(|id| format!("symbolon-sqlite-{id}"))
        .disable_statement_logging()
}

async fn pragma<T>(connection: &mut SqliteConnection, sql: &'static str) -> Result<T, StoreError>
where
    T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(classify::error)
}

/// Creates the file for its owner alone. SQLite gives the files beside it the same mode.
fn create_private(path: &Path) -> Result<(), std::io::Error> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

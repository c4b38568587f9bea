//! `SQLite`: how its connections are opened, and the pool of those that only read.
//!
//! Files are in WAL mode: readers see the last commit while the writer works. A memory database must
//! answer alike, and `SQLite`'s own cannot: one connection, or a shared cache, or the `memdb` VFS lets
//! readers wait or fail while a transaction is open. So it is a file in a private directory of the
//! RAM disk, removed with the store; only a killed process leaves it behind.

use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::StoreError;
use crate::sql::classify;
use crate::sql::group::Writer;

/// How long `SQLite` itself waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reader waits for a connection of the pool.
const READER_WAIT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
/// More than the statements of this program, so that each is prepared once.
const STATEMENT_CACHE: usize = 512;
/// Rows that a connection's thread may be ahead of who reads them. With few, the two wake each other up
/// all the time while the live view is filled.
const ROW_BUFFER: usize = 1024;

/// A `SQLite` database.
pub(super) struct SqliteStore {
    pub(super) writer: Arc<Writer>,
    readers: SqlitePool,
    /// Where a memory database lies; removed with the store.
    _directory: Option<RamDirectory>,
}

impl SqliteStore {
    pub(super) async fn open_file(path: &Path) -> Result<Self, StoreError> {
        Self::open(path, None).await
    }

    pub(super) async fn open_memory() -> Result<Self, StoreError> {
        let directory = RamDirectory::create().map_err(unavailable)?;
        let path = directory.path.join("symbolon.db");
        Self::open(&path, Some(directory)).await
    }

    async fn open(path: &Path, directory: Option<RamDirectory>) -> Result<Self, StoreError> {
        create_private(path).map_err(unavailable)?;
        let opener = Opener::new(path);
        let connection = opener.open_writer().await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READER_WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(opener.options.clone().pragma("query_only", "ON"));
        Ok(Self { writer: Writer::new(connection, opener), readers, _directory: directory })
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
    }
}

/// Opens the writing connection, at the start and again after a failure.
pub(super) struct Opener {
    options: SqliteConnectOptions,
}

impl Opener {
    fn new(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            // A relative path with a directory before it is neither ":memory:" nor a "file:" URI.
            .filename(Path::new(".").join(path))
            .busy_timeout(BUSY_TIMEOUT)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .pragma("trusted_schema", "OFF")
            .statement_cache_capacity(STATEMENT_CACHE)
            .row_buffer_size(ROW_BUFFER)
            .thread_name(|id| format!("symbolon-sqlite-{id}"))
            .disable_statement_logging();
        Self { options }
    }

    /// # Errors
    /// Refuses a file system on which the settings that durability rests on do not take.
    pub(super) async fn open_writer(&self) -> Result<SqliteConnection, StoreError> {
        let options = self.options.clone().journal_mode(SqliteJournalMode::Wal);
        let mut connection = options.connect().await.map_err(classify::error)?;
        let journal: String = pragma(&mut connection, "PRAGMA journal_mode").await?;
        let synchronous: i64 = pragma(&mut connection, "PRAGMA synchronous").await?;
        let foreign_keys: i64 = pragma(&mut connection, "PRAGMA foreign_keys").await?;
        // 2 is FULL. https://www.sqlite.org/pragma.html#pragma_synchronous
        if journal != "wal" || synchronous != 2 || foreign_keys != 1 {
            return Err(StoreError::unavailable(
                "the database does not take WAL, synchronous=FULL and foreign_keys=ON: \
                 is it on a network file system?",
            ));
        }
        Ok(connection)
    }
}

/// A directory of this process alone, in memory where the system has such a place.
struct RamDirectory {
    path: PathBuf,
}

impl RamDirectory {
    fn create() -> Result<Self, std::io::Error> {
        static CREATED: AtomicU64 = AtomicU64::new(0);
        let ram = Path::new("/dev/shm");
        let parent = if ram.is_dir() { ram.to_owned() } else { std::env::temp_dir() };
        loop {
            let count = CREATED.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("symbolon-{}-{count}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left by a process of the same number that was killed, or put there by somebody else.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for RamDirectory {
    fn drop(&mut self) {
        // What is left behind is as private as before, and gone with the next start of the machine.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn unavailable(error: std::io::Error) -> StoreError {
    StoreError::Unavailable(Arc::new(error))
}

async fn pragma<T>(connection: &mut SqliteConnection, sql: &'static str) -> Result<T, StoreError>
where
    T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + Send + Unpin,
{
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(classify::error)
}

/// Creates the file for its owner alone. `SQLite` gives the files beside it the same mode.
fn create_private(path: &Path) -> Result<(), std::io::Error> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

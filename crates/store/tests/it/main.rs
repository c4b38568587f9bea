//! The seam, and what stands on it, against `SQLite` in memory, `SQLite` on disk and `PostgreSQL`.
//!
//! `SYMBOLON_TEST_POSTGRES` names a server and a role that may create databases; every test has
//! databases of its own. Without it the tests fail: an engine that is left out is not tested.

mod conformance;
mod seam;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use symbolon_store::sql::{DatabaseTarget, Store};
use tempfile::TempDir;

/// Runs `test` with an empty store of each kind in turn.
pub(crate) async fn for_each_engine(test: impl AsyncFn(Store)) {
    for_each_sqlite(&test).await;
    for_postgres(test).await;
}

/// Runs `test` with an empty `SQLite` store in memory, then with one on disk.
pub(crate) async fn for_each_sqlite(test: impl AsyncFn(Store)) {
    on(&Database::memory(), &test).await;
    on(&Database::file(), test).await;
}

/// Runs `test` with an empty `PostgreSQL` store.
pub(crate) async fn for_postgres(test: impl AsyncFn(Store)) {
    let database = Database::postgres().await;
    on(&database, test).await;
    database.remove().await;
}

/// Runs `test` with each kind of empty database that several stores can open at once.
pub(crate) async fn for_each_shared(test: impl AsyncFn(&DatabaseTarget)) {
    let file = Database::file();
    named(&file, test(&file.target)).await;
    let postgres = Database::postgres().await;
    named(&postgres, test(&postgres.target)).await;
    postgres.remove().await;
}

async fn on(database: &Database, test: impl AsyncFn(Store)) {
    let store = Store::open(&database.target).await.expect("the database opens");
    named(database, test(store.clone())).await;
    store.close().await;
}

/// Says which engine it was when `test` fails.
#[expect(clippy::print_stderr, reason = "shown with the failure of the test")]
async fn named(database: &Database, test: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(test).catch_unwind().await {
        eprintln!("the test failed on {:?}", database.target);
        resume_unwind(panic);
    }
}

/// An empty database; the file goes with it, the one of the server by [`Database::remove`].
struct Database {
    target: DatabaseTarget,
    name: String,
    _directory: Option<TempDir>,
}

impl Database {
    fn memory() -> Self {
        Self { target: DatabaseTarget::SqliteMemory, name: String::new(), _directory: None }
    }

    fn file() -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        Self {
            target: DatabaseTarget::SqliteFile(directory.path().join("symbolon.db")),
            name: String::new(),
            _directory: Some(directory),
        }
    }

    async fn postgres() -> Self {
        static CREATED: AtomicU64 = AtomicU64::new(0);
        let count = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("symbolon_test_{}_{count}", process::id());
        // A process with the same number may have failed before it could clear up.
        administer(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        administer(format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let target = DatabaseTarget::parse(&url_of(&server(), &name)).expect("a PostgreSQL URL");
        Self { target, name, _directory: None }
    }

    async fn remove(self) {
        administer(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

/// Runs a statement of the server's administrator.
async fn administer(sql: String) {
    let mut connection = PgConnection::connect(&server()).await.expect("the server answers");
    let done = raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
    done.expect("the role may create databases");
    connection.close().await.expect("the server closes the connection");
}

#[expect(clippy::disallowed_methods, reason = "the tests have no configuration but this")]
fn server() -> String {
    std::env::var("SYMBOLON_TEST_POSTGRES").expect(
        "SYMBOLON_TEST_POSTGRES must be the postgres:// URL of a role that may create databases; \
         ./check starts a server and sets it",
    )
}

/// The URL of another database of the same server.
fn url_of(server: &str, database: &str) -> String {
    let (address, options) = server.split_once('?').unwrap_or((server, ""));
    let authority = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[authority..].find('/').map_or(address.len(), |path| authority + path);
    format!("{}/{database}?{options}", &address[..end])
}

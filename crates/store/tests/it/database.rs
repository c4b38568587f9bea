//! Empty databases of each kind, for tests. The tests of the use cases take this file in as well.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use symbolon_store::sql::DatabaseTarget;
use tempfile::TempDir;

/// An empty database; the file goes with it, the one of the server by [`Database::remove`].
pub(crate) struct Database {
    pub(crate) target: DatabaseTarget,
    /// On the server; elsewhere it has none.
    pub(crate) name: String,
    _directory: Option<TempDir>,
}

impl Database {
    pub(crate) fn memory() -> Self {
        Self { target: DatabaseTarget::SqliteMemory, name: String::new(), _directory: None }
    }

    pub(crate) fn file() -> Self {
        let directory = TempDir::new().expect("a directory for the test");
        Self {
            target: DatabaseTarget::SqliteFile(directory.path().join("symbolon.db")),
            name: String::new(),
            _directory: Some(directory),
        }
    }

    pub(crate) async fn postgres() -> Self {
        static CREATED: AtomicU64 = AtomicU64::new(0);
        let count = CREATED.fetch_add(1, Ordering::Relaxed);
        let name = format!("symbolon_test_{}_{count}", process::id());
        // A process with the same number may have failed before it could clear up.
        administer(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        administer(format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let target = DatabaseTarget::parse(&url_of(&server(), &name)).expect("a PostgreSQL URL");
        Self { target, name, _directory: None }
    }

    /// Removes it from the server, if it lies there.
    pub(crate) async fn remove(self) {
        if !self.name.is_empty() {
            administer(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        }
    }
}

/// Runs a statement of the server's administrator.
pub(crate) async fn administer(sql: String) {
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

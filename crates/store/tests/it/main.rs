//! The seam, and what stands on it, against `SQLite` in memory, `SQLite` on disk and `PostgreSQL`.
//!
//! `SYMBOLON_TEST_POSTGRES` names a server and a role that may create databases; every test has
//! databases of its own. Without it the tests fail: an engine that is left out is not tested.

mod conformance;
mod database;
mod seam;

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt as _;
use symbolon_store::sql::{DatabaseTarget, Store};

pub(crate) use crate::database::{Database, administer};

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

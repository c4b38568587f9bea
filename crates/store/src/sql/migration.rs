//! What a migration needs of the engine: its own script, and the transaction that queues the nodes.

use crate::error::StoreError;
use crate::migrate::Migration;
use crate::sql::{Engine, Store, Tx};

/// Any number will do that no other program takes in this database: "symbolon" in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8320802056087301998)";

/// A migration may take its time, and a second node waits for the first to finish.
const PATIENCE: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10min'";

/// Begins a write transaction that no other node's migration runs beside.
///
/// `SQLite` has that already: `BEGIN IMMEDIATE`.
pub(crate) async fn begin_migration(store: &Store) -> Result<Tx, StoreError> {
    let mut tx = store.begin().await?;
    if store.engine() == Engine::Postgres {
        tx.run_script(PATIENCE).await?;
        tx.run_script(LOCK).await?;
    }
    Ok(tx)
}

/// The script of `migration` for the store's engine.
pub(crate) fn script_of(store: &Store, migration: &Migration) -> &'static str {
    match store.engine() {
        Engine::Sqlite => migration.sqlite,
        Engine::Postgres => migration.postgres,
    }
}

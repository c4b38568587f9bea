//! The seam itself, on tables of its own.

mod cancellation;
mod group_commit;
mod migrations;
mod postgres;
mod statements;

use symbolon_store::error::StoreError;
use symbolon_store::migrate::{Migration, migrate};
use symbolon_store::sql::{Store, Value};

const TABLES: [Migration; 1] = [Migration {
    number: 1,
    name: "tables of the tests",
    sqlite: "
        CREATE TABLE entry (
            id INTEGER NOT NULL PRIMARY KEY,
            note TEXT,
            digest BLOB,
            CONSTRAINT entry_note_short CHECK (length(note) < 100)
        ) STRICT;
        CREATE UNIQUE INDEX entry_digest ON entry (digest) WHERE digest IS NOT NULL;
        CREATE TABLE part (
            entry_id INTEGER NOT NULL REFERENCES entry (id),
            place TEXT NOT NULL,
            parent INTEGER REFERENCES entry (id) DEFERRABLE INITIALLY DEFERRED,
            UNIQUE (entry_id, place)
        ) STRICT;",
    postgres: "
        CREATE TABLE entry (
            id BIGINT NOT NULL PRIMARY KEY,
            note TEXT,
            digest BYTEA,
            CONSTRAINT entry_note_short CHECK (length(note) < 100)
        );
        CREATE UNIQUE INDEX entry_digest ON entry (digest) WHERE digest IS NOT NULL;
        CREATE TABLE part (
            entry_id BIGINT NOT NULL REFERENCES entry (id),
            place TEXT NOT NULL,
            parent BIGINT REFERENCES entry (id) DEFERRABLE INITIALLY DEFERRED,
            UNIQUE (entry_id, place)
        );",
}];

const INSERT: &str = "INSERT INTO entry (id, note, digest) VALUES ($1, $2, $3)";
const INSERT_PART: &str = "INSERT INTO part (entry_id, place, parent) VALUES ($1, $2, $3)";
const IDS: &str = "SELECT id FROM entry ORDER BY id";

async fn create_tables(store: &Store) {
    migrate(store, &TABLES, 0).await.expect("the tables are created");
}

/// Arguments of [`INSERT`] for an entry with nothing but its id.
fn bare(id: i64) -> [Value; 3] {
    [id.into(), Value::Text(None), Value::Blob(None)]
}

/// Writes one entry in a transaction of its own.
async fn insert(store: &Store, id: i64) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.execute_one(INSERT, &bare(id)).await?;
    tx.commit().await
}

/// The ids that are committed.
async fn ids(store: &Store) -> Vec<i64> {
    let mut reader = store.read().await.expect("a reader is free");
    let rows = reader.fetch_all(IDS, &[]).await.expect("the table is read");
    rows.iter().map(|row| row.int(0).expect("an id")).collect()
}

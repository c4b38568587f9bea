//! The schema's history. Forward only; what has been released is never edited, only followed.

use symbolon_core::Timestamp;

use crate::migrate::{MigrateError, Migration, migrate};
use crate::sql::Store;

/// Every migration, oldest first. The DDL alone is written twice; a test compares both schemas.
pub const ALL: &[Migration] = &[Migration {
    number: 1,
    name: "house",
    sqlite: include_str!("../migrations/sqlite/0001_house.sql"),
    postgres: include_str!("../migrations/postgres/0001_house.sql"),
}];

/// Brings the database up to this binary's schema; tells the numbers of the migrations applied.
///
/// # Errors
/// A migration that fails, was edited since, or is of a newer binary.
pub async fn migrate_all(store: &Store, now: Timestamp) -> Result<Vec<i64>, MigrateError> {
    migrate(store, ALL, now.unix_ms()).await
}

//! Migrations: forward only, numbered, each in one transaction with the row that says it ran.
//!
//! Every step re-reads that table under the lock it works in, so nodes that start at once apply each
//! migration once. A script that changed after it was applied, a gap, and a database that is newer
//! than this program are errors: nothing is guessed and nothing is undone.

use crate::error::StoreError;
use crate::sql::{Store, Tx, Value, begin_migration, script_of};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its place; ascending, never given twice.
    pub number: i64,
    /// What it does, for reports.
    pub name: &'static str,
    /// The script for `SQLite`.
    pub sqlite: &'static str,
    /// The script for `PostgreSQL`.
    pub postgres: &'static str,
}

/// Why the schema is not what this program needs.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A mistake in the program's own list.
    #[error("migration {number} does not follow the one before it")]
    Disordered {
        /// The one out of order.
        number: i64,
    },
    /// The database has been migrated by a later release.
    #[error(
        "the database is newer than this program: it has migration {found}, the program knows {known}"
    )]
    NewerDatabase {
        /// The highest applied.
        found: i64,
        /// The highest that this program knows.
        known: i64,
    },
    /// The database holds a migration that is not in the list, or lacks one below its highest.
    #[error("migration {number} and the ones applied to the database do not match")]
    Mismatched {
        /// The first that does not match.
        number: i64,
    },
    /// The text of an applied migration has changed since.
    #[error("migration {number} was changed after it had been applied")]
    Changed {
        /// Which.
        number: i64,
    },
    /// The table of applied migrations could not be read or written.
    #[error("could not read or write the table of migrations")]
    Table(#[source] StoreError),
    /// A script failed; nothing of it was kept.
    #[error("migration {number} failed")]
    Script {
        /// Which.
        number: i64,
        /// Why.
        #[source]
        source: StoreError,
    },
}

const CREATE_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS schema_migration (
        number BIGINT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at BIGINT NOT NULL
    )";
const APPLIED: &str = "SELECT number, checksum FROM schema_migration ORDER BY number";
const RECORD: &str = "
    INSERT INTO schema_migration (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";

/// Applies what is missing, in order, and returns the numbers of what this call applied.
///
/// # Errors
/// [`MigrateError`]; the migrations before the failed one stay applied.
pub async fn migrate(
    store: &Store,
    migrations: &[Migration],
    now_ms: i64,
) -> Result<Vec<i64>, MigrateError> {
    check_order(migrations)?;
    let mut applied = Vec::new();
    while let Some(number) = apply_next(store, migrations, now_ms).await? {
        applied.push(number);
    }
    Ok(applied)
}

async fn apply_next(
    store: &Store,
    migrations: &[Migration],
    now_ms: i64,
) -> Result<Option<i64>, MigrateError> {
    let mut tx = begin_migration(store).await.map_err(MigrateError::Table)?;
    let done = applied(&mut tx).await.map_err(MigrateError::Table)?;
    let Some(next) = next_of(store, migrations, &done)? else {
        return Ok(None);
    };
    let script = script_of(store, next);
    let number = next.number;
    let failed = |source| MigrateError::Script { number, source };
    tx.run_script(script).await.map_err(failed)?;
    let row: [Value; 4] = [number.into(), next.name.into(), checksum(script).into(), now_ms.into()];
    tx.execute_one(RECORD, &row).await.map_err(MigrateError::Table)?;
    tx.commit().await.map_err(failed)?;
    Ok(Some(number))
}

async fn applied(tx: &mut Tx) -> Result<Vec<(i64, String)>, StoreError> {
    tx.run_script(CREATE_TABLE).await?;
    let rows = tx.fetch_all(APPLIED, &[]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?))).collect()
}

/// Compares the applied rows with the list, both ascending, and finds the first migration that is missing.
fn next_of<'a>(
    store: &Store,
    migrations: &'a [Migration],
    applied: &[(i64, String)],
) -> Result<Option<&'a Migration>, MigrateError> {
    let known = migrations.last().map_or(0, |last| last.number);
    if let Some((found, _)) = applied.last().filter(|(found, _)| *found > known) {
        return Err(MigrateError::NewerDatabase { found: *found, known });
    }
    for (position, (number, sum)) in applied.iter().enumerate() {
        let migration = migrations.get(position).filter(|known| known.number == *number);
        let Some(migration) = migration else {
            return Err(MigrateError::Mismatched { number: *number });
        };
        if checksum(script_of(store, migration)) != *sum {
            return Err(MigrateError::Changed { number: *number });
        }
    }
    Ok(migrations.get(applied.len()))
}

fn check_order(migrations: &[Migration]) -> Result<(), MigrateError> {
    let mut before = 0;
    for migration in migrations {
        let number = migration.number;
        if number <= before {
            return Err(MigrateError::Disordered { number });
        }
        before = number;
    }
    Ok(())
}

/// CRC-32 (IEEE 802.3) in hexadecimal: it guards against an accident, not against an attacker.
fn checksum(script: &str) -> String {
    format!("{:08x}", crc32fast::hash(script.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(checksum("123456789"), "cbf43926");
    }
}

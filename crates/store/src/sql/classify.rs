//! From driver errors to [`StoreError`]: the one place that knows codes.
//!
//! `SQLite`: <https://www.sqlite.org/rescode.html>. `PostgreSQL`:
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::error::StoreError;

/// What a failed call means for its caller.
pub(super) fn error(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(inner) = &error else {
        return outside_of_sql(error);
    };
    if let Some(inner) = inner.try_downcast_ref::<PgDatabaseError>() {
        let constraint = inner.constraint().map(str::to_owned);
        return postgres(inner).into_error(error, constraint);
    }
    let sort = inner.try_downcast_ref::<SqliteError>().map_or(Sort::Statement, sqlite);
    sort.into_error(error, None)
}

/// What a failed `COMMIT` means. Only an answer from a server that lives says that nothing was kept.
pub(super) fn commit_error(error: sqlx::Error) -> StoreError {
    let told = error.as_database_error().and_then(DatabaseError::code);
    // 57P01 and its kin end the session, perhaps while it waited for the standby after its own flush.
    let settled = told.is_some_and(|code| !code.starts_with("57P") && !code.starts_with("08"));
    if settled { self::error(error) } else { StoreError::Unknown(Arc::new(error)) }
}

/// Table and columns of a failed unique key of `SQLite`, and whether it is the primary key.
///
/// `SQLite` names the columns, or the index if that is over expressions, but no constraint.
pub(super) struct SqliteUnique {
    pub(super) failed: String,
    pub(super) primary: bool,
}

impl SqliteUnique {
    pub(super) fn of(error: &sqlx::Error) -> Option<Self> {
        let error = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
        let code = sqlite_code(error);
        if !is_sqlite_unique(code) {
            return None;
        }
        let failed = error.message().strip_prefix("UNIQUE constraint failed: ")?.to_owned();
        Some(Self { failed, primary: code != 2067 })
    }
}

#[derive(Clone, Copy)]
enum Sort {
    Conflict,
    Integrity,
    Busy,
    Unavailable,
    Statement,
}

impl Sort {
    fn into_error(self, error: sqlx::Error, constraint: Option<String>) -> StoreError {
        match self {
            Self::Conflict => StoreError::Conflict { constraint },
            Self::Integrity => StoreError::Integrity { constraint },
            Self::Busy => StoreError::Busy,
            Self::Unavailable => StoreError::Unavailable(Arc::new(error)),
            Self::Statement => StoreError::Statement(Arc::new(error)),
        }
    }
}

fn outside_of_sql(error: sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    let statement = matches!(
        error,
        E::InvalidArgument(_)
            | E::RowNotFound
            | E::TypeNotFound { .. }
            | E::ColumnIndexOutOfBounds { .. }
            | E::ColumnNotFound(_)
            | E::ColumnDecode { .. }
            | E::Encode(_)
            | E::Decode(_)
    );
    let sort = if statement { Sort::Statement } else { Sort::Unavailable };
    sort.into_error(error, None)
}

fn sqlite(error: &SqliteError) -> Sort {
    let code = sqlite_code(error);
    if is_sqlite_unique(code) {
        return Sort::Conflict;
    }
    // The low byte is the primary code.
    match code & 0xff {
        // BUSY, LOCKED.
        5 | 6 => Sort::Busy,
        // CONSTRAINT.
        19 => Sort::Integrity,
        // ERROR, ABORT, TOOBIG, MISMATCH, MISUSE, RANGE: the statement, not the store.
        1 | 4 | 18 | 20 | 21 | 25 => Sort::Statement,
        // FULL, IOERR, READONLY, CANTOPEN, CORRUPT, NOMEM and whatever else may come.
        _ => Sort::Unavailable,
    }
}

fn sqlite_code(error: &SqliteError) -> u32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or(1)
}

/// `CONSTRAINT_PRIMARYKEY`, `CONSTRAINT_UNIQUE`, `CONSTRAINT_ROWID`.
fn is_sqlite_unique(code: u32) -> bool {
    matches!(code, 1555 | 2067 | 2579)
}

fn postgres(error: &PgDatabaseError) -> Sort {
    let code = error.code();
    match code {
        "23505" => return Sort::Conflict,
        // Serialization failure, deadlock, lock timeout, statement timeout.
        "40001" | "40P01" | "55P03" | "57014" => return Sort::Busy,
        // A write on a read-only server, and the session ended for idling in a transaction.
        "25006" | "25P03" => return Sort::Unavailable,
        _ => {}
    }
    match code.get(..2) {
        Some("23") => Sort::Integrity,
        // Connection, authorisation, catalog name, resources, operator, system, corruption.
        Some("08" | "28" | "3D" | "53" | "57" | "58" | "XX") => Sort::Unavailable,
        _ => Sort::Statement,
    }
}

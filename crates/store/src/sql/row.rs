//! What a statement answers. Columns are read by position, as the statement enumerates them.

use std::fmt;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::error::StoreError;

/// One row of an answer.
pub struct Row(pub(super) Driver);

pub(super) enum Driver {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row(..)")
    }
}

/// Reads a column as `$kind`; anything else than that kind or `NULL` is corrupt.
macro_rules! read {
    ($self:ident, $column:ident, $kind:ty) => {
        match &$self.0 {
            Driver::Sqlite(row) => row.try_get::<Option<$kind>, _>($column),
            Driver::Postgres(row) => row.try_get::<Option<$kind>, _>($column),
        }
        .map_err(|_| $self.corrupt($column))
    };
}

impl Row {
    /// The integer in `column`, counted from 0.
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.optional_int(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// The integer in `column`, or `None` for `NULL`.
    pub fn optional_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        if let Driver::Postgres(row) = &self.0
            && is_int4(row, column)
        {
            // A literal or a cast; our columns are BIGINT without exception.
            let narrow = row.try_get::<Option<i32>, _>(column);
            return narrow.map(|narrow| narrow.map(i64::from)).map_err(|_| self.corrupt(column));
        }
        read!(self, column, i64)
    }

    /// The text in `column`.
    pub fn text(&self, column: usize) -> Result<String, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// The text in `column`, or `None` for `NULL`.
    pub fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        read!(self, column, String)
    }

    /// The bytes in `column`.
    pub fn blob(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        self.optional_blob(column)?.ok_or_else(|| self.corrupt(column))
    }

    /// The bytes in `column`, or `None` for `NULL`.
    pub fn optional_blob(&self, column: usize) -> Result<Option<Vec<u8>>, StoreError> {
        read!(self, column, Vec<u8>)
    }

    fn corrupt(&self, column: usize) -> StoreError {
        let name = match &self.0 {
            Driver::Sqlite(row) => row.columns().get(column).map(|column| column.name().to_owned()),
            Driver::Postgres(row) => {
                row.columns().get(column).map(|column| column.name().to_owned())
            }
        };
        StoreError::corrupt("result", name.unwrap_or_else(|| format!("column {column}")), "?")
    }
}

fn is_int4(row: &PgRow, column: usize) -> bool {
    row.try_get_raw(column).is_ok_and(|value| value.type_info().name() == "INT4")
}

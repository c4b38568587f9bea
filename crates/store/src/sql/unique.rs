//! The name of a violated unique key of `SQLite`.
//!
//! `PostgreSQL` names the index; `SQLite` lists the columns. Callers want one name on both engines, so the
//! index is looked up by its columns, and keys without a `CREATE UNIQUE INDEX` are called as
//! `PostgreSQL` would call them: `TABLE_pkey` and `TABLE_COLUMN_COLUMN_key`.

use sqlx::sqlite::SqliteConnection;

use crate::error::StoreError;
use crate::sql::classify::{self, SqliteUnique};

const NAMED_INDEX: &str = "
    SELECT l.name FROM pragma_index_list($1) AS l
    WHERE l.\"unique\" = 1 AND l.origin = 'c'
      AND (SELECT group_concat(i.name, ',') FROM pragma_index_info(l.name) AS i) = $2
    ORDER BY l.name LIMIT 1";

/// What a failed statement means, with the name of the key if it was a unique one.
pub(super) async fn sqlite_error(
    connection: &mut SqliteConnection,
    error: sqlx::Error,
) -> StoreError {
    let Some(unique) = SqliteUnique::of(&error) else {
        return classify::error(error);
    };
    StoreError::Conflict { constraint: Some(name_of(connection, &unique).await) }
}

async fn name_of(connection: &mut SqliteConnection, unique: &SqliteUnique) -> String {
    // An index over expressions is named: `index 'user_login'`.
    if let Some(name) = unique.failed.strip_prefix("index '") {
        return name.trim_end_matches('\'').to_owned();
    }
    let columns: Vec<&str> =
        unique.failed.split(", ").filter_map(|column| Some(column.split_once('.')?.1)).collect();
    let table = unique.failed.split_once('.').map_or("", |(table, _)| table);
    if unique.primary {
        return format!("{table}_pkey");
    }
    let named: Result<Option<String>, sqlx::Error> = sqlx::query_scalar(NAMED_INDEX)
        .bind(table)
        .bind(columns.join(","))
        .fetch_optional(connection)
        .await;
    match named {
        Ok(Some(name)) => name,
        Ok(None) | Err(_) => format!("{table}_{}_key", columns.join("_")),
    }
}

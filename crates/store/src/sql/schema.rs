//! The shape of the schema, read back from the engine, so that a test can compare both.

use crate::error::StoreError;
use crate::sql::{Engine, Store};

/// One column as both engines would describe it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Its table.
    pub table: String,
    /// Its name.
    pub column: String,
    /// `int`, `text`, `blob`, or the engine's own word for anything else.
    pub kind: String,
    /// Whether it admits `NULL`.
    pub nullable: bool,
}

// A primary key of a STRICT table admits no NULL, though SQLite does not say so.
const SQLITE: &str = r#"
    SELECT m.name, c.name, lower(c.type),
           CASE WHEN c."notnull" = 0 AND c.pk = 0 THEN 1 ELSE 0 END
    FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~'
    ORDER BY m.name, c.name"#;

const POSTGRES: &str = r#"
    SELECT table_name::text, column_name::text, data_type::text,
           CASE WHEN is_nullable = 'YES' THEN 1 ELSE 0 END::bigint
    FROM information_schema.columns
    WHERE table_schema = current_schema()
    ORDER BY table_name::text COLLATE "C", column_name::text COLLATE "C""#;

/// The columns of all tables, by table and column.
pub async fn columns(store: &Store) -> Result<Vec<Column>, StoreError> {
    let sql = match store.engine() {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    };
    let rows = store.read().await?.fetch_all(sql, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Column {
                table: row.text(0)?,
                column: row.text(1)?,
                kind: kind_of(row.text(2)?),
                nullable: row.int(3)? == 1,
            })
        })
        .collect()
}

fn kind_of(declared: String) -> String {
    match declared.as_str() {
        "integer" | "bigint" | "int" => "int".to_owned(),
        "bytea" => "blob".to_owned(),
        _ => declared,
    }
}

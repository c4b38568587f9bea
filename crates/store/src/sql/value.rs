//! What a statement is given: integers, text, bytes, and the absence of each.
//!
//! `NULL` is typed. A `PostgreSQL` server settles the type of `$n` from what is bound, and a statement
//! keeps it for all later runs, so the caller must say *which* kind is missing.

use std::fmt;

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use crate::error::StoreError;

/// One argument of a statement.
///
/// # Security
/// `Debug` prints integers, but neither text nor bytes: digests, nonces and addresses pass here.
#[derive(Clone)]
pub enum Value {
    /// `BIGINT`; instants are milliseconds since the Unix epoch.
    Int(Option<i64>),
    /// `TEXT`.
    Text(Option<String>),
    /// `BLOB` or `BYTEA`.
    Blob(Option<Vec<u8>>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(Some(number)) => write!(f, "Int({number})"),
            Self::Text(Some(_)) => f.write_str("Text(..)"),
            Self::Blob(Some(_)) => f.write_str("Blob(..)"),
            Self::Int(None) | Self::Text(None) | Self::Blob(None) => f.write_str("Null"),
        }
    }
}

macro_rules! value_from {
    ($($variant:ident: $($kind:ty),+;)+) => {$($(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::$variant(Some(value.into()))
            }
        }

        impl From<Option<$kind>> for Value {
            fn from(value: Option<$kind>) -> Self {
                Self::$variant(value.map(Into::into))
            }
        }
    )+)+};
}

value_from! {
    Int: i64, u32;
    Text: &str, String, &String;
    Blob: Vec<u8>, &[u8];
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}

impl<const N: usize> From<Option<[u8; N]>> for Value {
    fn from(value: Option<[u8; N]>) -> Self {
        Self::Blob(value.map(|bytes| bytes.to_vec()))
    }
}

/// Checks that `args` fills every `$n` of `sql`.
///
/// The `SQLite` driver takes a missing argument for `NULL` and ignores one too many: a forgotten
/// argument would write an empty column instead of failing.
pub(super) fn check_arity(sql: &str, args: &[Value]) -> Result<(), StoreError> {
    let expected = highest_placeholder(sql);
    if expected == args.len() {
        return Ok(());
    }
    Err(StoreError::Arguments { expected, found: args.len() })
}

/// The highest `$n` outside of quotes; 0 if there is none.
fn highest_placeholder(sql: &str) -> usize {
    let mut highest = 0;
    for (position, outside) in sql.split(['\'', '"']).enumerate() {
        if position % 2 == 1 {
            continue;
        }
        for after in outside.split('$').skip(1) {
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            highest = after[..digits].parse().map_or(highest, |n: usize| highest.max(n));
        }
    }
    highest
}

pub(super) fn sqlite_arguments(args: &[Value]) -> Result<SqliteArguments, sqlx::Error> {
    let mut bound = SqliteArguments::default();
    for arg in args {
        match arg {
            Value::Int(value) => bound.add(*value),
            Value::Text(value) => bound.add(value.as_deref()),
            Value::Blob(value) => bound.add(value.as_deref()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(bound)
}

pub(super) fn postgres_arguments(args: &[Value]) -> Result<PgArguments, sqlx::Error> {
    let mut bound = PgArguments::default();
    for arg in args {
        match arg {
            Value::Int(value) => bound.add(*value),
            Value::Text(value) => bound.add(value.as_deref()),
            Value::Blob(value) => bound.add(value.as_deref()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_placeholder_is_found_outside_of_quotes() {
        for (sql, highest) in [
            ("SELECT 1", 0),
            ("SELECT $1, $2", 2),
            ("SELECT $2 WHERE x = $10 AND y=$1", 10),
            ("SELECT '$7', \"$8\", $1", 1),
            ("SELECT 'it''s $9' || $2", 2),
        ] {
            assert_eq!(highest_placeholder(sql), highest, "{sql}");
        }
    }

    #[test]
    fn text_and_bytes_are_not_printed() {
        let printed =
            format!("{:?}", [Value::from("secret"), Value::from([7_u8; 4]), Value::from(5_i64)]);

        assert_eq!(printed, "[Text(..), Blob(..), Int(5)]");
    }
}

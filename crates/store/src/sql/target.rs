//! Where the data lives: the one line of configuration that chooses an engine.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The address of a database.
#[derive(Debug, Clone)]
pub enum DatabaseTarget {
    /// A `SQLite` file, created if it is missing.
    SqliteFile(PathBuf),
    /// A `SQLite` database that lives as long as its [`Store`](super::Store).
    SqliteMemory,
    /// A `PostgreSQL` database.
    Postgres(PostgresUrl),
}

/// Address, name and password of a `PostgreSQL` database.
///
/// # Security
/// Holds the password; `Debug` prints the type name alone.
#[derive(Clone)]
pub struct PostgresUrl(Box<PgConnectOptions>);

impl PostgresUrl {
    pub(super) fn reveal_options(&self) -> &PgConnectOptions {
        &self.0
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl(..)")
    }
}

/// Why a text is no database address. Never repeats the text: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// None of the known schemes.
    #[error("a database address starts with `sqlite:` or `postgres://`")]
    Scheme,
    /// `sqlite:` without a path.
    #[error("a path must follow `sqlite:`")]
    EmptyPath,
    /// `sqlite:` with a `?`: the seam chooses every setting itself.
    #[error("a SQLite address takes no options after `?`")]
    Options,
    /// Not a URL, or one with an unknown `sslmode` and the like.
    #[error("not a valid PostgreSQL URL")]
    PostgresUrl,
}

impl DatabaseTarget {
    /// Parses `sqlite:PATH`, `sqlite::memory:` and `postgres://…` or `postgresql://…`.
    ///
    /// `sqlite://relative` and `sqlite:///absolute` mean what they mean elsewhere.
    ///
    /// # Errors
    /// [`TargetError`], without the text.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return parse_sqlite(path);
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(TargetError::Scheme);
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| TargetError::PostgresUrl)?;
        Ok(Self::Postgres(PostgresUrl(Box::new(options))))
    }
}

fn parse_sqlite(path: &str) -> Result<DatabaseTarget, TargetError> {
    if path == ":memory:" {
        return Ok(DatabaseTarget::SqliteMemory);
    }
    if path.contains('?') {
        return Err(TargetError::Options);
    }
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(TargetError::EmptyPath);
    }
    Ok(DatabaseTarget::SqliteFile(PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_address_is_a_path() {
        for (text, path) in [
            ("sqlite:symbolon.db", "symbolon.db"),
            ("sqlite://symbolon.db", "symbolon.db"),
            ("sqlite:/var/lib/symbolon.db", "/var/lib/symbolon.db"),
            ("sqlite:///var/lib/symbolon.db", "/var/lib/symbolon.db"),
        ] {
            let target = DatabaseTarget::parse(text).unwrap();

            assert!(
                matches!(&target, DatabaseTarget::SqliteFile(found) if found == path),
                "{text} became {target:?}"
            );
        }
    }

    #[test]
    fn a_postgres_address_does_not_print_its_password() {
        let target =
            DatabaseTarget::parse("postgres://symbolon:hunter2@db.example/symbolon").unwrap();

        assert_eq!(format!("{target:?}"), "Postgres(PostgresUrl(..))");
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, error) in [
            ("mysql://x", TargetError::Scheme),
            ("sqlite:", TargetError::EmptyPath),
            ("sqlite://", TargetError::EmptyPath),
            ("sqlite:x.db?mode=ro", TargetError::Options),
            ("postgres://x:y", TargetError::PostgresUrl),
        ] {
            assert_eq!(DatabaseTarget::parse(text).unwrap_err(), error, "{text}");
        }
    }
}

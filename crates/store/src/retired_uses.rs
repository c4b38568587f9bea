//! Who still uses a retired token, from where, and when its owner was last warned.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Tx};

const NOTE: &str = "
    INSERT INTO retired_use (token_id, source, client, first_at, last_at, times)
    VALUES ($1, $2, $3, $4, $4, 1)
    ON CONFLICT (token_id, source, client)
    DO UPDATE SET last_at = $4, times = retired_use.times + 1";
const NOTE_AGAIN: &str = "
    UPDATE retired_use SET last_at = $4, times = times + 1
    WHERE token_id = $1 AND source = $2 AND client = $3";
const COUNT: &str = "SELECT COUNT(*) FROM retired_use WHERE token_id = $1";
const LAST_WARNING: &str = "
    SELECT MAX(warned_at) FROM retired_use
    WHERE source = $2 AND token_id IN (SELECT id FROM token WHERE user_id =
        (SELECT user_id FROM token WHERE id = $1))";
const WARNINGS_SINCE: &str = "
    SELECT COUNT(*) FROM retired_use
    WHERE warned_at > $2 AND token_id IN (SELECT id FROM token WHERE user_id = $1)";
const NOTE_WARNING: &str = "
    UPDATE retired_use SET warned_at = $4 WHERE token_id = $1 AND source = $2 AND client = $3";
const OF_TOKEN: &str = "
    SELECT client, source, first_at, last_at, times, CAST(NULL AS TEXT) FROM retired_use
    WHERE token_id = $1 ORDER BY last_at DESC, client, source LIMIT $2";

/// A client that used a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseRow {
    /// What it says it is.
    pub client: String,
    /// From where.
    pub source: String,
    /// When first.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often.
    pub times: i64,
    /// The head that was asked, where that is known of all the uses.
    pub head: Option<String>,
}

/// Notes one more use of a retired token.
pub async fn note(
    tx: &mut Tx,
    token: Id<Token>,
    source: &str,
    client: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(NOTE, args![token, source, client, now]).await
}

/// The same, unless it would be one of more than `at_most` pairs of client and address: whoever has the token
/// can name as many as he likes.
pub async fn note_among(
    tx: &mut Tx,
    token: Id<Token>,
    (source, client): (&str, &str),
    at_most: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let known = tx.execute_at_most_one(NOTE_AGAIN, args![token, source, client, now]).await?;
    if !known && tx.fetch_one(COUNT, args![token]).await?.int(0)? < at_most {
        note(tx, token, source, client, now).await?;
    }
    Ok(())
}

/// When the owner of `token` was last warned of a retired token used from `source`.
pub async fn last_warning(
    conn: &mut Conn,
    token: Id<Token>,
    source: &str,
) -> Result<Option<Timestamp>, StoreError> {
    conn.fetch_one(LAST_WARNING, args![token, source]).await?.optional_at(0)
}

/// How often a user was warned of retired tokens after `since`.
pub async fn warnings_since(
    conn: &mut Conn,
    user: Id<User>,
    since: Timestamp,
) -> Result<i64, StoreError> {
    conn.fetch_one(WARNINGS_SINCE, args![user, since]).await?.int(0)
}

/// Notes that the owner is being warned.
pub async fn note_warning(
    tx: &mut Tx,
    token: Id<Token>,
    source: &str,
    client: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(NOTE_WARNING, args![token, source, client, now]).await
}

/// Who used this token after it was retired, latest first.
pub async fn of_token(
    conn: &mut Conn,
    token: Id<Token>,
    limit: i64,
) -> Result<Vec<UseRow>, StoreError> {
    let rows = conn.fetch_all(OF_TOKEN, args![token, limit]).await?;
    rows.iter().map(read_use).collect()
}

/// Reads client, source, first and last use, count and head from the first six columns.
pub(crate) fn read_use(row: &crate::sql::Row) -> Result<UseRow, StoreError> {
    Ok(UseRow {
        client: row.text(0)?,
        source: row.text(1)?,
        first_at: row.at(2)?,
        last_at: row.at(3)?,
        times: row.int(4)?,
        head: row.optional_text(5)?,
    })
}

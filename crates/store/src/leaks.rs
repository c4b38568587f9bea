//! Sightings of tokens where others can read them.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Leak, Token, User};
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::names::Source;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::rows::rows;
use crate::sql::{Conn, Row, Tx};

/// Sightings of one token that are kept: whoever holds it can report it anywhere and for ever.
pub const MOST_OF_TOKEN: i64 = 50;
/// Of these, how many whoever has proved who he is finds free, whatever others have reported before.
pub const KEPT_FREE: i64 = 5;

const INSERT_NEWS: &str = "
    INSERT INTO leak (id, token_id, found_at, reporter, source, at)
    SELECT $1, $2, $3, $4, $5, $6
    WHERE (SELECT COUNT(*) FROM leak WHERE token_id = $2) < $7
    ON CONFLICT (token_id, found_at) DO NOTHING";
const NEWS: &str = "
    SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1))
    WHERE NOT EXISTS (SELECT 1 FROM leak
                      WHERE token_id = CAST(value ->> 1 AS BIGINT) AND found_at = value ->> 2)
      AND (SELECT COUNT(*) FROM leak WHERE token_id = CAST(value ->> 1 AS BIGINT)) < $2
    ORDER BY 1";
const OF_TOKEN: &str = "
    SELECT token_id, found_at, reporter, at FROM leak WHERE token_id = $1 ORDER BY at, id LIMIT $2";
const OF_USER: &str = "
    SELECT leak.token_id, leak.found_at, leak.reporter, leak.at
    FROM leak JOIN token ON token.id = leak.token_id
    WHERE token.user_id = $1 ORDER BY leak.at DESC, leak.id DESC LIMIT $2";

/// A sighting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakRow {
    /// Of which token.
    pub token: Id<Token>,
    /// Where it was seen.
    pub seen: Sighting,
    /// Who reported it.
    pub reporter: Reporter,
    /// When it was reported.
    pub at: Timestamp,
}

/// Notes a sighting; `false` if it is known, or if so many of the token are that one more says nothing.
pub async fn insert_news(
    tx: &mut Tx,
    id: Id<Leak>,
    leak: &LeakRow,
    source: Source,
) -> Result<bool, StoreError> {
    let LeakRow { token, seen, reporter, at } = leak;
    let most = most_by(*reporter);
    let args = args![id, *token, seen.as_str(), reporter.word(), source, *at, most];
    tx.execute_at_most_one(INSERT_NEWS, args).await
}

/// So many sightings of a token there may be, for one more by `reporter` to be noted.
fn most_by(reporter: Reporter) -> i64 {
    match reporter {
        Reporter::Anyone => MOST_OF_TOKEN - KEPT_FREE,
        Reporter::GitHub => MOST_OF_TOKEN,
    }
}

/// The positions of those sightings that [`insert_news`] would note of this reporter, in their order.
pub async fn news(
    conn: &mut Conn,
    sightings: &[(Id<Token>, &Sighting)],
    reporter: Reporter,
) -> Result<Vec<usize>, StoreError> {
    let numbered = (0_i64..).zip(sightings);
    let numbered = numbered
        .map(|(number, (token, seen))| [number.into(), (*token).into(), seen.as_str().into()]);
    let found = conn.fetch_all(NEWS, &[rows(numbered), most_by(reporter).into()]).await?;
    let position = |row: &Row| {
        let number = row.int(0)?;
        usize::try_from(number).map_err(|_| StoreError::corrupt("leak", "number", number))
    };
    found.iter().map(position).collect()
}

/// The sightings of a token, the first ones first.
pub async fn of_token(conn: &mut Conn, token: Id<Token>) -> Result<Vec<LeakRow>, StoreError> {
    let rows = conn.fetch_all(OF_TOKEN, args![token, MOST_OF_TOKEN]).await?;
    rows.iter().map(read).collect()
}

/// The latest sightings of a user's tokens, the first of them first.
pub async fn of_user(
    conn: &mut Conn,
    user: Id<User>,
    limit: i64,
) -> Result<Vec<LeakRow>, StoreError> {
    let latest = conn.fetch_all(OF_USER, args![user, limit]).await?;
    latest.iter().rev().map(read).collect()
}

fn read(row: &Row) -> Result<LeakRow, StoreError> {
    Ok(LeakRow {
        token: row.id(0)?,
        seen: Sighting::sanitised(&row.text(1)?),
        reporter: row.parsed(2, "reporter", Reporter::from_word)?,
        at: row.at(3)?,
    })
}

//! The login history, with the steps by which each refusal was decided.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Login, Token, User};
use symbolon_core::names::Source;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::retired_uses::{UseRow, read_use};
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO login (id, at, user_id, username, head, client, source, outcome, reason,
                       correlation_id, token_id, chain, network)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const OF_NETWORK_SINCE: &str = "SELECT COUNT(*) FROM login WHERE network = $1 AND at > $2";
const FORGET: &str = "DELETE FROM login WHERE at < $1";
const USES_OF_TOKEN: &str = "
    SELECT client, source, MIN(at), MAX(at), COUNT(*), head FROM login
    WHERE user_id = $1 AND at >= $3 AND token_id = $2 AND outcome = 'admitted'
    GROUP BY client, source, head ORDER BY MAX(at) DESC, client, source, head LIMIT $4";

const LIST: &str = "
    SELECT id, at, user_id, username, head, client, source, outcome, reason, correlation_id
    FROM login WHERE at < $1 OR (at = $1 AND id < $2)
    ORDER BY at DESC, id DESC LIMIT $3";
const OF_USER: &str = "
    SELECT id, at, user_id, username, head, client, source, outcome, reason, correlation_id
    FROM login WHERE user_id = $4 AND (at < $1 OR (at = $1 AND id < $2))
    ORDER BY at DESC, id DESC LIMIT $3";
const BY_CORRELATION: &str = "
    SELECT id, at, user_id, username, head, client, source, outcome, reason, correlation_id, chain
    FROM login WHERE correlation_id = $1 ORDER BY at DESC, id DESC LIMIT 1";

/// An entry of the history.
#[derive(Debug, Clone)]
pub struct LoginRow {
    /// Identifier.
    pub id: Id<Login>,
    /// When.
    pub at: Timestamp,
    /// Who, if there is such a user.
    pub user: Option<Id<User>>,
    /// The name as it was given.
    pub username: String,
    /// By which protocol.
    pub head: String,
    /// What the client says it is.
    pub client: String,
    /// From where.
    pub source: String,
    /// `admitted` or `refused`.
    pub outcome: String,
    /// Why, in words for the owner.
    pub reason: String,
    /// What the client was told instead.
    pub correlation_id: String,
}

/// Writes an entry without its steps; `token` is the one presented, if it is known.
pub async fn insert(
    tx: &mut Tx,
    login: &LoginRow,
    token: Option<Id<Token>>,
) -> Result<(), StoreError> {
    insert_with_chain(tx, login, token, "").await
}

/// Writes an entry with the steps by which it was decided, as a text that means nothing here.
pub async fn insert_with_chain(
    tx: &mut Tx,
    login: &LoginRow,
    token: Option<Id<Token>>,
    chain: &str,
) -> Result<(), StoreError> {
    let args = args![
        login.id,
        login.at,
        login.user,
        &login.username,
        &login.head,
        &login.client,
        &login.source,
        &login.outcome,
        &login.reason,
        &login.correlation_id,
        token,
        chain,
        network_of(&login.source),
    ];
    tx.execute_one(INSERT, args).await
}

/// The entry whose client was told `correlation_id`, and the text of its steps.
pub async fn find(
    conn: &mut Conn,
    correlation_id: &str,
) -> Result<Option<(LoginRow, String)>, StoreError> {
    let row = conn.fetch_optional(BY_CORRELATION, args![correlation_id]).await?;
    row.map(|row| Ok((read(&row)?, row.text(10)?))).transpose()
}

/// Entries older than the position `before`, newest first; of one user or of everybody.
pub async fn list(
    conn: &mut Conn,
    user: Option<Id<User>>,
    before: (Timestamp, Id<Login>),
    limit: i64,
) -> Result<Vec<LoginRow>, StoreError> {
    let rows = match user {
        Some(user) => conn.fetch_all(OF_USER, args![before.0, before.1, limit, user]).await?,
        None => conn.fetch_all(LIST, args![before.0, before.1, limit]).await?,
    };
    rows.iter().map(read).collect()
}

/// Which clients were let in with a token since `since`, by which head, latest first.
pub async fn uses_of_token(
    conn: &mut Conn,
    user: Id<User>,
    token: Id<Token>,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<UseRow>, StoreError> {
    let rows = conn.fetch_all(USES_OF_TOKEN, args![user, token, since, limit]).await?;
    rows.iter().map(read_use).collect()
}

/// How many entries there are of the sources that count as `source` does, after `since`.
pub async fn count_of_network(
    conn: &mut Conn,
    source: Source,
    since: Timestamp,
) -> Result<i64, StoreError> {
    conn.fetch_one(OF_NETWORK_SINCE, args![source.counted_as(), since]).await?.int(0)
}

/// Forgets entries from before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

/// What a source counts as; what is no address counts as itself.
fn network_of(source: &str) -> String {
    let address = source.parse().map(Source::new);
    address.map_or_else(|_| source.to_owned(), Source::counted_as)
}

fn read(row: &Row) -> Result<LoginRow, StoreError> {
    Ok(LoginRow {
        id: row.id(0)?,
        at: row.at(1)?,
        user: row.optional_id(2)?,
        username: row.text(3)?,
        head: row.text(4)?,
        client: row.text(5)?,
        source: row.text(6)?,
        outcome: row.text(7)?,
        reason: row.text(8)?,
        correlation_id: row.text(9)?,
    })
}

//! Keys that name a request for a new token, so that the same request again is the same token.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Tx};

const REMEMBER: &str = "
    INSERT INTO reset_request (user_id, request_key, request, token_id, at)
    VALUES ($1, $2, $3, $4, $5)";
const FIND: &str = "
    SELECT token_id, request FROM reset_request WHERE user_id = $1 AND request_key = $2";
const FORGET: &str = "DELETE FROM reset_request WHERE at < $1";

/// A request that came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The token that it led to.
    pub token: Id<Token>,
    /// What was asked for.
    pub request: String,
}

/// Remembers which token a request key led to, and what was asked for by it.
pub async fn remember(
    tx: &mut Tx,
    user: Id<User>,
    (request_key, request): (&str, &str),
    token: Id<Token>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(REMEMBER, args![user, request_key, request, token, now]).await
}

/// What this key of the user was used for before.
pub async fn find(
    conn: &mut Conn,
    user: Id<User>,
    request_key: &str,
) -> Result<Option<RequestRow>, StoreError> {
    let row = conn.fetch_optional(FIND, args![user, request_key]).await?;
    row.map(|row| Ok(RequestRow { token: row.id(0)?, request: row.text(1)? })).transpose()
}

/// Forgets request keys from before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

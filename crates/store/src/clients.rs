//! Registered API clients: the digests of their secrets.

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id};
use symbolon_core::secret::Digest;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO client (id, name, secret_digest, password_grant_since, created_at)
    VALUES ($1, $2, $3, $4, $5)";
const LIST: &str = "
    SELECT id, name, secret_digest, password_grant_since, created_at FROM client
    WHERE removed_at IS NULL ORDER BY name, id";
const FIND: &str = "
    SELECT id, name, secret_digest, password_grant_since, created_at FROM client
    WHERE id = $1 AND removed_at IS NULL";
const REMOVE: &str = "UPDATE client SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";

/// An API client's row.
#[derive(Debug, Clone)]
pub struct ClientRow {
    /// Identifier; written out, it is the OAuth `client_id`.
    pub id: Id<Client>,
    /// Name.
    pub name: String,
    /// Keyed digest of its secret.
    pub secret_digest: Digest,
    /// Since when it may use the password grant.
    pub password_grant_since: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// Registers a client.
pub async fn insert(tx: &mut Tx, client: &ClientRow) -> Result<(), StoreError> {
    let args = args![
        client.id,
        &client.name,
        &client.secret_digest,
        client.password_grant_since,
        client.created_at,
    ];
    tx.execute_one(INSERT, args).await
}

/// All clients by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<ClientRow>, StoreError> {
    conn.fetch_all(LIST, args![]).await?.iter().map(read).collect()
}

/// One client.
pub async fn find(conn: &mut Conn, client: Id<Client>) -> Result<Option<ClientRow>, StoreError> {
    conn.fetch_optional(FIND, args![client]).await?.as_ref().map(read).transpose()
}

/// Removes a client; `false` if it is not there.
pub async fn remove(tx: &mut Tx, client: Id<Client>, now: Timestamp) -> Result<bool, StoreError> {
    tx.execute_at_most_one(REMOVE, args![client, now]).await
}

fn read(row: &Row) -> Result<ClientRow, StoreError> {
    let digest: [u8; 32] = row
        .blob(2)?
        .try_into()
        .map_err(|_| StoreError::corrupt("client", "secret_digest", row.int(0).unwrap_or(-1)))?;
    Ok(ClientRow {
        id: row.id(0)?,
        name: row.text(1)?,
        secret_digest: Digest::from_bytes(digest),
        password_grant_since: row.optional_at(3)?,
        created_at: row.at(4)?,
    })
}

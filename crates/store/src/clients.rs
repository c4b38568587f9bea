//! Registered API clients, and the digests of their secrets: several for each client, so that a new
//! secret can be rolled out before the old one ends.

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, ClientSecret, Id};
use symbolon_core::secret::Digest;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO client (id, name, password_grant_since, created_at) VALUES ($1, $2, $3, $4)";
// Writes nothing new: it is there for the row's lock.
const TAKE: &str = "UPDATE client SET name = name WHERE id = $1 AND removed_at IS NULL";
const LIST: &str = "
    SELECT id, name, password_grant_since, created_at FROM client
    WHERE removed_at IS NULL ORDER BY name, id";
const FIND: &str = "
    SELECT id, name, password_grant_since, created_at FROM client
    WHERE id = $1 AND removed_at IS NULL";
const REMOVE: &str = "UPDATE client SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";

const INSERT_SECRET: &str = "
    INSERT INTO client_secret (id, client_id, digest, created_at) VALUES ($1, $2, $3, $4)";
const SECRETS: &str = "
    SELECT id, client_id, digest, created_at FROM client_secret
    WHERE removed_at IS NULL ORDER BY created_at, id";
const SECRETS_OF: &str = "
    SELECT id, client_id, digest, created_at FROM client_secret
    WHERE client_id = $1 AND removed_at IS NULL ORDER BY created_at, id";
const REMOVE_SECRET: &str = "
    UPDATE client_secret SET removed_at = $3
    WHERE id = $1 AND client_id = $2 AND removed_at IS NULL";
const REMOVE_SECRETS_OF: &str = "
    UPDATE client_secret SET removed_at = $2 WHERE client_id = $1 AND removed_at IS NULL";

/// An API client's row.
#[derive(Debug, Clone)]
pub struct ClientRow {
    /// Identifier; written out, it is the OAuth `client_id`.
    pub id: Id<Client>,
    /// Name.
    pub name: String,
    /// Since when it may use the password grant.
    pub password_grant_since: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// The row of a client's secret.
#[derive(Debug, Clone)]
pub struct SecretRow {
    /// Identifier.
    pub id: Id<ClientSecret>,
    /// Whose.
    pub client: Id<Client>,
    /// Its keyed digest.
    pub digest: Digest,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Registers a client, without any secret.
pub async fn insert(tx: &mut Tx, client: &ClientRow) -> Result<(), StoreError> {
    let args = args![client.id, &client.name, client.password_grant_since, client.created_at];
    tx.execute_one(INSERT, args).await
}

/// Locks a client's row until the transaction ends, so that whoever counts its secrets counts alone;
/// `false` if it is not there.
pub async fn take(tx: &mut Tx, client: Id<Client>) -> Result<bool, StoreError> {
    tx.execute_at_most_one(TAKE, args![client]).await
}

/// All clients by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<ClientRow>, StoreError> {
    conn.fetch_all(LIST, args![]).await?.iter().map(read).collect()
}

/// One client.
pub async fn find(conn: &mut Conn, client: Id<Client>) -> Result<Option<ClientRow>, StoreError> {
    conn.fetch_optional(FIND, args![client]).await?.as_ref().map(read).transpose()
}

/// Removes a client with its secrets; `false` if it is not there.
pub async fn remove(tx: &mut Tx, client: Id<Client>, now: Timestamp) -> Result<bool, StoreError> {
    if !tx.execute_at_most_one(REMOVE, args![client, now]).await? {
        return Ok(false);
    }
    tx.execute(REMOVE_SECRETS_OF, args![client, now]).await?;
    Ok(true)
}

/// Adds a secret.
pub async fn insert_secret(tx: &mut Tx, secret: &SecretRow) -> Result<(), StoreError> {
    let args = args![secret.id, secret.client, &secret.digest, secret.created_at];
    tx.execute_one(INSERT_SECRET, args).await
}

/// The live secrets of all clients, oldest first.
pub async fn secrets(conn: &mut Conn) -> Result<Vec<SecretRow>, StoreError> {
    conn.fetch_all(SECRETS, args![]).await?.iter().map(read_secret).collect()
}

/// The live secrets of one client, oldest first.
pub async fn secrets_of(conn: &mut Conn, client: Id<Client>) -> Result<Vec<SecretRow>, StoreError> {
    conn.fetch_all(SECRETS_OF, args![client]).await?.iter().map(read_secret).collect()
}

/// Removes a secret of this client; `false` if it has no such live one.
pub async fn remove_secret(
    tx: &mut Tx,
    client: Id<Client>,
    secret: Id<ClientSecret>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(REMOVE_SECRET, args![secret, client, now]).await
}

fn read(row: &Row) -> Result<ClientRow, StoreError> {
    Ok(ClientRow {
        id: row.id(0)?,
        name: row.text(1)?,
        password_grant_since: row.optional_at(2)?,
        created_at: row.at(3)?,
    })
}

fn read_secret(row: &Row) -> Result<SecretRow, StoreError> {
    let digest: [u8; 32] = row
        .blob(2)?
        .try_into()
        .map_err(|_| StoreError::corrupt("client_secret", "digest", row.int(0).unwrap_or(-1)))?;
    Ok(SecretRow {
        id: row.id(0)?,
        client: row.id(1)?,
        digest: Digest::from_bytes(digest),
        created_at: row.at(3)?,
    })
}

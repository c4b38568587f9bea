//! The OpenPGP keys that users' mail with a token is encrypted to: one each, as it was given.
//!
//! Whether a key still serves is not in here: it is judged each time that mail is encrypted to it.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const PUT: &str = "
    INSERT INTO openpgp_key (user_id, fingerprint, certificate, expires_at, origin, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (user_id) DO UPDATE
    SET fingerprint = excluded.fingerprint, certificate = excluded.certificate,
        expires_at = excluded.expires_at, origin = excluded.origin, created_at = excluded.created_at";
const DELETE: &str = "DELETE FROM openpgp_key WHERE user_id = $1";
const FIND: &str = "
    SELECT fingerprint, certificate, expires_at, origin, created_at FROM openpgp_key
    WHERE user_id = $1";

/// A user's OpenPGP key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenpgpKeyRow {
    /// In upper-case hexadecimal digits.
    pub fingerprint: String,
    /// The whole certificate, without armor.
    pub certificate: Vec<u8>,
    /// When it expires, as it was when it was given.
    pub expires_at: Option<Timestamp>,
    /// Who gave it: `owner` or `administrator`; `wkd` where it was found in a Web Key Directory.
    pub origin: String,
    /// When it was given.
    pub created_at: Timestamp,
}

/// Writes a user's key, in the place of the one before.
pub async fn put(tx: &mut Tx, user: Id<User>, key: &OpenpgpKeyRow) -> Result<(), StoreError> {
    let OpenpgpKeyRow { fingerprint, certificate, expires_at, origin, created_at } = key;
    let columns = args![
        user,
        fingerprint.as_str(),
        certificate.as_slice(),
        *expires_at,
        origin.as_str(),
        *created_at
    ];
    tx.execute_one(PUT, columns).await
}

/// Removes a user's key; `false` if there is none.
pub async fn delete(tx: &mut Tx, user: Id<User>) -> Result<bool, StoreError> {
    tx.execute_at_most_one(DELETE, args![user]).await
}

/// A user's key.
pub async fn find(conn: &mut Conn, user: Id<User>) -> Result<Option<OpenpgpKeyRow>, StoreError> {
    conn.fetch_optional(FIND, args![user]).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<OpenpgpKeyRow, StoreError> {
    Ok(OpenpgpKeyRow {
        fingerprint: row.text(0)?,
        certificate: row.blob(1)?,
        expires_at: row.optional_at(2)?,
        origin: row.text(3)?,
        created_at: row.at(4)?,
    })
}

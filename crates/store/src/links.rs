//! Single-use links: their digests, and whether they were used.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Link, User};
use symbolon_core::secret::Digest;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO link (id, kind, digest, user_id, subject, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const FIND: &str = "
    SELECT id, user_id, subject FROM link
    WHERE digest = $1 AND kind = $2 AND used_at IS NULL AND expires_at > $3";
const USE_UP: &str = "
    UPDATE link SET used_at = $3
    WHERE digest = $1 AND kind = $2 AND used_at IS NULL AND expires_at > $3
    RETURNING id, user_id, subject";
const END_OF_USER: &str = "
    UPDATE link SET used_at = $3 WHERE user_id = $1 AND kind = $2 AND used_at IS NULL";
const END_ALL_OF_USER: &str = "
    UPDATE link SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL";
const END_OF_KIND: &str = "UPDATE link SET used_at = $2 WHERE kind = $1 AND used_at IS NULL";
const FORGET: &str = "DELETE FROM link WHERE expires_at < $1";

/// A link to be made.
#[derive(Debug)]
pub struct NewLink<'a> {
    /// Identifier.
    pub id: Id<Link>,
    /// What it is for.
    pub kind: &'a str,
    /// Keyed digest of its secret.
    pub digest: &'a Digest,
    /// Whose it is; a setup link is nobody's yet.
    pub user: Option<Id<User>>,
    /// What else it is about: an address change.
    pub subject: Option<i64>,
    /// The first instant at which it no longer works.
    pub expires_at: Timestamp,
}

/// A live link.
#[derive(Debug, Clone, Copy)]
pub struct LinkRow {
    /// Identifier.
    pub id: Id<Link>,
    /// Whose it is.
    pub user: Option<Id<User>>,
    /// What else it is about.
    pub subject: Option<i64>,
}

/// Makes a link.
pub async fn insert(tx: &mut Tx, link: &NewLink<'_>, now: Timestamp) -> Result<(), StoreError> {
    let args =
        args![link.id, link.kind, link.digest, link.user, link.subject, now, link.expires_at];
    tx.execute_one(INSERT, args).await
}

/// The live link with one of these digests. Does not use it up.
pub async fn find(
    conn: &mut Conn,
    kind: &str,
    digests: &[Digest],
    now: Timestamp,
) -> Result<Option<LinkRow>, StoreError> {
    for digest in digests {
        if let Some(row) = conn.fetch_optional(FIND, args![digest, kind, now]).await? {
            return read(&row).map(Some);
        }
    }
    Ok(None)
}

/// Uses up the live link with one of these digests: of any number of tries at once one succeeds.
pub async fn use_up(
    tx: &mut Tx,
    kind: &str,
    digests: &[Digest],
    now: Timestamp,
) -> Result<Option<LinkRow>, StoreError> {
    for digest in digests {
        if let Some(row) = tx.fetch_optional(USE_UP, args![digest, kind, now]).await? {
            return read(&row).map(Some);
        }
    }
    Ok(None)
}

/// Ends every live link of one kind of a user.
pub async fn end_of_user(
    tx: &mut Tx,
    user: Id<User>,
    kind: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(END_OF_USER, args![user, kind, now]).await
}

/// Ends every live link of a user.
pub async fn end_all_of_user(
    tx: &mut Tx,
    user: Id<User>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(END_ALL_OF_USER, args![user, now]).await
}

/// Ends every live link of one kind.
pub async fn end_of_kind(tx: &mut Tx, kind: &str, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(END_OF_KIND, args![kind, now]).await
}

/// Forgets links that expired before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

fn read(row: &Row) -> Result<LinkRow, StoreError> {
    Ok(LinkRow { id: row.id(0)?, user: row.optional_id(1)?, subject: row.optional_int(2)? })
}

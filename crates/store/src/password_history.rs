//! Passwords that were replaced: their hashes, so that they do not come again.
//!
//! The current password is not among them: it stands in its user's row. Who writes here holds that row,
//! so that the numbers of one user are given out one after the other.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::keys::KeyId;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};
use crate::users::PasswordRecord;

const REMEMBER: &str = "
    INSERT INTO password_history (user_id, number, password_hash, password_key, replaced_at)
    VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM password_history WHERE user_id = $1),
            $2, $3, $4)";
const TRIM: &str = "
    DELETE FROM password_history
    WHERE user_id = $1
      AND number <= (SELECT MAX(number) FROM password_history WHERE user_id = $1) - $2";
const LATEST: &str = "
    SELECT password_hash, password_key FROM password_history
    WHERE user_id = $1 ORDER BY number DESC LIMIT $2";
const FORGET: &str = "DELETE FROM password_history WHERE user_id = $1";

/// Remembers a password that is being replaced, and forgets all but the latest `keep`.
pub async fn remember(
    tx: &mut Tx,
    user: Id<User>,
    replaced: &PasswordRecord,
    keep: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(REMEMBER, args![user, &replaced.hash, replaced.pepper, now]).await?;
    tx.execute(TRIM, args![user, keep]).await?;
    Ok(())
}

/// The latest `limit` of a user's replaced passwords, the latest first.
pub async fn latest(
    conn: &mut Conn,
    user: Id<User>,
    limit: u32,
) -> Result<Vec<PasswordRecord>, StoreError> {
    let rows = conn.fetch_all(LATEST, args![user, limit]).await?;
    let read = |row: &Row| {
        let pepper = KeyId(row.count(1)?);
        Ok(PasswordRecord { hash: row.text(0)?, pepper })
    };
    rows.iter().map(read).collect()
}

/// Forgets all of a user.
pub async fn forget(tx: &mut Tx, user: Id<User>) -> Result<(), StoreError> {
    tx.execute(FORGET, args![user]).await?;
    Ok(())
}

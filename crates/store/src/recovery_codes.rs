//! Recovery codes: their digests, and whether they were used.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, RecoveryCode, User};
use symbolon_core::secret::Digest;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Tx};

const INSERT: &str = "
    INSERT INTO recovery_code (id, user_id, digest, created_at) VALUES ($1, $2, $3, $4)";
const USE_UP: &str = "
    UPDATE recovery_code SET used_at = $3
    WHERE user_id = $1 AND digest = $2 AND used_at IS NULL";
const STANDING: &str = "
    SELECT COUNT(*), MIN(created_at) FROM recovery_code WHERE user_id = $1 AND used_at IS NULL";
const REMOVE_OF_USER: &str = "DELETE FROM recovery_code WHERE user_id = $1";

/// How the recovery codes of a user stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many are not used.
    pub left: u32,
    /// When those were made.
    pub made_at: Option<Timestamp>,
}

/// Adds a code.
pub async fn insert(
    tx: &mut Tx,
    id: Id<RecoveryCode>,
    user: Id<User>,
    digest: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(INSERT, args![id, user, digest, now]).await
}

/// Uses up the code of `user` with one of these digests; of any number of tries at once one succeeds.
pub async fn use_up(
    tx: &mut Tx,
    user: Id<User>,
    digests: &[Digest],
    now: Timestamp,
) -> Result<bool, StoreError> {
    for digest in digests {
        if tx.execute_at_most_one(USE_UP, args![user, digest, now]).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many codes of a user are left.
pub async fn standing(conn: &mut Conn, user: Id<User>) -> Result<Standing, StoreError> {
    let row = conn.fetch_one(STANDING, args![user]).await?;
    Ok(Standing { left: row.count(0)?, made_at: row.optional_at(1)? })
}

/// Ends every code of a user, used or not; tells how many there were.
pub async fn remove_of_user(tx: &mut Tx, user: Id<User>) -> Result<u64, StoreError> {
    tx.execute(REMOVE_OF_USER, args![user]).await
}

//! The organization that this authority serves: one row.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Organization};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const FOUND: &str = "
    INSERT INTO organization (singleton, id, key_fingerprint, created_at)
    VALUES (1, $1, $2, $3)
    ON CONFLICT (singleton) DO NOTHING";
const FIND: &str = "SELECT id, key_fingerprint, created_at FROM organization WHERE singleton = 1";
const HOLD: &str = "UPDATE organization SET created_at = created_at WHERE singleton = 1";

/// The organization's row.
#[derive(Debug, Clone)]
pub struct OrganizationRecord {
    /// Its identifier.
    pub id: Id<Organization>,
    /// Names the oldest key of the ring that belongs to this database.
    pub key_fingerprint: Vec<u8>,
    /// When it was founded.
    pub created_at: Timestamp,
}

/// Founds the organization, unless another node was first.
pub async fn found(
    tx: &mut Tx,
    id: Id<Organization>,
    key_fingerprint: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(FOUND, args![id, key_fingerprint, now]).await
}

/// The organization; `None` before the first start.
pub async fn find(conn: &mut Conn) -> Result<Option<OrganizationRecord>, StoreError> {
    let row = conn.fetch_optional(FIND, args![]).await?;
    let read = |row: Row| {
        Ok(OrganizationRecord {
            id: row.id(0)?,
            key_fingerprint: row.blob(1)?,
            created_at: row.at(2)?,
        })
    };
    row.map(read).transpose()
}

/// Holds the organization's row for the rest of the transaction: what concerns all its users together,
/// such as how many administrators there are, is decided by one at a time.
pub async fn hold(tx: &mut Tx) -> Result<(), StoreError> {
    tx.execute_one(HOLD, args![]).await
}

//! The audit trail: append-only, chained; its head is kept apart so that a cut-off end shows.

use symbolon_core::Timestamp;
use symbolon_core::audit::{AuditRow, ChainEnd};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

// Taking the head's row first queues racing appends: numbers are dense and in commit order.
const TAKE_NUMBER: &str = "
    UPDATE audit_head SET number = number + 1 WHERE singleton = 1 RETURNING number, hash";
const INSERT: &str = "
    INSERT INTO audit (number, at, actor, action, subject, details, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const SET_HASH: &str = "UPDATE audit_head SET hash = $1 WHERE singleton = 1";
const HEAD: &str = "SELECT number, hash FROM audit_head WHERE singleton = 1";
const AFTER: &str = "
    SELECT number, at, actor, action, subject, details, hash FROM audit
    WHERE number > $1 ORDER BY number LIMIT $2";

/// What is to be written into the trail.
#[derive(Debug)]
pub struct AuditEvent {
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: &'static str,
    /// To whom or what.
    pub subject: String,
    /// Further facts as `name=value` lines; never a secret.
    pub details: String,
}

/// Appends a row; tells its number.
pub async fn append(tx: &mut Tx, event: AuditEvent, now: Timestamp) -> Result<i64, StoreError> {
    let head = tx.fetch_one(TAKE_NUMBER, args![]).await?;
    let row = AuditRow {
        number: head.int(0)?,
        at: now,
        actor: event.actor,
        action: event.action.to_owned(),
        subject: event.subject,
        details: event.details,
    };
    let hash = row.hash(&read_hash(&head, 1)?);
    let args = args![row.number, now, row.actor, row.action, row.subject, row.details, hash];
    tx.execute_one(INSERT, args).await?;
    tx.execute_one(SET_HASH, args![hash]).await?;
    Ok(row.number)
}

/// Number and hash of the last row.
pub async fn head(conn: &mut Conn) -> Result<ChainEnd, StoreError> {
    let row = conn.fetch_one(HEAD, args![]).await?;
    Ok(ChainEnd { number: row.int(0)?, hash: read_hash(&row, 1)? })
}

/// Rows after number `after`, oldest first, each with its hash.
pub async fn after(
    conn: &mut Conn,
    after: i64,
    limit: i64,
) -> Result<Vec<(AuditRow, [u8; 32])>, StoreError> {
    conn.fetch_all(AFTER, args![after, limit]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<(AuditRow, [u8; 32]), StoreError> {
    let audit = AuditRow {
        number: row.int(0)?,
        at: row.at(1)?,
        actor: row.text(2)?,
        action: row.text(3)?,
        subject: row.text(4)?,
        details: row.text(5)?,
    };
    Ok((audit, read_hash(row, 6)?))
}

fn read_hash(row: &Row, column: usize) -> Result<[u8; 32], StoreError> {
    row.blob(column)?.try_into().map_err(|_| StoreError::corrupt("audit", "hash", "?"))
}

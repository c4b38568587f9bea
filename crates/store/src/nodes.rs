//! Nodes that answer from memory: how far each has come, and until when it may answer by the clock of the
//! database.

use std::time::Duration;

use symbolon_core::Timestamp;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const RENEW: &str = "
    INSERT INTO node (id, applied, leased_until, started_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, leased_until = excluded.leased_until";
const REPORT: &str = "UPDATE node SET applied = $2 WHERE id = $1 AND applied < $2";
const LEAVE: &str = "DELETE FROM node WHERE id = $1";
const OTHERS: &str = "SELECT id, applied, leased_until FROM node WHERE id <> $1";
const FORGET: &str = "DELETE FROM node WHERE leased_until < $1";

/// Renews the lease of `node` for `lease` from the database's now; the first time it joins.
pub async fn renew(
    tx: &mut Tx,
    node: i64,
    applied: i64,
    lease: Duration,
) -> Result<(), StoreError> {
    let now = tx.clock().await?;
    tx.execute_one(RENEW, args![node, applied, now + lease, now]).await
}

/// Tells that `node` has applied everything up to `applied`.
pub async fn report(tx: &mut Tx, node: i64, applied: i64) -> Result<(), StoreError> {
    tx.execute_at_most_one(REPORT, args![node, applied]).await.map(|_| ())
}

/// Takes `node` off the list: nobody waits for it any more.
pub async fn leave(tx: &mut Tx, node: i64) -> Result<(), StoreError> {
    tx.execute_at_most_one(LEAVE, args![node]).await.map(|_| ())
}

/// Another node, as it was heard of last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeRow {
    /// Its number.
    pub id: i64,
    /// How far it has come.
    pub applied: i64,
    /// Another instant with each renewal.
    pub leased_until: Timestamp,
}

/// The other nodes, also those whose leases have run out.
pub async fn others(conn: &mut Conn, node: i64) -> Result<Vec<NodeRow>, StoreError> {
    let read =
        |row: &Row| Ok(NodeRow { id: row.int(0)?, applied: row.int(1)?, leased_until: row.at(2)? });
    conn.fetch_all(OTHERS, args![node]).await?.iter().map(read).collect()
}

/// Forgets nodes whose lease ran out before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

//! Failures by source address, so that one address cannot try many names.

use symbolon_core::Timestamp;
use symbolon_core::lockout::SourceFailures;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Tx};

const NOTE: &str = "
    INSERT INTO source_failure (source, username_key, failures, last_at)
    VALUES ($1, $2, 1, $3)
    ON CONFLICT (source, username_key) DO UPDATE
    SET last_at = $3,
        failures = CASE WHEN source_failure.last_at < $4 THEN 1 ELSE source_failure.failures + 1 END";
const SINCE: &str = "
    SELECT failures FROM source_failure WHERE source = $1 AND last_at >= $2 LIMIT 1000";
const FORGET: &str = "DELETE FROM source_failure WHERE last_at < $1";

/// Notes one more failure; those from before `since` are forgotten.
pub async fn note(
    tx: &mut Tx,
    source: &str,
    username_key: &str,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(NOTE, args![source, username_key, now, since]).await
}

/// The failures of a source from `since` on.
pub async fn since(
    conn: &mut Conn,
    source: &str,
    since: Timestamp,
) -> Result<SourceFailures, StoreError> {
    let rows = conn.fetch_all(SINCE, args![source, since]).await?;
    let mut sum = SourceFailures::default();
    for row in &rows {
        sum.names += 1;
        sum.failures = sum.failures.saturating_add(row.count(0)?);
    }
    Ok(sum)
}

/// Forgets failures from before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

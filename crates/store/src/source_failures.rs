//! Failures by source address, so that one address cannot try many names.
//!
//! Each failure is kept with its instant, so that what lies within a period is counted and nothing else:
//! who goes on failing slowly does not add up over the day. An address that is refused is not counted on, so
//! that there are no more rows of it than the limit allows.

use symbolon_core::Timestamp;
use symbolon_core::lockout::SourceFailures;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Tx};

const NOTE: &str = "
    INSERT INTO source_failure (source, at, username_key, failures)
    VALUES ($1, $2, $3, 1)
    ON CONFLICT (source, at, username_key) DO UPDATE SET failures = source_failure.failures + 1";
const SINCE: &str = "
    SELECT COUNT(DISTINCT username_key), CAST(COALESCE(SUM(failures), 0) AS BIGINT)
    FROM source_failure WHERE source = $1 AND at >= $2";
const FORGET: &str = "DELETE FROM source_failure WHERE at < $1";

/// Notes one more failure.
pub async fn note(
    tx: &mut Tx,
    source: &str,
    username_key: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(NOTE, args![source, now, username_key]).await
}

/// The failures of a source from `since` on.
pub async fn since(
    conn: &mut Conn,
    source: &str,
    since: Timestamp,
) -> Result<SourceFailures, StoreError> {
    let row = conn.fetch_one(SINCE, args![source, since]).await?;
    Ok(SourceFailures { names: row.count(0)?, failures: row.count(1)? })
}

/// Forgets failures from before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

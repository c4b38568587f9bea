//! The database's own clock: what leases between nodes are measured by.

use symbolon_core::Timestamp;

use crate::error::StoreError;
use crate::sql::conn::{Conn, Link};

const SQLITE: &str = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
const POSTGRES: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

impl Conn {
    /// The present instant, as the database tells it.
    pub async fn clock(&mut self) -> Result<Timestamp, StoreError> {
        let sql = match self.link {
            Link::SqliteTx(_) | Link::SqliteReader(_) => SQLITE,
            Link::PostgresTx(_) | Link::PostgresReader(_) => POSTGRES,
        };
        Ok(Timestamp::from_unix_ms(self.fetch_one(sql, &[]).await?.int(0)?))
    }
}

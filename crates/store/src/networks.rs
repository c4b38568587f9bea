//! Trusted networks.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Network as NetworkKind};
use symbolon_core::network::Network;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO network (id, range, label, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (range) DO NOTHING";
const LIST: &str = "SELECT id, range, label, created_at FROM network ORDER BY range";
const REMOVE: &str = "DELETE FROM network WHERE range = $1";

/// A trusted network's row.
#[derive(Debug, Clone)]
pub struct NetworkRow {
    /// Identifier.
    pub id: Id<NetworkKind>,
    /// The range.
    pub range: Network,
    /// What it is, in the administrator's words.
    pub label: String,
    /// Since when it is trusted.
    pub created_at: Timestamp,
}

/// Adds a network; `false` if it is there already.
pub async fn insert(tx: &mut Tx, network: &NetworkRow) -> Result<bool, StoreError> {
    let args = args![network.id, network.range, &network.label, network.created_at];
    tx.execute_at_most_one(INSERT, args).await
}

/// All trusted networks.
pub async fn list(conn: &mut Conn) -> Result<Vec<NetworkRow>, StoreError> {
    conn.fetch_all(LIST, args![]).await?.iter().map(read).collect()
}

/// Removes a network; `false` if it is not there.
pub async fn remove(tx: &mut Tx, range: Network) -> Result<bool, StoreError> {
    tx.execute_at_most_one(REMOVE, args![range]).await
}

fn read(row: &Row) -> Result<NetworkRow, StoreError> {
    Ok(NetworkRow {
        id: row.id(0)?,
        range: row.parsed(1, "range", |text| Network::parse(text).ok())?,
        label: row.text(2)?,
        created_at: row.at(3)?,
    })
}

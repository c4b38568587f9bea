//! Who uses a live credential: the distinct pairs of client and network, each with its first and last
//! use. Written in batches, after the fact.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::retired_uses::{UseRow, read_use};
use crate::sql::{Conn, Row, Tx};

// Nodes write what they have noted one after the other and not in the order of the uses, so what comes
// late adds to the count and to the earlier end, and takes nothing back.
const NOTE: &str = "
    INSERT INTO credential_use (credential, network, client, source, head, first_at, last_at, times)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (credential, network, client) DO UPDATE
    SET source = CASE WHEN excluded.last_at < credential_use.last_at
                      THEN credential_use.source ELSE excluded.source END,
        head = CASE WHEN excluded.last_at < credential_use.last_at
                    THEN credential_use.head ELSE excluded.head END,
        first_at = CASE WHEN excluded.first_at < credential_use.first_at
                        THEN excluded.first_at ELSE credential_use.first_at END,
        last_at = CASE WHEN excluded.last_at < credential_use.last_at
                       THEN credential_use.last_at ELSE excluded.last_at END,
        times = credential_use.times + excluded.times
    RETURNING times";
/// The pairs of a credential beyond the newest $2, in the order in which they are listed.
const TRIM: &str = "
    DELETE FROM credential_use
    WHERE credential = $1 AND (network, client) NOT IN
        (SELECT network, client FROM credential_use WHERE credential = $1
         ORDER BY last_at DESC, network, client LIMIT $2)";
const OF_CREDENTIAL: &str = "
    SELECT network, client, source, head, first_at, last_at, times FROM credential_use
    WHERE credential = $1 ORDER BY last_at DESC, network, client LIMIT $2";
/// By the token itself, and by the sessions that it opened and that still live. One list of identifiers:
/// an `OR` would read every use there is.
const OF_TOKEN: &str = "
    SELECT client, source, MAX(last_at), CAST(SUM(times) AS BIGINT) FROM credential_use
    WHERE credential IN (SELECT id FROM session WHERE token_id = $1 AND ended_at IS NULL
                         UNION ALL SELECT CAST($1 AS BIGINT))
    GROUP BY client, source ORDER BY MAX(last_at) DESC, client, source LIMIT $2";
const FORGET: &str = "DELETE FROM credential_use WHERE last_at < $1";

/// The uses of one credential by one client from one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The address, or the /64 of an IPv6 address.
    pub network: String,
    /// What the client says it is.
    pub client: String,
    /// The last address.
    pub source: String,
    /// The head that asked last.
    pub head: String,
    /// First use.
    pub first_at: Timestamp,
    /// Last use.
    pub last_at: Timestamp,
    /// How many uses were noted: those within ten seconds count as one.
    pub times: i64,
}

/// Adds to the uses of a credential; `true` if there were none of this client and network.
pub async fn note(tx: &mut Tx, credential: i64, noted: &Use) -> Result<bool, StoreError> {
    let args = args![
        credential,
        &noted.network,
        &noted.client,
        &noted.source,
        &noted.head,
        noted.first_at,
        noted.last_at,
        noted.times,
    ];
    let times = tx.fetch_one(NOTE, args).await?.int(0)?;
    Ok(times == noted.times)
}

/// Forgets the oldest pairs of a credential that has more than `most`.
pub async fn trim(tx: &mut Tx, credential: i64, most: i64) -> Result<u64, StoreError> {
    tx.execute(TRIM, args![credential, most]).await
}

/// The uses of a credential, the latest first.
pub async fn of_credential(
    conn: &mut Conn,
    credential: i64,
    limit: i64,
) -> Result<Vec<Use>, StoreError> {
    conn.fetch_all(OF_CREDENTIAL, args![credential, limit]).await?.iter().map(read).collect()
}

/// Who uses a token, by itself or through a session that it opened, the latest first.
pub async fn of_token(
    conn: &mut Conn,
    token: Id<Token>,
    limit: i64,
) -> Result<Vec<UseRow>, StoreError> {
    conn.fetch_all(OF_TOKEN, args![token, limit]).await?.iter().map(read_use).collect()
}

/// Forgets uses from before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

fn read(row: &Row) -> Result<Use, StoreError> {
    Ok(Use {
        network: row.text(0)?,
        client: row.text(1)?,
        source: row.text(2)?,
        head: row.text(3)?,
        first_at: row.at(4)?,
        last_at: row.at(5)?,
        times: row.int(6)?,
    })
}

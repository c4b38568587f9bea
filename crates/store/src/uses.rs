//! Who uses a live credential: the distinct pairs of client and network, each with its first and last
//! use. Written in batches, after the fact.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::retired_uses::{UseRow, read_use};
use crate::rows::rows;
use crate::sql::{Conn, Row, Tx};

// Nodes write what they have noted one after the other and not in the order of the uses, so what comes
// late adds to the count and to the earlier end, and takes nothing back.
const NOTE: &str = "
    INSERT INTO credential_use (credential, network, client, source, head, first_at, last_at, times)
    SELECT CAST(value ->> 0 AS BIGINT), value ->> 1, value ->> 2, value ->> 3, value ->> 4,
           CAST(value ->> 5 AS BIGINT), CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT)
    FROM json_each(json($1)) WHERE 1 = 1
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
    RETURNING credential, network, client, times";
/// The pairs of each credential beyond the newest $2, in the order in which they are listed.
const TRIM: &str = "
    DELETE FROM credential_use
    WHERE (credential, network, client) IN
        (SELECT credential, network, client
         FROM (SELECT credential, network, client,
                      ROW_NUMBER() OVER (PARTITION BY credential
                                         ORDER BY last_at DESC, network, client) AS place
               FROM credential_use
               WHERE credential IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))
              ) AS listed
         WHERE place > $2)";
/// The clients of each credential and network that has more than $2 of them, the first ones first; those that
/// were folded are none.
const CROWDED: &str = "
    SELECT network, client, source, head, first_at, last_at, times, credential FROM credential_use
    WHERE client <> $3 AND (credential, network) IN
        (SELECT credential, network FROM credential_use
         WHERE credential IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))
           AND client <> $3
         GROUP BY credential, network HAVING COUNT(*) > $2)
    ORDER BY credential, network, first_at, client";
const DELETE_FOLDED: &str = "
    DELETE FROM credential_use WHERE (credential, network, client) IN
        (SELECT CAST(value ->> 0 AS BIGINT), value ->> 1, value ->> 2 FROM json_each(json($1)))";
const OF_CREDENTIAL: &str = "
    SELECT network, client, source, head, first_at, last_at, times FROM credential_use
    WHERE credential = $1 ORDER BY last_at DESC, network, client LIMIT $2";
/// By the token itself, and by the sessions that it opened. One list of identifiers: an `OR` would read
/// every use there is; and sessions are found by their owner, for those that have ended are in no index of
/// tokens.
const OF_TOKEN: &str = "
    SELECT client, source, MIN(first_at), MAX(last_at), CAST(SUM(times) AS BIGINT), CAST(NULL AS TEXT)
    FROM credential_use
    WHERE credential IN (SELECT id FROM session WHERE user_id = $1 AND token_id = $2
                         UNION ALL SELECT CAST($2 AS BIGINT))
      AND last_at >= $3
    GROUP BY client, source ORDER BY MAX(last_at) DESC, client, source LIMIT $4";
const FORGET: &str = "DELETE FROM credential_use WHERE last_at < $1";

/// What the clients of a credential in one network are called that are too many to be told apart.
pub const OTHER_CLIENTS: &str = "other clients";

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

impl Use {
    /// Adds other uses of the same pair, as the statement does to those that are stored.
    fn add(&mut self, other: &Self) {
        if other.last_at >= self.last_at {
            self.source.clone_from(&other.source);
            self.head.clone_from(&other.head);
            self.last_at = other.last_at;
        }
        self.first_at = self.first_at.min(other.first_at);
        self.times += other.times;
    }
}

/// Adds to the uses of credentials; tells which of them were used by a client and network of which there
/// were none.
pub async fn note(tx: &mut Tx, noted: &[(i64, Use)]) -> Result<Vec<i64>, StoreError> {
    let pairs = merged(noted);
    let batch = rows(pairs.iter().map(|((credential, network, client), noted)| {
        let Use { source, head, first_at, last_at, times, .. } = noted;
        [
            (*credential).into(),
            (*network).into(),
            (*client).into(),
            source.as_str().into(),
            head.as_str().into(),
            (*first_at).into(),
            (*last_at).into(),
            (*times).into(),
        ]
    }));
    let mut new = Vec::new();
    for row in tx.fetch_all(NOTE, &[batch]).await? {
        let (credential, network, client) = (row.int(0)?, row.text(1)?, row.text(2)?);
        let noted = pairs.get(&(credential, network.as_str(), client.as_str()));
        if noted.is_some_and(|noted| noted.times == row.int(3).unwrap_or(0)) {
            new.push(credential);
        }
    }
    new.sort_unstable();
    new.dedup();
    Ok(new)
}

/// One use for each pair, for a statement can write to a row only once; in the order of their keys, so that
/// nodes that write the same ones queue.
fn merged(noted: &[(i64, Use)]) -> BTreeMap<(i64, &str, &str), Use> {
    let mut pairs = BTreeMap::new();
    for (credential, noted) in noted {
        match pairs.entry((*credential, noted.network.as_str(), noted.client.as_str())) {
            Entry::Vacant(place) => {
                place.insert(noted.clone());
            }
            Entry::Occupied(mut pair) => pair.get_mut().add(noted),
        }
    }
    pairs
}

/// Forgets the oldest pairs of credentials that have more than `most`.
pub async fn trim(tx: &mut Tx, credentials: &[i64], most: i64) -> Result<u64, StoreError> {
    let credentials = rows(credentials.iter().map(|credential| [(*credential).into()]));
    tx.execute(TRIM, &[credentials, most.into()]).await
}

/// Makes one row, called [`OTHER_CLIENTS`], of the clients of a credential in one network beyond `most`: half of
/// those that stay are the first ones and half the latest, so that names that are invented push out neither who
/// has always been there nor, once they stop, who comes after them.
pub async fn fold(tx: &mut Tx, credentials: &[i64], most: usize) -> Result<(), StoreError> {
    let asked = rows(credentials.iter().map(|credential| [(*credential).into()]));
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let crowded = tx.fetch_all(CROWDED, &[asked, limit.into(), OTHER_CLIENTS.into()]).await?;
    let read_one = |row: &Row| Ok((row.int(7)?, read(row)?));
    let crowded: Vec<(i64, Use)> =
        crowded.iter().map(read_one).collect::<Result<_, StoreError>>()?;
    let mut folded: Vec<(i64, Use)> = Vec::new();
    let of_one = crowded.chunk_by(|(one, a), (next, b)| one == next && a.network == b.network);
    for clients in of_one {
        let mut rest: Vec<&(i64, Use)> = clients.iter().skip(most / 2).collect();
        rest.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.last_at));
        folded.extend(rest.into_iter().skip(most - most / 2).cloned());
    }
    if folded.is_empty() {
        return Ok(());
    }
    let gone = rows(folded.iter().map(|(credential, Use { network, client, .. })| {
        [(*credential).into(), network.as_str().into(), client.as_str().into()]
    }));
    tx.execute(DELETE_FOLDED, &[gone]).await?;
    for (_, each) in &mut folded {
        OTHER_CLIENTS.clone_into(&mut each.client);
    }
    note(tx, &folded).await.map(|_| ())
}

/// The uses of a credential, the latest first.
pub async fn of_credential(
    conn: &mut Conn,
    credential: i64,
    limit: i64,
) -> Result<Vec<Use>, StoreError> {
    conn.fetch_all(OF_CREDENTIAL, args![credential, limit]).await?.iter().map(read).collect()
}

/// Who has used a token of `user` since `since`, by itself or through a session that it opened, the latest
/// first. The count is of all uses that are known of, also of those before.
pub async fn of_token(
    conn: &mut Conn,
    user: Id<User>,
    token: Id<Token>,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<UseRow>, StoreError> {
    let rows = conn.fetch_all(OF_TOKEN, args![user, token, since, limit]).await?;
    rows.iter().map(read_use).collect()
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

//! Passkeys: public keys of devices, and the counter that tells a copied device from the true one.
//!
//! What is kept of a passkey is public: it verifies and cannot sign, so nothing here is sealed. The record and
//! the state are in the encoding of the library that verifies; nobody else reads them.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Passkey, User};
use symbolon_core::names::DisplayName;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO passkey (id, user_id, name, credential, transports, record, state, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

macro_rules! select_passkey {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, name, credential, transports, record, state, created_at, last_used_at
             FROM passkey ",
            $rest
        )
    };
}

const OF_USER: &str = select_passkey!("WHERE user_id = $1 ORDER BY created_at, id");
const FIND: &str = select_passkey!("WHERE id = $1 AND user_id = $2");
const FIND_BY_CREDENTIAL: &str = select_passkey!("WHERE credential = $1");
const COUNT: &str = "SELECT COUNT(*) FROM passkey WHERE user_id = $1";
// The comparison is what makes each counter count once: of two uses that were verified against one state the
// second finds it gone, on whichever node.
const NOTE_USE: &str = "
    UPDATE passkey SET state = $3, last_used_at = $4 WHERE id = $1 AND state = $2";
const RENAME: &str = "UPDATE passkey SET name = $3 WHERE id = $1 AND user_id = $2";
const REMOVE: &str = "DELETE FROM passkey WHERE id = $1 AND user_id = $2";
const REMOVE_OF_USER: &str = "DELETE FROM passkey WHERE user_id = $1";

/// A passkey's row.
#[derive(Debug, Clone)]
pub struct PasskeyRecord {
    /// Identifier.
    pub id: Id<Passkey>,
    /// Whose it is.
    pub user: Id<User>,
    /// What its owner calls it.
    pub name: DisplayName,
    /// The identifier that its device gave it.
    pub credential: Vec<u8>,
    /// By which ways its device can be reached, in the library's encoding.
    pub transports: u32,
    /// What never changes, in the library's encoding.
    pub record: Vec<u8>,
    /// What a use may change, in the library's encoding.
    pub state: Vec<u8>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
}

/// A passkey to be registered.
#[derive(Debug)]
pub struct NewPasskey<'a> {
    /// Identifier.
    pub id: Id<Passkey>,
    /// Whose it is.
    pub user: Id<User>,
    /// What its owner calls it.
    pub name: &'a DisplayName,
    /// The identifier that its device gave it.
    pub credential: &'a [u8],
    /// By which ways its device can be reached.
    pub transports: u32,
    /// What never changes.
    pub record: &'a [u8],
    /// What a use may change.
    pub state: &'a [u8],
}

/// Registers a passkey.
///
/// # Errors
/// [`StoreError::Conflict`] if its credential is registered already, whoever's it is.
pub async fn insert(tx: &mut Tx, new: &NewPasskey<'_>, now: Timestamp) -> Result<(), StoreError> {
    let NewPasskey { id, user, name, credential, transports, record, state } = *new;
    tx.execute_one(INSERT, args![id, user, name, credential, transports, record, state, now]).await
}

/// The passkeys of a user, the oldest first.
pub async fn of_user(conn: &mut Conn, user: Id<User>) -> Result<Vec<PasskeyRecord>, StoreError> {
    conn.fetch_all(OF_USER, args![user]).await?.iter().map(read).collect()
}

/// One passkey of a user.
pub async fn find(
    conn: &mut Conn,
    user: Id<User>,
    id: Id<Passkey>,
) -> Result<Option<PasskeyRecord>, StoreError> {
    conn.fetch_optional(FIND, args![id, user]).await?.as_ref().map(read).transpose()
}

/// The passkey whose device calls it so.
pub async fn find_by_credential(
    conn: &mut Conn,
    credential: &[u8],
) -> Result<Option<PasskeyRecord>, StoreError> {
    conn.fetch_optional(FIND_BY_CREDENTIAL, args![credential]).await?.as_ref().map(read).transpose()
}

/// How many passkeys a user has.
pub async fn count(conn: &mut Conn, user: Id<User>) -> Result<i64, StoreError> {
    conn.fetch_one(COUNT, args![user]).await?.int(0)
}

/// Notes a use that was verified against the state `old`; `false` if the passkey was used or removed since.
pub async fn note_use(
    tx: &mut Tx,
    id: Id<Passkey>,
    old: &[u8],
    new: &[u8],
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(NOTE_USE, args![id, old, new, now]).await
}

/// Renames a passkey; `false` if the user has none of this identifier.
pub async fn rename(
    tx: &mut Tx,
    user: Id<User>,
    id: Id<Passkey>,
    name: &DisplayName,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(RENAME, args![id, user, name]).await
}

/// Removes a passkey; `false` if the user has none of this identifier.
pub async fn remove(tx: &mut Tx, user: Id<User>, id: Id<Passkey>) -> Result<bool, StoreError> {
    tx.execute_at_most_one(REMOVE, args![id, user]).await
}

/// Removes every passkey of a user.
pub async fn remove_of_user(tx: &mut Tx, user: Id<User>) -> Result<u64, StoreError> {
    tx.execute(REMOVE_OF_USER, args![user]).await
}

fn read(row: &Row) -> Result<PasskeyRecord, StoreError> {
    Ok(PasskeyRecord {
        id: row.id(0)?,
        user: row.id(1)?,
        name: row.parsed(2, "passkey.name", |text| DisplayName::parse(text).ok())?,
        credential: row.blob(3)?,
        transports: row.count(4)?,
        record: row.blob(5)?,
        state: row.blob(6)?,
        created_at: row.at(7)?,
        last_used_at: row.optional_at(8)?,
    })
}

//! Changes of an e-mail address under way, until both addresses have agreed.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::names::EmailAddress;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO address_change (id, user_id, new_email, created_at) VALUES ($1, $2, $3, $4)";
const END_OF_USER: &str = "
    UPDATE address_change SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL";
const CONFIRM_OLD: &str = "
    UPDATE address_change SET old_confirmed_at = $2
    WHERE id = $1 AND ended_at IS NULL
    RETURNING id, user_id, new_email, old_confirmed_at, new_confirmed_at, created_at";
const CONFIRM_NEW: &str = "
    UPDATE address_change SET new_confirmed_at = $2
    WHERE id = $1 AND ended_at IS NULL
    RETURNING id, user_id, new_email, old_confirmed_at, new_confirmed_at, created_at";
const OF_USER: &str = "
    SELECT id, user_id, new_email, old_confirmed_at, new_confirmed_at, created_at
    FROM address_change WHERE user_id = $1 AND ended_at IS NULL AND created_at > $2
    ORDER BY created_at DESC LIMIT 1";

/// An address change under way.
#[derive(Debug, Clone)]
pub struct AddressChangeRow {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub user: Id<User>,
    /// The address to be.
    pub new_email: EmailAddress,
    /// When the present address agreed.
    pub old_confirmed_at: Option<Timestamp>,
    /// When the new address proved itself.
    pub new_confirmed_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// Which of the two addresses speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The present address.
    Old,
    /// The address to be.
    New,
}

/// Begins a change; one under way before is ended by [`end_of_user`] first.
pub async fn insert(
    tx: &mut Tx,
    id: i64,
    user: Id<User>,
    new_email: &EmailAddress,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(INSERT, args![id, user, new_email, now]).await
}

/// Ends whatever change of the user is under way.
pub async fn end_of_user(tx: &mut Tx, user: Id<User>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(END_OF_USER, args![user, now]).await
}

/// Notes that one side has agreed; `None` if the change is no longer under way.
pub async fn confirm(
    tx: &mut Tx,
    id: i64,
    side: Side,
    now: Timestamp,
) -> Result<Option<AddressChangeRow>, StoreError> {
    let sql = match side {
        Side::Old => CONFIRM_OLD,
        Side::New => CONFIRM_NEW,
    };
    tx.fetch_optional(sql, args![id, now]).await?.as_ref().map(read).transpose()
}

/// The change of a user that is under way and was asked for after `since`.
pub async fn of_user(
    conn: &mut Conn,
    user: Id<User>,
    since: Timestamp,
) -> Result<Option<AddressChangeRow>, StoreError> {
    conn.fetch_optional(OF_USER, args![user, since]).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<AddressChangeRow, StoreError> {
    Ok(AddressChangeRow {
        id: row.int(0)?,
        user: row.id(1)?,
        new_email: row.parsed(2, "new_email", |text| EmailAddress::parse(text).ok())?,
        old_confirmed_at: row.optional_at(3)?,
        new_confirmed_at: row.optional_at(4)?,
        created_at: row.at(5)?,
    })
}

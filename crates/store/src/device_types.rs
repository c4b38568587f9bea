//! Device types: what kinds of thing may hold a security token, and what holds for its tokens. They are
//! data, so that an organization adds its own.

use symbolon_core::Timestamp;
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{
    DeviceRules, Holders, Mismatch, OnSharing, Overlap, ReminderDays,
};
use symbolon_core::id::{DeviceType as DeviceTypeKind, Id, Token};
use symbolon_core::names::DeviceType;
use symbolon_core::network::LoginRanges;
use symbolon_core::verification::BearerUse;
use symbolon_core::words::{of_word, word_of};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx, Value};

const INSERT: &str = "
    INSERT INTO device_type (id, name, created_at, bearer_since, max_age, reminders, addresses,
                             idle_end, overlap, holders, client_kind, mismatch, most_places,
                             on_sharing)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (name) DO NOTHING";
const UPDATE: &str = "
    UPDATE device_type
    SET bearer_since = $4, max_age = $5, reminders = $6, addresses = $7, idle_end = $8, overlap = $9,
        holders = $10, client_kind = $11, mismatch = $12, most_places = $13, on_sharing = $14
    WHERE id = $1 AND name = $2 AND created_at = $3";

const HOLD: &str = "UPDATE device_type SET name = name WHERE name = $1";

macro_rules! select_device_type {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, created_at, bearer_since, max_age, reminders, addresses, idle_end,
                    overlap, holders, client_kind, mismatch, most_places, on_sharing
             FROM device_type ",
            $rest
        )
    };
}

const LIST: &str = select_device_type!("ORDER BY name");
const FIND: &str = select_device_type!("WHERE name = $1");
const OF_TOKEN: &str =
    select_device_type!("WHERE name = (SELECT device_type FROM token WHERE token.id = $1)");

/// A device type's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTypeRow {
    /// Identifier.
    pub id: Id<DeviceTypeKind>,
    /// Name, unique.
    pub name: DeviceType,
    /// When it was added.
    pub created_at: Timestamp,
    /// Since when a token of it is a whole credential by itself, where its rules say so.
    pub bearer_since: Option<Timestamp>,
    /// What holds for its tokens.
    pub rules: DeviceRules,
}

/// Adds a device type; `false` if its name is taken.
pub async fn insert(tx: &mut Tx, device_type: &DeviceTypeRow) -> Result<bool, StoreError> {
    tx.execute_at_most_one(INSERT, &columns_of(device_type)).await
}

/// Writes its rules anew; `false` if there is no such device type.
pub async fn update(tx: &mut Tx, device_type: &DeviceTypeRow) -> Result<bool, StoreError> {
    tx.execute_at_most_one(UPDATE, &columns_of(device_type)).await
}

/// Holds the row for the rest of the transaction, so that what is read of it next is still so when it is written;
/// `false` if there is none.
pub async fn hold(tx: &mut Tx, name: &DeviceType) -> Result<bool, StoreError> {
    tx.execute_at_most_one(HOLD, args![name]).await
}

/// All device types by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<DeviceTypeRow>, StoreError> {
    conn.fetch_all(LIST, args![]).await?.iter().map(read).collect()
}

/// The device type with this name.
pub async fn find(conn: &mut Conn, name: &DeviceType) -> Result<Option<DeviceTypeRow>, StoreError> {
    conn.fetch_optional(FIND, args![name]).await?.as_ref().map(read).transpose()
}

/// The device type of a token.
pub async fn of_token(
    conn: &mut Conn,
    token: Id<Token>,
) -> Result<Option<DeviceTypeRow>, StoreError> {
    conn.fetch_optional(OF_TOKEN, args![token]).await?.as_ref().map(read).transpose()
}

fn columns_of(row: &DeviceTypeRow) -> Vec<Value> {
    let rules = &row.rules;
    args![
        row.id,
        &row.name,
        row.created_at,
        row.bearer_since,
        rules.max_age,
        rules.reminders.to_string(),
        rules.addresses.as_ref().map(ToString::to_string).unwrap_or_default(),
        rules.idle_end,
        word_of(&Overlap::ALL, rules.overlap),
        rules.holders.to_string(),
        rules.kind.map(ClientKind::word),
        word_of(&Mismatch::ALL, rules.mismatch),
        rules.most_places,
        word_of(&OnSharing::ALL, rules.on_sharing),
    ]
    .to_vec()
}

fn read(row: &Row) -> Result<DeviceTypeRow, StoreError> {
    let bearer_since = row.optional_at(3)?;
    let kind = row.optional_text(10)?;
    Ok(DeviceTypeRow {
        id: row.id(0)?,
        name: row.parsed(1, "device_type", |text| DeviceType::parse(text).ok())?,
        created_at: row.at(2)?,
        bearer_since,
        rules: DeviceRules {
            max_age: row.duration(4)?,
            reminders: row.parsed(5, "reminders", |text| ReminderDays::parse(text).ok())?,
            bearer: match bearer_since {
                Some(_) => BearerUse::Allowed,
                None => BearerUse::OneHalf,
            },
            addresses: row.parsed(6, "addresses", |text| LoginRanges::parse(text).ok())?,
            idle_end: row.optional_duration(7)?,
            overlap: row.parsed(8, "overlap", |text| of_word(&Overlap::ALL, text))?,
            holders: row.parsed(9, "holders", Holders::parse)?,
            kind: match kind {
                Some(_) => Some(row.parsed(10, "client_kind", ClientKind::from_word)?),
                None => None,
            },
            mismatch: row.parsed(11, "mismatch", |text| of_word(&Mismatch::ALL, text))?,
            most_places: row.count(12)?,
            on_sharing: row.parsed(13, "on_sharing", |text| of_word(&OnSharing::ALL, text))?,
        },
    })
}

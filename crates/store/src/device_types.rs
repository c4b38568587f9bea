//! Device types: what kinds of thing may hold a security token. They are data, so that an
//! organization adds its own.

use symbolon_core::Timestamp;
use symbolon_core::id::{DeviceType as DeviceTypeKind, Id};
use symbolon_core::names::DeviceType;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO device_type (id, name, bearer_since, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO NOTHING";
const LIST: &str = "SELECT id, name, bearer_since, created_at FROM device_type ORDER BY name";
const FIND: &str = "
    SELECT id, name, bearer_since, created_at FROM device_type WHERE name = $1";
const SET_BEARER: &str = "UPDATE device_type SET bearer_since = $2 WHERE name = $1";

/// A device type's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTypeRow {
    /// Identifier.
    pub id: Id<DeviceTypeKind>,
    /// Name, unique.
    pub name: DeviceType,
    /// Since when a token of it is a whole credential by itself.
    pub bearer_since: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Adds a device type; `false` if its name is taken.
pub async fn insert(tx: &mut Tx, device_type: &DeviceTypeRow) -> Result<bool, StoreError> {
    let DeviceTypeRow { id, name, bearer_since, created_at } = device_type;
    tx.execute_at_most_one(INSERT, args![*id, name, *bearer_since, *created_at]).await
}

/// All device types by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<DeviceTypeRow>, StoreError> {
    conn.fetch_all(LIST, args![]).await?.iter().map(read).collect()
}

/// The device type with this name.
pub async fn find(conn: &mut Conn, name: &DeviceType) -> Result<Option<DeviceTypeRow>, StoreError> {
    conn.fetch_optional(FIND, args![name]).await?.as_ref().map(read).transpose()
}

/// Says since when, or that not, a token of this device type is a whole credential; `false` if there is
/// no such device type.
pub async fn set_bearer(
    tx: &mut Tx,
    name: &DeviceType,
    bearer_since: Option<Timestamp>,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(SET_BEARER, args![name, bearer_since]).await
}

fn read(row: &Row) -> Result<DeviceTypeRow, StoreError> {
    Ok(DeviceTypeRow {
        id: row.id(0)?,
        name: row.parsed(1, "device_type", |text| DeviceType::parse(text).ok())?,
        bearer_since: row.optional_at(2)?,
        created_at: row.at(3)?,
    })
}

//! Profiles: named policies.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Profile};
use symbolon_core::policy::{Policy, SessionsOnReset, TokensOnPasswordChange};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO profile (id, name, token_max_age, lockout_failures, lockout_period, session_idle,
                         on_reset, on_password_change, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (name) DO NOTHING";
const UPDATE: &str = "
    UPDATE profile
    SET token_max_age = $2, lockout_failures = $3, lockout_period = $4, session_idle = $5,
        on_reset = $6, on_password_change = $7
    WHERE name = $1";
const LIST: &str = "
    SELECT id, name, token_max_age, lockout_failures, lockout_period, session_idle, on_reset,
           on_password_change
    FROM profile ORDER BY name";
const FIND_BY_NAME: &str = "
    SELECT id, name, token_max_age, lockout_failures, lockout_period, session_idle, on_reset,
           on_password_change
    FROM profile WHERE name = $1";
const FIND: &str = "
    SELECT id, name, token_max_age, lockout_failures, lockout_period, session_idle, on_reset,
           on_password_change
    FROM profile WHERE id = $1";

const SESSIONS_ON_RESET: [(SessionsOnReset, &str); 2] =
    [(SessionsOnReset::End, "end"), (SessionsOnReset::Keep, "keep")];
const TOKENS_ON_PASSWORD_CHANGE: [(TokensOnPasswordChange, &str); 2] =
    [(TokensOnPasswordChange::Keep, "keep"), (TokensOnPasswordChange::Reset, "reset")];

/// A profile's row.
#[derive(Debug, Clone)]
pub struct ProfileRecord {
    /// Its identifier.
    pub id: Id<Profile>,
    /// Its name, unique.
    pub name: String,
    /// Its policy.
    pub policy: Policy,
}

/// Adds a profile; `false` if its name is taken.
pub async fn insert(
    tx: &mut Tx,
    profile: &ProfileRecord,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let policy = &profile.policy;
    let args = args![
        profile.id,
        &profile.name,
        policy.token_max_age,
        policy.lockout_failures,
        policy.lockout_period,
        policy.session_idle,
        word(&SESSIONS_ON_RESET, policy.on_reset),
        word(&TOKENS_ON_PASSWORD_CHANGE, policy.on_password_change),
        now,
    ];
    tx.execute_at_most_one(INSERT, args).await
}

/// Replaces the policy of the profile with this name; `false` if there is none.
pub async fn update(tx: &mut Tx, name: &str, policy: &Policy) -> Result<bool, StoreError> {
    let args = args![
        name,
        policy.token_max_age,
        policy.lockout_failures,
        policy.lockout_period,
        policy.session_idle,
        word(&SESSIONS_ON_RESET, policy.on_reset),
        word(&TOKENS_ON_PASSWORD_CHANGE, policy.on_password_change),
    ];
    tx.execute_at_most_one(UPDATE, args).await
}

/// All profiles by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<ProfileRecord>, StoreError> {
    conn.fetch_all(LIST, args![]).await?.iter().map(read).collect()
}

/// The profile with this name.
pub async fn find_by_name(
    conn: &mut Conn,
    name: &str,
) -> Result<Option<ProfileRecord>, StoreError> {
    conn.fetch_optional(FIND_BY_NAME, args![name]).await?.as_ref().map(read).transpose()
}

/// The profile with this identifier.
pub async fn find(conn: &mut Conn, id: Id<Profile>) -> Result<ProfileRecord, StoreError> {
    read(&conn.fetch_one(FIND, args![id]).await?)
}

fn read(row: &Row) -> Result<ProfileRecord, StoreError> {
    Ok(ProfileRecord { id: row.id(0)?, name: row.text(1)?, policy: read_policy(row, 2)? })
}

fn read_policy(row: &Row, first: usize) -> Result<Policy, StoreError> {
    Ok(Policy {
        token_max_age: row.duration(first)?,
        lockout_failures: row.count(first + 1)?,
        lockout_period: row.duration(first + 2)?,
        session_idle: row.duration(first + 3)?,
        on_reset: row.parsed(first + 4, "on_reset", |text| value(&SESSIONS_ON_RESET, text))?,
        on_password_change: row.parsed(first + 5, "on_password_change", |text| {
            value(&TOKENS_ON_PASSWORD_CHANGE, text)
        })?,
    })
}

fn word<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(each, _)| *each == value).map_or("", |(_, word)| word)
}

fn value<T: Copy>(all: &[(T, &'static str)], word: &str) -> Option<T> {
    all.iter().find(|(_, each)| *each == word).map(|(value, _)| *value)
}

//! Authenticator apps: their sealed secrets, and the last time step of which a code was taken.

use symbolon_core::Timestamp;
use symbolon_core::id::{Authenticator, Id, User};
use symbolon_core::keys::KeyId;
use symbolon_core::names::DisplayName;
use symbolon_core::sealed::Sealed;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO authenticator (id, user_id, name, secret, key_id, last_step, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

macro_rules! select_authenticator {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, name, secret, key_id, last_step, created_at, last_used_at
             FROM authenticator ",
            $rest
        )
    };
}

const OF_USER: &str = select_authenticator!("WHERE user_id = $1 ORDER BY created_at, id");
const FIND: &str = select_authenticator!("WHERE id = $1 AND user_id = $2");
const UNDER_OTHER_KEYS: &str = select_authenticator!("WHERE key_id <> $1 ORDER BY id");
const COUNT: &str = "SELECT COUNT(*) FROM authenticator WHERE user_id = $1";
// The comparison is what makes each step count once: of two takers of one code the second finds it taken.
const TAKE_STEP: &str = "
    UPDATE authenticator SET last_step = $3, last_used_at = $4
    WHERE id = $1 AND user_id = $2 AND last_step < $3";
const RENAME: &str = "UPDATE authenticator SET name = $3 WHERE id = $1 AND user_id = $2";
const REMOVE: &str = "DELETE FROM authenticator WHERE id = $1 AND user_id = $2";
const REMOVE_OF_USER: &str = "DELETE FROM authenticator WHERE user_id = $1";
const RESEAL: &str = "
    UPDATE authenticator SET secret = $3, key_id = $4 WHERE id = $1 AND key_id = $2";

/// An authenticator's row.
#[derive(Debug)]
pub struct AuthenticatorRecord {
    /// Identifier.
    pub id: Id<Authenticator>,
    /// Whose it is.
    pub user: Id<User>,
    /// What its owner calls it.
    pub name: DisplayName,
    /// Its secret, sealed.
    pub secret: Sealed,
    /// The last time step of which a code was taken.
    pub last_step: i64,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When a code of it was taken last.
    pub last_used_at: Option<Timestamp>,
}

/// An authenticator to be enrolled.
#[derive(Debug)]
pub struct NewAuthenticator<'a> {
    /// Identifier.
    pub id: Id<Authenticator>,
    /// Whose it is.
    pub user: Id<User>,
    /// What its owner calls it.
    pub name: &'a DisplayName,
    /// Its secret, sealed.
    pub secret: &'a Sealed,
    /// The step whose code has proved it: it is taken by that.
    pub last_step: i64,
}

/// Enrols an authenticator.
pub async fn insert(
    tx: &mut Tx,
    new: &NewAuthenticator<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Sealed { key, bytes } = new.secret;
    let args = args![new.id, new.user, new.name, bytes.as_slice(), *key, new.last_step, now];
    tx.execute_one(INSERT, args).await
}

/// The authenticators of a user, the oldest first.
pub async fn of_user(
    conn: &mut Conn,
    user: Id<User>,
) -> Result<Vec<AuthenticatorRecord>, StoreError> {
    conn.fetch_all(OF_USER, args![user]).await?.iter().map(read).collect()
}

/// One authenticator of a user.
pub async fn find(
    conn: &mut Conn,
    user: Id<User>,
    id: Id<Authenticator>,
) -> Result<Option<AuthenticatorRecord>, StoreError> {
    conn.fetch_optional(FIND, args![id, user]).await?.as_ref().map(read).transpose()
}

/// How many authenticators a user has.
pub async fn count(conn: &mut Conn, user: Id<User>) -> Result<i64, StoreError> {
    conn.fetch_one(COUNT, args![user]).await?.int(0)
}

/// Takes the code of `step`; `false` if one of this step or a later one was taken before.
pub async fn take_step(
    tx: &mut Tx,
    user: Id<User>,
    id: Id<Authenticator>,
    step: i64,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(TAKE_STEP, args![id, user, step, now]).await
}

/// Renames an authenticator; `false` if the user has none of this identifier.
pub async fn rename(
    tx: &mut Tx,
    user: Id<User>,
    id: Id<Authenticator>,
    name: &DisplayName,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(RENAME, args![id, user, name]).await
}

/// Removes an authenticator with its secret; `false` if the user has none of this identifier.
pub async fn remove(
    tx: &mut Tx,
    user: Id<User>,
    id: Id<Authenticator>,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(REMOVE, args![id, user]).await
}

/// Removes every authenticator of a user.
pub async fn remove_of_user(tx: &mut Tx, user: Id<User>) -> Result<u64, StoreError> {
    tx.execute(REMOVE_OF_USER, args![user]).await
}

/// The authenticators whose secrets are sealed under another key than this one.
pub async fn under_other_keys(
    conn: &mut Conn,
    key: KeyId,
) -> Result<Vec<AuthenticatorRecord>, StoreError> {
    conn.fetch_all(UNDER_OTHER_KEYS, args![key]).await?.iter().map(read).collect()
}

/// Replaces the sealed secret by the same under another key, if it is still under `old`.
pub async fn reseal(
    tx: &mut Tx,
    id: Id<Authenticator>,
    old: KeyId,
    secret: &Sealed,
) -> Result<bool, StoreError> {
    let args = args![id, old, secret.bytes.as_slice(), secret.key];
    tx.execute_at_most_one(RESEAL, args).await
}

fn read(row: &Row) -> Result<AuthenticatorRecord, StoreError> {
    Ok(AuthenticatorRecord {
        id: row.id(0)?,
        user: row.id(1)?,
        name: row.parsed(2, "authenticator.name", |text| DisplayName::parse(text).ok())?,
        secret: Sealed { bytes: row.blob(3)?, key: KeyId(row.count(4)?) },
        last_step: row.int(5)?,
        created_at: row.at(6)?,
        last_used_at: row.optional_at(7)?,
    })
}

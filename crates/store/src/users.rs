//! Users.
//!
//! `epoch` rises with every change that a decision may hang on (password, freeze, reset, removal): who
//! decided on what he read commits only if the epoch is still the one that he read.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Profile, User};
use symbolon_core::judge::{FrozenBy, Standing, TokenFreeze};
use symbolon_core::keys::KeyId;
use symbolon_core::lockout::Failures;
use symbolon_core::names::{DisplayName, EmailAddress, Username};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::rows::rows;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO user_account (id, username, username_key, email, name, profile_id, admin_since,
                              password_hash, password_key, password_changed_at, epoch, failures,
                              created_at, profile_since)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, 0, $11, $11)
    ON CONFLICT DO NOTHING";

macro_rules! select_user {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, email, name, profile_id, admin_since, password_hash, password_key,
                    password_changed_at, password_expired_at, epoch, frozen_at, tokens_frozen_at,
                    failures, last_failure_at, locked_until, last_login_at, created_at,
                    code_failures, last_code_failure_at, code_locked_until, profile_since,
                    delivery_email, tokens_frozen_by
             FROM user_account WHERE removed_at IS NULL ",
            $rest
        )
    };
}

const FIND: &str = select_user!("AND id = $1");
const FIND_BY_NAME: &str = select_user!("AND username_key = $1");
const LIST: &str = select_user!("AND username_key > $1 ORDER BY username_key LIMIT $2");
const FIRST_ADMINISTRATORS: &str = select_user!(
    "AND admin_since IS NOT NULL AND frozen_at IS NULL ORDER BY username_key LIMIT $1"
);
const ADMINISTRATORS: &str =
    "SELECT COUNT(*) FROM user_account WHERE removed_at IS NULL AND admin_since IS NOT NULL
     AND password_hash IS NOT NULL AND frozen_at IS NULL";
const PEPPERED_BY_OTHERS: &str = "
    SELECT COUNT(*) FROM user_account
    WHERE removed_at IS NULL AND password_hash IS NOT NULL AND password_key <> $1";
const TAKE: &str = "
    UPDATE user_account SET epoch = epoch + 1 WHERE id = $1 AND removed_at IS NULL";
const HOLD: &str = "
    UPDATE user_account SET epoch = epoch WHERE id = $1 AND removed_at IS NULL";
/// In one order, whoever asks: else two that hold many would wait for each other.
const HOLD_ALL: &str = "
    SELECT id FROM user_account
    WHERE id IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1))) AND removed_at IS NULL
    ORDER BY id FOR NO KEY UPDATE";
const HOLD_AT_EPOCH: &str = "
    UPDATE user_account SET epoch = epoch WHERE id = $1 AND epoch = $2 AND removed_at IS NULL";
const SET_FAILURES: &str = "
    UPDATE user_account SET failures = $2, last_failure_at = $3, locked_until = $4 WHERE id = $1";
const SET_CODE_FAILURES: &str = "
    UPDATE user_account
    SET code_failures = $2, last_code_failure_at = $3, code_locked_until = $4 WHERE id = $1";
const NOTE_LOGIN: &str = "
    UPDATE user_account SET last_login_at = $2 WHERE id = $1";
const SET_PASSWORD: &str = "
    UPDATE user_account
    SET password_hash = $2, password_key = $3, password_changed_at = $4, password_expired_at = $5,
        failures = 0, last_failure_at = NULL, locked_until = NULL
    WHERE id = $1";
const REHASH: &str = "
    UPDATE user_account SET password_hash = $3, password_key = $4
    WHERE id = $1 AND password_hash = $2";
const EXPIRE_PASSWORD: &str = "
    UPDATE user_account SET password_expired_at = $2
    WHERE id = $1 AND password_expired_at IS NULL";
const SET_PROFILE: &str =
    "UPDATE user_account SET profile_id = $2, profile_since = $3 WHERE id = $1";
const SET_FROZEN: &str = "UPDATE user_account SET frozen_at = $2 WHERE id = $1";
const FREEZE_TOKENS: &str = "
    UPDATE user_account SET tokens_frozen_at = $2, tokens_frozen_by = $3 WHERE id = $1";
const UNFREEZE_TOKENS: &str = "
    UPDATE user_account
    SET tokens_frozen_at = NULL, tokens_frozen_by = NULL, tokens_unfrozen_at = $2 WHERE id = $1";
const SET_NAME: &str = "UPDATE user_account SET name = $2 WHERE id = $1 AND removed_at IS NULL";
const SET_EMAIL: &str = "UPDATE user_account SET email = $2 WHERE id = $1 AND removed_at IS NULL";
const SET_DELIVERY: &str = "
    UPDATE user_account SET delivery_email = $2 WHERE id = $1 AND removed_at IS NULL";
const REMOVE: &str = "
    UPDATE user_account
    SET removed_at = $2, email = '', name = '', delivery_email = NULL, password_hash = NULL,
        password_key = NULL, admin_since = NULL
    WHERE id = $1 AND removed_at IS NULL";

/// A user's row.
#[derive(Debug, Clone)]
pub struct UserRecord {
    /// Who it is, whether he may log in, failures.
    pub standing: Standing,
    /// Login name.
    pub username: Username,
    /// Where mail goes.
    pub email: EmailAddress,
    /// Where mail with a token goes instead.
    pub delivery: Option<EmailAddress>,
    /// As shown.
    pub name: DisplayName,
    /// Under whose policy.
    pub profile: Id<Profile>,
    /// Since when.
    pub profile_since: Timestamp,
    /// Since when an administrator.
    pub admin_since: Option<Timestamp>,
    /// The password's hash.
    pub password: Option<PasswordRecord>,
    /// When the password was chosen.
    pub password_changed_at: Option<Timestamp>,
    /// Since when only a change of the password is allowed.
    pub password_expired_at: Option<Timestamp>,
    /// See the module.
    pub epoch: i64,
    /// Last login that was let in.
    pub last_login_at: Option<Timestamp>,
    /// When the user was added.
    pub created_at: Timestamp,
    /// Wrong codes of second factors and mails in a row, and whether they lock the entry of codes.
    pub code_failures: Failures,
}

/// A password's hash in PHC form, and the key whose pepper is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRecord {
    /// PHC string.
    pub hash: String,
    /// The key of the ring whose pepper was mixed in.
    pub pepper: KeyId,
}

impl std::fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordRecord(..)")
    }
}

/// A user to be added.
#[derive(Debug)]
pub struct NewUserRecord<'a> {
    /// Identifier.
    pub id: Id<User>,
    /// Login name.
    pub username: &'a Username,
    /// Where mail goes.
    pub email: &'a EmailAddress,
    /// As shown.
    pub name: &'a DisplayName,
    /// Under whose policy.
    pub profile: Id<Profile>,
    /// Since when an administrator.
    pub admin_since: Option<Timestamp>,
    /// `None` until the invitation is accepted.
    pub password: Option<&'a PasswordRecord>,
}

/// Adds a user; `false` if the username is taken.
pub async fn insert(
    tx: &mut Tx,
    user: &NewUserRecord<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let args = args![
        user.id,
        user.username,
        user.username.key(),
        user.email,
        user.name,
        user.profile,
        user.admin_since,
        user.password.map(|password| password.hash.as_str()),
        user.password.map(|password| password.pepper),
        user.password.map(|_| now),
        now,
    ];
    tx.execute_at_most_one(INSERT, args).await
}

/// The user with this identifier, unless removed.
pub async fn find(conn: &mut Conn, user: Id<User>) -> Result<Option<UserRecord>, StoreError> {
    conn.fetch_optional(FIND, args![user]).await?.as_ref().map(read).transpose()
}

/// The user with this name, in whatever case, unless removed.
pub async fn find_by_name(
    conn: &mut Conn,
    username: &Username,
) -> Result<Option<UserRecord>, StoreError> {
    conn.fetch_optional(FIND_BY_NAME, args![username.key()]).await?.as_ref().map(read).transpose()
}

/// Users in the order of their names, after the name `after`.
pub async fn list(conn: &mut Conn, after: &str, limit: i64) -> Result<Vec<UserRecord>, StoreError> {
    conn.fetch_all(LIST, args![after, limit]).await?.iter().map(read).collect()
}

/// Administrators in the order of their names, but for frozen ones.
pub async fn administrators(conn: &mut Conn, limit: i64) -> Result<Vec<UserRecord>, StoreError> {
    conn.fetch_all(FIRST_ADMINISTRATORS, args![limit]).await?.iter().map(read).collect()
}

/// How many administrators can log in.
pub async fn count_administrators(conn: &mut Conn) -> Result<i64, StoreError> {
    conn.fetch_one(ADMINISTRATORS, args![]).await?.int(0)
}

/// How many password hashes hold the pepper of another key than this one.
pub async fn count_peppered_by_others(conn: &mut Conn, key: KeyId) -> Result<i64, StoreError> {
    conn.fetch_one(PEPPERED_BY_OTHERS, args![key]).await?.int(0)
}

/// Takes the user's row for the rest of the transaction and raises its epoch; `false` if removed.
///
/// On PostgreSQL the row lock queues racing changes of one user, on SQLite `BEGIN IMMEDIATE` already
/// has. Whoever decided on an older epoch finds out at [`hold_at_epoch`].
pub async fn take(tx: &mut Tx, user: Id<User>) -> Result<bool, StoreError> {
    tx.execute_at_most_one(TAKE, args![user]).await
}

/// Holds the user's row for the rest of the transaction without raising its epoch.
pub async fn hold(tx: &mut Tx, user: Id<User>) -> Result<bool, StoreError> {
    tx.execute_at_most_one(HOLD, args![user]).await
}

/// Holds the rows of all these users for the rest of the transaction, as [`hold`] holds one.
pub async fn hold_all(tx: &mut Tx, users: &[Id<User>]) -> Result<(), StoreError> {
    tx.lock(HOLD_ALL, &[rows(users.iter().map(|user| [(*user).into()]))]).await
}

/// Holds the user's row if nothing that matters has changed since `epoch` was read.
pub async fn hold_at_epoch(tx: &mut Tx, user: Id<User>, epoch: i64) -> Result<bool, StoreError> {
    tx.execute_at_most_one(HOLD_AT_EPOCH, args![user, epoch]).await
}

/// Writes down failures and lockout.
pub async fn set_failures(
    tx: &mut Tx,
    user: Id<User>,
    failures: Failures,
) -> Result<(), StoreError> {
    let args = args![user, failures.count, failures.last_at, failures.locked_until];
    tx.execute_one(SET_FAILURES, args).await
}

/// Writes down wrong codes, and whether they lock the entry of codes.
pub async fn set_code_failures(
    tx: &mut Tx,
    user: Id<User>,
    failures: Failures,
) -> Result<(), StoreError> {
    let args = args![user, failures.count, failures.last_at, failures.locked_until];
    tx.execute_one(SET_CODE_FAILURES, args).await
}

/// Notes a login that was let in.
pub async fn note_login(tx: &mut Tx, user: Id<User>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(NOTE_LOGIN, args![user, now]).await
}

/// Replaces the password; failures are forgotten.
pub async fn set_password(
    tx: &mut Tx,
    user: Id<User>,
    password: &PasswordRecord,
    expired_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let args = args![user, &password.hash, password.pepper, now, expired_at];
    tx.execute_one(SET_PASSWORD, args).await
}

/// Replaces the hash of an unchanged password by one with today's parameters, if it is still `old`.
pub async fn rehash(
    tx: &mut Tx,
    user: Id<User>,
    old: &PasswordRecord,
    new: &PasswordRecord,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(REHASH, args![user, &old.hash, &new.hash, new.pepper]).await
}

/// Lets nothing but a change of the password be allowed from now on; `false` if that was so already.
pub async fn expire_password(
    tx: &mut Tx,
    user: Id<User>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(EXPIRE_PASSWORD, args![user, now]).await
}

/// Puts a user under another profile.
pub async fn set_profile(
    tx: &mut Tx,
    user: Id<User>,
    profile: Id<Profile>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(SET_PROFILE, args![user, profile, now]).await
}

/// Freezes or unfreezes a user.
pub async fn set_frozen(
    tx: &mut Tx,
    user: Id<User>,
    since: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.execute_one(SET_FROZEN, args![user, since]).await
}

/// Freezes the tokens of an account.
pub async fn freeze_tokens(
    tx: &mut Tx,
    user: Id<User>,
    freeze: TokenFreeze,
) -> Result<(), StoreError> {
    tx.execute_one(FREEZE_TOKENS, args![user, freeze.at, freeze.by.word()]).await
}

/// Lifts the freeze of an account's tokens, and remembers when.
pub async fn unfreeze_tokens(
    tx: &mut Tx,
    user: Id<User>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(UNFREEZE_TOKENS, args![user, now]).await
}

/// Changes the name shown; `false` if the user is gone.
pub async fn set_name(tx: &mut Tx, user: Id<User>, name: &DisplayName) -> Result<bool, StoreError> {
    tx.execute_at_most_one(SET_NAME, args![user, name]).await
}

/// Changes the address; `false` if the user is gone.
pub async fn set_email(
    tx: &mut Tx,
    user: Id<User>,
    email: &EmailAddress,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(SET_EMAIL, args![user, email]).await
}

/// Says where mail with a token goes, or that it goes to the user's own address; `false` if the user is
/// gone.
pub async fn set_delivery(
    tx: &mut Tx,
    user: Id<User>,
    delivery: Option<&EmailAddress>,
) -> Result<bool, StoreError> {
    let delivery = delivery.map(EmailAddress::as_str);
    tx.execute_at_most_one(SET_DELIVERY, args![user, delivery]).await
}

/// Removes a user: the row stays for the trail, what belongs to the person is erased.
pub async fn remove(tx: &mut Tx, user: Id<User>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(REMOVE, args![user, now]).await
}

fn read_freeze(row: &Row) -> Result<Option<TokenFreeze>, StoreError> {
    let Some(at) = row.optional_at(12)? else { return Ok(None) };
    Ok(Some(TokenFreeze { at, by: row.parsed(23, "tokens_frozen_by", FrozenBy::from_word)? }))
}

fn read(row: &Row) -> Result<UserRecord, StoreError> {
    let hash = row.optional_text(6)?;
    let pepper = row.optional_int(7)?.and_then(|key| u32::try_from(key).ok()).map(KeyId);
    let password = hash.zip(pepper).map(|(hash, pepper)| PasswordRecord { hash, pepper });
    let delivery = match row.optional_text(22)? {
        Some(_) => Some(row.parsed(22, "delivery_email", |text| EmailAddress::parse(text).ok())?),
        None => None,
    };
    Ok(UserRecord {
        standing: Standing {
            user: row.id(0)?,
            activated: password.is_some(),
            frozen_at: row.optional_at(11)?,
            tokens_frozen: read_freeze(row)?,
            failures: Failures {
                count: row.count(13)?,
                last_at: row.optional_at(14)?,
                locked_until: row.optional_at(15)?,
            },
        },
        username: row.parsed(1, "username", |text| Username::parse(text).ok())?,
        email: row.parsed(2, "email", |text| EmailAddress::parse(text).ok())?,
        delivery,
        name: row.parsed(3, "name", |text| DisplayName::parse(text).ok())?,
        profile: row.id(4)?,
        profile_since: row.at(21)?,
        admin_since: row.optional_at(5)?,
        password,
        password_changed_at: row.optional_at(8)?,
        password_expired_at: row.optional_at(9)?,
        epoch: row.int(10)?,
        last_login_at: row.optional_at(16)?,
        created_at: row.at(17)?,
        code_failures: Failures {
            count: row.count(18)?,
            last_at: row.optional_at(19)?,
            locked_until: row.optional_at(20)?,
        },
    })
}

//! Resets of all users of a profile: what each is to do, and how far it has come.

use symbolon_core::Timestamp;
use symbolon_core::id::{BulkReset, Id, Profile, User};
use symbolon_core::names::DeviceType;
use symbolon_core::policy::MailEncryption;
use symbolon_core::reset::Scope;
use symbolon_core::words::{of_word, word_of};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO bulk_reset (id, profile_id, device_type, scope, reason, actor, state, position, total,
        done, passed_over, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, -1, $8, 0, 0, $9)";
const HOLD: &str = "UPDATE bulk_reset SET state = state WHERE id = $1";
const ADVANCE: &str = "
    UPDATE bulk_reset SET position = $2, done = done + $3, passed_over = passed_over + $4
    WHERE id = $1";
const END: &str = "UPDATE bulk_reset SET state = $2, ended_at = $3 WHERE id = $1";
const NEXT_USERS: &str = "
    SELECT id FROM user_account
    WHERE id > $2 AND profile_id = $1 AND removed_at IS NULL AND created_at <= $3
    ORDER BY id LIMIT $4";
const COUNT: &str = "
    SELECT COUNT(*), COUNT(CASE
        WHEN frozen_at IS NOT NULL OR password_hash IS NULL THEN 1
        WHEN tokens_frozen_at IS NOT NULL AND $2 = 'device-type' THEN 1
        WHEN openpgp_key.expires_at <= $3 THEN 1
        WHEN openpgp_key.user_id IS NULL AND $4 = 'required' THEN 1 END)
    FROM user_account LEFT JOIN openpgp_key ON openpgp_key.user_id = user_account.id
    WHERE profile_id = $1 AND removed_at IS NULL";
const COUNT_TOKENS: &str = "
    SELECT COUNT(*), COUNT(CASE WHEN token.device_type = $2 THEN 1 END)
    FROM token JOIN user_account ON user_account.id = token.user_id
    WHERE user_account.profile_id = $1 AND token.retired_at IS NULL";

macro_rules! select_bulk {
    ($rest:literal) => {
        concat!(
            "SELECT bulk_reset.id, bulk_reset.profile_id, profile.name, bulk_reset.device_type,
                    bulk_reset.scope, bulk_reset.reason, bulk_reset.state, bulk_reset.position,
                    bulk_reset.total, bulk_reset.done, bulk_reset.passed_over,
                    bulk_reset.created_at, bulk_reset.ended_at
             FROM bulk_reset JOIN profile ON profile.id = bulk_reset.profile_id ",
            $rest
        )
    };
}

const FIND: &str = select_bulk!("WHERE bulk_reset.id = $1");
const LIST: &str = select_bulk!("ORDER BY bulk_reset.created_at DESC, bulk_reset.id LIMIT $1");

/// Whether a bulk reset still has something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkState {
    /// It has.
    Running,
    /// Every user has had his turn.
    Done,
    /// Somebody has ended it; what was reset stays reset.
    Cancelled,
}

impl BulkState {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Running, "running"), (Self::Done, "done"), (Self::Cancelled, "cancelled")];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }
}

const SCOPES: [(Scope, &str); 2] =
    [(Scope::Account, "account"), (Scope::DeviceType, "device-type")];

/// A bulk reset to be begun.
#[derive(Debug)]
pub struct NewBulkReset<'a> {
    /// Identifier.
    pub id: Id<BulkReset>,
    /// Whose users.
    pub profile: Id<Profile>,
    /// What kind of thing is to hold the new tokens.
    pub device_type: &'a DeviceType,
    /// Which earlier tokens end.
    pub scope: Scope,
    /// Why.
    pub reason: &'a str,
    /// Who began it.
    pub actor: &'a str,
    /// How many users there are.
    pub total: i64,
}

/// A bulk reset, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkResetRow {
    /// Identifier.
    pub id: Id<BulkReset>,
    /// Whose users.
    pub profile: Id<Profile>,
    /// The name of the profile.
    pub profile_name: String,
    /// What kind of thing is to hold the new tokens.
    pub device_type: DeviceType,
    /// Which earlier tokens end.
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Whether it still has something to do.
    pub state: BulkState,
    /// The last user that has had his turn, by number; -1 before the first.
    pub position: i64,
    /// How many users there were when it began.
    pub total: i64,
    /// How many were reset.
    pub done: i64,
    /// How many were passed over, for a rule forbids it.
    pub passed_over: i64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Users of the profile.
    pub users: i64,
    /// Of these, those whom a rule forbids it.
    pub passed_over: i64,
    /// Live tokens of all of them.
    pub tokens: i64,
    /// Of these, of the device type asked about.
    pub tokens_of_type: i64,
}

/// Begins a bulk reset.
pub async fn insert(tx: &mut Tx, new: &NewBulkReset<'_>, now: Timestamp) -> Result<(), StoreError> {
    let args = args![
        new.id,
        new.profile,
        new.device_type,
        word_of(&SCOPES, new.scope),
        new.reason,
        new.actor,
        BulkState::Running.word(),
        new.total,
        now,
    ];
    tx.execute_one(INSERT, args).await
}

/// Holds the row for the rest of the transaction; `false` if there is none.
pub async fn hold(tx: &mut Tx, id: Id<BulkReset>) -> Result<bool, StoreError> {
    tx.execute_at_most_one(HOLD, args![id]).await
}

/// Notes that all users up to `position` have had their turn.
pub async fn advance(
    tx: &mut Tx,
    id: Id<BulkReset>,
    position: Id<User>,
    done: i64,
    passed_over: i64,
) -> Result<(), StoreError> {
    tx.execute_one(ADVANCE, args![id, position, done, passed_over]).await
}

/// Brings a bulk reset to its end.
pub async fn end(
    tx: &mut Tx,
    id: Id<BulkReset>,
    state: BulkState,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(END, args![id, state.word(), now]).await
}

/// One bulk reset.
pub async fn find(conn: &mut Conn, id: Id<BulkReset>) -> Result<Option<BulkResetRow>, StoreError> {
    conn.fetch_optional(FIND, args![id]).await?.as_ref().map(read).transpose()
}

/// Bulk resets, the latest first.
pub async fn list(conn: &mut Conn, limit: i64) -> Result<Vec<BulkResetRow>, StoreError> {
    conn.fetch_all(LIST, args![limit]).await?.iter().map(read).collect()
}

/// The users whose turn comes next, in the order of their numbers. Who came after the bulk reset was begun
/// has a token that is young enough.
pub async fn next_users(
    conn: &mut Conn,
    bulk: &BulkResetRow,
    limit: i64,
) -> Result<Vec<Id<User>>, StoreError> {
    let args = args![bulk.profile, bulk.position, bulk.created_at, limit];
    conn.fetch_all(NEXT_USERS, args).await?.iter().map(|row| row.id(0)).collect()
}

/// How much there is to do for a profile: whom a reset of that scope can reach at `now`, if mail with a token is
/// or is not to be encrypted.
pub async fn extent(
    conn: &mut Conn,
    profile: Id<Profile>,
    (device_type, scope): (&DeviceType, Scope),
    encryption: MailEncryption,
    now: Timestamp,
) -> Result<Extent, StoreError> {
    let encryption = word_of(&MailEncryption::ALL, encryption);
    let args = args![profile, word_of(&SCOPES, scope), now, encryption];
    let users = conn.fetch_one(COUNT, args).await?;
    let tokens = conn.fetch_one(COUNT_TOKENS, args![profile, device_type]).await?;
    Ok(Extent {
        users: users.int(0)?,
        passed_over: users.int(1)?,
        tokens: tokens.int(0)?,
        tokens_of_type: tokens.int(1)?,
    })
}

fn read(row: &Row) -> Result<BulkResetRow, StoreError> {
    Ok(BulkResetRow {
        id: row.id(0)?,
        profile: row.id(1)?,
        profile_name: row.text(2)?,
        device_type: row.parsed(3, "device_type", |text| DeviceType::parse(text).ok())?,
        scope: row.parsed(4, "scope", |text| of_word(&SCOPES, text))?,
        reason: row.text(5)?,
        state: row.parsed(6, "state", |text| of_word(&BulkState::ALL, text))?,
        position: row.int(7)?,
        total: row.int(8)?,
        done: row.int(9)?,
        passed_over: row.int(10)?,
        created_at: row.at(11)?,
        ended_at: row.optional_at(12)?,
    })
}

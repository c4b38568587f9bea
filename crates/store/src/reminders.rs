//! The age of tokens: which are soon to die or have died, of which days their owners were reminded, and of
//! which weeks administrators have got the digest.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::names::{DeviceType, Username};
use symbolon_core::reminder::Lifetime;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::rows::rows;
use crate::sql::{Conn, Row, Tx};

/// A token that a rotation lets live on is on its way out as planned, and who is frozen cannot reset.
macro_rules! select_aging {
    ($rest:literal) => {
        concat!(
            "SELECT token.id, token.user_id, token.device_type, token.issued_at, token.expires_at,
                    user_account.username
             FROM token JOIN user_account ON user_account.id = token.user_id
             WHERE token.retired_at IS NULL AND token.succeeded_by IS NULL
               AND user_account.removed_at IS NULL AND user_account.frozen_at IS NULL
               AND user_account.tokens_frozen_at IS NULL ",
            $rest
        )
    };
}

const PAGE: &str = select_aging!(
    "AND (token.expires_at, token.id) > ($1, $2) AND token.expires_at <= $3
     ORDER BY token.expires_at, token.id LIMIT $4"
);
const SENT: &str = "
    SELECT token_id, days FROM reminder
    WHERE token_id IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))";
const INSERT: &str = "
    INSERT INTO reminder (token_id, days, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const COVER: &str = "
    INSERT INTO reminder (token_id, days, at)
    SELECT CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), CAST($2 AS BIGINT)
    FROM json_each(json($1)) WHERE 1 = 1
    ON CONFLICT DO NOTHING";
const EXPIRING: &str = "
    SELECT COUNT(*) FROM token JOIN user_account ON user_account.id = token.user_id
    WHERE token.retired_at IS NULL AND token.succeeded_by IS NULL
      AND token.expires_at > $1 AND token.expires_at <= $2
      AND user_account.removed_at IS NULL AND user_account.frozen_at IS NULL
      AND user_account.tokens_frozen_at IS NULL";
const NEVER_USED: &str = "
    SELECT COUNT(*) FROM token JOIN user_account ON user_account.id = token.user_id
    WHERE token.retired_at IS NULL AND token.succeeded_by IS NULL AND token.last_used_at IS NULL
      AND token.expires_at > $1 AND token.issued_at <= $2
      AND user_account.removed_at IS NULL AND user_account.frozen_at IS NULL
      AND user_account.tokens_frozen_at IS NULL";
const WITHOUT_SECOND_FACTOR: &str = "
    SELECT COUNT(*) FROM user_account
    WHERE removed_at IS NULL AND frozen_at IS NULL AND password_hash IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM authenticator WHERE authenticator.user_id = user_account.id)
      AND NOT EXISTS (SELECT 1 FROM passkey WHERE passkey.user_id = user_account.id)";
const TAKE_WEEK: &str = "
    INSERT INTO weekly_digest (week, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const HAS_WEEK: &str = "SELECT COUNT(*) FROM weekly_digest WHERE week = $1";
const READERS: &str = "
    SELECT id FROM user_account
    WHERE removed_at IS NULL AND frozen_at IS NULL AND admin_since IS NOT NULL
      AND password_hash IS NOT NULL
    ORDER BY id";

/// A token that nears its death, or has died of age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgingToken {
    /// Which.
    pub token: Id<Token>,
    /// Whose.
    pub user: Id<User>,
    /// Its owner's name.
    pub username: Username,
    /// What kind of thing holds it.
    pub device_type: DeviceType,
    /// Its dates.
    pub lifetime: Lifetime,
}

/// Where a page begins: behind this expiry, and this token of those with the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The expiry.
    pub expires_at: Timestamp,
    /// The token.
    pub token: Id<Token>,
}

impl Position {
    /// Before every token that expires after `at`.
    pub const fn after(at: Timestamp) -> Self {
        Self { expires_at: at, token: Id::from_raw(i64::MAX) }
    }

    /// Right behind a token.
    pub const fn behind(token: &AgingToken) -> Self {
        Self { expires_at: token.lifetime.expires_at, token: token.token }
    }
}

/// Tokens that were not replaced, from `after` on, that expire not later than `until`; soonest first.
pub async fn aging(
    conn: &mut Conn,
    after: Position,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<AgingToken>, StoreError> {
    let args = args![after.expires_at, after.token, until, limit];
    conn.fetch_all(PAGE, args).await?.iter().map(read).collect()
}

/// The days of which reminders of these tokens were sent, or are covered by later ones.
pub async fn sent(
    conn: &mut Conn,
    tokens: &[AgingToken],
) -> Result<Vec<(Id<Token>, u16)>, StoreError> {
    let tokens = rows(tokens.iter().map(|aging| [aging.token.into()]));
    let found = conn.fetch_all(SENT, &[tokens]).await?;
    let read = |row: &Row| {
        let days = u16::try_from(row.int(1)?);
        Ok((row.id(0)?, days.map_err(|_| StoreError::corrupt("reminder", "days", "?"))?))
    };
    found.iter().map(read).collect()
}

/// Notes that a token's owner is reminded for this day; `false` if another node was faster.
pub async fn insert(
    tx: &mut Tx,
    token: Id<Token>,
    days: u16,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(INSERT, args![token, i64::from(days), now]).await
}

/// Notes that these days of these tokens need no reminder of their own any more.
pub async fn cover(
    tx: &mut Tx,
    covered: &[(Id<Token>, u16)],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let covered =
        rows(covered.iter().map(|(token, days)| [(*token).into(), i64::from(*days).into()]));
    tx.execute(COVER, &[covered, now.into()]).await
}

/// How many tokens that were not replaced expire after `from`, not later than `until`.
pub async fn count_expiring(
    conn: &mut Conn,
    from: Timestamp,
    until: Timestamp,
) -> Result<u32, StoreError> {
    conn.fetch_one(EXPIRING, args![from, until]).await?.count(0)
}

/// How many live tokens that were issued at or before `issued_until` were never used.
pub async fn count_never_used(
    conn: &mut Conn,
    issued_until: Timestamp,
    now: Timestamp,
) -> Result<u32, StoreError> {
    conn.fetch_one(NEVER_USED, args![now, issued_until]).await?.count(0)
}

/// How many users who may log in have no second factor.
pub async fn count_without_second_factor(conn: &mut Conn) -> Result<u32, StoreError> {
    conn.fetch_one(WITHOUT_SECOND_FACTOR, args![]).await?.count(0)
}

/// Takes a week's digest upon oneself; `false` if another node was faster.
pub async fn take_week(tx: &mut Tx, week: i64, now: Timestamp) -> Result<bool, StoreError> {
    tx.execute_at_most_one(TAKE_WEEK, args![week, now]).await
}

/// Whether administrators have got the digest of a week.
pub async fn has_week(conn: &mut Conn, week: i64) -> Result<bool, StoreError> {
    Ok(conn.fetch_one(HAS_WEEK, args![week]).await?.int(0)? > 0)
}

/// The administrators who may log in.
pub async fn digest_readers(conn: &mut Conn) -> Result<Vec<Id<User>>, StoreError> {
    conn.fetch_all(READERS, args![]).await?.iter().map(|row| row.id(0)).collect()
}

fn read(row: &Row) -> Result<AgingToken, StoreError> {
    Ok(AgingToken {
        token: row.id(0)?,
        user: row.id(1)?,
        device_type: row.parsed(2, "device_type", |text| DeviceType::parse(text).ok())?,
        lifetime: Lifetime { issued_at: row.at(3)?, expires_at: row.at(4)? },
        username: row.parsed(5, "username", |text| Username::parse(text).ok())?,
    })
}

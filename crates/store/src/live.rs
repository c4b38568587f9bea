//! What the live view is filled and fed with: users and their live credentials, page by page at the
//! start, and afterwards whatever the change log says has changed.
//!
//! All readings here are of the state *after* the revision that they are asked about, never before:
//! whoever reads takes the revision first.

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Profile, Session, User};
use symbolon_core::secret::Digest;

use crate::changes::Change;
use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::rows::rows;
use crate::sql::{Conn, Row};

macro_rules! select_user {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, email, name, admin_since, profile_id, frozen_at, removed_at,
                    tokens_frozen_at, password_expired_at
             FROM user_account ",
            $rest
        )
    };
}

macro_rules! select_token {
    ($rest:literal) => {
        concat!(
            "SELECT id, digest, user_id, device_type, issued_at, expires_at,
                    COALESCE(last_used_at, issued_at) AS active_at FROM token
             WHERE retired_at IS NULL ",
            $rest
        )
    };
}

macro_rules! select_session {
    ($rest:literal) => {
        concat!(
            "SELECT id, digest, user_id, device_type, started_at, last_used_at, client_id
             FROM session WHERE kind = 'api' AND ended_at IS NULL ",
            $rest
        )
    };
}

/// Whose state has changed as a whole, from $1 (exclusive) to $2.
macro_rules! of_changed_users {
    ($column:literal) => {
        concat!(
            $column,
            " IN (SELECT user_id FROM change WHERE revision > $1 AND revision <= $2
                  AND kind IN ('user-changed', 'token-reset', 'token-revoked'))"
        )
    };
}

const USERS: &str =
    select_user!("WHERE id > $1 AND id <= $2 AND removed_at IS NULL ORDER BY id LIMIT $3");
/// A page in one row, for a driver takes longer over a row than the database over what is in it: `$packed`
/// of each row between semicolons, and the digests one behind the other. $4 is nothing: what stands
/// between two digests.
macro_rules! packed {
    ($packed:literal, $page:expr) => {
        concat!(
            "SELECT string_agg(",
            $packed,
            ", ';'), string_agg(digest, $4) FROM (",
            $page,
            ") AS page"
        )
    };
}

const TOKENS: &str = packed!(
    "id || ',' || user_id || ',' || issued_at || ',' || expires_at || ',' || active_at
     || ',' || device_type",
    select_token!("AND id > $1 AND id <= $2 ORDER BY id LIMIT $3")
);
const SESSIONS: &str = packed!(
    "id || ',' || user_id || ',' || started_at || ',' || last_used_at || ','
     || COALESCE(client_id || ',', ',') || COALESCE(device_type, '')",
    select_session!("AND id > $1 AND id <= $2 AND last_used_at > $5 ORDER BY id LIMIT $3")
);
const CHANGED_USERS: &str = concat!(select_user!("WHERE "), of_changed_users!("id"));
const CHANGED_TOKENS: &str = concat!(select_token!("AND "), of_changed_users!("user_id"));
const CHANGED_SESSIONS: &str = concat!(select_session!("AND "), of_changed_users!("user_id"));
const STARTED_SESSIONS: &str = select_session!(
    "AND id IN (SELECT subject FROM change WHERE revision > $1 AND revision <= $2
                AND kind = 'session-started')"
);
const ENDED_SESSIONS: &str = "
    SELECT id, digest FROM session
    WHERE id IN (SELECT subject FROM change WHERE revision > $1 AND revision <= $2
                 AND kind = 'session-ended')";
const COUNT_TOKENS: &str = "SELECT COUNT(*) FROM token WHERE retired_at IS NULL";
const COUNT_SESSIONS: &str = "SELECT COUNT(*) FROM session WHERE last_used_at > $1";
const SESSION: &str = select_session!("AND id = $1");
const SESSIONS_OF: &str =
    select_session!("AND id IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))");
const CHANGES: &str = "
    SELECT revision, kind, user_id, subject, at FROM change
    WHERE revision > $1 ORDER BY revision LIMIT $2";

/// A user, as far as the view needs him.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for a column of its own")]
pub struct LiveUser {
    /// Identifier.
    pub id: Id<User>,
    /// Login name.
    pub username: String,
    /// Address.
    pub email: String,
    /// As shown.
    pub name: String,
    /// Whether an administrator.
    pub administrator: bool,
    /// Profile.
    pub profile: Id<Profile>,
    /// Frozen by an administrator, or removed.
    pub inactive: bool,
    /// The owner has frozen the tokens.
    pub tokens_frozen: bool,
    /// Only a change of the password is allowed.
    pub password_expired: bool,
}

/// A live token.
#[derive(Debug, Clone)]
pub struct LiveToken {
    /// Identifier.
    pub id: i64,
    /// Keyed digest.
    pub digest: Digest,
    /// Whose.
    pub user: Id<User>,
    /// What kind of thing holds it.
    pub device_type: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// The last use that was written down, or its issue.
    pub active_at: Timestamp,
}

/// A live API session.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// Identifier.
    pub id: i64,
    /// Keyed digest.
    pub digest: Digest,
    /// Whose.
    pub user: Id<User>,
    /// The device type of the token that opened it.
    pub device_type: Option<String>,
    /// The login.
    pub started_at: Timestamp,
    /// The last use that was written down.
    pub last_used_at: Timestamp,
    /// The API client that it was opened through.
    pub client: Option<Id<Client>>,
}

/// A range of identifiers and how many rows of it to read.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Identifiers above this.
    pub after: i64,
    /// Identifiers up to this.
    pub through: i64,
    /// Rows at most.
    pub limit: i64,
}

/// How many tokens the pages hold.
pub async fn count_tokens(conn: &mut Conn) -> Result<i64, StoreError> {
    conn.fetch_one(COUNT_TOKENS, args![]).await?.int(0)
}

/// About how many sessions the pages hold, and not fewer: web sessions and some that have ended are
/// counted in, for the index tells nothing else.
pub async fn count_sessions_about(conn: &mut Conn, since: Timestamp) -> Result<i64, StoreError> {
    conn.fetch_one(COUNT_SESSIONS, args![since]).await?.int(0)
}

/// A page of users, removed ones left out.
pub async fn users(conn: &mut Conn, page: Page) -> Result<Vec<LiveUser>, StoreError> {
    read_all(&conn.fetch_all(USERS, args![page.after, page.through, page.limit]).await?, read_user)
}

/// A page of tokens.
pub async fn tokens(conn: &mut Conn, page: Page) -> Result<Vec<LiveToken>, StoreError> {
    let args = args![page.after, page.through, page.limit, Vec::new()];
    unpacked(&conn.fetch_one(TOKENS, args).await?, |fields, digest| {
        Some(LiveToken {
            id: fields.int()?,
            digest,
            user: Id::from_raw(fields.int()?),
            issued_at: fields.at()?,
            expires_at: fields.at()?,
            active_at: fields.at()?,
            device_type: fields.text()?.to_owned(),
        })
    })
}

/// A page of API sessions that were used after `since`.
pub async fn sessions(
    conn: &mut Conn,
    page: Page,
    since: Timestamp,
) -> Result<Vec<LiveSession>, StoreError> {
    let args = args![page.after, page.through, page.limit, Vec::new(), since];
    unpacked(&conn.fetch_one(SESSIONS, args).await?, |fields, digest| {
        Some(LiveSession {
            id: fields.int()?,
            digest,
            user: Id::from_raw(fields.int()?),
            started_at: fields.at()?,
            last_used_at: fields.at()?,
            client: match fields.text()? {
                "" => None,
                client => Some(Id::from_raw(client.parse().ok()?)),
            },
            device_type: Some(fields.text()?.to_owned()).filter(|name| !name.is_empty()),
        })
    })
}

/// The live API session with this identifier.
pub async fn session(conn: &mut Conn, id: i64) -> Result<Option<LiveSession>, StoreError> {
    conn.fetch_optional(SESSION, args![id]).await?.as_ref().map(read_session).transpose()
}

/// The live API sessions among these.
pub async fn sessions_of(
    conn: &mut Conn,
    sessions: &[Id<Session>],
) -> Result<Vec<LiveSession>, StoreError> {
    let ids = rows(sessions.iter().map(|session| [(*session).into()]));
    read_all(&conn.fetch_all(SESSIONS_OF, &[ids]).await?, read_session)
}

/// A change, as the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedChange {
    /// Its revision.
    pub revision: i64,
    /// What it was.
    pub change: Change,
    /// Of whom.
    pub user: Option<Id<User>>,
    /// Of what.
    pub subject: Option<i64>,
    /// When; with the others it tells a change from another that took its revision after a failover.
    pub at: Timestamp,
}

/// The changes after `revision`, in order.
pub async fn changes(
    conn: &mut Conn,
    revision: i64,
    limit: i64,
) -> Result<Vec<LoggedChange>, StoreError> {
    read_all(&conn.fetch_all(CHANGES, args![revision, limit]).await?, |row| {
        Ok(LoggedChange {
            revision: row.int(0)?,
            change: row.parsed(1, "kind", Change::from_word)?,
            user: row.optional_id(2)?,
            subject: row.optional_int(3)?,
            at: row.at(4)?,
        })
    })
}

/// Changes from one revision (exclusive) to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Changes above this.
    pub after: i64,
    /// Changes up to this.
    pub through: i64,
}

/// The users whose state changed, removed ones included.
pub async fn changed_users(conn: &mut Conn, changes: Stretch) -> Result<Vec<LiveUser>, StoreError> {
    let args = args![changes.after, changes.through];
    read_all(&conn.fetch_all(CHANGED_USERS, args).await?, read_user)
}

/// The live tokens of the users whose state changed.
pub async fn changed_tokens(
    conn: &mut Conn,
    changes: Stretch,
) -> Result<Vec<LiveToken>, StoreError> {
    let args = args![changes.after, changes.through];
    read_all(&conn.fetch_all(CHANGED_TOKENS, args).await?, read_token)
}

/// The live API sessions of the users whose state changed.
pub async fn changed_sessions(
    conn: &mut Conn,
    changes: Stretch,
) -> Result<Vec<LiveSession>, StoreError> {
    let args = args![changes.after, changes.through];
    read_all(&conn.fetch_all(CHANGED_SESSIONS, args).await?, read_session)
}

/// The API sessions that were started and still live.
pub async fn started_sessions(
    conn: &mut Conn,
    changes: Stretch,
) -> Result<Vec<LiveSession>, StoreError> {
    let args = args![changes.after, changes.through];
    read_all(&conn.fetch_all(STARTED_SESSIONS, args).await?, read_session)
}

/// The sessions that were ended: identifier and digest.
pub async fn ended_sessions(
    conn: &mut Conn,
    changes: Stretch,
) -> Result<Vec<(i64, Digest)>, StoreError> {
    let args = args![changes.after, changes.through];
    read_all(&conn.fetch_all(ENDED_SESSIONS, args).await?, |row| {
        Ok((row.int(0)?, read_digest(row, 1)?))
    })
}

fn read_all<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

/// The fields of one row of a page that came packed, in their order.
struct Fields<'a>(std::str::Split<'a, char>);

impl<'a> Fields<'a> {
    fn text(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn int(&mut self) -> Option<i64> {
        self.text()?.parse().ok()
    }

    fn at(&mut self) -> Option<Timestamp> {
        self.int().map(Timestamp::from_unix_ms)
    }
}

/// Reads a page that came packed; an empty one comes as nothing.
fn unpacked<T>(
    page: &Row,
    read: impl Fn(&mut Fields<'_>, Digest) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    let (Some(rows), Some(digests)) = (page.optional_text(0)?, page.optional_blob(1)?) else {
        return Ok(Vec::new());
    };
    let (digests, rest) = digests.as_chunks::<32>();
    let read = |(row, digest): (&str, &[u8; 32])| {
        read(&mut Fields(row.split(',')), Digest::from_bytes(*digest))
    };
    let read: Option<Vec<T>> = rows.split(';').zip(digests).map(read).collect();
    let whole = rest.is_empty() && rows.split(';').count() == digests.len();
    read.filter(|_| whole).ok_or_else(|| StoreError::corrupt("credential", "page", "?"))
}

fn read_user(row: &Row) -> Result<LiveUser, StoreError> {
    Ok(LiveUser {
        id: row.id(0)?,
        username: row.text(1)?,
        email: row.text(2)?,
        name: row.text(3)?,
        administrator: row.optional_at(4)?.is_some(),
        profile: row.id(5)?,
        inactive: row.optional_at(6)?.is_some() || row.optional_at(7)?.is_some(),
        tokens_frozen: row.optional_at(8)?.is_some(),
        password_expired: row.optional_at(9)?.is_some(),
    })
}

fn read_token(row: &Row) -> Result<LiveToken, StoreError> {
    Ok(LiveToken {
        id: row.int(0)?,
        digest: read_digest(row, 1)?,
        user: row.id(2)?,
        device_type: row.text(3)?,
        issued_at: row.at(4)?,
        expires_at: row.at(5)?,
        active_at: row.at(6)?,
    })
}

fn read_session(row: &Row) -> Result<LiveSession, StoreError> {
    Ok(LiveSession {
        id: row.int(0)?,
        digest: read_digest(row, 1)?,
        user: row.id(2)?,
        device_type: row.optional_text(3)?,
        started_at: row.at(4)?,
        last_used_at: row.at(5)?,
        client: row.optional_id(6)?,
    })
}

fn read_digest(row: &Row, column: usize) -> Result<Digest, StoreError> {
    let bytes: [u8; 32] = row
        .blob(column)?
        .try_into()
        .map_err(|_| StoreError::corrupt("credential", "digest", row.int(0).unwrap_or(-1)))?;
    Ok(Digest::from_bytes(bytes))
}

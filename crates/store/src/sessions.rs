//! Sessions, web and API. An ended session's row stays until the janitor comes.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Place, Session, Token, User};
use symbolon_core::secret::Digest;
use symbolon_core::session::{SessionKind, SessionTimes};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::rows::rows;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO session (id, digest, kind, user_id, token_id, device_type, client_id, head, client,
                         source, proof, proved_at, place_id, restriction, started_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, (SELECT device_type FROM token WHERE id = $5), $6, $7, $8, $9, $10, $11,
            $12, $13, $14, $14)";
// Of the figures of a user's own profile and of everybody's, the stricter one holds: the lesser.
const FIND: &str = "
    SELECT session.id, session.user_id, session.token_id, session.started_at, session.last_used_at,
           session.ended_at, MIN(profile.session_idle), session.proved_at, session.place_id,
           session.restriction, MIN(profile.web_lifetime)
    FROM session
    JOIN user_account ON user_account.id = session.user_id
    JOIN profile
      ON profile.id = user_account.profile_id OR profile.everybody_since IS NOT NULL
    WHERE session.digest = $1 AND session.kind = $2
    GROUP BY session.id";
const TOUCH: &str = "
    UPDATE session
    SET last_used_at = CASE WHEN last_used_at < $2 THEN $2 ELSE last_used_at END
    WHERE id = $1 AND ended_at IS NULL";
/// One statement for many: only those rows are written that change.
const TOUCH_ALL: &str = "
    UPDATE session SET last_used_at = used.at
    FROM (SELECT CAST(value ->> 0 AS BIGINT) AS id, CAST(value ->> 1 AS BIGINT) AS at
          FROM json_each(json($1))) AS used
    WHERE session.id = used.id AND session.ended_at IS NULL AND session.last_used_at < used.at";
const END: &str = "
    UPDATE session SET ended_at = $2, ended_cause = $3 WHERE id = $1 AND ended_at IS NULL
    RETURNING user_id";
const COUNT_OF_TOKEN: &str = "
    SELECT COUNT(*) FROM session WHERE token_id = $1 AND ended_at IS NULL";
const END_OF_TOKEN: &str = "
    UPDATE session SET ended_at = $2, ended_cause = $3 WHERE token_id = $1 AND ended_at IS NULL";
/// Those on the web, and those of the kind `$5`.
const END_OF_USER: &str = "
    UPDATE session SET ended_at = $2, ended_cause = $3
    WHERE user_id = $1 AND ended_at IS NULL AND id <> $4 AND kind IN ('web', $5)";
const PLACE_OF: &str = "SELECT place_id FROM session WHERE id = $1";
const END_OF_PLACE: &str = "
    UPDATE session SET ended_at = $2, ended_cause = $3 WHERE place_id = $1 AND ended_at IS NULL
    RETURNING id";
const PROVE: &str = "
    UPDATE session SET digest = $2, proved_at = $3 WHERE id = $1 AND ended_at IS NULL";
const LIFT_RESTRICTION: &str = "
    UPDATE session SET restriction = NULL, proved_at = $2 WHERE id = $1 AND ended_at IS NULL";
const OPEN_OF_USER: &str = "
    SELECT session.id, session.kind, session.token_id, session.device_type, session.head,
           session.client, session.source, session.started_at, session.last_used_at,
           MIN(profile.session_idle), session.proof, session.place_id, MIN(profile.web_lifetime)
    FROM session
    JOIN user_account ON user_account.id = session.user_id
    JOIN profile
      ON profile.id = user_account.profile_id OR profile.everybody_since IS NOT NULL
    WHERE session.user_id = $1 AND session.ended_at IS NULL
    GROUP BY session.id
    ORDER BY session.last_used_at DESC, session.id LIMIT $2";
const COUNT_OPEN_OF_USER: &str = "
    SELECT COUNT(*) FROM session WHERE user_id = $1 AND ended_at IS NULL";
const FORGET: &str = "DELETE FROM session WHERE ended_at < $1 OR last_used_at < $1";

/// The words that the database knows the kinds by.
const fn kind_word(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Web => "web",
        SessionKind::Api => "api",
    }
}

fn kind_of(word: &str) -> Option<SessionKind> {
    [SessionKind::Web, SessionKind::Api].into_iter().find(|kind| kind_word(*kind) == word)
}

/// Sessions of APIs end by inactivity alone.
const fn lifetime_of(kind: SessionKind, web_lifetime: Duration) -> Option<Duration> {
    match kind {
        SessionKind::Web => Some(web_lifetime),
        SessionKind::Api => None,
    }
}

/// A session to be opened.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Identifier.
    pub id: Id<Session>,
    /// Keyed digest of its secret.
    pub digest: &'a Digest,
    /// Web or API.
    pub kind: SessionKind,
    /// Whose.
    pub user: Id<User>,
    /// The token that opened it.
    pub token: Option<Id<Token>>,
    /// The registered client that it was opened through.
    pub client_id: Option<Id<Client>>,
    /// The head that it was opened at.
    pub head: &'a str,
    /// What the client says it is.
    pub client: &'a str,
    /// From where.
    pub source: &'a str,
    /// How its user proved himself, in words for him.
    pub proof: &'a str,
    /// When he proved himself by more than the password.
    pub proved_at: Option<Timestamp>,
    /// The known place that it was opened from.
    pub place: Option<Id<Place>>,
    /// What it is confined to.
    pub restriction: Option<Restriction>,
}

/// What a session may be confined to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restriction {
    /// To the enrolment of a second factor, which its user's profile demands.
    Enrol,
}

impl Restriction {
    const fn word(self) -> &'static str {
        match self {
            Self::Enrol => "enrol",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        (word == Self::Enrol.word()).then_some(Self::Enrol)
    }
}

/// A session's row.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Identifier.
    pub id: Id<Session>,
    /// Whose.
    pub user: Id<User>,
    /// The token that opened it.
    pub token: Option<Id<Token>>,
    /// What decides whether it lives.
    pub times: SessionTimes,
    /// Inactivity after which it ends, by its user's profile and everybody's.
    pub idle: Duration,
    /// Age at which it ends, if it is a browser's.
    pub lifetime: Option<Duration>,
    /// When its user proved himself by more than the password, last.
    pub proved_at: Option<Timestamp>,
    /// The known place that it was opened from.
    pub place: Option<Id<Place>>,
    /// What it is confined to.
    pub restriction: Option<Restriction>,
}

/// A session that nobody has ended, as its owner's list shows it.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// Identifier.
    pub id: Id<Session>,
    /// Web or API.
    pub kind: SessionKind,
    /// The token that opened it.
    pub token: Option<Id<Token>>,
    /// The device type of that token.
    pub device_type: Option<String>,
    /// The head that it was opened at.
    pub head: String,
    /// What the client said it is.
    pub client: String,
    /// From where.
    pub source: String,
    /// What decides whether it lives.
    pub times: SessionTimes,
    /// Inactivity after which it ends.
    pub idle: Duration,
    /// Age at which it ends, if it is a browser's.
    pub lifetime: Option<Duration>,
    /// How its user proved himself, in words for him.
    pub proof: Option<String>,
    /// The known place that it was opened from.
    pub place: Option<Id<Place>>,
}

/// Opens a session.
pub async fn insert(
    tx: &mut Tx,
    session: &NewSession<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let args = args![
        session.id,
        session.digest,
        kind_word(session.kind),
        session.user,
        session.token,
        session.client_id,
        session.head,
        session.client,
        session.source,
        session.proof,
        session.proved_at,
        session.place,
        session.restriction.map(Restriction::word),
        now,
    ];
    tx.execute_one(INSERT, args).await
}

/// The session with one of these digests (one per key of the ring), whether it lives or not.
pub async fn find(
    conn: &mut Conn,
    kind: SessionKind,
    digests: &[Digest],
) -> Result<Option<SessionRow>, StoreError> {
    for digest in digests {
        if let Some(row) = conn.fetch_optional(FIND, args![digest, kind_word(kind)]).await? {
            let times = SessionTimes {
                started_at: row.at(3)?,
                last_used_at: row.at(4)?,
                ended_at: row.optional_at(5)?,
            };
            return Ok(Some(SessionRow {
                id: row.id(0)?,
                user: row.id(1)?,
                token: row.optional_id(2)?,
                times,
                idle: row.duration(6)?,
                lifetime: lifetime_of(kind, row.duration(10)?),
                proved_at: row.optional_at(7)?,
                place: row.optional_id(8)?,
                restriction: restriction_of(&row)?,
            }));
        }
    }
    Ok(None)
}

/// The sessions of a user that nobody has ended, the last used first; some may be idle for too long.
pub async fn open_of_user(
    conn: &mut Conn,
    user: Id<User>,
    limit: i64,
) -> Result<Vec<OpenSession>, StoreError> {
    let rows = conn.fetch_all(OPEN_OF_USER, args![user, limit]).await?;
    let read = |row: &Row| {
        let kind = row.parsed(1, "kind", kind_of)?;
        Ok(OpenSession {
            id: row.id(0)?,
            kind,
            token: row.optional_id(2)?,
            device_type: row.optional_text(3)?,
            head: row.text(4)?,
            client: row.text(5)?,
            source: row.text(6)?,
            times: SessionTimes {
                started_at: row.at(7)?,
                last_used_at: row.at(8)?,
                ended_at: None,
            },
            idle: row.duration(9)?,
            lifetime: lifetime_of(kind, row.duration(12)?),
            proof: row.optional_text(10)?,
            place: row.optional_id(11)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Notes a use; `false` if the session has ended meanwhile.
pub async fn touch(tx: &mut Tx, session: Id<Session>, now: Timestamp) -> Result<bool, StoreError> {
    tx.execute_at_most_one(TOUCH, args![session, now]).await
}

/// Notes uses of many sessions as [`touch`] does; of each session one, or it is open which counts.
pub async fn touch_all(tx: &mut Tx, used: &[(Id<Session>, Timestamp)]) -> Result<(), StoreError> {
    let used = rows(used.iter().map(|(session, at)| [(*session).into(), (*at).into()]));
    tx.execute(TOUCH_ALL, &[used]).await.map(|_| ())
}

/// Ends one session; tells whose it was, or `None` if it had ended before.
pub async fn end(
    tx: &mut Tx,
    session: Id<Session>,
    cause: &str,
    now: Timestamp,
) -> Result<Option<Id<User>>, StoreError> {
    let row = tx.fetch_optional(END, args![session, now, cause]).await?;
    row.map(|row| row.id(0)).transpose()
}

/// Ends the sessions that a token opened; tells how many.
pub async fn end_of_token(
    tx: &mut Tx,
    token: Id<Token>,
    cause: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(END_OF_TOKEN, args![token, now, cause]).await
}

/// How many sessions of a token nobody has ended.
pub async fn count_of_token(conn: &mut Conn, token: Id<Token>) -> Result<u64, StoreError> {
    let count = conn.fetch_one(COUNT_OF_TOKEN, args![token]).await?.int(0)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Ends the sessions that were opened from a known place; tells which.
pub async fn end_of_place(
    tx: &mut Tx,
    place: Id<Place>,
    cause: &str,
    now: Timestamp,
) -> Result<Vec<Id<Session>>, StoreError> {
    let ended = tx.fetch_all(END_OF_PLACE, args![place, now, cause]).await?;
    ended.iter().map(|row| row.id(0)).collect()
}

/// Notes that its user proved himself, and gives the session a new secret (ASVS 7.2.4); `false` if it has
/// ended.
pub async fn prove(
    tx: &mut Tx,
    session: Id<Session>,
    digest: &Digest,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(PROVE, args![session, digest, now]).await
}

/// Lets a session do everything again: its user has enrolled what was demanded, and so proved himself.
/// `false` if it has ended.
pub async fn lift_restriction(
    tx: &mut Tx,
    session: Id<Session>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(LIFT_RESTRICTION, args![session, now]).await
}

/// How many sessions of a user nobody has ended.
pub async fn count_open_of_user(conn: &mut Conn, user: Id<User>) -> Result<i64, StoreError> {
    conn.fetch_one(COUNT_OPEN_OF_USER, args![user]).await?.int(0)
}

/// Ends every session of a user but `keep`; tells how many.
pub async fn end_of_user(
    tx: &mut Tx,
    user: Id<User>,
    keep: Option<Id<Session>>,
    cause: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    end_web_and(tx, SessionKind::Api, (user, keep), cause, now).await
}

/// Ends every web session of a user but `keep`; tells how many.
pub async fn end_web_of_user(
    tx: &mut Tx,
    user: Id<User>,
    keep: Option<Id<Session>>,
    cause: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    end_web_and(tx, SessionKind::Web, (user, keep), cause, now).await
}

async fn end_web_and(
    tx: &mut Tx,
    kind: SessionKind,
    (user, keep): (Id<User>, Option<Id<Session>>),
    cause: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    // No identifier is negative, so -1 keeps none.
    let keep = keep.map_or(-1, Id::raw);
    tx.execute(END_OF_USER, args![user, now, cause, keep, kind_word(kind)]).await
}

/// The known place that a session was opened from.
pub async fn place_of(
    conn: &mut Conn,
    session: Id<Session>,
) -> Result<Option<Id<Place>>, StoreError> {
    let row = conn.fetch_optional(PLACE_OF, args![session]).await?;
    row.map_or(Ok(None), |row| row.optional_id(0))
}

/// Forgets sessions that ended, or were last used, before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

/// A restriction that this program does not know must not be lifted by its ignorance.
fn restriction_of(row: &Row) -> Result<Option<Restriction>, StoreError> {
    let Some(word) = row.optional_text(9)? else {
        return Ok(None);
    };
    let known = Restriction::from_word(&word);
    known.map(Some).ok_or_else(|| StoreError::corrupt("session", "restriction", word))
}

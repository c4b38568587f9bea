//! Known places: browsers that hold a secret of ours, and clients in a network that an API let in.
//!
//! Failures from a known place are counted on it and not on the user, so that a stranger who guesses
//! locks out strangers alone; so are wrong codes. An ended place is known no more; its row stays until the
//! janitor comes.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Place, User};
use symbolon_core::lockout::Failures;
use symbolon_core::secret::Digest;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT_BROWSER: &str = "
    INSERT INTO place (id, user_id, kind, digest, client, network, source, first_at, last_at, failures,
                       code_failures)
    VALUES ($1, $2, 'browser', $3, $4, $5, $6, $7, $7, 0, 0)";
const SET_LINK_OPENED: &str = "UPDATE place SET link_opened_at = $2 WHERE id = $1";
const NOTE_API: &str = "
    INSERT INTO place (id, user_id, kind, client, network, source, first_at, last_at, failures,
                       code_failures)
    VALUES ($1, $2, 'api', $3, $4, $5, $6, $6, 0, 0)
    ON CONFLICT (user_id, client, network) WHERE digest IS NULL DO UPDATE
    SET source = $5, failures = 0, last_failure_at = NULL, locked_until = NULL, ended_at = NULL,
        first_at = CASE WHEN place.ended_at IS NULL THEN place.first_at ELSE $6 END,
        last_at = CASE WHEN place.last_at < $6 THEN $6 ELSE place.last_at END
    RETURNING id";

macro_rules! select_place {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, kind, client, network, source, first_at, last_at, failures,
                    last_failure_at, locked_until, code_failures, last_code_failure_at,
                    code_locked_until, link_opened_at
             FROM place WHERE ended_at IS NULL AND ",
            $rest
        )
    };
}

const FIND_BROWSER: &str =
    select_place!("digest = $1 AND user_id = $2 AND kind = 'browser' AND last_at >= $3");
const FIND_API: &str = select_place!(
    "user_id = $1 AND client = $2 AND network = $3 AND kind = 'api' AND last_at >= $4"
);
const FIND: &str = select_place!("id = $1");
const OF_USER: &str =
    select_place!("user_id = $1 AND last_at >= $2 ORDER BY last_at DESC, id LIMIT $3");
const COUNT_OF_USER: &str = "
    SELECT COUNT(*) FROM place WHERE ended_at IS NULL AND user_id = $1 AND last_at >= $2";
const NOTE_USE: &str = "
    UPDATE place
    SET client = $2, network = $3, source = $4, failures = 0, last_failure_at = NULL,
        locked_until = NULL, link_opened_at = NULL,
        last_at = CASE WHEN last_at < $5 THEN $5 ELSE last_at END
    WHERE id = $1 AND ended_at IS NULL";
const SET_FAILURES: &str = "
    UPDATE place SET failures = $2, last_failure_at = $3, locked_until = $4 WHERE id = $1";
const SET_CODE_FAILURES: &str = "
    UPDATE place SET code_failures = $2, last_code_failure_at = $3, code_locked_until = $4
    WHERE id = $1";
const CLEAR_FAILURES: &str = "
    UPDATE place
    SET failures = 0, last_failure_at = NULL, locked_until = NULL,
        code_failures = 0, last_code_failure_at = NULL, code_locked_until = NULL
    WHERE user_id = $1 AND failures + COALESCE(locked_until, 0) + code_failures > 0";
const END: &str = "
    UPDATE place SET ended_at = $3 WHERE id = $1 AND user_id = $2 AND ended_at IS NULL";
const END_OF_USER: &str = "
    UPDATE place SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL AND id <> $3";
/// A place ends after its last use, so that one that ended before the limit was last used before it too.
const FORGET: &str = "DELETE FROM place WHERE last_at < $1";

/// What kind of place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    /// A browser that holds a cookie.
    Browser,
    /// A client of an API in one network.
    Api,
}

fn kind_of(word: &str) -> Option<PlaceKind> {
    match word {
        "browser" => Some(PlaceKind::Browser),
        "api" => Some(PlaceKind::Api),
        _ => None,
    }
}

/// Who was there: what a place is shown by.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// What the client says it is.
    pub client: &'a str,
    /// The network of its address.
    pub network: &'a str,
    /// Its address.
    pub source: &'a str,
}

/// A place that is known.
#[derive(Debug, Clone)]
pub struct PlaceRow {
    /// Identifier.
    pub id: Id<Place>,
    /// Whose.
    pub user: Id<User>,
    /// A browser, or a client of an API.
    pub kind: PlaceKind,
    /// What the client said it is, last.
    pub client: String,
    /// In which network it was, last.
    pub network: String,
    /// At which address it was, last.
    pub source: String,
    /// Since when it is known.
    pub first_at: Timestamp,
    /// The last login from there.
    pub last_at: Timestamp,
    /// Failures from there, and whether they lock it.
    pub failures: Failures,
    /// Wrong codes from there, and whether they lock the entry of codes there.
    pub code_failures: Failures,
    /// When the link was opened that made it known, until the first login from it.
    pub link_opened_at: Option<Timestamp>,
}

/// Makes a browser known.
pub async fn insert_browser(
    tx: &mut Tx,
    place: Id<Place>,
    user: Id<User>,
    digest: &Digest,
    visitor: Visitor<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Visitor { client, network, source } = visitor;
    tx.execute_one(INSERT_BROWSER, args![place, user, digest, client, network, source, now]).await
}

/// Notes that a browser was made known by a link that was opened in it.
pub async fn set_link_opened(
    tx: &mut Tx,
    place: Id<Place>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(SET_LINK_OPENED, args![place, now]).await
}

/// Notes that an API let a client of a network in, and tells which place that is; `place` names it if there
/// was none. One that was ended is known again.
pub async fn note_api(
    tx: &mut Tx,
    place: Id<Place>,
    user: Id<User>,
    visitor: Visitor<'_>,
    now: Timestamp,
) -> Result<Id<Place>, StoreError> {
    let Visitor { client, network, source } = visitor;
    tx.fetch_one(NOTE_API, args![place, user, client, network, source, now]).await?.id(0)
}

/// The browser of `user` that holds the secret of one of these digests, used since `since`.
pub async fn find_browser(
    conn: &mut Conn,
    user: Id<User>,
    digests: &[Digest],
    since: Timestamp,
) -> Result<Option<PlaceRow>, StoreError> {
    for digest in digests {
        if let Some(row) = conn.fetch_optional(FIND_BROWSER, args![digest, user, since]).await? {
            return read(&row).map(Some);
        }
    }
    Ok(None)
}

/// The place of a client of an API in a network, let in since `since`.
pub async fn find_api(
    conn: &mut Conn,
    user: Id<User>,
    client: &str,
    network: &str,
    since: Timestamp,
) -> Result<Option<PlaceRow>, StoreError> {
    let row = conn.fetch_optional(FIND_API, args![user, client, network, since]).await?;
    row.as_ref().map(read).transpose()
}

/// A place, unless it has ended.
pub async fn find(conn: &mut Conn, place: Id<Place>) -> Result<Option<PlaceRow>, StoreError> {
    conn.fetch_optional(FIND, args![place]).await?.as_ref().map(read).transpose()
}

/// The places of a user, the last used first.
pub async fn of_user(
    conn: &mut Conn,
    user: Id<User>,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<PlaceRow>, StoreError> {
    conn.fetch_all(OF_USER, args![user, since, limit]).await?.iter().map(read).collect()
}

/// How many there are.
pub async fn count_of_user(
    conn: &mut Conn,
    user: Id<User>,
    since: Timestamp,
) -> Result<i64, StoreError> {
    conn.fetch_one(COUNT_OF_USER, args![user, since]).await?.int(0)
}

/// Notes a login from a place, whose failures are forgotten but for wrong codes; `false` if it has ended.
pub async fn note_use(
    tx: &mut Tx,
    place: Id<Place>,
    visitor: Visitor<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Visitor { client, network, source } = visitor;
    tx.execute_at_most_one(NOTE_USE, args![place, client, network, source, now]).await
}

/// Writes down failures from a place and whether they lock it.
pub async fn set_failures(
    tx: &mut Tx,
    place: Id<Place>,
    failures: Failures,
) -> Result<(), StoreError> {
    let args = args![place, failures.count, failures.last_at, failures.locked_until];
    tx.execute_one(SET_FAILURES, args).await
}

/// Writes down wrong codes from a place and whether they lock the entry of codes there.
pub async fn set_code_failures(
    tx: &mut Tx,
    place: Id<Place>,
    failures: Failures,
) -> Result<(), StoreError> {
    let args = args![place, failures.count, failures.last_at, failures.locked_until];
    tx.execute_one(SET_CODE_FAILURES, args).await
}

/// Forgets the failures from all places of a user; tells of how many.
pub async fn clear_failures(tx: &mut Tx, user: Id<User>) -> Result<u64, StoreError> {
    tx.execute(CLEAR_FAILURES, args![user]).await
}

/// Ends a place of a user; `false` if it had ended or is somebody else's.
pub async fn end(
    tx: &mut Tx,
    user: Id<User>,
    place: Id<Place>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(END, args![place, user, now]).await
}

/// Ends every place of a user but `keep`; tells how many.
pub async fn end_of_user(
    tx: &mut Tx,
    user: Id<User>,
    keep: Option<Id<Place>>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    // No identifier is negative, so -1 keeps none.
    tx.execute(END_OF_USER, args![user, now, keep.map_or(-1, Id::raw)]).await
}

/// Forgets places that were last used before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

fn read(row: &Row) -> Result<PlaceRow, StoreError> {
    Ok(PlaceRow {
        id: row.id(0)?,
        user: row.id(1)?,
        kind: row.parsed(2, "kind", kind_of)?,
        client: row.text(3)?,
        network: row.text(4)?,
        source: row.text(5)?,
        first_at: row.at(6)?,
        last_at: row.at(7)?,
        failures: Failures {
            count: row.count(8)?,
            last_at: row.optional_at(9)?,
            locked_until: row.optional_at(10)?,
        },
        code_failures: Failures {
            count: row.count(11)?,
            last_at: row.optional_at(12)?,
            locked_until: row.optional_at(13)?,
        },
        link_opened_at: row.optional_at(14)?,
    })
}

//! The outbox: letters that the database has promised and the mail server has not yet taken.
//!
//! A letter holds a nonce, never a secret; what it carries is derived from the nonce while it is being
//! sent. Every end erases the nonce.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Letter, Token, User};
use symbolon_core::keys::KeyId;
use symbolon_core::letter::{LetterKind, LetterRank, LetterState};
use symbolon_core::names::{DisplayName, EmailAddress};
use symbolon_core::secret::Nonce;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO letter (id, user_id, kind, to_address, to_name, facts, token_id, key_id, nonce, state,
                        attempts, next_try_at, created_at, rank)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', 0, $10, $10, $11)";
const DUE: &str = "
    SELECT id FROM letter
    WHERE ended_at IS NULL AND next_try_at <= $1 AND (state = 'waiting' OR leased_until <= $1)
    ORDER BY rank, next_try_at LIMIT $2";
const NEXT_DUE: &str = "
    SELECT MIN(CASE WHEN state = 'leased' THEN leased_until ELSE next_try_at END)
    FROM letter WHERE ended_at IS NULL";
const LEASE: &str = "
    UPDATE letter
    SET state = 'leased', lease = $2, leased_until = $3, attempts = attempts + 1
    WHERE id = $1 AND ended_at IS NULL AND next_try_at <= $4
      AND (state = 'waiting' OR leased_until <= $4)
    RETURNING user_id, kind, to_address, to_name, facts, token_id, key_id, nonce, attempts, created_at";
const TAKE_BACK_ALL: &str = "
    UPDATE letter SET state = 'waiting', lease = NULL, leased_until = NULL
    WHERE state = 'leased' AND ended_at IS NULL";
const GIVE_BACK: &str = "
    UPDATE letter
    SET state = 'waiting', lease = NULL, leased_until = NULL, next_try_at = $3, last_reply = $4
    WHERE id = $1 AND lease = $2 AND ended_at IS NULL";
const END_LEASED: &str = "
    UPDATE letter
    SET state = $3, ended_at = $4, last_reply = $5, nonce = NULL, lease = NULL, leased_until = NULL
    WHERE id = $1 AND lease = $2 AND ended_at IS NULL";
const SUPERSEDE: &str = "
    UPDATE letter
    SET state = 'superseded', ended_at = $2, nonce = NULL
    WHERE token_id = $1 AND state = 'waiting' AND ended_at IS NULL";
const SUPERSEDE_ONE: &str = "
    UPDATE letter
    SET state = 'superseded', ended_at = $2, nonce = NULL
    WHERE id = $1 AND state = 'waiting' AND ended_at IS NULL";
const SUPERSEDE_OF_USER: &str = "
    UPDATE letter
    SET state = 'superseded', ended_at = $3, nonce = NULL
    WHERE user_id = $1 AND kind = $2 AND state = 'waiting' AND ended_at IS NULL";
const SUPERSEDE_ALL_OF_USER: &str = "
    UPDATE letter
    SET state = 'superseded', ended_at = $2, nonce = NULL
    WHERE user_id = $1 AND state = 'waiting' AND ended_at IS NULL";
const GIVE_UP: &str = "
    UPDATE letter
    SET state = 'too-old', ended_at = $2, nonce = NULL, lease = NULL, leased_until = NULL
    WHERE ended_at IS NULL AND created_at <= $1
      AND (state = 'waiting' OR leased_until <= $2)";
const MAKE_DUE: &str = "
    UPDATE letter SET next_try_at = $2 WHERE id = $1 AND state = 'waiting' AND ended_at IS NULL";
const MAKE_ALL_DUE: &str = "
    UPDATE letter SET next_try_at = $1 WHERE state = 'waiting' AND ended_at IS NULL";
const WAITING: &str = "SELECT COUNT(*), MIN(created_at) FROM letter WHERE ended_at IS NULL";
const NOT_ARRIVED: &str = "
    SELECT COUNT(*) FROM letter WHERE ended_at >= $1 AND state IN ('refused', 'too-old')";
const OF_KIND_SINCE: &str = "
    SELECT COUNT(*) FROM letter WHERE user_id = $1 AND kind = $2 AND created_at > $3";
const SET_NETWORK: &str = "UPDATE letter SET network = $2 WHERE id = $1";
const OF_NETWORK_SINCE: &str = "
    SELECT COUNT(*) FROM letter
    WHERE user_id = $1 AND kind = $2 AND created_at > $3 AND network = $4";
const UNDER_OTHER_KEYS: &str = "
    SELECT COUNT(*) FROM letter WHERE ended_at IS NULL AND nonce IS NOT NULL AND key_id <> $1";
const FORGET: &str = "DELETE FROM letter WHERE ended_at < $1";

macro_rules! select_letter {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, kind, to_address, state, attempts, next_try_at, last_reply, created_at,
                    ended_at
             FROM letter ",
            $rest
        )
    };
}

const LIST: &str = select_letter!(
    "WHERE created_at < $1 OR (created_at = $1 AND id < $2)
     ORDER BY created_at DESC, id DESC LIMIT $3"
);
const FIND: &str = select_letter!("WHERE id = $1");
const OF_TOKEN: &str = select_letter!("WHERE token_id = $1 AND kind = $2");
const TROUBLES: &str = select_letter!(
    "WHERE user_id = $1 AND state IN ('refused', 'too-old') AND ended_at >= $2
     ORDER BY created_at DESC LIMIT 20"
);

/// A letter to be written.
#[derive(Debug)]
pub struct NewLetter<'a> {
    /// Identifier; stable over all attempts.
    pub id: Id<Letter>,
    /// Whom it concerns.
    pub user: Id<User>,
    /// What it is about.
    pub kind: LetterKind,
    /// How urgent it is.
    pub rank: LetterRank,
    /// Where it goes: the address as of the transaction that writes it.
    pub to: &'a EmailAddress,
    /// The name beside the address.
    pub to_name: &'a DisplayName,
    /// What it says, without any secret.
    pub facts: &'a str,
    /// The token that it carries.
    pub token: Option<Id<Token>>,
    /// What its secret is derived from, and with which key.
    pub nonce: Option<(KeyId, &'a Nonce)>,
}

/// A letter that a courier has in hand.
#[derive(Debug)]
pub struct LeasedLetter {
    /// Identifier.
    pub id: Id<Letter>,
    /// Whom it concerns.
    pub user: Id<User>,
    /// What it is about.
    pub kind: LetterKind,
    /// Where it goes.
    pub to: EmailAddress,
    /// The name beside the address.
    pub to_name: DisplayName,
    /// What it says.
    pub facts: String,
    /// The token that it carries.
    pub token: Option<Id<Token>>,
    /// What its secret is derived from.
    pub nonce: Option<(KeyId, Nonce)>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A letter as lists show it.
#[derive(Debug, Clone)]
pub struct LetterRow {
    /// Identifier.
    pub id: Id<Letter>,
    /// Whom it concerns.
    pub user: Id<User>,
    /// What it is about.
    pub kind: LetterKind,
    /// Where it goes.
    pub to: EmailAddress,
    /// Where it stands.
    pub state: LetterState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_try_at: Timestamp,
    /// The mail server's last words.
    pub last_reply: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it reached its end.
    pub ended_at: Option<Timestamp>,
}

/// How the outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Letters without an end.
    pub waiting: i64,
    /// Letters refused or given up lately.
    pub refused: i64,
    /// When the oldest letter without an end was written.
    pub oldest_waiting_at: Option<Timestamp>,
}

/// Writes a letter, due at once.
pub async fn insert(tx: &mut Tx, letter: &NewLetter<'_>, now: Timestamp) -> Result<(), StoreError> {
    let args = args![
        letter.id,
        letter.user,
        letter.kind.word(),
        letter.to,
        letter.to_name,
        letter.facts,
        letter.token,
        letter.nonce.map(|(key, _)| key),
        letter.nonce.map(|(_, nonce)| nonce),
        now,
        letter.rank.number(),
    ];
    tx.execute_one(INSERT, args).await
}

/// Letters that are due, most urgent first.
pub async fn due(
    conn: &mut Conn,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Id<Letter>>, StoreError> {
    conn.fetch_all(DUE, args![now, limit]).await?.iter().map(|row| row.id(0)).collect()
}

/// When the next letter is due, if any is waiting.
pub async fn next_due(conn: &mut Conn) -> Result<Option<Timestamp>, StoreError> {
    conn.fetch_one(NEXT_DUE, args![]).await?.optional_at(0)
}

/// Takes a due letter in hand until `leased_until`; `None` if another courier was faster.
pub async fn lease(
    tx: &mut Tx,
    letter: Id<Letter>,
    lease: i64,
    leased_until: Timestamp,
    now: Timestamp,
) -> Result<Option<LeasedLetter>, StoreError> {
    let Some(row) = tx.fetch_optional(LEASE, args![letter, lease, leased_until, now]).await? else {
        return Ok(None);
    };
    let key = row.optional_int(6)?.and_then(|key| u32::try_from(key).ok()).map(KeyId);
    let nonce = row.optional_blob(7)?.and_then(|bytes| Nonce::from_bytes(&bytes));
    Ok(Some(LeasedLetter {
        id: letter,
        user: row.id(0)?,
        kind: row.parsed(1, "kind", LetterKind::from_word)?,
        to: row.parsed(2, "to_address", |text| EmailAddress::parse(text).ok())?,
        to_name: row.parsed(3, "to_name", |text| DisplayName::parse(text).ok())?,
        facts: row.text(4)?,
        token: row.optional_id(5)?,
        nonce: key.zip(nonce),
        attempt: row.count(8)?,
        created_at: row.at(9)?,
    }))
}

/// Takes every letter back from whoever had it in hand: only where nobody can have one any more.
pub async fn take_back_all(tx: &mut Tx) -> Result<u64, StoreError> {
    tx.execute(TAKE_BACK_ALL, args![]).await
}

/// Puts a letter back that was refused for now; `false` if the lease is no longer ours.
pub async fn give_back(
    tx: &mut Tx,
    letter: Id<Letter>,
    lease: i64,
    next_try_at: Timestamp,
    reply: &str,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(GIVE_BACK, args![letter, lease, next_try_at, reply]).await
}

/// Ends a letter in hand and erases its nonce; `false` if the lease is no longer ours.
pub async fn end_leased(
    tx: &mut Tx,
    letter: Id<Letter>,
    lease: i64,
    state: LetterState,
    reply: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(END_LEASED, args![letter, lease, state.word(), now, reply]).await
}

/// Ends the waiting letters that carry `token`.
pub async fn supersede(tx: &mut Tx, token: Id<Token>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(SUPERSEDE, args![token, now]).await
}

/// Ends one letter if it still waits: a newer one takes its place, or it is of no use any more.
pub async fn supersede_one(
    tx: &mut Tx,
    letter: Id<Letter>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(SUPERSEDE_ONE, args![letter, now]).await
}

/// Ends the waiting letters of one kind to a user: a newer one takes their place.
pub async fn supersede_of_user(
    tx: &mut Tx,
    user: Id<User>,
    kind: LetterKind,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(SUPERSEDE_OF_USER, args![user, kind.word(), now]).await
}

/// Ends every waiting letter to a user.
pub async fn supersede_all_of_user(
    tx: &mut Tx,
    user: Id<User>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(SUPERSEDE_ALL_OF_USER, args![user, now]).await
}

/// Gives up letters that were written at or before `limit`.
pub async fn give_up(tx: &mut Tx, limit: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(GIVE_UP, args![limit, now]).await
}

/// Makes one waiting letter due now.
pub async fn make_due(tx: &mut Tx, letter: Id<Letter>, now: Timestamp) -> Result<bool, StoreError> {
    tx.execute_at_most_one(MAKE_DUE, args![letter, now]).await
}

/// Makes every waiting letter due now; tells how many.
pub async fn make_all_due(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(MAKE_ALL_DUE, args![now]).await
}

/// How the outbox stands; refusals are counted from `since` on.
pub async fn counts(conn: &mut Conn, since: Timestamp) -> Result<Counts, StoreError> {
    let waiting = conn.fetch_one(WAITING, args![]).await?;
    let refused = conn.fetch_one(NOT_ARRIVED, args![since]).await?;
    Ok(Counts {
        waiting: waiting.int(0)?,
        refused: refused.int(0)?,
        oldest_waiting_at: waiting.optional_at(1)?,
    })
}

/// How many letters of one kind were written to a user after `since`.
pub async fn count_since(
    conn: &mut Conn,
    user: Id<User>,
    kind: LetterKind,
    since: Timestamp,
) -> Result<i64, StoreError> {
    conn.fetch_one(OF_KIND_SINCE, args![user, kind.word(), since]).await?.int(0)
}

/// Notes the network from which a letter was asked for.
pub async fn set_network(tx: &mut Tx, letter: Id<Letter>, network: &str) -> Result<(), StoreError> {
    tx.execute_one(SET_NETWORK, args![letter, network]).await
}

/// How many letters of one kind to a user were asked for from a network after `since`.
pub async fn count_of_network_since(
    conn: &mut Conn,
    user: Id<User>,
    kind: LetterKind,
    network: &str,
    since: Timestamp,
) -> Result<i64, StoreError> {
    let args = args![user, kind.word(), since, network];
    conn.fetch_one(OF_NETWORK_SINCE, args).await?.int(0)
}

/// How many letters carry a secret that is derived from another key than this one.
pub async fn count_under_other_keys(conn: &mut Conn, key: KeyId) -> Result<i64, StoreError> {
    conn.fetch_one(UNDER_OTHER_KEYS, args![key]).await?.int(0)
}

/// Forgets letters that reached their end before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

/// Letters older than the position `before`, newest first.
pub async fn list(
    conn: &mut Conn,
    before: (Timestamp, Id<Letter>),
    limit: i64,
) -> Result<Vec<LetterRow>, StoreError> {
    conn.fetch_all(LIST, args![before.0, before.1, limit]).await?.iter().map(read).collect()
}

/// One letter.
pub async fn find(conn: &mut Conn, letter: Id<Letter>) -> Result<Option<LetterRow>, StoreError> {
    conn.fetch_optional(FIND, args![letter]).await?.as_ref().map(read).transpose()
}

/// The letter that carries `token`.
pub async fn of_token(conn: &mut Conn, token: Id<Token>) -> Result<Option<LetterRow>, StoreError> {
    let args = args![token, LetterKind::NewToken.word()];
    conn.fetch_optional(OF_TOKEN, args).await?.as_ref().map(read).transpose()
}

/// Letters to a user that did not arrive, from `since` on.
pub async fn troubles(
    conn: &mut Conn,
    user: Id<User>,
    since: Timestamp,
) -> Result<Vec<LetterRow>, StoreError> {
    conn.fetch_all(TROUBLES, args![user, since]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<LetterRow, StoreError> {
    Ok(LetterRow {
        id: row.id(0)?,
        user: row.id(1)?,
        kind: row.parsed(2, "kind", LetterKind::from_word)?,
        to: row.parsed(3, "to_address", |text| EmailAddress::parse(text).ok())?,
        state: row.parsed(4, "state", LetterState::from_word)?,
        attempts: row.count(5)?,
        next_try_at: row.at(6)?,
        last_reply: row.optional_text(7)?,
        created_at: row.at(8)?,
        ended_at: row.optional_at(9)?,
    })
}

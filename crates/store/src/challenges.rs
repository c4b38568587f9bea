//! Challenges: what somebody has begun and must still prove, known by the secret of a cookie.
//!
//! A try is counted before it is evaluated, by the database itself, so that of any number of guesses at
//! once no more are evaluated than the challenge allows, on however many nodes. An end is final.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Challenge, Id, Letter, Place, Session, User};
use symbolon_core::secret::Digest;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx};

const INSERT: &str = "
    INSERT INTO challenge (id, purpose, digest, user_id, session_id, epoch, letters, tries, state,
                           created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9)";
const FIND: &str = "
    SELECT id, user_id, session_id, epoch, code_digest, letter_id, letters, tries, state, created_at,
           expires_at, place_id
    FROM challenge
    WHERE digest = $1 AND purpose = $2 AND ended_at IS NULL AND expires_at > $3 AND created_at <= $4";
const TRY: &str = "
    UPDATE challenge SET tries = tries + 1
    WHERE id = $1 AND ended_at IS NULL AND expires_at > $2 AND tries < $3
    RETURNING tries";
const END: &str = "
    UPDATE challenge SET ended_at = $2, code_digest = NULL, state = NULL
    WHERE id = $1 AND ended_at IS NULL";
const SET_CODE: &str = "
    UPDATE challenge SET code_digest = $2, letter_id = $3, letters = letters + 1
    WHERE id = $1 AND ended_at IS NULL AND letters < $4";
const SET_PLACE: &str = "UPDATE challenge SET place_id = $2 WHERE id = $1";
const SET_STATE: &str = "
    UPDATE challenge SET state = $2 WHERE id = $1 AND ended_at IS NULL";
const END_OF_USER: &str = "
    UPDATE challenge SET ended_at = $3, code_digest = NULL, state = NULL
    WHERE user_id = $1 AND purpose = $2 AND ended_at IS NULL";
const END_ALL_OF_USER: &str = "
    UPDATE challenge SET ended_at = $2, code_digest = NULL, state = NULL
    WHERE user_id = $1 AND ended_at IS NULL";
const FORGET: &str = "DELETE FROM challenge WHERE expires_at < $1";

/// By how much the clocks of two nodes may differ: a challenge that one has made is met at another.
const SKEW: Duration = Duration::from_mins(1);

/// What a challenge is for. One made for one purpose is not found for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengePurpose {
    /// A web login whose password was right.
    Login,
    /// A logged-in user who is to prove himself again.
    StepUp,
    /// The enrolment of an authenticator.
    Authenticator,
    /// The registration of a passkey.
    Passkey,
    /// A login by passkey alone.
    PasskeyLogin,
}

impl ChallengePurpose {
    /// The word that the database knows it by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::StepUp => "step-up",
            Self::Authenticator => "authenticator",
            Self::Passkey => "passkey",
            Self::PasskeyLogin => "passkey-login",
        }
    }
}

/// A challenge to be made.
#[derive(Debug)]
pub struct NewChallenge<'a> {
    /// Identifier.
    pub id: Id<Challenge>,
    /// What it is for.
    pub purpose: ChallengePurpose,
    /// Keyed digest of its secret.
    pub digest: &'a Digest,
    /// Whose it is, where that is known.
    pub user: Option<Id<User>>,
    /// The session that it is bound to.
    pub session: Option<Id<Session>>,
    /// The user's epoch when it was made: where it has risen since, what was proved may no longer hold.
    pub epoch: Option<i64>,
    /// What must be kept until it is met.
    pub state: Option<&'a [u8]>,
    /// The first instant at which it can no longer be met.
    pub expires_at: Timestamp,
}

/// A challenge that can still be met.
#[derive(Debug, Clone)]
pub struct ChallengeRow {
    /// Identifier.
    pub id: Id<Challenge>,
    /// Whose it is.
    pub user: Option<Id<User>>,
    /// The session that it is bound to.
    pub session: Option<Id<Session>>,
    /// The user's epoch when it was made.
    pub epoch: Option<i64>,
    /// The known place that it was made from.
    pub place: Option<Id<Place>>,
    /// Keyed digest of the code that was mailed last.
    pub code: Option<Digest>,
    /// The letter that carries that code.
    pub letter: Option<Id<Letter>>,
    /// How many codes were mailed.
    pub letters: u32,
    /// How often it was tried.
    pub tries: u32,
    /// What was kept.
    pub state: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first instant at which it can no longer be met.
    pub expires_at: Timestamp,
}

/// Makes a challenge.
pub async fn insert(
    tx: &mut Tx,
    challenge: &NewChallenge<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let args = args![
        challenge.id,
        challenge.purpose.word(),
        challenge.digest,
        challenge.user,
        challenge.session,
        challenge.epoch,
        challenge.state.map(<[u8]>::to_vec),
        now,
        challenge.expires_at,
    ];
    tx.execute_one(INSERT, args).await
}

/// The challenge with one of these digests, if it can still be met.
///
/// One that was made later than a minute after `now` is not found: a clock that was set back must not
/// lengthen it.
pub async fn find(
    conn: &mut Conn,
    purpose: ChallengePurpose,
    digests: &[Digest],
    now: Timestamp,
) -> Result<Option<ChallengeRow>, StoreError> {
    for digest in digests {
        let args = args![digest, purpose.word(), now, now + SKEW];
        if let Some(row) = conn.fetch_optional(FIND, args).await? {
            return read(&row).map(Some);
        }
    }
    Ok(None)
}

/// Counts a try before it is evaluated: how many there have been with this one, or `None` if the
/// challenge has ended or was tried `most` times already.
pub async fn count_try(
    tx: &mut Tx,
    challenge: Id<Challenge>,
    most: u32,
    now: Timestamp,
) -> Result<Option<u32>, StoreError> {
    let row = tx.fetch_optional(TRY, args![challenge, now, most]).await?;
    row.map(|row| row.count(0)).transpose()
}

/// Ends a challenge, met or not; of any number of callers at once one is told `true`.
pub async fn end(
    tx: &mut Tx,
    challenge: Id<Challenge>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(END, args![challenge, now]).await
}

/// Notes the code that `letter` carries in place of any earlier one; `false` if the challenge has ended or
/// `most` codes were mailed for it.
pub async fn set_code(
    tx: &mut Tx,
    challenge: Id<Challenge>,
    code: &Digest,
    letter: Id<Letter>,
    most: u32,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(SET_CODE, args![challenge, code, letter, most]).await
}

/// Notes the known place that a challenge was made from.
pub async fn set_place(
    tx: &mut Tx,
    challenge: Id<Challenge>,
    place: Id<Place>,
) -> Result<(), StoreError> {
    tx.execute_one(SET_PLACE, args![challenge, place]).await
}

/// Replaces what a challenge keeps; `false` if it has ended.
pub async fn set_state(
    tx: &mut Tx,
    challenge: Id<Challenge>,
    state: &[u8],
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(SET_STATE, args![challenge, state.to_vec()]).await
}

/// Ends a user's challenges of one purpose; tells how many.
pub async fn end_of_user(
    tx: &mut Tx,
    user: Id<User>,
    purpose: ChallengePurpose,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(END_OF_USER, args![user, purpose.word(), now]).await
}

/// Ends every challenge of a user; tells how many.
pub async fn end_all_of_user(
    tx: &mut Tx,
    user: Id<User>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(END_ALL_OF_USER, args![user, now]).await
}

/// Forgets challenges that expired before `limit`.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

fn read(row: &Row) -> Result<ChallengeRow, StoreError> {
    let code = row.optional_blob(4)?.map(|bytes| {
        let bytes = <[u8; 32]>::try_from(bytes);
        bytes.map_err(|_| StoreError::corrupt("challenge", "code_digest", "?"))
    });
    Ok(ChallengeRow {
        id: row.id(0)?,
        user: row.optional_id(1)?,
        session: row.optional_id(2)?,
        epoch: row.optional_int(3)?,
        place: row.optional_id(11)?,
        code: code.transpose()?.map(Digest::from_bytes),
        letter: row.optional_id(5)?,
        letters: row.count(6)?,
        tries: row.count(7)?,
        state: row.optional_blob(8)?,
        created_at: row.at(9)?,
        expires_at: row.at(10)?,
    })
}

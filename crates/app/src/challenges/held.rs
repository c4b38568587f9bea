//! Challenges as browsers hold them: a row, found by the digest of a secret, and the letter with its code.
//!
//! The same for a login and for a sensitive change.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session};
use symbolon_core::keys::Purpose;
use symbolon_core::letter::LetterState;
use symbolon_core::secret::ChallengeSecret;
use symbolon_store::challenges::{self, ChallengePurpose, ChallengeRow, NewChallenge};
use symbolon_store::users::UserRecord;
use symbolon_store::{Conn, Tx, letters};

use super::{MOST_LETTERS, SECRET_LENGTH, VALID};
use crate::context::Ctx;
use crate::error::AppError;

/// Begins a challenge of `user`, bound to his epoch and, if there is one, to his session.
pub(crate) async fn begin(
    ctx: &Ctx,
    tx: &mut Tx,
    purpose: ChallengePurpose,
    user: &UserRecord,
    session: Option<Id<Session>>,
    now: Timestamp,
) -> Result<(ChallengeRow, ChallengeSecret), AppError> {
    let secret = ChallengeSecret::new(ctx.chance.text(SECRET_LENGTH));
    let digest = ctx.keys.digest(Purpose::Challenge, secret.reveal().as_bytes());
    let new = NewChallenge {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        purpose,
        digest: &digest,
        user: Some(user.standing.user),
        session,
        epoch: Some(user.epoch),
        state: None,
        expires_at: now + VALID,
    };
    challenges::insert(tx, &new, now).await?;
    let made = challenges::find(tx, purpose, &[digest], now).await?;
    Ok((made.ok_or(AppError::Corrupt("challenge"))?, secret))
}

/// The open challenge whose secret the browser holds.
pub(crate) async fn find(
    ctx: &Ctx,
    conn: &mut Conn,
    purpose: ChallengePurpose,
    secret: &ChallengeSecret,
    now: Timestamp,
) -> Result<Option<ChallengeRow>, AppError> {
    let digests = ctx.keys.digests(Purpose::Challenge, secret.reveal().as_bytes());
    Ok(challenges::find(conn, purpose, &digests, now).await?)
}

/// The masked address that a code was mailed to for this challenge, and where the letter stands.
pub(crate) async fn mailed(
    conn: &mut Conn,
    challenge: &ChallengeRow,
) -> Result<Option<(String, LetterState)>, AppError> {
    let letter = match challenge.letter {
        Some(letter) => letters::find(conn, letter).await?,
        None => None,
    };
    Ok(letter.map(|letter| (letter.to.masked(), letter.state)))
}

/// How many more codes can be mailed for a challenge.
pub(crate) fn letters_left(challenge: Option<&ChallengeRow>) -> u32 {
    MOST_LETTERS.saturating_sub(challenge.map_or(0, |row| row.letters))
}

/// Ends a challenge that was met, and the letter with its code; `false` if it had ended before.
pub(crate) async fn end(
    tx: &mut Tx,
    challenge: &ChallengeRow,
    now: Timestamp,
) -> Result<bool, AppError> {
    if !challenges::end(tx, challenge.id, now).await? {
        return Ok(false);
    }
    if let Some(letter) = challenge.letter {
        letters::supersede_one(tx, letter, now).await?;
    }
    Ok(true)
}

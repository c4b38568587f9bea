//! Step-up: who is logged in proves himself again before he changes what matters, unless he has done so
//! within the last ten minutes.
//!
//! Nothing is written while the page is looked at. A mailed code is asked for by a button and bound to the
//! session; every other proof needs no row. With the proof the session gets a new secret (ASVS 7.2.4), so
//! that one that was taken from the browser before is worth nothing.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::factor::Factor;
use symbolon_core::id::{Id, Session};
use symbolon_core::judge::Refusal;
use symbolon_core::keys::Purpose;
use symbolon_core::letter::LetterState;
use symbolon_core::secret::{ChallengeSecret, SessionSecret};
use symbolon_mail::CodeFor;
use symbolon_store::challenges::{self, ChallengePurpose, ChallengeRow, NewChallenge};
use symbolon_store::users::UserRecord;
use symbolon_store::{Conn, Tx, letters, sessions, source_failures, users};

use crate::actor::Origin;
use crate::challenges::{
    Asked, Entered, MOST_LETTERS, MOST_TRIES, SECRET_LENGTH, VALID, Ways, evaluate, mail_code,
};
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::open::draw_secret;
use crate::login::record::{self, Entry};
use crate::login::{CorrelationId, Head, Refused};
use crate::passwords::{self, Proof};
use crate::sessions::LiveSession;
use crate::{places, second_factors};

/// How long a proof holds.
pub const FRESH: Duration = Duration::from_mins(10);

const PURPOSE: ChallengePurpose = ChallengePurpose::StepUp;

/// What the page shows.
#[derive(Debug)]
pub struct StepUpView {
    /// How the user may prove himself.
    pub ways: Ways,
    /// The masked address that a code was mailed to, and where the letter stands.
    pub mailed: Option<(String, LetterState)>,
    /// How many more codes can be mailed for the present challenge.
    pub letters_left: u32,
}

/// What an answer comes to.
#[derive(Debug)]
pub enum Outcome {
    /// The session is proved; the browser is to hold its new secret.
    Proved(SessionSecret),
    /// What was entered is not right.
    Wrong(Refused),
    /// The session has ended meanwhile.
    Over,
}

/// Whether the user of this session has proved himself lately. Also not where the clock was set back.
pub fn is_fresh(session: &LiveSession, now: Timestamp) -> bool {
    session.proved_at.is_some_and(|at| at <= now && now.since(at) < FRESH)
}

/// What the user of this session can prove himself by, and whether a code is on its way.
///
/// # Errors
/// The database's.
pub async fn look(
    ctx: &Ctx,
    session: &LiveSession,
    secret: Option<&ChallengeSecret>,
) -> Result<StepUpView, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let ways = ways_of(ctx, &mut reader, session).await?;
    let challenge = find(ctx, &mut reader, session, secret, now).await?;
    let letter = match challenge.as_ref().and_then(|row| row.letter) {
        Some(letter) if ways.mail => letters::find(&mut reader, letter).await?,
        Some(_) | None => None,
    };
    Ok(StepUpView {
        ways,
        mailed: letter.map(|letter| (letter.to.masked(), letter.state)),
        letters_left: MOST_LETTERS.saturating_sub(challenge.map_or(0, |row| row.letters)),
    })
}

/// Mails a code: for the challenge that the browser holds, or a new one. `None` if none may be mailed, or no
/// more.
///
/// # Errors
/// The database's.
pub async fn send_code(
    ctx: &Ctx,
    session: &LiveSession,
    secret: Option<&ChallengeSecret>,
    origin: &Origin,
) -> Result<Option<ChallengeSecret>, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !users::hold(&mut tx, session.user).await? {
        return Ok(None);
    }
    let user = users::find(&mut tx, session.user).await?.ok_or(AppError::NotFound("user"))?;
    if !ways_of(ctx, &mut tx, session).await?.mail {
        return Ok(None);
    }
    let (challenge, secret) = match (find(ctx, &mut tx, session, secret, now).await?, secret) {
        (Some(row), Some(secret)) => (row, ChallengeSecret::new(secret.reveal().to_owned())),
        _ => begin(ctx, &mut tx, session, &user, now).await?,
    };
    if !mail_code(ctx, &mut tx, &challenge, &user, CodeFor::Change, origin, now).await? {
        return Ok(None);
    }
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(Some(secret))
}

/// Judges what was entered. In a task of its own: who hangs up has guessed all the same.
///
/// # Errors
/// The database's; [`AppError::TooMany`] where the password is asked for.
pub async fn answer(
    ctx: &Ctx,
    session: &LiveSession,
    secret: Option<&ChallengeSecret>,
    entered: Entered,
    origin: &Origin,
) -> Result<Outcome, AppError> {
    let (ctx, session, origin) = (ctx.clone(), session.clone(), origin.clone());
    let secret = secret.map(|secret| ChallengeSecret::new(secret.reveal().to_owned()));
    let outcome = tokio::spawn(async move {
        let mut reader = ctx.store.read().await?;
        let ways = ways_of(&ctx, &mut reader, &session).await?;
        drop(reader);
        if ways.password && !entered.password.reveal().is_empty() {
            return by_password(&ctx, &session, &entered, &origin).await;
        }
        by_factor(&ctx, &session, secret.as_ref(), (ways, &entered), &origin).await
    });
    outcome.await.map_err(|_| AppError::Corrupt("a proof"))?
}

/// Notes a proof that the caller has verified in this transaction, and gives the session a new secret.
pub(crate) async fn note_proof(
    ctx: &Ctx,
    tx: &mut Tx,
    session: Id<Session>,
    now: Timestamp,
) -> Result<Option<SessionSecret>, AppError> {
    let secret = draw_secret(ctx);
    let digest = ctx.keys.digest(Purpose::Session, secret.reveal().as_bytes());
    Ok(sessions::prove(tx, session, &digest, now).await?.then_some(secret))
}

async fn by_password(
    ctx: &Ctx,
    session: &LiveSession,
    entered: &Entered,
    origin: &Origin,
) -> Result<Outcome, AppError> {
    match passwords::prove(ctx, session.user, &entered.password, origin).await? {
        Proof::Refused(refused) => Ok(Outcome::Wrong(refused)),
        Proof::Given(_) => {
            let mut tx = ctx.store.begin().await?;
            let proved = note_proof(ctx, &mut tx, session.session, ctx.clock.now()).await?;
            commit(ctx, tx).await?;
            Ok(proved.map_or(Outcome::Over, Outcome::Proved))
        }
    }
}

async fn by_factor(
    ctx: &Ctx,
    session: &LiveSession,
    secret: Option<&ChallengeSecret>,
    (ways, entered): (Ways, &Entered),
    origin: &Origin,
) -> Result<Outcome, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !users::hold(&mut tx, session.user).await? {
        return Ok(Outcome::Over);
    }
    let user = users::find(&mut tx, session.user).await?.ok_or(AppError::NotFound("user"))?;
    let challenge = match find(ctx, &mut tx, session, secret, now).await? {
        // One that was tried often enough yields no code any more; other proofs are still taken.
        Some(row) => challenges::count_try(&mut tx, row.id, MOST_TRIES, now).await?.map(|_| row),
        None => None,
    };
    let place = places::find(&mut tx, session.user, session.place).await?;
    let asked = Asked { user: &user, place: place.as_ref(), challenge: challenge.as_ref(), ways };
    let judged = evaluate(ctx, &mut tx, asked, entered, origin, now).await;
    if let Err(AppError::KeyMissing) = judged {
        // The try counts all the same.
        commit(ctx, tx).await?;
        return Err(AppError::KeyMissing);
    }
    let outcome = match judged? {
        Ok(met) => {
            if let Some(row) = challenge.filter(|_| met.factor == Factor::MailedCode) {
                challenges::end(&mut tx, row.id, now).await?;
                if let Some(letter) = row.letter {
                    letters::supersede_one(&mut tx, letter, now).await?;
                }
            }
            let proved = note_proof(ctx, &mut tx, session.session, now).await?;
            proved.map_or(Outcome::Over, Outcome::Proved)
        }
        Err(refusal) => Outcome::Wrong(refuse(ctx, &mut tx, &user, refusal, origin, now).await?),
    };
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(outcome)
}

async fn refuse(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    refusal: Refusal,
    origin: &Origin,
    now: Timestamp,
) -> Result<Refused, AppError> {
    if refusal.counts_against_source() {
        let since = now - ctx.settings.source_policy.period;
        let source = origin.source.counted_as();
        source_failures::note(tx, &source, &user.username.key(), since, now).await?;
    }
    let reason = format!("asked to verify before a change: {refusal}");
    let correlation_id = write_entry(ctx, tx, user, &reason, origin, now).await?;
    Ok(Refused { correlation_id, refusal })
}

async fn write_entry(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    reason: &str,
    origin: &Origin,
    now: Timestamp,
) -> Result<CorrelationId, AppError> {
    let correlation_id = CorrelationId::draw(ctx);
    let entry = Entry {
        head: Head::Web,
        user: Some(user.standing.user),
        username: user.username.as_str(),
        origin,
        correlation_id: &correlation_id,
        now,
    };
    record::write_history(ctx, tx, entry, "refused", reason, None).await?;
    Ok(correlation_id)
}

async fn ways_of(ctx: &Ctx, conn: &mut Conn, session: &LiveSession) -> Result<Ways, AppError> {
    let kinds = second_factors::kinds_of(conn, session.user).await?;
    Ok(Ways::for_change(kinds, ctx.settings.mail_configured))
}

/// The challenge that the browser holds, if it is this session's.
async fn find(
    ctx: &Ctx,
    conn: &mut Conn,
    session: &LiveSession,
    secret: Option<&ChallengeSecret>,
    now: Timestamp,
) -> Result<Option<ChallengeRow>, AppError> {
    let Some(secret) = secret else {
        return Ok(None);
    };
    let digests = ctx.keys.digests(Purpose::Challenge, secret.reveal().as_bytes());
    let found = challenges::find(conn, PURPOSE, &digests, now).await?;
    Ok(found.filter(|row| row.session == Some(session.session)))
}

async fn begin(
    ctx: &Ctx,
    tx: &mut Tx,
    session: &LiveSession,
    user: &UserRecord,
    now: Timestamp,
) -> Result<(ChallengeRow, ChallengeSecret), AppError> {
    let secret = ChallengeSecret::new(ctx.chance.text(SECRET_LENGTH));
    let digest = ctx.keys.digest(Purpose::Challenge, secret.reveal().as_bytes());
    let new = NewChallenge {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        purpose: PURPOSE,
        digest: &digest,
        user: Some(session.user),
        session: Some(session.session),
        epoch: Some(user.epoch),
        state: None,
        expires_at: now + VALID,
    };
    challenges::insert(tx, &new, now).await?;
    let made = challenges::find(tx, PURPOSE, &[digest], now).await?;
    Ok((made.ok_or(AppError::Corrupt("challenge"))?, secret))
}

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
use symbolon_store::challenges::{self, ChallengePurpose, ChallengeRow};
use symbolon_store::users::UserRecord;
use symbolon_store::{Conn, Tx, sessions, users};

use crate::actor::Origin;
use crate::challenges::{Asked, Entered, MOST_TRIES, Ways, evaluate, held, mail_code};
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::open::draw_secret;
use crate::login::{Refused, record};
use crate::passwords::{self, Proof};
use crate::rotation::completion;
use crate::sessions::LiveSession;
use crate::{explain, places, second_factors};

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
    let mailed = match challenge.as_ref().filter(|_| ways.mail) {
        Some(row) => held::mailed(&mut reader, row).await?,
        None => None,
    };
    Ok(StepUpView { ways, mailed, letters_left: held::letters_left(challenge.as_ref()) })
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
        _ => held::begin(ctx, &mut tx, PURPOSE, &user, Some(session.session), now).await?,
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
    let origin = Origin { place: session.place, ..origin.clone() };
    match passwords::prove(ctx, session.user, &entered.password, &origin).await? {
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
                held::end(&mut tx, &row, now).await?;
            }
            let proved = note_proof(ctx, &mut tx, session.session, now).await?;
            let completed = completion::complete(ctx, &mut tx, &user, met.token, now).await?;
            completion::record(&mut tx, completed, now).await?;
            proved.map_or(Outcome::Over, Outcome::Proved)
        }
        Err(refusal) => {
            let key = user.username.key();
            record::note_at_source(&mut tx, refusal, &key, origin, now).await?;
            let refused = (refusal, &refusal.to_string()[..]);
            Outcome::Wrong(refuse(ctx, &mut tx, (session, &user), refused, origin, now).await?)
        }
    };
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(outcome)
}

/// Writes an answer down that was refused, and why in words, with the steps that a change takes.
pub(crate) async fn refuse(
    ctx: &Ctx,
    tx: &mut Tx,
    (session, user): (&LiveSession, &UserRecord),
    (refusal, words): (Refusal, &str),
    origin: &Origin,
    now: Timestamp,
) -> Result<Refused, AppError> {
    let reason = format!("asked to verify before a change: {words}");
    let chain = explain::chain_of_step_up(session.proved_at, words, refusal);
    record::refuse_answer(ctx, tx, user, (refusal, &reason, &chain), origin, now).await
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
    let found = held::find(ctx, conn, PURPOSE, secret, now).await?;
    Ok(found.filter(|row| row.session == Some(session.session)))
}

//! A passkey as the proof before a sensitive change, of a user who is logged in.

use symbolon_core::id::Id;
use symbolon_core::judge::Refusal;
use symbolon_core::keys::Purpose;
use symbolon_store::challenges::{self, ChallengePurpose, NewChallenge};
use symbolon_store::{Tx, users};

use super::proof::{begin_proof, finish_proof};
use super::registration::VALID;
use super::{PasskeyFault, Question};
use crate::actor::Origin;
use crate::challenges::forget_wrong_codes;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::Refused;
use crate::places;
use crate::sessions::LiveSession;
use crate::step_up::{self, Outcome, note_proof};

const PURPOSE: ChallengePurpose = ChallengePurpose::StepUp;

/// Asks for one of the passkeys of the session's user; `None` if there is none, or none can be used here.
///
/// # Errors
/// The database's.
pub async fn begin(ctx: &Ctx, session: &LiveSession) -> Result<Option<Question>, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let Some(offer) = begin_proof(ctx, &mut tx, session.user).await? else {
        return Ok(None);
    };
    let name = ctx.chance.text(22);
    let challenge = NewChallenge {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        purpose: PURPOSE,
        digest: &ctx.keys.digest(Purpose::Challenge, name.as_bytes()),
        user: Some(session.user),
        session: Some(session.session),
        epoch: None,
        state: Some(&offer.state),
        expires_at: now + VALID,
    };
    challenges::insert(&mut tx, &challenge, now).await?;
    commit(ctx, tx).await?;
    Ok(Some(Question { name, options: offer.options }))
}

/// Judges what a browser says of a passkey. In a task of its own, as every answer.
///
/// # Errors
/// The database's.
pub async fn answer(
    ctx: &Ctx,
    session: &LiveSession,
    name: &str,
    answer: &str,
    origin: &Origin,
) -> Result<Outcome, AppError> {
    let (ctx, session, origin) = (ctx.clone(), session.clone(), origin.clone());
    let [name, answer] = [name, answer].map(str::to_owned);
    let outcome =
        tokio::spawn(async move { judge_answer(&ctx, &session, &name, &answer, &origin).await });
    outcome.await.map_err(|_| AppError::Corrupt("a proof"))?
}

async fn judge_answer(
    ctx: &Ctx,
    session: &LiveSession,
    name: &str,
    answer: &str,
    origin: &Origin,
) -> Result<Outcome, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !users::hold(&mut tx, session.user).await? {
        return Ok(Outcome::Over);
    }
    let verified = match take_question(ctx, &mut tx, session, name).await? {
        Some(state) => finish_proof(ctx, &mut tx, session.user, &state, answer, now).await?,
        None => Err(PasskeyFault::NotAsked),
    };
    let outcome = match verified {
        Ok(_) => {
            let user = users::find(&mut tx, session.user).await?;
            let user = user.ok_or(AppError::NotFound("user"))?;
            let place = places::find(&mut tx, session.user, session.place).await?;
            forget_wrong_codes(&mut tx, &user, place.as_ref()).await?;
            let proved = note_proof(ctx, &mut tx, session.session, now).await?;
            proved.map_or(Outcome::Over, Outcome::Proved)
        }
        Err(fault) => Outcome::Wrong(refuse(ctx, &mut tx, session, fault, origin).await?),
    };
    commit(ctx, tx).await?;
    Ok(outcome)
}

/// Ends the challenge and yields what it kept; `None` if it is not open to this session.
async fn take_question(
    ctx: &Ctx,
    tx: &mut Tx,
    session: &LiveSession,
    name: &str,
) -> Result<Option<Vec<u8>>, AppError> {
    let now = ctx.clock.now();
    let digests = ctx.keys.digests(Purpose::Challenge, name.as_bytes());
    let found = challenges::find(tx, PURPOSE, &digests, now).await?;
    let own = found.filter(|row| row.session == Some(session.session));
    let Some(row) = own.filter(|row| row.user == Some(session.user)) else {
        return Ok(None);
    };
    if !challenges::end(tx, row.id, now).await? {
        return Ok(None);
    }
    Ok(row.state)
}

async fn refuse(
    ctx: &Ctx,
    tx: &mut Tx,
    session: &LiveSession,
    fault: PasskeyFault,
    origin: &Origin,
) -> Result<Refused, AppError> {
    let user = users::find(tx, session.user).await?.ok_or(AppError::NotFound("user"))?;
    let refused = (Refusal::PasskeyRefused, &fault.as_reason()[..]);
    step_up::refuse(ctx, tx, (session, &user), refused, origin, ctx.clock.now()).await
}

//! A passkey as the second half of a web log-in, in the challenge that the password has opened.
//!
//! What the browser is asked lies in the challenge's row, and goes with the first answer: a second answer to
//! the same question finds none.

use symbolon_core::Timestamp;
use symbolon_core::judge::Refusal;
use symbolon_core::keys::Purpose;
use symbolon_core::secret::ChallengeSecret;
use symbolon_store::challenges::{self, ChallengePurpose};
use symbolon_store::{Tx, users};

use super::PasskeyFault;
use super::proof::{begin_proof, finish_proof};
use crate::actor::Origin;
use crate::challenges::MOST_TRIES;
use crate::context::Ctx;
use crate::error::AppError;
use crate::explain;
use crate::live::commit;
use crate::login::challenge::{OpenChallenge, Outcome, find, meet_by_passkey};
use crate::login::record;

/// Asks for a passkey in the open challenge that the browser holds; yields what the browser is to be asked, or
/// `None` if there is no challenge, or no passkey can meet it.
///
/// # Errors
/// The database's.
pub async fn begin(
    ctx: &Ctx,
    secret: &ChallengeSecret,
    origin: &Origin,
) -> Result<Option<String>, AppError> {
    let now = ctx.clock.now();
    let Some(open) = find(ctx, secret, origin, now).await? else {
        return Ok(None);
    };
    let Some(user) = open.row.user.filter(|_| open.ways.factors.passkey) else {
        return Ok(None);
    };
    let mut tx = ctx.store.begin().await?;
    let Some(offer) = begin_proof(ctx, &mut tx, user).await? else {
        return Ok(None);
    };
    if !challenges::set_state(&mut tx, open.row.id, &offer.state).await? {
        return Ok(None);
    }
    commit(ctx, tx).await?;
    Ok(Some(offer.options))
}

/// Answers the open challenge with what a browser says of a passkey. In a task of its own, as every answer.
///
/// # Errors
/// The database's.
pub async fn answer(
    ctx: &Ctx,
    secret: &ChallengeSecret,
    answer: &str,
    origin: &Origin,
) -> Result<Outcome, AppError> {
    let (ctx, origin, answer) = (ctx.clone(), origin.clone(), answer.to_owned());
    let secret = ChallengeSecret::new(secret.reveal().to_owned());
    let outcome = tokio::spawn(async move {
        let now = ctx.clock.now();
        let Some(open) = find(&ctx, &secret, &origin, now).await? else {
            return Ok(Outcome::Over);
        };
        judge_answer(&ctx, &secret, &open, &answer, &origin, now).await
    });
    outcome.await.map_err(|_| AppError::Corrupt("a challenge"))?
}

async fn judge_answer(
    ctx: &Ctx,
    secret: &ChallengeSecret,
    open: &OpenChallenge,
    answer: &str,
    origin: &Origin,
    now: Timestamp,
) -> Result<Outcome, AppError> {
    let (Some(user), Some(epoch)) = (open.row.user, open.row.epoch) else {
        return Ok(Outcome::Over);
    };
    let mut tx = ctx.store.begin().await?;
    // The user's row comes first, as for every other answer: two at once queue here.
    if !users::hold_at_epoch(&mut tx, user, epoch).await? {
        return Ok(Outcome::Over);
    }
    let state = take_state(ctx, &mut tx, secret, now).await?;
    let verified = match state.filter(|_| open.ways.factors.passkey) {
        Some(state) => finish_proof(ctx, &mut tx, user, &state, answer, now).await?,
        None => Err(PasskeyFault::NotAsked),
    };
    let outcome = match verified {
        Ok(_) => meet_by_passkey(ctx, &mut tx, open, origin, now).await?,
        Err(fault) => refuse(ctx, &mut tx, open, fault, origin, now).await?,
    };
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(outcome)
}

/// Takes out what the browser was asked; nothing if that was answered before.
async fn take_state(
    ctx: &Ctx,
    tx: &mut Tx,
    secret: &ChallengeSecret,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, AppError> {
    let digests = ctx.keys.digests(Purpose::Challenge, secret.reveal().as_bytes());
    let Some(row) = challenges::find(tx, ChallengePurpose::Login, &digests, now).await? else {
        return Ok(None);
    };
    challenges::set_state(tx, row.id, &[]).await?;
    Ok(row.state.filter(|state| !state.is_empty()))
}

async fn refuse(
    ctx: &Ctx,
    tx: &mut Tx,
    open: &OpenChallenge,
    fault: PasskeyFault,
    origin: &Origin,
    now: Timestamp,
) -> Result<Outcome, AppError> {
    let Some(tries) = challenges::count_try(tx, open.row.id, MOST_TRIES, now).await? else {
        return Ok(Outcome::Over);
    };
    let left = MOST_TRIES.saturating_sub(tries);
    if left == 0 {
        challenges::end(tx, open.row.id, now).await?;
    }
    let Some(user) = &open.evidence.user else {
        return Ok(Outcome::Over);
    };
    let (refusal, reason) = (Refusal::PasskeyRefused, fault.as_reason());
    let decision = open.judge(ctx, None, origin, now);
    let chain = explain::chain_of(&decision.steps_after_refused_answer(&reason, refusal));
    let refused = (refusal, &reason[..], &chain[..]);
    let refused = record::refuse_answer(ctx, tx, user, refused, origin, now).await?;
    Ok(Outcome::Wrong { refused, left })
}

//! A question for any passkey, kept by the browser that is asked and not by us: whoever asks to log in is
//! nobody yet, and must not fill the database.
//!
//! What is kept is sealed, holds in that browser alone and for five minutes. The number that it bears becomes a
//! row when a passkey of ours answers, so that it is answered once, on however many nodes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use symbolon_core::Timestamp;
use symbolon_core::id::{Challenge, Id};
use symbolon_core::keys::Purpose;
use symbolon_core::sealed::{Sealed, SealedFor, Seat};
use symbolon_store::Tx;
use symbolon_store::challenges::{self, ChallengePurpose, NewChallenge};
use symbolon_store::error::StoreError;

use super::registration::VALID;
use crate::context::Ctx;
use crate::error::AppError;

/// Nobody's: who answers is not known yet.
const SEAT: Seat = Seat { use_for: SealedFor::PasskeyQuestion, user: Id::from_raw(0), row: 0 };
/// Longest text that is opened: ours have less than 300 characters.
const MOST_CHARACTERS: usize = 1024;
/// By how much the clocks of two nodes may differ.
const SKEW: Duration = Duration::from_mins(1);

/// A question that can still be answered.
pub(super) struct OpenQuestion {
    id: Id<Challenge>,
    expires_at: Timestamp,
    /// What the library verifies an answer by.
    pub(super) state: Vec<u8>,
}

/// Seals a question for the browser that is asked.
pub(super) fn seal(ctx: &Ctx, browser: &str, state: &[u8], now: Timestamp) -> String {
    let id: Id<Challenge> = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let text = [
        &id.raw().to_be_bytes()[..],
        &(now + VALID).unix_ms().to_be_bytes(),
        ctx.keys.digest(Purpose::Challenge, browser.as_bytes()).as_bytes(),
        state,
    ]
    .concat();
    let sealed = ctx.chance.with(|mut rng| ctx.keys.seal(&text, &SEAT, &mut rng));
    BASE64.encode(sealed.to_bytes())
}

/// Opens what a browser has kept; `None` if it is not ours, another browser's, or its time is up.
///
/// # Security
/// A wrong *yes* takes an answer that was given elsewhere, or long ago.
pub(super) fn open(ctx: &Ctx, browser: &str, kept: &str, now: Timestamp) -> Option<OpenQuestion> {
    if kept.len() > MOST_CHARACTERS {
        return None;
    }
    let sealed = Sealed::from_bytes(&BASE64.decode(kept).ok()?)?;
    let text = ctx.keys.open(&sealed, &SEAT)?;
    let (id, rest) = text.split_first_chunk::<8>()?;
    let (expires_at, rest) = rest.split_first_chunk::<8>()?;
    let (holder, state) = rest.split_first_chunk::<32>()?;
    let expires_at = Timestamp::from_unix_ms(i64::from_be_bytes(*expires_at));
    // A clock that was set back must not lengthen it.
    let timely = now < expires_at && expires_at <= now + VALID + SKEW;
    let browsers = ctx.keys.digests(Purpose::Challenge, browser.as_bytes());
    let own = browsers.iter().any(|digest| digest.as_bytes() == holder);
    let id = Id::from_raw(i64::from_be_bytes(*id));
    (timely && own).then(|| OpenQuestion { id, expires_at, state: state.to_vec() })
}

/// Notes that a question was answered; `false` if it had been before. The transaction can do nothing more then.
pub(super) async fn end(
    ctx: &Ctx,
    tx: &mut Tx,
    question: &OpenQuestion,
    now: Timestamp,
) -> Result<bool, AppError> {
    let id = question.id;
    let row = NewChallenge {
        id,
        purpose: ChallengePurpose::PasskeyLogin,
        digest: &ctx.keys.digest(Purpose::Challenge, format!("answered {id}").as_bytes()),
        user: None,
        session: None,
        epoch: None,
        state: None,
        expires_at: question.expires_at,
    };
    match challenges::insert(tx, &row, now).await {
        Ok(()) => Ok(challenges::end(tx, id, now).await?),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

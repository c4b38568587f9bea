//! Recovery codes: ten at a time, shown once, stored as keyed digests.

use std::fmt;

use symbolon_core::Timestamp;
use symbolon_core::factor::Factor;
use symbolon_core::id::{Id, User};
use symbolon_core::keys::Purpose;
use symbolon_core::letter::LetterKind;
use symbolon_core::recovery_code::{COUNT, RecoveryCode};
use symbolon_store::{Tx, recovery_codes};

use super::kinds_of;
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::commit;
use crate::users::take_unfrozen;
use crate::{outbox, trail};

const NO_FACTOR: &str = "Recovery codes stand in for a lost second factor, and you have none. Add an \
                         authenticator app or a passkey first: the codes come with it.";

/// Ten recovery codes in the clear: they live until the page that shows them is written.
pub struct RecoveryCodes(pub Vec<RecoveryCode>);

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCodes(..)")
    }
}

/// Makes ten new codes; those from before end.
///
/// # Errors
/// [`AppError::Forbidden`] where the user has no other second factor.
pub async fn renew(ctx: &Ctx, user: Id<User>, origin: &Origin) -> Result<RecoveryCodes, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let record = take_unfrozen(&mut tx, user).await?;
    if !kinds_of(&mut tx, user).await?.any_real() {
        return Err(AppError::Forbidden(NO_FACTOR));
    }
    let codes = draw(ctx, &mut tx, user, now).await?;
    let facts = Facts::default()
        .with("factor", Factor::RecoveryCode.word())
        .with("source", origin.source)
        .at("at", now);
    outbox::write_notice(ctx, &mut tx, &record, LetterKind::SecondFactorAdded, facts, now).await?;
    let (actor, subject) = (Actor::User(user), format!("user:{user}"));
    trail::append(&mut tx, actor, "recovery-codes.renewed", subject, String::new(), now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(codes)
}

/// What keeps a user from making recovery codes, and what he can do about it.
pub const fn obstacle(any_real_factor: bool) -> Option<&'static str> {
    if any_real_factor { None } else { Some(NO_FACTOR) }
}

/// Draws ten codes and writes their digests in place of all that were there.
pub(super) async fn draw(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    now: Timestamp,
) -> Result<RecoveryCodes, AppError> {
    recovery_codes::remove_of_user(tx, user).await?;
    let mut codes = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let (id, code) =
            ctx.chance.with(|mut rng| (Id::mint(&mut rng), RecoveryCode::draw(&mut rng)));
        let digest = ctx.keys.digest(Purpose::RecoveryCode, &code.to_digest(user));
        recovery_codes::insert(tx, id, user, &digest, now).await?;
        codes.push(code);
    }
    Ok(RecoveryCodes(codes))
}

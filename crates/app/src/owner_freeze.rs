//! "It wasn't me": the link in a mail about something done to an account freezes the account's tokens, once,
//! without a log-in.
//!
//! It only ever ends things, so that who steals the mail gains nothing by it: sessions and known browsers too.
//! The owner lifts the freeze, and one that came of a token that looks shared, by the password: here, or with a
//! reset of the whole account. An administrator does it for whom no page lets in, and says so; his reset
//! leaves the freeze as it is. Whoever lifts it, the owner is told and the audit trail has it.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::judge::{FrozenBy, TokenFreeze};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::Source;
use symbolon_core::secret::{LinkSecret, Password};
use symbolon_store::changes::{self, Change};
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, links as stored_links, sessions, users};

use crate::account::{self, ChangeError};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::links::{self, LinkKind};
use crate::live::commit;
use crate::passwords::{self, Proof};
use crate::users::take_by_name;
use crate::{browsers, outbox, trail};

/// Freezes every token of the account and ends its sessions and known places.
///
/// # Errors
/// [`AppError::NotFound`] where the link is unknown, used or expired.
pub async fn freeze(ctx: &Ctx, link: &LinkSecret, origin: &Origin) -> Result<(), AppError> {
    let id = links::bearer_of(ctx, LinkKind::FreezeTokens, link).await?;
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !users::take(&mut tx, id).await? {
        return Err(AppError::NotFound("link"));
    }
    links::use_up(ctx, &mut tx, LinkKind::FreezeTokens, link, now).await?;
    let user = users::find(&mut tx, id).await?.ok_or(AppError::NotFound("link"))?;
    stored_links::end_of_user(&mut tx, id, LinkKind::FreezeTokens.word(), now).await?;
    links::end_ways_in(&mut tx, id, now).await?;
    let freeze = TokenFreeze { at: now, by: FrozenBy::Owner };
    users::freeze_tokens(&mut tx, id, freeze).await?;
    let (actor, cause) = (Actor::LinkOf(id), "tokens frozen by their owner");
    sessions::end_of_user(&mut tx, id, None, cause, now).await?;
    browsers::end_others(&mut tx, actor, id, None, cause, now).await?;
    let facts = Facts::default().at("at", now).with("source", origin.source);
    outbox::write_notice(ctx, &mut tx, &user, LetterKind::TokensFrozen, facts, now).await?;
    let (subject, details) = (format!("user:{id}"), format!("source={}", origin.source));
    trail::append(&mut tx, actor, "tokens.frozen", subject, details, now).await?;
    changes::record(&mut tx, Change::UserChanged, id, None, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Lifts the freeze for an owner who proves the current password.
///
/// # Errors
/// [`ChangeError`]; nothing was changed then.
pub async fn lift(
    ctx: &Ctx,
    user: Id<User>,
    current: Password,
    origin: &Origin,
) -> Result<(), ChangeError> {
    let proved = match passwords::prove(ctx, user, &current, origin).await? {
        Proof::Given(user) => user,
        Proof::Refused(refused) => return Err(ChangeError::WrongPassword(refused)),
    };
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let user = account::take_unchanged(&mut tx, &proved).await?;
    lifted(ctx, tx, &user, Actor::User(user.standing.user), Some(origin.source), now).await?;
    Ok(())
}

/// Lifts the freeze for an administrator; nothing happens where there is none.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such user.
pub async fn lift_for(ctx: &Ctx, actor: Actor, username: &str) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let user = take_by_name(&mut tx, username).await?;
    lifted(ctx, tx, &user, actor, None, now).await
}

async fn lifted(
    ctx: &Ctx,
    mut tx: Tx,
    user: &UserRecord,
    actor: Actor,
    source: Option<Source>,
    now: Timestamp,
) -> Result<(), AppError> {
    let Some(freeze) = user.standing.tokens_frozen else {
        return Ok(());
    };
    write_lift(ctx, &mut tx, user, freeze, (actor, source), now).await?;
    changes::record(&mut tx, Change::UserChanged, user.standing.user, None, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Writes into a transaction that has taken the user's row that `freeze` is lifted, the notice of it and the
/// row of the trail; the change row is the caller's.
pub(crate) async fn write_lift(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    freeze: TokenFreeze,
    (actor, source): (Actor, Option<Source>),
    now: Timestamp,
) -> Result<(), AppError> {
    let id = user.standing.user;
    users::unfreeze_tokens(tx, id, now).await?;
    let by = if actor == Actor::User(id) { "owner" } else { "administrator" };
    let facts = Facts::default().with("by", by).with_some("source", source).at("at", now);
    outbox::write_notice(ctx, tx, user, LetterKind::TokensUnfrozen, facts, now).await?;
    let (subject, details) = (format!("user:{id}"), format!("frozen_by={}", freeze.by.word()));
    trail::append(tx, actor, "tokens.unfrozen", subject, details, now).await
}

//! "It wasn't me": the link in a token's mail freezes the account's tokens, once, without a log-in.
//!
//! It only ever ends things, so that who steals the mail gains nothing by it: sessions and known browsers too.

use symbolon_core::id::{Id, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::secret::{LinkSecret, Password};
use symbolon_store::changes::{self, Change};
use symbolon_store::{links as stored_links, sessions, users};

use crate::account::{self, ChangeError};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::links::{self, LinkKind};
use crate::live::commit;
use crate::passwords::{self, Proof};
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
    users::set_tokens_frozen(&mut tx, id, Some(now)).await?;
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
    account::take_unchanged(&mut tx, &proved).await?;
    users::set_tokens_frozen(&mut tx, user, None).await?;
    let subject = format!("user:{user}");
    trail::append(&mut tx, Actor::User(user), "tokens.unfrozen", subject, String::new(), now)
        .await?;
    changes::record(&mut tx, Change::UserChanged, user, None, now).await?;
    commit(ctx, tx).await?;
    Ok(())
}

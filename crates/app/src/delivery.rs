//! The delivery contact: where mail with a token goes for users who read none, such as the group that
//! looks after an integration. Everything else still goes to the user's own address.

use symbolon_core::id::{Id, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::{EmailAddress, Source};
use symbolon_core::secret::Password;
use symbolon_store::changes::{self, Change};
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, users};

use crate::account::{self, ChangeError};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::commit;
use crate::users::take_by_name;
use crate::{openpgp, outbox, passwords, trail};

const SAME: AppError = AppError::Forbidden("Mail with a token goes there already.");

/// Where mail with a token of this user goes.
pub(crate) fn address_of(user: &UserRecord) -> &EmailAddress {
    user.delivery.as_ref().unwrap_or(&user.email)
}

/// Where mail with a token of a user goes, for whoever has to know before it is sent.
///
/// # Errors
/// The database's; [`AppError::NotFound`] if removed.
pub async fn address(ctx: &Ctx, user: Id<User>) -> Result<EmailAddress, AppError> {
    Ok(address_of(&passwords::find(ctx, user).await?).clone())
}

/// Sets the asking user's own delivery contact, or ends it with `None`.
///
/// # Errors
/// [`ChangeError`]; nothing was changed then.
pub async fn set_own(
    ctx: &Ctx,
    user: Id<User>,
    current: Password,
    delivery: Option<EmailAddress>,
    origin: &Origin,
) -> Result<(), ChangeError> {
    let (mut tx, user) = account::begin_proved(ctx, user, &current, origin).await?;
    let actor = Actor::User(user.standing.user);
    write(ctx, &mut tx, &user, delivery, actor, Some(origin.source)).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Sets a user's delivery contact for an administrator, or ends it with `None`.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such user.
pub async fn set_for(
    ctx: &Ctx,
    actor: Actor,
    username: &str,
    delivery: Option<EmailAddress>,
) -> Result<(), AppError> {
    let mut tx = ctx.store.begin().await?;
    let user = take_by_name(&mut tx, username).await?;
    write(ctx, &mut tx, &user, delivery, actor, None).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Writes it down, and tells the owner and whoever gets the mail from now on, or did before.
async fn write(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    delivery: Option<EmailAddress>,
    actor: Actor,
    source: Option<Source>,
) -> Result<(), AppError> {
    let id = user.standing.user;
    if user.delivery == delivery {
        return Err(SAME);
    }
    let now = ctx.clock.now();
    if !users::set_delivery(tx, id, delivery.as_ref()).await? {
        return Err(AppError::NotFound("user"));
    }
    let by = if actor == Actor::User(id) { "owner" } else { "administrator" };
    // The key stays: to send in the clear from now on what was encrypted is nothing to be done unasked.
    let key = openpgp::fingerprint_of(tx, id).await?;
    let told = [Some(&user.email), user.delivery.as_ref()];
    for to in told.into_iter().flatten() {
        let facts = Facts::default()
            .with_some("delivery", delivery.as_ref())
            .with_some("key", key.as_ref())
            .with("by", by)
            .with_some("source", source)
            .at("at", now);
        let kind = LetterKind::DeliveryChanged;
        outbox::write_notice_to(ctx, tx, user, to, kind, facts, now).await?;
    }
    // Whether the new contact reads there nobody has proved: no link for it, and not from where it was asked.
    if let Some(to) = delivery.as_ref().filter(|to| **to != user.email) {
        let (kind, facts) =
            (LetterKind::DeliveryBegun, Facts::default().with("by", by).at("at", now));
        outbox::write_notice_to(ctx, tx, user, to, kind, facts, now).await?;
    }
    let details = format!("delivery={}", delivery.as_ref().map_or("", EmailAddress::as_str));
    trail::append(tx, actor, "delivery.changed", format!("user:{id}"), details, now).await?;
    changes::record(tx, Change::UserChanged, id, None, now).await?;
    Ok(())
}

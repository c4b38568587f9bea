//! An invited user chooses a password.

use symbolon_core::secret::{LinkSecret, Password, PlaceSecret};
use symbolon_store::changes::{self, Change};
use symbolon_store::users;

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::links::{self, LinkKind};
use crate::live::commit;
use crate::{passwords, places, trail};

const FROZEN: &str =
    "This user is frozen. An administrator can unfreeze it; then the invitation works again.";

/// Accepts an invitation: from now on the user can log in, and this browser is known to him, for the link came
/// by his mail. The browser is to hold what is returned.
///
/// # Errors
/// [`AppError::NotFound`] where the link is unknown, used or expired; [`AppError::Password`].
pub async fn accept(
    ctx: &Ctx,
    link: &LinkSecret,
    password: Password,
    origin: &Origin,
) -> Result<PlaceSecret, AppError> {
    let invited = links::bearer_of(ctx, LinkKind::Invitation, link).await?;
    let user = passwords::find(ctx, invited).await?;
    let hashed = passwords::hash_new(ctx, origin.into(), &user, &password).await?;

    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !users::take(&mut tx, invited).await? {
        return Err(AppError::NotFound("link"));
    }
    let user = users::find(&mut tx, invited).await?.ok_or(AppError::NotFound("link"))?;
    if user.standing.activated {
        return Err(AppError::NotFound("link"));
    }
    if user.standing.frozen_at.is_some() {
        return Err(AppError::Forbidden(FROZEN));
    }
    links::use_up(ctx, &mut tx, LinkKind::Invitation, link, now).await?;
    passwords::replace(&mut tx, &user, &hashed, None, now).await?;
    let (actor, subject) = (Actor::LinkOf(invited), format!("user:{invited}"));
    trail::append(&mut tx, actor, "invitation.accepted", subject, String::new(), now).await?;
    let place = places::make_known_by_link(ctx, &mut tx, invited, origin, now).await?;
    changes::record(&mut tx, Change::UserChanged, invited, None, now).await?;
    commit(ctx, tx).await?;
    Ok(place)
}

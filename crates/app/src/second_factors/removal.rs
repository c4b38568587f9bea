//! Removing second factors: one by its owner, where no duty forbids it; all by an administrator, for somebody
//! who has lost them.

use symbolon_core::Timestamp;
use symbolon_core::factor::{Factor, FactorKinds};
use symbolon_core::id::{Authenticator, Id, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::policy::Duty;
use symbolon_store::{Tx, authenticators, challenges, passkeys, recovery_codes};

use super::{duty_of, kinds_of, note_removed};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::commit;
use crate::users::{take_by_name, take_unfrozen};
use crate::{browsers, outbox, trail};

const LAST_UNDER_DUTY: &str = "Your profile demands a second factor, and this is your last one: add another \
                               before you remove it. An administrator can lift the demand in the profile.";

const LAST_APP_UNDER_DUTY: &str = "Your profile demands a code of an authenticator app at APIs too, where a \
                                   passkey cannot be used, and this is your last app: add another before you \
                                   remove it. An administrator can lift the demand in the profile.";

/// What keeps an owner from removing one of `apps` authenticator apps, who has passkeys beside them or not, and
/// who can lift it.
pub const fn app_obstacle(apps: usize, kinds: FactorKinds, duty: Duty) -> Option<&'static str> {
    match duty {
        Duty::WebAndApi if apps == 1 && kinds.passkey => Some(LAST_APP_UNDER_DUTY),
        Duty::None | Duty::Web | Duty::WebAndApi => {
            obstacle(apps + if kinds.passkey { 1 } else { 0 }, duty)
        }
    }
}

/// What keeps an owner from removing one of `count` second factors of daily use, and who can lift it.
pub const fn obstacle(count: usize, duty: Duty) -> Option<&'static str> {
    match duty {
        Duty::None => None,
        Duty::Web | Duty::WebAndApi => {
            if count > 1 {
                None
            } else {
                Some(LAST_UNDER_DUTY)
            }
        }
    }
}

/// Removes one authenticator app, for its owner. With the last factor the recovery codes end.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's or gone; [`AppError::Forbidden`] where the profile's duty
/// demands that one stays.
pub async fn remove(
    ctx: &Ctx,
    user: Id<User>,
    id: Id<Authenticator>,
    origin: &Origin,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let record = take_unfrozen(&mut tx, user).await?;
    let gone = authenticators::find(&mut tx, user, id).await?;
    let gone = gone.ok_or(AppError::NotFound("authenticator"))?;
    authenticators::remove(&mut tx, user, id).await?;
    let left = kinds_of(&mut tx, user).await?;
    let apps = 1 + usize::from(left.authenticator);
    if let Some(rule) = app_obstacle(apps, left, duty_of(&mut tx, &record).await?) {
        return Err(AppError::Forbidden(rule));
    }
    let what = (Factor::Authenticator, &gone.name);
    note_removed(ctx, &mut tx, &record, what, origin, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Removes every second factor of a user who has lost them, with the recovery codes and whatever was being
/// enrolled; his browsers are known no more, and their sessions end. The owner is told by mail; the profile's duty, if there is one, asks him to enrol anew.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Forbidden`] where there is none to remove.
pub async fn remove_all_of(ctx: &Ctx, actor: Actor, username: &str) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let record = take_by_name(&mut tx, username).await?;
    let user = record.standing.user;
    let had = kinds_of(&mut tx, user).await?;
    if had == FactorKinds::NONE {
        return Err(AppError::Forbidden(
            "This user has no second factor: there is nothing to remove.",
        ));
    }
    let details = erase(&mut tx, user, now).await?;
    browsers::end_others(&mut tx, actor, user, None, "second factors removed", now).await?;
    let facts = Facts::default().with("by", "administrator").at("at", now);
    outbox::write_notice(ctx, &mut tx, &record, LetterKind::SecondFactorRemoved, facts, now)
        .await?;
    let subject = format!("user:{user}");
    trail::append(&mut tx, actor, "second-factors.reset", subject, details, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Erases every second factor of a user, and what he has begun and not finished; tells how many there were.
pub(crate) async fn erase(tx: &mut Tx, user: Id<User>, now: Timestamp) -> Result<String, AppError> {
    let apps = authenticators::remove_of_user(tx, user).await?;
    let passkeys = passkeys::remove_of_user(tx, user).await?;
    let codes = recovery_codes::remove_of_user(tx, user).await?;
    challenges::end_all_of_user(tx, user, now).await?;
    Ok(format!("authenticators={apps}\npasskeys={passkeys}\nrecovery_codes={codes}"))
}

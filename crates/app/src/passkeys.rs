//! Passkeys (WebAuthn): registered by their owners, proved as a second factor, and a whole login by themselves.
//!
//! What a browser answers is verified by a library; here it is decided what is asked of it and what follows.
//! Always the same is asked: a key that the device keeps and finds by itself, its user verified by the device
//! at every use. A passkey is therefore two factors in one, and may stand in for the password.
//!
//! A question is asked once: whatever comes of the answer, the challenge has ended.

mod ceremony;
pub mod challenge;
mod fault;
pub mod login;
mod open_question;
mod proof;
pub mod registration;
pub mod step_up;

use symbolon_core::Timestamp;
use symbolon_core::factor::Factor;
use symbolon_core::id::{Id, Passkey, User};
use symbolon_core::names::DisplayName;
use symbolon_store::passkeys::{self, PasskeyRecord};

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::second_factors::{duty_of, kinds_of, note_removed, note_renamed, removal};
use crate::users::take_unfrozen;

pub use ceremony::{obstacle, origin_of};
pub use fault::PasskeyFault;

/// Passkeys that a user may have.
pub const MOST_PASSKEYS: i64 = 20;

/// A passkey, as its owner's list shows it.
#[derive(Debug, Clone)]
pub struct PasskeyView {
    /// Identifier.
    pub id: Id<Passkey>,
    /// What its owner calls it.
    pub name: DisplayName,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was used last.
    pub last_used_at: Option<Timestamp>,
}

/// What a browser is to be asked, and the name that its answer must come back with.
#[derive(Debug)]
pub struct Question {
    /// Names the challenge; opens nothing outside of the session or browser that it was given to.
    pub name: String,
    /// For the browser, as the specification writes it in JSON.
    pub options: String,
}

/// The passkeys of a user, the oldest first.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx, user: Id<User>) -> Result<Vec<PasskeyView>, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(passkeys::of_user(&mut reader, user).await?.into_iter().map(view).collect())
}

/// One passkey of a user.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's or gone.
pub async fn find(ctx: &Ctx, user: Id<User>, id: Id<Passkey>) -> Result<PasskeyView, AppError> {
    let mut reader = ctx.store.read().await?;
    passkeys::find(&mut reader, user, id).await?.map(view).ok_or(AppError::NotFound("passkey"))
}

/// Gives a passkey another name.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's or gone.
pub async fn rename(
    ctx: &Ctx,
    user: Id<User>,
    id: Id<Passkey>,
    name: DisplayName,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !passkeys::rename(&mut tx, user, id, &name).await? {
        return Err(AppError::NotFound("passkey"));
    }
    note_renamed(&mut tx, user, (Factor::Passkey, id), &name, now).await?;
    commit(ctx, tx).await
}

/// Removes a passkey, for its owner. With the last factor the recovery codes end.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's or gone; [`AppError::Forbidden`] where the profile's duty
/// demands that one stays.
pub async fn remove(
    ctx: &Ctx,
    user: Id<User>,
    id: Id<Passkey>,
    origin: &Origin,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let record = take_unfrozen(&mut tx, user).await?;
    let gone = passkeys::find(&mut tx, user, id).await?.ok_or(AppError::NotFound("passkey"))?;
    passkeys::remove(&mut tx, user, id).await?;
    let left = usize::from(kinds_of(&mut tx, user).await?.any_real());
    if let Some(rule) = removal::obstacle(left + 1, duty_of(&mut tx, &record).await?) {
        return Err(AppError::Forbidden(rule));
    }
    note_removed(ctx, &mut tx, &record, (Factor::Passkey, &gone.name), origin, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

fn view(record: PasskeyRecord) -> PasskeyView {
    PasskeyView {
        id: record.id,
        name: record.name,
        created_at: record.created_at,
        last_used_at: record.last_used_at,
    }
}

//! An owner's word, by a program, that a signal of his own tokens is a false alarm.
//!
//! The pages want a recent proof for it; a program that has nothing to show but a session proves the password.
//! Whoever had stolen that session would else silence the very signal that tells of him.

use symbolon_core::id::{Id, SharingSignal, User};
use symbolon_core::secret::Password;

use crate::account::ChangeError;
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::login::Head;
use crate::passwords::{self, Proof};
use crate::sharing;

/// Marks a signal of a user's own tokens as a false alarm, once the current password is proved.
///
/// # Errors
/// [`ChangeError`]; nothing was changed then.
pub async fn mark_false_alarm(
    ctx: &Ctx,
    user: Id<User>,
    current: &Password,
    signal: Id<SharingSignal>,
    origin: &Origin,
) -> Result<(), ChangeError> {
    match passwords::prove_at(ctx, Head::Rest, user, current, origin).await? {
        Proof::Given(_) => {}
        Proof::Refused(refused) => return Err(ChangeError::WrongPassword(refused)),
    }
    Ok(sharing::mark_false_alarm(ctx, Actor::User(user), Some(user), signal).await?)
}

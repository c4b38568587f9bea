//! Ends what other browsers of a user were trusted with, where he begins anew: with his first second factor,
//! another password, the freeze link, or once an administrator has removed his second factors.
//!
//! A browser that was proved by less than what is asked for now must not go on as a known one.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session, User};
use symbolon_store::{Tx, places, sessions};

use crate::actor::Actor;
use crate::error::AppError;
use crate::trail;

/// Ends every known place of `user` and every web session, but `keep` and the place that it was opened from.
/// Sessions of APIs live on.
pub(crate) async fn end_others(
    tx: &mut Tx,
    actor: Actor,
    user: Id<User>,
    keep: Option<Id<Session>>,
    cause: &'static str,
    now: Timestamp,
) -> Result<(), AppError> {
    let place = match keep {
        Some(session) => sessions::place_of(tx, session).await?,
        None => None,
    };
    sessions::end_web_of_user(tx, user, keep, cause, now).await?;
    let ended = places::end_of_user(tx, user, place, now).await?;
    if ended > 0 {
        let (subject, details) = (format!("user:{user}"), format!("ended={ended}\ncause={cause}"));
        trail::append(tx, actor, "places.ended", subject, details, now).await?;
    }
    Ok(())
}

//! Ends tokens, with everything that ends along with them.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::policy::SessionsOnReset;
use symbolon_store::{Tx, letters, sessions, tokens};

use crate::actor::Actor;
use crate::error::AppError;

/// Retires `tokens`: they die, letters that would carry them are not sent, and their sessions end where
/// the policy says so.
pub(crate) async fn retire(
    tx: &mut Tx,
    retired: &[Id<Token>],
    cause: RetirementCause,
    actor: Actor,
    sessions_too: SessionsOnReset,
    now: Timestamp,
) -> Result<(), AppError> {
    for token in retired {
        tokens::retire(tx, *token, cause, &actor.to_string(), now).await?;
        letters::supersede(tx, *token, now).await?;
        if sessions_too == SessionsOnReset::End {
            sessions::end_of_token(tx, *token, cause.word(), now).await?;
        }
    }
    Ok(())
}

/// Retires every live token of a user and ends every session; tells how many tokens it were.
pub(crate) async fn retire_all(
    tx: &mut Tx,
    user: Id<User>,
    cause: RetirementCause,
    actor: Actor,
    now: Timestamp,
) -> Result<usize, AppError> {
    let live = tokens::live_of_user(tx, user).await?;
    let live: Vec<Id<Token>> = live.into_iter().map(|token| token.token).collect();
    retire(tx, &live, cause, actor, SessionsOnReset::End, now).await?;
    sessions::end_of_user(tx, user, None, cause.word(), now).await?;
    Ok(live.len())
}

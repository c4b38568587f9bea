//! Everything that is known of one token, in one place: how it stands, how it came to be, how its mail fares, who
//! has come back with it, why it looks shared and where it was found. Never the token itself.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_store::leaks::{self, LeakRow};

use crate::context::Ctx;
use crate::error::AppError;
use crate::follow_up::{self, FollowUp};
use crate::leaks::LeakView;
use crate::reset::{self, MailView};
use crate::sharing::{self, SignalView};
use crate::tokens::{self, Rotation, TokenView};

/// What is known of one token.
#[derive(Debug, Clone)]
pub struct WholeToken {
    /// How it stands, how it came to be, and who uses it.
    pub token: TokenView,
    /// Until when the old one of a rotation that is under way lives on at most.
    pub outgoing_until: Option<Timestamp>,
    /// The letter that carried it, while it is remembered.
    pub mail: Option<MailView>,
    /// What became of the clients of the tokens in whose place it came.
    pub follow_up: FollowUp,
    /// Why it looks shared; false alarms too.
    pub signals: Vec<SignalView>,
    /// Where it was found.
    pub leaks: Vec<LeakView>,
}

/// One token of a user.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's or nobody's.
pub async fn of_user(ctx: &Ctx, user: Id<User>, token: Id<Token>) -> Result<WholeToken, AppError> {
    let view = tokens::one_of_user(ctx, user, token).await?;
    let outgoing_until = match view.rotation {
        Some(Rotation::Outgoing(_)) => Some(view.expires_at),
        Some(Rotation::Incoming(old)) => {
            Some(tokens::one_of_user(ctx, user, old).await?.expires_at)
        }
        None => None,
    };
    let mut signals = sharing::list(ctx, Some(user)).await?;
    signals.retain(|signal| signal.token == token);
    let mut reader = ctx.store.read().await?;
    let leaks = leaks::of_token(&mut reader, token).await?;
    drop(reader);
    let seen = |row: LeakRow| LeakView {
        token: row.token,
        seen: row.seen,
        reporter: row.reporter,
        at: row.at,
    };
    Ok(WholeToken {
        token: view,
        outgoing_until,
        mail: reset::receipt(ctx, user, token).await?.mail,
        follow_up: follow_up::of_token(ctx, user, token).await?,
        signals,
        leaks: leaks.into_iter().map(seen).collect(),
    })
}

/// One token of anybody, for administrators.
///
/// # Errors
/// [`AppError::NotFound`] where there is none.
pub async fn of_anybody(ctx: &Ctx, token: Id<Token>) -> Result<WholeToken, AppError> {
    let owner = tokens::owner_of(ctx, token).await?;
    of_user(ctx, owner, token).await
}

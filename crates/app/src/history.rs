//! The login history: every login, let in or refused, with the true reason.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Login, User};
use symbolon_core::names::Username;
use symbolon_store::history;
pub use symbolon_store::history::LoginRow as LoginEntry;
use symbolon_store::users;

use crate::context::Ctx;
use crate::error::AppError;

/// Entries, newest first, of one user or of everybody; `before` is the last one of the page before.
///
/// # Errors
/// The database's.
pub async fn list(
    ctx: &Ctx,
    user: Option<Id<User>>,
    limit: i64,
    before: Option<(Timestamp, Id<Login>)>,
) -> Result<Vec<LoginEntry>, AppError> {
    let newest = (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX));
    let mut reader = ctx.store.read().await?;
    Ok(history::list(&mut reader, user, before.unwrap_or(newest), limit).await?)
}

/// Entries of the user with this name, newest first.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn list_of(ctx: &Ctx, username: &str, limit: i64) -> Result<Vec<LoginEntry>, AppError> {
    let username = Username::parse(username).map_err(|_| AppError::NotFound("user"))?;
    let mut reader = ctx.store.read().await?;
    let user = users::find_by_name(&mut reader, &username).await?;
    drop(reader);
    let user = user.ok_or(AppError::NotFound("user"))?.standing.user;
    list(ctx, Some(user), limit, None).await
}

//! Sessions in use: found by their secret, ended by their owner. A login opens them ([`crate::login`]);
//! resets, freezes and removals end them too.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Organization, Profile, Session, Token, User};
use symbolon_core::keys::Purpose;
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::secret::SessionSecret;
use symbolon_core::session::SessionKind;
use symbolon_store::changes::{self, Change};
use symbolon_store::{organization as organizations, sessions, users};

use crate::context::Ctx;
use crate::error::AppError;

/// A live session and whose it is.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// Identifier.
    pub session: Id<Session>,
    /// Web or API.
    pub kind: SessionKind,
    /// Whose.
    pub user: Id<User>,
    /// His login name.
    pub username: Username,
    /// His name.
    pub name: DisplayName,
    /// His address.
    pub email: EmailAddress,
    /// His profile.
    pub profile: Id<Profile>,
    /// Whether he is an administrator.
    pub administrator: bool,
    /// The token that opened it.
    pub token: Option<Id<Token>>,
    /// When the login was.
    pub started_at: Timestamp,
    /// Only a change of the password is allowed.
    pub password_expired: bool,
    /// Inactivity after which it ends.
    pub session_idle: Duration,
}

/// The live session that `secret` opens, if there is one: truthful to the last commit.
///
/// Its use is noted once a minute at most.
///
/// # Errors
/// The database's; who asked must not be taken for known then.
pub async fn find(
    ctx: &Ctx,
    kind: SessionKind,
    secret: &SessionSecret,
) -> Result<Option<LiveSession>, AppError> {
    let now = ctx.clock.now();
    let digests = ctx.keys.digests(Purpose::Session, secret.reveal().as_bytes());
    let mut reader = ctx.store.read().await?;
    let Some(row) = sessions::find(&mut reader, kind, &digests).await? else {
        return Ok(None);
    };
    if !row.times.live_at(now, kind, row.idle) {
        return Ok(None);
    }
    let Some(user) = users::find(&mut reader, row.user).await? else {
        return Ok(None);
    };
    drop(reader);
    if row.times.touch_due(now) {
        let mut tx = ctx.store.begin().await?;
        if !sessions::touch(&mut tx, row.id, now).await? {
            return Ok(None);
        }
        tx.commit().await?;
    }
    Ok(Some(LiveSession {
        session: row.id,
        kind,
        user: row.user,
        username: user.username,
        name: user.name,
        email: user.email,
        profile: user.profile,
        administrator: user.admin_since.is_some(),
        token: row.token,
        started_at: row.times.started_at,
        password_expired: user.password_expired_at.is_some(),
        session_idle: row.idle,
    }))
}

/// Ends one session. To end what has ended is no error.
///
/// # Errors
/// The database's.
pub async fn end(ctx: &Ctx, session: Id<Session>) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if let Some(user) = sessions::end(&mut tx, session, "logout", now).await? {
        changes::record(&mut tx, Change::SessionEnded, user, Some(session.raw()), now).await?;
    }
    Ok(tx.commit().await?)
}

/// Ends the API sessions with these secrets where they are `user`'s own; tells of each whether it did.
///
/// # Errors
/// The database's.
pub async fn end_own(
    ctx: &Ctx,
    user: Id<User>,
    secrets: &[SessionSecret],
) -> Result<Vec<bool>, AppError> {
    let mut ended = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let session = find(ctx, SessionKind::Api, secret).await?;
        let own = session.filter(|session| session.user == user);
        if let Some(session) = &own {
            end(ctx, session.session).await?;
        }
        ended.push(own.is_some());
    }
    Ok(ended)
}

/// The organization's identifier.
///
/// # Errors
/// The database's; [`AppError::NotFound`] before [`crate::setup::prepare`] has run.
pub async fn organization(ctx: &Ctx) -> Result<Id<Organization>, AppError> {
    let mut reader = ctx.store.read().await?;
    let found = organizations::find(&mut reader).await?;
    Ok(found.ok_or(AppError::NotFound("organization"))?.id)
}

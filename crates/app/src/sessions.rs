//! Sessions in use: found by their secret, ended by their owner. A login opens them ([`crate::login`]);
//! resets, freezes and removals end them too.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Organization, Place, Profile, Session, User};
use symbolon_core::keys::Purpose;
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::secret::SessionSecret;
use symbolon_core::session::SessionKind;
use symbolon_core::verification::CredentialRefusal;
use symbolon_live::Presented;
use symbolon_store::changes::{self, Change};
pub use symbolon_store::sessions::Restriction;
use symbolon_store::sessions::SessionRow;
use symbolon_store::{organization as organizations, profiles, sessions, users};

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::{commit, settle_what_is_there};
use crate::verify::{Admission, NoAdmission, Presenter, Question, Waiter, Waiting, verify};

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
    /// When the login was.
    pub started_at: Timestamp,
    /// Only a change of the password is allowed.
    pub password_expired: bool,
    /// Inactivity after which it ends.
    pub session_idle: Duration,
    /// When its user proved himself by more than the password, last; on the web.
    pub proved_at: Option<Timestamp>,
    /// The known place that it was opened from; on the web.
    pub place: Option<Id<Place>>,
    /// What it is confined to.
    pub restriction: Option<Restriction>,
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
    if !row.times.live_at(now, row.idle, row.lifetime) {
        return Ok(None);
    }
    let Some(user) = users::find(&mut reader, row.user).await? else {
        return Ok(None);
    };
    if kind == SessionKind::Api
        && !profiles::in_force(&mut reader, user.profile).await?.access.api()
    {
        return Ok(None);
    }
    drop(reader);
    if row.times.touch_due(now) {
        let mut tx = ctx.store.begin().await?;
        if !sessions::touch(&mut tx, row.id, now).await? {
            return Ok(None);
        }
        commit(ctx, tx).await?;
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
        started_at: row.times.started_at,
        password_expired: user.password_expired_at.is_some(),
        session_idle: row.idle,
        proved_at: row.proved_at,
        place: row.place,
        restriction: row.restriction,
    }))
}

/// The live API session that `secret` opens, if there is one: from memory where that is current, else
/// from the database. Its use is noted.
///
/// # Errors
/// The database's; who asked must not be taken for known then.
pub async fn find_api(
    ctx: &Ctx,
    secret: &SessionSecret,
    presenter: Presenter<'_>,
) -> Result<Option<LiveSession>, AppError> {
    let presented = Some(Presented::Session(secret.reveal()));
    let waiting = Waiting::of(Waiter::Stranger(presenter.source.any()), None);
    match verify(ctx, &Question { presented, username: None }, presenter, waiting).await {
        Ok(admission) => Ok(Some(of_admission(&admission)?)),
        // Who must change his password first has a session for that alone: the database knows.
        Err(NoAdmission::CannotKnow | NoAdmission::Refused(CredentialRefusal::PasswordExpired)) => {
            find(ctx, SessionKind::Api, secret).await
        }
        Err(NoAdmission::Refused(_)) => Ok(None),
    }
}

fn of_admission(admission: &Admission<'_>) -> Result<LiveSession, AppError> {
    let holder = admission.holder();
    let unreadable = |_| AppError::Corrupt("a user's name");
    Ok(LiveSession {
        session: Id::from_raw(admission.credential),
        kind: SessionKind::Api,
        user: holder.user,
        username: Username::parse(holder.username()).map_err(unreadable)?,
        name: DisplayName::parse(holder.name()).map_err(unreadable)?,
        email: EmailAddress::parse(holder.email()).map_err(unreadable)?,
        profile: admission.profile_id(),
        administrator: holder.administrator,
        started_at: admission.started_at,
        password_expired: false,
        session_idle: admission.session_idle,
        proved_at: None,
        place: None,
        restriction: None,
    })
}

/// Ends one session. To end what has ended is no error.
///
/// # Errors
/// The database's.
pub async fn end(ctx: &Ctx, session: Id<Session>) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let Some(user) = sessions::end(&mut tx, session, "logout", now).await? else {
        drop(tx);
        return settle_what_is_there(ctx).await;
    };
    changes::record(&mut tx, Change::SessionEnded, user, Some(session.raw()), now).await?;
    commit(ctx, tx).await
}

/// Ends the API session that somebody holds, if it is one. To end what has ended is no error.
///
/// # Errors
/// The database's.
pub async fn end_presented(ctx: &Ctx, secret: &SessionSecret) -> Result<(), AppError> {
    match open_with(ctx, secret).await? {
        Some(session) => end(ctx, session.id).await,
        // It may have been ended just now, by somebody who still waits for that.
        None => settle_what_is_there(ctx).await,
    }
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
        let own = open_with(ctx, secret).await?.filter(|session| session.user == user);
        if let Some(session) = &own {
            end(ctx, session.id).await?;
        }
        ended.push(own.is_some());
    }
    Ok(ended)
}

/// The API session with this secret that nobody has ended, however long it was not used: of its last uses,
/// which keep it alive, the database may not know yet.
async fn open_with(ctx: &Ctx, secret: &SessionSecret) -> Result<Option<SessionRow>, AppError> {
    let digests = ctx.keys.digests(Purpose::Session, secret.reveal().as_bytes());
    let mut reader = ctx.store.read().await?;
    let found = sessions::find(&mut reader, SessionKind::Api, &digests).await?;
    Ok(found.filter(|session| session.times.ended_at.is_none()))
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

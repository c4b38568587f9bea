//! Sessions: opened by a login, found by their secret, ended by whatever ends them.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Organization, Profile, Session, Token, User};
use symbolon_core::judge::Admission;
use symbolon_core::keys::Purpose;
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::secret::SessionSecret;
use symbolon_core::session::SessionKind;
use symbolon_store::changes::{self, Change};
use symbolon_store::sessions::NewSession as NewRow;
use symbolon_store::users::PasswordRecord;
use symbolon_store::{organization as organizations, sessions, tokens, users};

use crate::attempts::{self, Entry};
use crate::context::Ctx;
use crate::error::AppError;
use crate::evidence::Evidence;
use crate::login::{Attempt, CorrelationId, NewSession};

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

/// Opens the session of a login that was let in; `None` if the user or the token has changed since the
/// decision, which must then be taken anew (I6).
pub(crate) async fn open(
    ctx: &Ctx,
    attempt: &Attempt,
    evidence: &Evidence,
    admission: Admission,
    rehash: Option<PasswordRecord>,
    now: Timestamp,
) -> Result<Option<NewSession>, AppError> {
    let Some(user) = &evidence.user else {
        return Ok(None);
    };
    let secret = draw_secret(ctx);
    let digest = ctx.keys.digest(Purpose::Session, secret.reveal().as_bytes());
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let source = attempt.origin.source.to_string();
    let row = NewRow {
        id,
        digest: &digest,
        kind: attempt.kind,
        user: admission.user,
        token: admission.token,
        client_id: attempt.client,
        head: attempt.head.word(),
        client: attempt.origin.client.as_str(),
        source: &source,
    };

    let mut tx = ctx.store.begin().await?;
    if !users::hold_at_epoch(&mut tx, admission.user, user.epoch).await? {
        return Ok(None);
    }
    if let Some(token) = admission.token
        && !tokens::note_use(&mut tx, token, now).await?
    {
        return Ok(None);
    }
    if let (Some(old), Some(new)) = (&user.password, &rehash) {
        users::rehash(&mut tx, admission.user, old, new).await?;
    }
    users::note_login(&mut tx, admission.user, now).await?;
    sessions::insert(&mut tx, &row, now).await?;
    let correlation_id = CorrelationId::draw(ctx);
    let entry = Entry {
        head: attempt.head,
        evidence,
        origin: &attempt.origin,
        correlation_id: &correlation_id,
        now,
    };
    let reason = reason_of(attempt.kind, admission.token);
    attempts::write_history(ctx, &mut tx, entry, "admitted", reason, admission.token).await?;
    changes::record(&mut tx, Change::SessionStarted, admission.user, Some(id.raw()), now).await?;
    tx.commit().await?;

    let password_expired = user.password_expired_at.is_some();
    let user = admission.user;
    Ok(Some(NewSession { session: id, user, secret, started_at: now, password_expired }))
}

const fn reason_of(kind: SessionKind, token: Option<Id<Token>>) -> &'static str {
    match (kind, token) {
        (SessionKind::Web, _) => "password",
        (SessionKind::Api, Some(_)) => "password and security token",
        (SessionKind::Api, None) => "password from a trusted network",
    }
}

/// 72 random bytes in the 64 characters that Salesforce's session ids have.
fn draw_secret(ctx: &Ctx) -> SessionSecret {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    let bytes = zeroize::Zeroizing::new(ctx.chance.bytes::<96>());
    let digits = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)]));
    SessionSecret::new(digits.collect())
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

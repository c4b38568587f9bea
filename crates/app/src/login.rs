//! Logins: by password on the web, by password and token at an API.
//!
//! Whatever decides, the same is done: facts are gathered with the same look-ups, one password is
//! hashed, one transaction is written. A stranger learns a correlation id; the owner's history says why.

use std::fmt;

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Session, User};
use symbolon_core::judge::{Door, PasswordVerdict, Refusal, judge};
use symbolon_core::secret::{Credential, Password, SessionSecret};
use symbolon_core::session::SessionKind;
use symbolon_core::token::{TokenPart, split_credential};

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::evidence::{self, Evidence};
use crate::hashing::{self, Verification};
use crate::{attempts, sessions};

/// A decision may be overtaken by a change of the user this often before the login is given up.
const TRIES: usize = 3;

/// The protocol that a login came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Head {
    /// The web pages.
    Web,
    /// SOAP with the partner WSDL.
    SoapPartner,
    /// SOAP with the enterprise WSDL.
    SoapEnterprise,
    /// The OAuth password grant.
    OAuthPassword,
}

impl Head {
    /// The word for it, as the login history names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::SoapPartner => "soap-partner",
            Self::SoapEnterprise => "soap-enterprise",
            Self::OAuthPassword => "oauth-password",
        }
    }
}

/// A short random text that the client is told and the history holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(String);

impl CorrelationId {
    pub(crate) fn draw(ctx: &Ctx) -> Self {
        Self(ctx.chance.text(12))
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session that a login has just opened.
#[derive(Debug)]
pub struct NewSession {
    /// Identifier.
    pub session: Id<Session>,
    /// Whose.
    pub user: Id<User>,
    /// A cookie's value, or the part of a session id after the `!`: 96 of `[A-Za-z0-9._]`.
    pub secret: SessionSecret,
    /// When.
    pub started_at: Timestamp,
    /// The password has expired: only its change is allowed in this session.
    pub password_expired: bool,
}

/// A login that was refused. Outside, only the correlation id is told.
#[derive(Debug)]
pub struct Refused {
    /// What the client may be told.
    pub correlation_id: CorrelationId,
    /// Why, for the history.
    pub refusal: Refusal,
}

/// Why there is no session.
#[derive(Debug)]
pub enum LoginError {
    /// The decision.
    Refused(Refused),
    /// No decision could be taken.
    App(AppError),
}

impl From<AppError> for LoginError {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

/// A login on the web pages.
#[derive(Debug)]
pub struct WebLogin {
    /// As typed.
    pub username: String,
    /// As typed.
    pub password: Password,
    /// From where.
    pub origin: Origin,
}

/// A login at an API.
#[derive(Debug)]
pub struct ApiLogin {
    /// By which protocol.
    pub head: Head,
    /// As given.
    pub username: String,
    /// Password and token, or the password alone.
    pub credential: Credential,
    /// The registered client that it comes through.
    pub client: Option<Id<Client>>,
    /// From where.
    pub origin: Origin,
}

/// A login of either kind, its credential in halves.
pub(crate) struct Attempt {
    pub(crate) head: Head,
    pub(crate) kind: SessionKind,
    pub(crate) username: String,
    pub(crate) password: Password,
    pub(crate) token: TokenPart,
    pub(crate) client: Option<Id<Client>>,
    pub(crate) origin: Origin,
}

/// Logs a user in on the web.
///
/// # Errors
/// [`LoginError`].
pub async fn log_in_to_web(ctx: &Ctx, login: WebLogin) -> Result<NewSession, LoginError> {
    let WebLogin { username, password, origin } = login;
    let (head, kind, token, client) = (Head::Web, SessionKind::Web, TokenPart::Absent, None);
    log_in(ctx, Attempt { head, kind, username, password, token, client, origin }).await
}

/// Logs a user in at an API.
///
/// # Errors
/// [`LoginError`].
pub async fn log_in_to_api(ctx: &Ctx, login: ApiLogin) -> Result<NewSession, LoginError> {
    let (password, token) = split_credential(&login.credential);
    let ApiLogin { head, username, client, origin, .. } = login;
    log_in(ctx, Attempt { head, kind: SessionKind::Api, username, password, token, client, origin })
        .await
}

/// Records a login that could not be read or is switched off, and yields what the client is told.
///
/// # Errors
/// The database's.
pub async fn refuse_unread(
    ctx: &Ctx,
    head: Head,
    username: Option<&str>,
    refusal: Refusal,
    origin: &Origin,
) -> Result<Refused, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let evidence = evidence::of_name(&mut reader, username.unwrap_or_default()).await?;
    drop(reader);
    attempts::record_refusal(ctx, head, &evidence, refusal, origin, now).await
}

async fn log_in(ctx: &Ctx, attempt: Attempt) -> Result<NewSession, LoginError> {
    let _gate = ctx.turnstile.pass(&attempt.username.to_ascii_lowercase()).await;
    let mut hashed: Option<(Evidence, Verification)> = None;
    for _ in 0..TRIES {
        let now = ctx.clock.now();
        let evidence = evidence::gather(ctx, &attempt, now).await?;
        if evidence.source_locked {
            return refuse(ctx, &attempt, &evidence, Refusal::SourceLockedOut, now).await;
        }
        // A password that has not been changed since needs no second hash.
        let verification = match hashed.take() {
            Some((before, verification)) if before.password() == evidence.password() => {
                verification
            }
            Some(_) | None => hashing::verify(ctx, &attempt.password, evidence.password()).await?,
        };
        match judge_attempt(&attempt, &evidence, verification.verdict, now) {
            Err(refusal) => return refuse(ctx, &attempt, &evidence, refusal, now).await,
            Ok(admission) => {
                let rehash = if verification.stale {
                    Some(hashing::hash(ctx, &attempt.password).await?)
                } else {
                    None
                };
                let opened =
                    sessions::open(ctx, &attempt, &evidence, admission, rehash, now).await?;
                if let Some(session) = opened {
                    return Ok(session);
                }
            }
        }
        hashed = Some((evidence, verification));
    }
    Err(LoginError::App(AppError::Busy))
}

fn judge_attempt(
    attempt: &Attempt,
    evidence: &Evidence,
    password: PasswordVerdict,
    now: Timestamp,
) -> Result<symbolon_core::judge::Admission, Refusal> {
    let door = match attempt.kind {
        SessionKind::Web => Door::Web,
        SessionKind::Api => Door::Api { from_trusted_network: evidence.from_trusted_network },
    };
    let standing = evidence.user.as_ref().map(|user| &user.standing);
    judge(standing, password, evidence.token, door, now)
}

async fn refuse(
    ctx: &Ctx,
    attempt: &Attempt,
    evidence: &Evidence,
    refusal: Refusal,
    now: Timestamp,
) -> Result<NewSession, LoginError> {
    let refused =
        attempts::record_refusal(ctx, attempt.head, evidence, refusal, &attempt.origin, now)
            .await?;
    Err(LoginError::Refused(refused))
}

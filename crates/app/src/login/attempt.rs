//! A login as it is asked for, and what can come of it.

use std::fmt;

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Session, User};
use symbolon_core::judge::Refusal;
use symbolon_core::secret::{ChallengeSecret, Credential, Password, PlaceSecret, SessionSecret};
use symbolon_core::session::SessionKind;
use symbolon_core::token::TokenPart;

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;

/// The protocol that a login, or a credential to be verified, came by.
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
    /// Salesforce's REST, with a session.
    Rest,
    /// Token introspection (RFC 7662).
    Introspection,
    /// A batch of verifications.
    Verify,
    /// Forward-auth of Traefik, Caddy and HAProxy.
    ForwardAuth,
    /// nginx's `auth_request`.
    AuthRequest,
    /// Envoy's `ext_authz` over HTTP.
    ExtAuthz,
    /// Envoy's `ext_authz` over gRPC.
    ExtAuthzGrpc,
}

impl Head {
    /// The word for it, as the login history names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::SoapPartner => "soap-partner",
            Self::SoapEnterprise => "soap-enterprise",
            Self::OAuthPassword => "oauth-password",
            Self::Rest => "rest",
            Self::Introspection => "introspection",
            Self::Verify => "verify",
            Self::ForwardAuth => "forward-auth",
            Self::AuthRequest => "auth-request",
            Self::ExtAuthz => "ext-authz",
            Self::ExtAuthzGrpc => "ext-authz-grpc",
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
    /// What the browser is to hold, if it was made known by this login.
    pub place: Option<PlaceSecret>,
    /// When the security token that was shown for it expires.
    pub token_expires_at: Option<Timestamp>,
}

/// What a log-in on the web, let in so far, comes to.
#[derive(Debug)]
pub enum Entrance {
    /// There is a session.
    Opened(NewSession),
    /// More is to be proved before there is one; the browser is to hold this.
    Challenged(ChallengeSecret),
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
    /// What the browser holds of places where users have proved themselves.
    pub places: Vec<PlaceSecret>,
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
    pub(crate) places: Vec<PlaceSecret>,
    pub(crate) origin: Origin,
}

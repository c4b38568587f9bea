//! What did not work, as an RFC 9457 problem: the table from a use case's errors to `type` and status.

use std::error::Error;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use symbolon_app::login::Refused;
use symbolon_app::reset::ResetError;
use symbolon_app::{AppError, Ctx};
use symbolon_core::judge::Refusal;
use symbolon_core::names::NameError;
use symbolon_wire::problem::{CONTENT_TYPE, Problem};

use crate::answer::{RETRY_AFTER, with_retry_after};

/// The `type` of each problem that the control socket and the JSON API tell, for whoever has to act on it.
pub mod kind {
    /// There is no such thing.
    pub const NOT_FOUND: &str = "urn:symbolon:problem:not-found";
    /// It exists already.
    pub const TAKEN: &str = "urn:symbolon:problem:taken";
    /// The key of the request was used for something else.
    pub const KEY_USED: &str = "urn:symbolon:problem:key-used";
    /// A value that cannot be one.
    pub const INVALID: &str = "urn:symbolon:problem:invalid";
    /// A password that the rules refuse.
    pub const WEAK_PASSWORD: &str = "urn:symbolon:problem:weak-password";
    /// A rule forbids it.
    pub const FORBIDDEN: &str = "urn:symbolon:problem:forbidden";
    /// The API session is missing, or has ended, or never was.
    pub const SESSION_NOT_LIVE: &str = "urn:symbolon:problem:session-not-live";
    /// Who asks has not proved who he is in another way that was wanted.
    pub const NOT_AUTHENTICATED: &str = "urn:symbolon:problem:not-authenticated";
    /// The password has expired: a new one first.
    pub const PASSWORD_EXPIRED: &str = "urn:symbolon:problem:password-expired";
    /// The request cannot be read.
    pub const UNREADABLE: &str = "urn:symbolon:problem:unreadable";
    /// The path takes other methods.
    pub const METHOD_NOT_ALLOWED: &str = "urn:symbolon:problem:method-not-allowed";
    /// The host name is not this server's.
    pub const WRONG_HOST: &str = "urn:symbolon:problem:wrong-host";
    /// The request was not there in time.
    pub const TOO_SLOW: &str = "urn:symbolon:problem:too-slow";
    /// More than a limit lets through: try later.
    pub const TOO_MANY: &str = "urn:symbolon:problem:too-many";
    /// The database does not keep up: try later.
    pub const UNAVAILABLE: &str = "urn:symbolon:problem:unavailable";
    /// Something that somebody must look at.
    pub const INTERNAL: &str = "urn:symbolon:problem:internal";
}

/// A request that was not done.
#[derive(Debug)]
pub(crate) struct Failed {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    correlation_id: String,
    retry_after: Option<Duration>,
}

impl Failed {
    fn new(ctx: &Ctx, kind: &'static str, detail: String) -> Self {
        let (status, title) = match kind {
            kind::NOT_FOUND => (StatusCode::NOT_FOUND, "Not found"),
            kind::TAKEN => (StatusCode::CONFLICT, "Taken"),
            kind::KEY_USED => (StatusCode::CONFLICT, "Another request has this key"),
            kind::INVALID | kind::WEAK_PASSWORD => (StatusCode::UNPROCESSABLE_ENTITY, "Not valid"),
            kind::SESSION_NOT_LIVE => (StatusCode::UNAUTHORIZED, "Not logged in"),
            kind::FORBIDDEN => (StatusCode::FORBIDDEN, "Not permitted"),
            kind::PASSWORD_EXPIRED => (StatusCode::FORBIDDEN, "The password has expired"),
            kind::TOO_MANY => (StatusCode::TOO_MANY_REQUESTS, "Too many at once"),
            kind::UNAVAILABLE => (StatusCode::SERVICE_UNAVAILABLE, "Try later"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "Failed"),
        };
        let correlation_id = ctx.chance.text(12);
        Self { status, kind, title, detail, correlation_id, retry_after: None }
    }

    pub(crate) fn unreadable(ctx: &Ctx, detail: &str) -> Self {
        Self::new(ctx, kind::INVALID, detail.to_owned())
    }

    pub(crate) fn not_found(ctx: &Ctx, what: &str) -> Self {
        Self::new(ctx, kind::NOT_FOUND, format!("no such {what}"))
    }

    pub(crate) fn name(ctx: &Ctx, field: &str, fault: NameError) -> Self {
        Self::new(ctx, kind::INVALID, format!("{field} {fault}"))
    }

    pub(crate) fn session_not_live(ctx: &Ctx) -> Self {
        let text = "the API session in Authorization: Bearer is missing or not live";
        Self::new(ctx, kind::SESSION_NOT_LIVE, text.to_owned())
    }

    pub(crate) fn password_expired(ctx: &Ctx) -> Self {
        let text = "the password has expired: choose a new one on the pages first";
        Self::new(ctx, kind::PASSWORD_EXPIRED, text.to_owned())
    }

    pub(super) fn not_the_operator(ctx: &Ctx) -> Self {
        Self::new(ctx, kind::FORBIDDEN, "this is for the control socket alone".to_owned())
    }

    pub(crate) fn app(ctx: &Ctx, error: &AppError) -> Self {
        let kind = match error {
            AppError::NotFound(_) => kind::NOT_FOUND,
            AppError::Taken(_) => kind::TAKEN,
            AppError::KeyUsed => kind::KEY_USED,
            AppError::Name { .. } | AppError::Invalid(_) => kind::INVALID,
            AppError::Password(_) => kind::WEAK_PASSWORD,
            AppError::Forbidden(_) => kind::FORBIDDEN,
            AppError::TooMany { .. } => kind::TOO_MANY,
            AppError::Database(_) | AppError::Busy => kind::UNAVAILABLE,
            AppError::Corrupt(_) | AppError::KeyMissing => kind::INTERNAL,
        };
        let mut failed = Self::new(ctx, kind, error.to_string());
        if let AppError::TooMany { retry_after } = error {
            failed.retry_after = Some(*retry_after);
        }
        if matches!(kind, kind::UNAVAILABLE | kind::INTERNAL) {
            tracing::error!(
                correlation.id = failed.correlation_id,
                "the control socket could not serve a request: {}",
                chain(error)
            );
        }
        failed
    }

    pub(crate) fn reset(ctx: &Ctx, error: &ResetError) -> Self {
        match error {
            ResetError::App(error) => Self::app(ctx, error),
            ResetError::Forbidden(why) => Self::new(ctx, kind::FORBIDDEN, why.clone().into_owned()),
            ResetError::WrongPassword(refused) => Self {
                // The one that stands in the login history.
                correlation_id: refused.correlation_id.to_string(),
                ..Self::new(ctx, kind::FORBIDDEN, not_proved(refused))
            },
        }
    }
}

/// Why a current password was not taken: who asks holds a session of its owner, who is told exactly why.
fn not_proved(refused: &Refused) -> String {
    let refusal = refused.refusal;
    if refusal == Refusal::WrongPassword {
        return "the password was wrong".to_owned();
    }
    format!("{refusal}. {}", refusal.remedy())
}

/// An error and everything beneath it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut beneath = error.source();
    while let Some(cause) = beneath {
        told = format!("{told}: {cause}");
        beneath = cause.source();
    }
    told
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: self.kind,
            title: self.title,
            status: self.status.as_u16(),
            detail: Some(&self.detail),
            correlation_id: &self.correlation_id,
        };
        let told = [(header::CONTENT_TYPE, CONTENT_TYPE)];
        let mut response = (self.status, told, problem.to_json()).into_response();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                // RFC 6750 §3: the same for a session that is missing, ended, or never was.
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            _ => {}
        }
        match self.retry_after {
            Some(retry_after) => with_retry_after(response, retry_after),
            None => response,
        }
    }
}

pub(super) async fn no_such_route() -> Response {
    let problem = Problem {
        kind: kind::INTERNAL,
        title: "No such command",
        status: 404,
        detail: Some("this server does not know the command: is it of another version?"),
        correlation_id: "",
    };
    let told = [(header::CONTENT_TYPE, CONTENT_TYPE)];
    (StatusCode::NOT_FOUND, told, problem.to_json()).into_response()
}

//! Refusals of requests that reach no handler, or that no handler could finish, in the words of the
//! head that was asked.
//!
//! A SOAP client reads faults and nothing else, a REST client arrays, an OAuth client two members, a
//! person pages, and a client of the JSON API problem documents. So every 404, 405, 413, 429 or 500 comes in the kind that the path belongs to.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use symbolon_app::Ctx;
use symbolon_core::Timestamp;
use symbolon_wire::oauth::{OAuthError, RequestFault};
use symbolon_wire::problem::{CONTENT_TYPE, Problem};
use symbolon_wire::rest::{self, RestErrorCode};
use symbolon_wire::soap::{self, Fault, FaultCode, FaultKind, Flavor};

use crate::control::kind;
use crate::pages;

/// Media type of SOAP answers.
pub(crate) const XML: &str = "text/xml; charset=UTF-8";
/// Media type of JSON answers.
pub(crate) const JSON: &str = "application/json; charset=UTF-8";
/// Media type of plain answers.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// Media type of form-encoded answers.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Seconds after which a client may try again where the database is at its limit.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// A verifier that names this revision is answered from a state at least as new.
const REVISION: HeaderName = HeaderName::from_static("x-symbolon-revision");

/// What is left of a limit, and when there is more.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What the limit is, where it is one of so many in a time.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// In which words a path is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For people.
    Page,
    /// SOAP, with the flavour of the path.
    Soap(Flavor),
    /// The OAuth endpoints and their metadata.
    OAuth,
    /// Salesforce REST and the identity service.
    Rest,
    /// Our own JSON API: RFC 9457.
    Problem,
    /// Health checks and metrics.
    Plain,
}

impl Kind {
    /// The kind that a path belongs to, known or not.
    pub(crate) fn of(path: &str) -> Self {
        if let Some(rest) = path.strip_prefix("/services/Soap/") {
            let is_enterprise = rest.starts_with("c/");
            return Self::Soap(if is_enterprise { Flavor::Enterprise } else { Flavor::Partner });
        }
        if path.starts_with("/services/oauth2/") || path.starts_with("/.well-known/oauth-") {
            return Self::OAuth;
        }
        if path.starts_with("/services/") || path.starts_with("/id/") {
            return Self::Rest;
        }
        if path.starts_with("/api/") {
            return Self::Problem;
        }
        if matches!(path, "/livez" | "/readyz" | "/metrics") || path.starts_with("/authz/") {
            return Self::Plain;
        }
        Self::Page
    }

    /// Whether programs read the answers, so that none is ever to be kept.
    pub(crate) fn is_for_machines(self) -> bool {
        self != Self::Page
    }
}

/// A body with its media type.
pub(crate) fn answer(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Says in a header of an answer from which revision on what it tells is so everywhere.
pub(crate) fn tell_revision(mut response: Response, revision: i64) -> Response {
    response.headers_mut().insert(REVISION, HeaderValue::from(revision));
    response
}

/// Says in a header of an answer when the security token expires that was shown for it.
pub(crate) fn tell_expiry(mut response: Response, expires_at: Option<Timestamp>) -> Response {
    let value = expires_at.and_then(|at| HeaderValue::try_from(at.to_string()).ok());
    if let Some(value) = value {
        response.headers_mut().insert(HeaderName::from_static("x-symbolon-expires-at"), value);
    }
    response
}

/// The refusal of a request in the words of `kind`. `text` is a whole sentence and repeats nothing
/// that was sent.
pub(crate) fn refuse(kind: Kind, status: StatusCode, text: &'static str) -> Response {
    let mut response = match kind {
        Kind::Page => pages::error_page(status, title_of(status), text),
        Kind::Soap(flavor) => {
            let fault = Fault {
                kind: FaultKind::UnexpectedErrorFault,
                code: fault_code_of(status),
                message: text,
            };
            answer(status, XML, soap::fault(flavor, &fault))
        }
        Kind::OAuth => {
            let error = if status == StatusCode::TOO_MANY_REQUESTS {
                OAuthError::RateLimitExceeded
            } else if status.is_server_error() {
                OAuthError::TemporarilyUnavailable
            } else {
                OAuthError::InvalidRequest(RequestFault::Refused(text))
            };
            answer(status, JSON, error.to_json(None))
        }
        Kind::Rest => answer(status, JSON, rest::error_array_json(rest_code_of(status), text)),
        Kind::Problem => {
            // A problem names a correlation id, which only [`finish`] can draw.
            let mut response = answer(status, CONTENT_TYPE, String::new());
            response.extensions_mut().insert(Unfinished(text));
            response
        }
        Kind::Plain => answer(status, TEXT, format!("{text}\n")),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// The sentence of a problem document that has yet to be written out.
#[derive(Debug, Clone, Copy)]
struct Unfinished(&'static str);

/// Writes the problem document out of an answer that is one, under an id that the log has too.
pub(crate) fn finish(ctx: &Ctx, mut response: Response) -> Response {
    let Some(Unfinished(text)) = response.extensions_mut().remove() else {
        return response;
    };
    let status = response.status();
    let (kind, title) = problem_of(status);
    let correlation_id = ctx.chance.text(12);
    tracing::info!(correlation.id = correlation_id, "refused: {text}");
    let (detail, correlation_id) = (Some(text), correlation_id.as_str());
    let problem = Problem { kind, title, status: status.as_u16(), detail, correlation_id };
    *response.body_mut() = Body::from(problem.to_json());
    // Whoever saw the empty body may have written its length down.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

/// The `type` and the title of the problem that a status is.
fn problem_of(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => (kind::NOT_AUTHENTICATED, "Not authenticated"),
        StatusCode::FORBIDDEN => (kind::FORBIDDEN, "Not permitted"),
        StatusCode::NOT_FOUND => (kind::NOT_FOUND, "Not found"),
        StatusCode::METHOD_NOT_ALLOWED => (kind::METHOD_NOT_ALLOWED, "Not possible by this method"),
        StatusCode::MISDIRECTED_REQUEST => (kind::WRONG_HOST, "Wrong address"),
        StatusCode::REQUEST_TIMEOUT => (kind::TOO_SLOW, "Too slow"),
        StatusCode::TOO_MANY_REQUESTS => (kind::TOO_MANY, "Too many at once"),
        StatusCode::SERVICE_UNAVAILABLE => (kind::UNAVAILABLE, "Try later"),
        status if status.is_server_error() => (kind::INTERNAL, "Failed"),
        _ => (kind::UNREADABLE, "Not readable"),
    }
}

/// The same answer with the time after which to try again, in whole seconds: never too early, never none.
/// Where a limit refuses, also in the words of draft-ietf-httpapi-ratelimit-headers.
pub(crate) fn with_retry_after(mut response: Response, retry_after: Duration) -> Response {
    let begun = u64::from(retry_after.subsec_nanos() > 0);
    let seconds = retry_after.as_secs().saturating_add(begun).max(1);
    if response.status() == StatusCode::TOO_MANY_REQUESTS
        && let Ok(limit) = HeaderValue::try_from(format!("\"default\";r=0;t={seconds}"))
    {
        response.headers_mut().insert(RATE_LIMIT, limit);
    }
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The same answer with the limit that refuses: so many requests within `window`, as the draft that
/// [`with_retry_after`] follows says it. A queue that is full has no such figures.
pub(crate) fn with_policy(mut response: Response, (most, window): (u32, Duration)) -> Response {
    let policy = format!("\"default\";q={most};w={}", window.as_secs());
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(RATE_LIMIT_POLICY, policy);
    }
    response
}

fn fault_code_of(status: StatusCode) -> FaultCode {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => FaultCode::ServerUnavailable,
        StatusCode::TOO_MANY_REQUESTS => FaultCode::RequestLimitExceeded,
        StatusCode::NOT_FOUND => FaultCode::UnsupportedApiVersion,
        _ => FaultCode::UnknownException,
    }
}

fn rest_code_of(status: StatusCode) -> RestErrorCode {
    match status {
        StatusCode::NOT_FOUND => RestErrorCode::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => RestErrorCode::MethodNotAllowed,
        StatusCode::SERVICE_UNAVAILABLE => RestErrorCode::ServerUnavailable,
        StatusCode::TOO_MANY_REQUESTS => RestErrorCode::RequestLimitExceeded,
        StatusCode::FORBIDDEN => RestErrorCode::InsufficientAccess,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => RestErrorCode::JsonParserError,
        _ => RestErrorCode::UnknownException,
    }
}

fn title_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "Page Not Found",
        StatusCode::METHOD_NOT_ALLOWED => "Not Possible This Way",
        StatusCode::MISDIRECTED_REQUEST => "Wrong Address",
        StatusCode::REQUEST_TIMEOUT => "Too Slow",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "Try Again Later",
        status if status.is_server_error() => "Something Went Wrong",
        _ => "Request Not Understood",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_sent_away_is_never_told_to_come_back_too_early() {
        for (retry_after, seconds) in [(0, "1"), (1, "1"), (999, "1"), (1000, "1"), (1001, "2")] {
            let refused = answer(StatusCode::TOO_MANY_REQUESTS, TEXT, String::new());

            let told = with_retry_after(refused, Duration::from_millis(retry_after));

            assert_eq!(told.headers()[header::RETRY_AFTER], seconds);
            assert_eq!(told.headers()[RATE_LIMIT], format!("\"default\";r=0;t={seconds}"));
        }
    }

    #[test]
    fn each_path_is_answered_in_its_own_kind() {
        for (path, kind) in [
            ("/services/Soap/u/59.0", Kind::Soap(Flavor::Partner)),
            ("/services/Soap/c/59.0", Kind::Soap(Flavor::Enterprise)),
            ("/services/Soap/m/59.0", Kind::Soap(Flavor::Partner)),
            ("/services/oauth2/token", Kind::OAuth),
            ("/.well-known/oauth-authorization-server", Kind::OAuth),
            ("/services/data/v59.0/query", Kind::Rest),
            ("/services/async/40.0/job", Kind::Rest),
            ("/id/00D/005", Kind::Rest),
            ("/api/v1/verify", Kind::Problem),
            ("/api/v2", Kind::Problem),
            ("/apiary", Kind::Page),
            ("/livez", Kind::Plain),
            ("/login", Kind::Page),
            ("/services", Kind::Page),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }
}

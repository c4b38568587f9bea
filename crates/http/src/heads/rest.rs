//! Salesforce REST, as far as logins and passwords go: versions, resources and the password resource.
//!
//! Errors are arrays with one member. 401 is for dead sessions alone: jsforce logs in again and tries
//! again, for ever, on every 401.

mod password;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use symbolon_app::login::Head;
use symbolon_app::sessions::LiveSession;
use symbolon_app::{AppError, sessions};
use symbolon_wire::rest::{
    RestErrorCode, error_array_json, parse_version, resources_json, versions_json,
};

use crate::answer::{JSON, Kind, answer};
use crate::heads::failure::Failure;
use crate::heads::{ids, session};
use crate::origin::RequestOrigin;
use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;

const PASSWORD: &str = "/services/data/{version}/sobjects/{object}/{id}/password";

/// Clients read it from every answer and compare the two figures. There is no limit to report.
const LIMIT_INFO: (HeaderName, HeaderValue) =
    (HeaderName::from_static("sforce-limit-info"), HeaderValue::from_static("api-usage=1/1000000"));

/// The routes of this head.
pub(super) fn routes() -> Vec<Route> {
    let route =
        |method, path, admits, handler| Route { method, path, admits, proof: Proof::Any, handler };
    vec![
        route(Method::GET, "/services/data", Admits::Anyone, get(versions)),
        route(Method::GET, "/services/data/{version}", Admits::ApiSession, get(resources)),
        route(Method::GET, PASSWORD, Admits::ApiSession, get(password::state)),
        route(Method::POST, PASSWORD, Admits::ApiSession, post(password::set)),
        route(Method::DELETE, PASSWORD, Admits::ApiSession, delete(password::reset)),
    ]
}

async fn versions() -> Response {
    with_limits(answer(StatusCode::OK, JSON, versions_json()))
}

async fn resources(
    State(state): State<HttpState>,
    origin: RequestOrigin,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let session = match any_session(&state, &headers, &origin).await {
        Ok(session) if session.password_expired => return refuse_expired(),
        Ok(session) => session,
        Err(refused) => return refused,
    };
    let Some(version) = path.ok().and_then(|Path(segment)| parse_version(&segment)) else {
        return not_found();
    };
    match sessions::organization(&state.ctx).await {
        Ok(organization) => {
            let (organization, user) = (ids::long(organization), ids::long(session.user));
            let identity = format!("{}/id/{organization}/{user}", state.ctx.settings.public_url);
            with_limits(answer(StatusCode::OK, JSON, resources_json(version, &identity)))
        }
        Err(error) => failed(&error),
    }
}

/// The live session of a request, whatever the state of its user's password.
async fn any_session(
    state: &HttpState,
    headers: &HeaderMap,
    origin: &RequestOrigin,
) -> Result<LiveSession, Response> {
    let presented = session::in_headers(headers);
    match session::live(&state.ctx, presented, Head::Rest, &origin.origin).await {
        Ok(Some(session)) => Ok(session),
        Ok(None) => Err(refuse_dead()),
        Err(error) => Err(failed(&error)),
    }
}

fn with_limits(mut response: Response) -> Response {
    let (name, value) = LIMIT_INFO;
    response.headers_mut().insert(name, value);
    response
}

fn error(status: StatusCode, code: RestErrorCode, message: &str) -> Response {
    answer(status, JSON, error_array_json(code, message))
}

fn refuse_dead() -> Response {
    let code = RestErrorCode::InvalidSessionId;
    let mut response = error(StatusCode::UNAUTHORIZED, code, "Session expired or invalid");
    // RFC 9110 §15.5.2 demands a challenge; Salesforce's says as little.
    let challenge = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// The password has to be changed first.
fn refuse_expired() -> Response {
    let text = "The users password has expired, you must set a new one first";
    with_limits(error(StatusCode::FORBIDDEN, RestErrorCode::InsufficientAccess, text))
}

fn not_found() -> Response {
    let text = "The requested resource does not exist";
    with_limits(error(StatusCode::NOT_FOUND, RestErrorCode::NotFound, text))
}

/// The answer where a use case was not done.
fn failed(failure: &AppError) -> Response {
    match failure {
        AppError::NotFound(_) => not_found(),
        AppError::Password(fault) => with_limits(error(
            StatusCode::BAD_REQUEST,
            RestErrorCode::InvalidNewPassword,
            &fault.to_string(),
        )),
        AppError::Forbidden(why) => {
            with_limits(error(StatusCode::FORBIDDEN, RestErrorCode::InsufficientAccess, why))
        }
        AppError::TooMany { .. }
        | AppError::Database(_)
        | AppError::Busy
        | AppError::Corrupt(_)
        | AppError::KeyMissing
        | AppError::Invalid(_)
        | AppError::Taken(_)
        | AppError::KeyUsed
        | AppError::Name { .. } => with_limits(Failure::noted(failure).refuse(Kind::Rest)),
    }
}

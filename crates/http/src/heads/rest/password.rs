//! The password resource of a user: read whether it is expired, set it, reset it.
//!
//! Salesforce's clients set their own password here without knowing the one until now, so a session is
//! enough, unlike at the SOAP head. The owner is told of every change by mail.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use symbolon_app::hashing::Asker;
use symbolon_app::sessions::LiveSession;
use symbolon_app::{Actor, users};
use symbolon_core::id::{Id, User};
use symbolon_core::secret::Password;
use symbolon_wire::Presented;
use symbolon_wire::rest::{
    PASSWORD_BODY_LIMIT, PasswordBodyError, RestErrorCode, parse_new_password, parse_version,
    password_state_json, temporary_password_json,
};

use crate::answer::{JSON, Kind, answer};
use crate::body;
use crate::heads::ids;
use crate::heads::rest::{any_session, error, failed, not_found, refuse_expired, with_limits};
use crate::origin::RequestOrigin;
use crate::state::HttpState;

/// Version, kind of object and identifier.
type Segments = Result<Path<(String, String, String)>, PathRejection>;

pub(super) async fn state(
    State(state): State<HttpState>,
    origin: RequestOrigin,
    headers: HeaderMap,
    segments: Segments,
) -> Response {
    let (_, user) = match admitted(&state, &headers, &origin, segments).await {
        Ok(admitted) => admitted,
        Err(refused) => return refused,
    };
    match users::password_expired(&state.ctx, user).await {
        Ok(expired) => with_limits(answer(StatusCode::OK, JSON, password_state_json(expired))),
        Err(error) => failed(&error),
    }
}

pub(super) async fn set(
    State(state): State<HttpState>,
    origin: RequestOrigin,
    headers: HeaderMap,
    segments: Segments,
    body: Body,
) -> Response {
    let (session, user) = match admitted(&state, &headers, &origin, segments).await {
        Ok(admitted) => admitted,
        Err(refused) => return refused,
    };
    let checked = body::check_media_type(&headers, &["application/json"])
        .and_then(|()| body::check_no_encoding(&headers));
    let body = match checked {
        Ok(()) => body::read(body, PASSWORD_BODY_LIMIT).await,
        Err(fault) => Err(fault),
    };
    let body = match body {
        Ok(body) => body,
        Err(fault) => return fault.refuse(Kind::Rest),
    };
    let password = match parse_new_password(body.reveal()) {
        Ok(password) => Password::new(password.reveal().to_owned()),
        Err(fault) => return refuse_body(fault),
    };
    let username = match users::by_id(&state.ctx, user).await {
        Ok(view) => view.username,
        Err(error) => return failed(&error),
    };
    let (actor, asker) = (Actor::User(session.user), Asker::from(&origin.origin));
    match users::set_password(&state.ctx, actor, asker, username.as_str(), password).await {
        Ok(()) => with_limits(answer(StatusCode::NO_CONTENT, JSON, String::new())),
        Err(error) => failed(&error),
    }
}

pub(super) async fn reset(
    State(state): State<HttpState>,
    origin: RequestOrigin,
    headers: HeaderMap,
    segments: Segments,
) -> Response {
    let (session, user) = match admitted(&state, &headers, &origin, segments).await {
        Ok(admitted) => admitted,
        Err(refused) => return refused,
    };
    // A password that nobody could mend with: who has to choose a new one sets it.
    if session.password_expired {
        return refuse_expired();
    }
    let (actor, asker) = (Actor::User(session.user), Asker::from(&origin.origin));
    match users::reset_password(&state.ctx, actor, asker, user).await {
        Ok(password) => {
            let password = Presented::new(password.reveal().to_owned());
            with_limits(answer(StatusCode::OK, JSON, temporary_password_json(&password)))
        }
        Err(error) => failed(&error),
    }
}

/// The caller's session and the user whose password it is about: his own, or anybody's for an
/// administrator.
async fn admitted(
    state: &HttpState,
    headers: &HeaderMap,
    origin: &RequestOrigin,
    segments: Segments,
) -> Result<(LiveSession, Id<User>), Response> {
    let session = any_session(state, headers, origin).await?;
    let Ok(Path((version, object, id))) = segments else {
        return Err(not_found());
    };
    // nforce writes `user`.
    if parse_version(&version).is_none() || !object.eq_ignore_ascii_case("User") {
        return Err(not_found());
    }
    let user = ids::user_of(&id).ok_or_else(not_found)?;
    if user == session.user {
        return Ok((session, user));
    }
    if session.password_expired {
        return Err(refuse_expired());
    }
    // The same whether there is such a user or not.
    if !session.administrator {
        let text = "You do not have permission to view this record.";
        let refused = error(StatusCode::FORBIDDEN, RestErrorCode::InsufficientAccess, text);
        return Err(with_limits(refused));
    }
    Ok((session, user))
}

fn refuse_body(fault: PasswordBodyError) -> Response {
    let status = match fault {
        PasswordBodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        PasswordBodyError::NotJson | PasswordBodyError::WrongShape => StatusCode::BAD_REQUEST,
    };
    error(status, RestErrorCode::JsonParserError, &fault.to_string())
}

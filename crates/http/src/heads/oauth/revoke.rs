//! Revocation (RFC 7009).
//!
//! An access token is ended, and so is a security token: whoever holds one that was found or leaked can
//! kill it. A token that is unknown or dead already is no error: what the caller wants is the case. Errors are
//! form-encoded, because jsforce reads them so. `GET` is Salesforce's; the token in its query is
//! never logged.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use symbolon_app::{AppError, Ctx, sessions, tokens};
use symbolon_core::token::PresentedToken;
use symbolon_wire::Presented;
use symbolon_wire::oauth::{OAuthError, RequestFault, RevokeRequest, parse_revoke_request};

use crate::answer::{FORM, RETRY_AFTER, TEXT, answer};
use crate::body::{self, BodyFault};
use crate::heads::failure::Failure;
use crate::heads::oauth::{FORM_LIMIT, FORM_TYPES};
use crate::heads::session;
use crate::state::HttpState;

pub(super) async fn by_query(
    State(state): State<HttpState>,
    RawQuery(query): RawQuery,
) -> Response {
    revoke(&state, query.unwrap_or_default().as_bytes()).await
}

pub(super) async fn by_form(
    State(state): State<HttpState>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let checked = body::check_media_type(&headers, &FORM_TYPES)
        .and_then(|()| body::check_no_encoding(&headers));
    let form = match checked {
        Ok(()) => body::read(body, FORM_LIMIT).await,
        Err(fault) => Err(fault),
    };
    match form {
        Ok(form) => revoke(&state, form.reveal()).await,
        Err(fault) => refuse_body(fault),
    }
}

async fn revoke(state: &HttpState, form: &[u8]) -> Response {
    // The hint is not needed: the two kinds look different.
    let RevokeRequest { token, .. } = match parse_revoke_request(form) {
        Ok(request) => request,
        Err(error) => return answer(StatusCode::BAD_REQUEST, FORM, error.to_form(None)),
    };
    match end(&state.ctx, &token).await {
        Ok(()) => answer(StatusCode::OK, TEXT, String::new()),
        Err(error) => refuse_failed(Failure::noted(&error)),
    }
}

async fn end(ctx: &Ctx, token: &Presented) -> Result<(), AppError> {
    if let Some(secret) = session::secret_of(token) {
        return sessions::end_presented(ctx, &secret).await;
    }
    match PresentedToken::parse(token.reveal()) {
        Ok(token) => tokens::revoke_presented(ctx, &token).await,
        Err(_) => Ok(()),
    }
}

/// RFC 7009 §2.2.1: after a 503 the client must take the token to be alive still.
fn refuse_failed(failure: Failure) -> Response {
    let error = OAuthError::TemporarilyUnavailable;
    let mut response = answer(failure.status(), FORM, error.to_form(None));
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

fn refuse_body(fault: BodyFault) -> Response {
    let (status, text) = fault.told();
    let error = OAuthError::InvalidRequest(RequestFault::Refused(text));
    answer(status, FORM, error.to_form(None))
}

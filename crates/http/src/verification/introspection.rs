//! Token introspection (RFC 7662) for registered API clients.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use symbolon_app::login::Head;
use symbolon_app::verify::{self, Admission, NoAdmission, Question, Waiter, Waiting};
use symbolon_wire::client_proof::ClientProof;
use symbolon_wire::introspection::{Active, INACTIVE, parse_introspection_request};
use symbolon_wire::oauth::{OAuthError, RequestFault};
use tokio::time::timeout;

use crate::answer::{JSON, Kind, refuse};
use crate::body::{BodyFault, Single, check_media_type, check_no_encoding, header_text, read_lean};
use crate::metrics::Outcome;
use crate::origin::Connection;
use crate::state::HttpState;
use crate::verification::caller::{asker, presented, presenter_to_verifier};
use crate::verification::demand::fresh_enough;
use crate::verification::{NO_STORE, unproved};

/// Bytes of a form with one token.
const FORM_LIMIT: usize = 10 * 1024;
const FORM_TYPES: [&str; 1] = ["application/x-www-form-urlencoded"];
/// Time that a body may take.
pub(super) const BODY_TIME: Duration = Duration::from_secs(10);
/// What RFC 6749 §5.2 demands beside a 401.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"symbolon\"");
const JSON_TYPE: HeaderValue = HeaderValue::from_static(JSON);
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Answers whether a token is active and whose it is.
pub(super) async fn answer<B>(
    state: &HttpState,
    connection: Connection,
    request: Request<B>,
) -> Response
where
    B: HttpBody<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let checked = check_media_type(&parts.headers, &FORM_TYPES)
        .and_then(|()| check_no_encoding(&parts.headers));
    if let Err(fault) = checked {
        return kept_by_nobody(fault.refuse(Kind::OAuth));
    }
    let body = match gathered(body, FORM_LIMIT).await {
        Ok(body) => body,
        Err(fault) => return kept_by_nobody(fault.refuse(Kind::OAuth)),
    };
    let authorization = match header_text(&parts.headers, &header::AUTHORIZATION) {
        Single::Absent => None,
        Single::Text(text) => Some(text),
        Single::Unreadable => {
            let fault = RequestFault::Refused("authorization header given twice or unreadable");
            return refused(OAuthError::InvalidRequest(fault));
        }
    };
    let asked = match parse_introspection_request(&body, authorization) {
        Ok(asked) => asked,
        Err(error) => {
            if matches!(error, OAuthError::InvalidClient) {
                let from = asker(state, connection, &parts.headers);
                unproved::note(state, Head::Introspection, from, None);
            }
            return refused(error);
        }
    };
    match prove(state, &asked.client) {
        Ok(true) => {}
        Ok(false) => {
            let from = asker(state, connection, &parts.headers);
            unproved::note(state, Head::Introspection, from, Some(&asked.client));
            return refused(OAuthError::InvalidClient);
        }
        Err(_) => return unavailable(state),
    }
    let waiter = Waiter::Client(asker(state, connection, &parts.headers));
    if fresh_enough(&state.ctx, asked.freshness, None, waiter).await.is_err() {
        return unavailable(state);
    }
    let question = Question { presented: presented(asked.token.reveal()), username: None };
    let (head, headers) = (Head::Introspection, &parts.headers);
    let presenter = presenter_to_verifier(state, head, connection, headers, &asked.used_by);
    let waiting = Waiting::of(waiter, asked.freshness.deadline);
    let verified = verify::verify(&state.ctx, &question, presenter, waiting).await;
    match &verified {
        // Counted where it is told.
        Err(NoAdmission::CannotKnow) => {}
        known => state.front.metrics.count_verification(Head::Introspection, Outcome::of(known)),
    }
    match verified {
        Ok(admission) => {
            let mut text = Vec::with_capacity(384);
            active(state, &admission).write_to(&mut text);
            json(Body::from(text))
        }
        // RFC 7662 §2.2: no hint why; the owner's history tells.
        Err(NoAdmission::Refused(_)) => json(Body::from(INACTIVE)),
        Err(NoAdmission::CannotKnow) => unavailable(state),
    }
}

/// Whether the client proves itself.
pub(super) fn prove(state: &HttpState, client: &ClientProof<'_>) -> Result<bool, NoAdmission> {
    let proved = verify::prove_client(&state.ctx, client.id(), client.secret().as_bytes())?;
    Ok(proved.is_some())
}

/// What is told of an accepted credential.
pub(super) fn active<'a>(state: &'a HttpState, admission: &'a Admission<'_>) -> Active<'a> {
    let holder = admission.holder();
    let device_type = admission.device_type();
    Active {
        sub: holder.sub(),
        username: holder.username(),
        client_id: admission.client_id(),
        issued_at_ms: admission.started_at.unix_ms(),
        expires_at_ms: Some(admission.ends_at.unix_ms()),
        authenticated_at_ms: admission.started_at.unix_ms(),
        iss: &state.ctx.settings.public_url,
        device_type: (!device_type.is_empty()).then_some(device_type),
        profile: admission.profile(),
        revision: admission.revision,
    }
}

/// Reads a body whole, within its limit and time.
pub(super) async fn gathered<B>(body: B, limit: usize) -> Result<Bytes, BodyFault>
where
    B: HttpBody<Data = Bytes>,
{
    let mut reading = pin!(read_lean(body, limit));
    if let Some(read) = at_second_look(reading.as_mut()).await {
        return read;
    }
    timeout(BODY_TIME, reading).await.unwrap_or(Err(BodyFault::TooSlow))
}

/// What `work` comes to, if it is done when it is looked at for the second time: nearly every body has come
/// with its head, and is handed over as soon as it is asked for. A timer is set for the others alone.
async fn at_second_look<F: Future>(mut work: Pin<&mut F>) -> Option<F::Output> {
    let mut looked = false;
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

fn refused(error: OAuthError) -> Response {
    let mut response = json(Body::from(error.to_json(None)));
    let is_about_client = matches!(error, OAuthError::InvalidClient | OAuthError::InvalidClientId);
    if is_about_client {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
    } else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

fn unavailable(state: &HttpState) -> Response {
    state.front.metrics.count_verification(Head::Introspection, Outcome::CannotKnow);
    let text = "Whether the token is active cannot be told now; try again in a moment.";
    kept_by_nobody(refuse(Kind::OAuth, StatusCode::SERVICE_UNAVAILABLE, text))
}

/// An answer that nobody keeps.
pub(super) fn json(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, JSON_TYPE);
    kept_by_nobody(response)
}

fn kept_by_nobody(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}

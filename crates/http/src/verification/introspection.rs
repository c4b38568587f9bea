//! Token introspection (RFC 7662) for registered API clients.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::LazyLock;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use symbolon_app::login::Head;
use symbolon_app::verify::{self, Admission, NoAdmission, Question, Waiter, Waiting};
use symbolon_wire::client_proof::ClientProof;
use symbolon_wire::introspection::{
    Active, INACTIVE, IntrospectionRequest, parse_introspection_request,
};
use symbolon_wire::oauth::{OAuthError, RequestFault};
use tokio::time::{Instant, timeout};

use crate::answer::{JSON, Kind, refuse};
use crate::answer_body::AnswerBody;
use crate::body::{BodyFault, Single, check_media_type, check_no_encoding, header_text, read_lean};
use crate::metrics::Outcome;
use crate::origin::Connection;
use crate::state::HttpState;
use crate::verification::caller::{asker, presented, presenter_to_verifier};
use crate::verification::demand::{fresh_enough, is_fresh_enough};
use crate::verification::{NO_STORE, unproved};

/// Bytes of a form with one token.
const FORM_LIMIT: usize = 10 * 1024;
const FORM_TYPES: [&str; 1] = ["application/x-www-form-urlencoded"];
/// Bytes of an answer, about.
const ANSWER_SIZE: usize = 384;
/// Time that a body may take.
pub(super) const BODY_TIME: Duration = Duration::from_secs(10);
/// What RFC 6749 §5.2 demands beside a 401.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"symbolon\"");
const JSON_TYPE: HeaderValue = HeaderValue::from_static(JSON);
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Answers whether a token is active and whose it is; `first` of the body was read before.
pub(super) async fn answer<B>(
    state: &HttpState,
    connection: Connection,
    request: Request<B>,
    first: Bytes,
) -> Response
where
    B: HttpBody<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let checked = check(&parts.headers);
    // What is refused is thrown away as it comes: a client that is cut off while it sends may miss the answer.
    let limit = if checked.is_ok() { FORM_LIMIT } else { 0 };
    let body = gathered(first, body, limit).await;
    match checked.and(body) {
        Ok(body) => answer_whole(state, connection, &parts.headers, &body).await,
        Err(fault) => not_read(fault),
    }
}

/// Whether the body may be read at all.
pub(super) fn check(headers: &HeaderMap) -> Result<(), BodyFault> {
    check_media_type(headers, &FORM_TYPES).and_then(|()| check_no_encoding(headers))
}

/// The refusal of a body that was not read.
pub(super) fn not_read(fault: BodyFault) -> Response {
    kept_by_nobody(fault.refuse(Kind::OAuth))
}

/// Whether so long a body is read.
pub(super) const fn fits(length: usize) -> bool {
    length <= FORM_LIMIT
}

/// Answers a request whose body is there, from memory; `None` where [`answer_whole`] would wait for something.
pub(super) fn answer_at_once(
    state: &HttpState,
    connection: Connection,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Response<AnswerBody>> {
    let asked = match asked_by_client(state, connection, headers, body) {
        Ok(asked) => asked,
        Err(unasked) => return Some(unasked.told(state).map(AnswerBody::from)),
    };
    if !is_fresh_enough(&state.ctx, asked.freshness) {
        return None;
    }
    let question = Question { presented: presented(asked.token.reveal()), username: None };
    let head = Head::Introspection;
    let presenter = presenter_to_verifier(state, head, connection, headers, &asked.used_by);
    let verified = verify::verify_at_once(&state.ctx, &question, presenter, &|_| true)?;
    Some(told(state, &verified))
}

/// Answers a request whose body is there.
pub(super) async fn answer_whole(
    state: &HttpState,
    connection: Connection,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let asked = match asked_by_client(state, connection, headers, body) {
        Ok(asked) => asked,
        Err(unasked) => return unasked.told(state),
    };
    let waiter = Waiter::Client(asker(state, connection, headers));
    let began = Instant::now();
    if !is_fresh_enough(&state.ctx, asked.freshness) {
        if fresh_enough(&state.ctx, asked.freshness, None, waiter).await.is_err() {
            return unavailable(state);
        }
        // Who may ask is judged by the state that is asked for.
        if let Err(unasked) = prove_or_refuse(state, connection, headers, &asked.client) {
            return unasked.told(state);
        }
    }
    let question = Question { presented: presented(asked.token.reveal()), username: None };
    let head = Head::Introspection;
    let presenter = presenter_to_verifier(state, head, connection, headers, &asked.used_by);
    let waiting = Waiting::of(waiter, asked.freshness.deadline).after(began.elapsed());
    let verified = verify::verify(&state.ctx, &question, presenter, waiting).await;
    told(state, &verified).map(Body::new)
}

/// Why nothing is asked by anybody who may.
enum Unasked {
    Refused(OAuthError),
    CannotKnow,
}

impl Unasked {
    fn told(self, state: &HttpState) -> Response {
        match self {
            Self::Refused(error) => refused(error),
            Self::CannotKnow => unavailable(state),
        }
    }
}

/// What is asked, by a client that has proved itself.
fn asked_by_client<'a>(
    state: &HttpState,
    connection: Connection,
    headers: &'a HeaderMap,
    body: &'a [u8],
) -> Result<IntrospectionRequest<'a>, Unasked> {
    let authorization = match header_text(headers, &header::AUTHORIZATION) {
        Single::Absent => None,
        Single::Text(text) => Some(text),
        Single::Unreadable => {
            let fault = RequestFault::Refused("authorization header given twice or unreadable");
            return Err(Unasked::Refused(OAuthError::InvalidRequest(fault)));
        }
    };
    let asked = parse_introspection_request(body, authorization).map_err(|error| {
        if matches!(error, OAuthError::InvalidClient) {
            note_unproved(state, connection, headers, None);
        }
        Unasked::Refused(error)
    })?;
    prove_or_refuse(state, connection, headers, &asked.client)?;
    Ok(asked)
}

fn prove_or_refuse(
    state: &HttpState,
    connection: Connection,
    headers: &HeaderMap,
    client: &ClientProof<'_>,
) -> Result<(), Unasked> {
    match prove(state, client) {
        Ok(true) => Ok(()),
        Ok(false) => {
            note_unproved(state, connection, headers, Some(client));
            Err(Unasked::Refused(OAuthError::InvalidClient))
        }
        Err(_) => Err(Unasked::CannotKnow),
    }
}

fn note_unproved(
    state: &HttpState,
    connection: Connection,
    headers: &HeaderMap,
    client: Option<&ClientProof<'_>>,
) {
    unproved::note(state, Head::Introspection, asker(state, connection, headers), client);
}

fn told(state: &HttpState, verified: &Result<Admission<'_>, NoAdmission>) -> Response<AnswerBody> {
    match verified {
        // Counted where it is told.
        Err(NoAdmission::CannotKnow) => {}
        known => state.front.metrics.count_verification(Head::Introspection, Outcome::of(known)),
    }
    match verified {
        Ok(admission) => {
            let mut text = Vec::with_capacity(ANSWER_SIZE);
            active(state, admission).write_to(&mut text);
            json(text)
        }
        // RFC 7662 §2.2: no hint why; the owner's history tells.
        Err(NoAdmission::Refused(_)) => json(INACTIVE),
        Err(NoAdmission::CannotKnow) => unavailable(state).map(AnswerBody::from),
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

/// Reads what follows `first` of a body, within its limit and time; the whole.
pub(super) async fn gathered<B>(first: Bytes, body: B, limit: usize) -> Result<Bytes, BodyFault>
where
    B: HttpBody<Data = Bytes>,
{
    let mut reading = pin!(read_lean(first, body, limit));
    if let Some(read) = at_second_look(reading.as_mut()).await {
        return read;
    }
    timeout(BODY_TIME, reading).await.unwrap_or(Err(BodyFault::TooSlow))
}

/// What `work` comes to, if it is done when it is looked at for the second time: nearly every body has come
/// with its head. A timer is set for the others alone.
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
    let mut response = json(error.to_json(None)).map(Body::new);
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

/// The headers of an answer in JSON that nobody keeps. A copy costs less than inserting them one by one.
static JSON_HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(header::CONTENT_TYPE, JSON_TYPE);
    kept_by_nobody(response).into_parts().0.headers
});

/// An answer that nobody keeps.
pub(super) fn json(text: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(text.into()));
    response.headers_mut().clone_from(&JSON_HEADERS);
    response
}

fn kept_by_nobody(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}

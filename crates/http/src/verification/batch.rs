//! `POST /api/v1/verify`: up to a thousand credentials in one request, for gateways and readers of logs.

use std::collections::HashMap;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use symbolon_app::login::Head;
use symbolon_app::verify::{self, NoAdmission, NotAdmitted, Presenter, Question, Together, Waiter};
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session, Token};
use symbolon_wire::client_proof::ClientProof;
use symbolon_wire::problem::{CONTENT_TYPE, Problem};
use symbolon_wire::verify_batch::{MAX_BODY, VerifyBatch, VerifyBatchAnswer};

use crate::answer::RETRY_AFTER;
use crate::body::{Single, check_media_type, check_no_encoding, header_text};
use crate::control::kind;
use crate::metrics::Outcome;
use crate::origin::Connection;
use crate::state::HttpState;
use crate::verification::caller::{asker, presented, presenter_to_verifier};
use crate::verification::demand::fresh_enough;
use crate::verification::introspection::{active, gathered, json, prove};
use crate::verification::{NO_STORE, unproved};

const JSON_TYPES: [&str; 1] = ["application/json"];
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"symbolon\"");
/// Bytes of an answer about one credential, about.
const ANSWER_SIZE: usize = 320;

/// Answers each credential of a batch, in its order.
pub(super) async fn answer<B>(
    state: &HttpState,
    connection: Connection,
    request: Request<B>,
) -> Response
where
    B: HttpBody<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let checked = match header_text(&parts.headers, &header::CONTENT_TYPE) {
        Single::Text(_) => check_media_type(&parts.headers, &JSON_TYPES),
        // A form of a foreign page must not pass for JSON (ASVS 3.5.2).
        Single::Absent | Single::Unreadable => Err(crate::body::BodyFault::WrongType),
    };
    let checked = checked.and_then(|()| check_no_encoding(&parts.headers));
    let authorization = match header_text(&parts.headers, &header::AUTHORIZATION) {
        Single::Text(text) => Some(text),
        Single::Absent | Single::Unreadable => None,
    };
    let client = ClientProof::from_header(authorization).ok();
    let proved = || client.as_ref().map_or(Ok(false), |client| prove(state, client));
    let refused_to_stranger = || {
        let from = asker(state, connection, &parts.headers);
        unproved::note(state, Head::Verify, from, client.as_ref());
        unauthorised(state)
    };
    // What is refused or a stranger's is thrown away as it comes, for a client that is cut off while it sends may
    // miss the answer; but who may ask is judged when all is there.
    let limit = if checked.is_err() || proved() == Ok(false) { 0 } else { MAX_BODY };
    let body = gathered(Bytes::new(), body, limit).await;
    if let Err(fault) = checked {
        return fault_of_body(state, fault);
    }
    match proved() {
        Ok(true) => {}
        Ok(false) => return refused_to_stranger(),
        Err(_) => return unavailable(state),
    }
    let body = match body {
        Ok(body) => body,
        Err(fault) => return fault_of_body(state, fault),
    };
    let asked = match VerifyBatch::parse(&body) {
        Ok(asked) => asked,
        Err(fault) => {
            let (status, title) = (StatusCode::UNPROCESSABLE_ENTITY, "Not valid");
            return problem(state, status, kind::INVALID, title, &fault.to_string());
        }
    };
    let waiter = Waiter::Client(asker(state, connection, &parts.headers));
    if fresh_enough(&state.ctx, asked.freshness, None, waiter).await.is_err() {
        return unavailable(state);
    }
    // What was waited for may be that the client's secret was taken away.
    if asked.freshness.min_revision.is_some() {
        match proved() {
            Ok(true) => {}
            Ok(false) => return refused_to_stranger(),
            Err(_) => return unavailable(state),
        }
    }
    let (head, headers) = (Head::Verify, &parts.headers);
    let presenter = presenter_to_verifier(state, head, connection, headers, &asked.used_by);
    let Ok(verdicts) = verdicts(state, &asked, presenter).await else {
        return unavailable(state);
    };
    let refused = asked.credentials.len() - verdicts.allowed;
    for (outcome, times) in [(Outcome::Allowed, verdicts.allowed), (Outcome::Refused, refused)] {
        state.front.metrics.count_verifications(Head::Verify, outcome, times);
    }
    json(verdicts.text).map(Body::new)
}

/// The answer about all of them.
struct Verdicts {
    text: Vec<u8>,
    allowed: usize,
    /// Sessions that seem idle to this node.
    idle: Vec<Id<Session>>,
    /// Tokens that seem dead of disuse to it.
    unused: Vec<Id<Token>>,
}

/// What the database has told of the last uses of tokens.
type LastUses = HashMap<Id<Token>, Timestamp>;

/// Asks memory, and the database for all that seem to have been used too long ago: their uses at other nodes count,
/// too.
async fn verdicts(
    state: &HttpState,
    asked: &VerifyBatch<'_>,
    presenter: Presenter<'_>,
) -> Result<Verdicts, NoAdmission> {
    let verdicts = verdicts_from_memory(state, asked, presenter, &LastUses::new())?;
    if verdicts.idle.is_empty() && verdicts.unused.is_empty() {
        return Ok(verdicts);
    }
    // Seldom, and large.
    Box::pin(async move {
        let (unused, idle) = (once_each(verdicts.unused), once_each(verdicts.idle));
        let mut last_uses = LastUses::new();
        if !unused.is_empty() {
            last_uses = verify::last_uses(&state.ctx, &unused).await?;
        }
        if !idle.is_empty() {
            verify::look_again(&state.ctx, &idle).await?;
        }
        verdicts_from_memory(state, asked, presenter, &last_uses)
    })
    .await
}

/// A credential may be asked about a thousand times in one batch.
fn once_each<T>(mut asked: Vec<Id<T>>) -> Vec<Id<T>> {
    asked.sort_unstable();
    asked.dedup();
    asked
}

fn verdicts_from_memory(
    state: &HttpState,
    asked: &VerifyBatch<'_>,
    presenter: Presenter<'_>,
    last_uses: &LastUses,
) -> Result<Verdicts, NoAdmission> {
    let together = Together::begin(&state.ctx, presenter)?;
    let mut text = Vec::with_capacity(64 + asked.credentials.len() * ANSWER_SIZE);
    let mut answers = VerifyBatchAnswer::begin(&mut text, state.ctx.live.view.applied());
    let (mut allowed, mut idle, mut unused) = (0, Vec::new(), Vec::new());
    for credential in &asked.credentials {
        let question = Question { presented: presented(credential.reveal()), username: None };
        let mut verdict = together.verify(&question);
        if let Err(NotAdmitted::Unused(token)) = verdict
            && let Some(last_use) = last_uses.get(&token)
        {
            verdict = together.verify_used(&question, *last_use);
        }
        match verdict {
            Ok(admission) => {
                allowed += 1;
                answers.push_active(&active(state, &admission));
            }
            Err(refused) => {
                match refused {
                    NotAdmitted::Idle(session) => idle.push(session),
                    NotAdmitted::Unused(token) => unused.push(token),
                    NotAdmitted::Refused(_) => {}
                    NotAdmitted::CannotKnow => return Err(NoAdmission::CannotKnow),
                }
                answers.push_inactive();
            }
        }
    }
    answers.end();
    Ok(Verdicts { text, allowed, idle, unused })
}

fn fault_of_body(state: &HttpState, fault: crate::body::BodyFault) -> Response {
    let (status, text) = fault.told();
    problem(state, status, kind::UNREADABLE, "Not readable", text)
}

fn unauthorised(state: &HttpState) -> Response {
    let detail = "An API client must prove itself here, by its id and one of its secrets.";
    let (status, kind) = (StatusCode::UNAUTHORIZED, kind::NOT_AUTHENTICATED);
    let mut response = problem(state, status, kind, "Not authenticated", detail);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
    response
}

fn unavailable(state: &HttpState) -> Response {
    state.front.metrics.count_verification(Head::Verify, Outcome::CannotKnow);
    let detail = "Whether the credentials are good cannot be told now; try again in a moment.";
    let (status, kind) = (StatusCode::SERVICE_UNAVAILABLE, kind::UNAVAILABLE);
    let mut response = problem(state, status, kind, "Try later", detail);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

fn problem(
    state: &HttpState,
    status: StatusCode,
    kind: &str,
    title: &str,
    detail: &str,
) -> Response {
    let correlation_id = state.ctx.chance.text(12);
    let problem = Problem {
        kind,
        title,
        status: status.as_u16(),
        detail: Some(detail),
        correlation_id: &correlation_id,
    };
    let mut response = json(problem.to_json()).map(Body::new);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    response
}

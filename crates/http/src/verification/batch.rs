//! `POST /api/v1/verify`: up to a thousand credentials in one request, for gateways and readers of logs.

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderValue, Request, StatusCode, header};
use symbolon_app::login::Head;
use symbolon_app::verify::{self, NoAdmission, Question, Waiter};
use symbolon_core::verification::CredentialRefusal;
use symbolon_wire::client_proof::ClientProof;
use symbolon_wire::problem::{CONTENT_TYPE, Problem};
use symbolon_wire::verify_batch::{MAX_BODY, VerifyBatch, VerifyBatchAnswer};

use crate::answer::RETRY_AFTER;
use crate::body::{Single, check_media_type, check_no_encoding, header_text};
use crate::metrics::Outcome;
use crate::origin::Connection;
use crate::state::HttpState;
use crate::verification::NO_STORE;
use crate::verification::caller::{presented, presenter};
use crate::verification::demand::fresh_enough;
use crate::verification::introspection::{active, gathered, json, prove};

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
    if let Err(fault) = checked.and_then(|()| check_no_encoding(&parts.headers)) {
        return fault_of_body(state, fault);
    }
    let authorization = match header_text(&parts.headers, &header::AUTHORIZATION) {
        Single::Text(text) => Some(text),
        Single::Absent | Single::Unreadable => None,
    };
    let client = ClientProof::from_header(authorization).ok();
    let proved = || client.as_ref().map_or(Ok(false), |client| prove(state, client));
    // What a stranger sends is thrown away as it comes; but who may ask is judged when all is there.
    let limit = if proved() == Ok(false) { 0 } else { MAX_BODY };
    let body = gathered(body, limit).await;
    match proved() {
        Ok(true) => {}
        Ok(false) => return unauthorised(state),
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
            return problem(
                state,
                status,
                "urn:symbolon:problem:invalid",
                title,
                &fault.to_string(),
            );
        }
    };
    if fresh_enough(&state.ctx, asked.freshness, None, Waiter::Client).await.is_err() {
        return unavailable(state);
    }
    let presenter = presenter(state, Head::Verify, connection, &parts.headers);
    let mut text = Vec::with_capacity(64 + asked.credentials.len() * ANSWER_SIZE);
    let mut answers = VerifyBatchAnswer::begin(&mut text, state.ctx.live.view.applied());
    for credential in &asked.credentials {
        let question = Question { presented: presented(credential.reveal()), username: None };
        let verified = match verify::verify_from_memory(&state.ctx, &question, presenter) {
            // Of the last use of a token memory knows no more than about when it was.
            Err(NoAdmission::Refused(CredentialRefusal::Unused)) => {
                Box::pin(verify::verify(&state.ctx, &question, presenter)).await
            }
            decided => decided,
        };
        let outcome = Outcome::of(&verified);
        match verified {
            Ok(admission) => answers.push_active(&active(state, &admission)),
            Err(NoAdmission::Refused(_)) => answers.push_inactive(),
            // The gate closed in the middle: nothing of this is an answer any more.
            Err(NoAdmission::CannotKnow) => return unavailable(state),
        }
        state.front.metrics.count_verification(Head::Verify, outcome);
    }
    answers.end();
    json(Body::from(text))
}

fn fault_of_body(state: &HttpState, fault: crate::body::BodyFault) -> Response {
    let (status, text) = fault.told();
    problem(state, status, "urn:symbolon:problem:unreadable", "Not readable", text)
}

fn unauthorised(state: &HttpState) -> Response {
    let detail = "An API client must prove itself here, by its id and one of its secrets.";
    let (status, kind) = (StatusCode::UNAUTHORIZED, "urn:symbolon:problem:unauthorised");
    let mut response = problem(state, status, kind, "Not authorised", detail);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
    response
}

fn unavailable(state: &HttpState) -> Response {
    state.front.metrics.count_verification(Head::Verify, Outcome::CannotKnow);
    let detail = "Whether the credentials are good cannot be told now; try again in a moment.";
    let (status, kind) = (StatusCode::SERVICE_UNAVAILABLE, "urn:symbolon:problem:unavailable");
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
    let mut response = json(Body::from(problem.to_json()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    response
}

//! Envoy's `ext_authz` over gRPC: one unary call on the same port, by HTTP/2.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::ready;
use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use symbolon_app::login::Head;
use symbolon_app::verify::{Presenter, Said};
use symbolon_core::names::Source;
use symbolon_wire::demands::Demands;
use symbolon_wire::ext_authz::{CheckRequest, CheckResponse, Denial};
use symbolon_wire::grpc::{self, GrpcError, MAX_MESSAGE};

use crate::body::BodyFault;
use crate::forwarded;
use crate::origin::Connection;
use crate::state::HttpState;
use crate::verification::caller::Found;
use crate::verification::demand::{Verdict, decide, identity};
use crate::verification::introspection::gathered;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// The frame of a message is five bytes more.
const BODY_LIMIT: usize = MAX_MESSAGE + 5;
const CHALLENGE: (&str, Cow<'static, str>) =
    ("www-authenticate", Cow::Borrowed("Bearer error=\"invalid_token\""));

/// Answers a call.
pub(super) async fn answer<B>(
    state: &HttpState,
    connection: Connection,
    request: Request<B>,
) -> Response
where
    B: HttpBody<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let body = match gathered(Bytes::new(), body, BODY_LIMIT).await {
        Ok(body) => body,
        Err(BodyFault::TooLarge) => return failed(GrpcError::TooLong),
        Err(_) => return failed(GrpcError::Truncated),
    };
    let deadline = match deadline_of(&parts.headers) {
        Ok(deadline) => deadline,
        Err(error) => return failed(error),
    };
    let check = match CheckRequest::parse(body) {
        Ok(check) => check,
        Err(error) => return failed(error),
    };
    let found = Found::among(&check);
    let demands = Demands::default()
        .and_headers(&check)
        .and_then(|demands| demands.and_extensions(check.context_extensions()));
    let presenter = Presenter {
        head: Head::ExtAuthzGrpc,
        source: source_of(state, &check, connection.peer.ip()),
        client: Said::OfClient(check.header_lines("user-agent").next().unwrap_or_default()),
    };
    let (question, demands) = (found.question(), demands.as_ref());
    let verdict = decide(&state.ctx, &question, demands, deadline, presenter).await;
    state.front.metrics.count_verification(Head::ExtAuthzGrpc, verdict.outcome());
    told(&response_of(&verdict, found.header()))
}

/// Envoy tells the address of its peer; it is believed if it is a trusted proxy itself. If its peer is one, too, that
/// one's client is looked for in what it has handed on. Where neither names one, nothing is opened by it.
fn source_of(state: &HttpState, check: &CheckRequest, peer: IpAddr) -> Said<Source> {
    let trusted = &state.front.trusted_proxies;
    if !forwarded::is_trusted(peer, trusted) {
        return Said::OfAsker(Source::new(peer));
    }
    let Some(envoys_peer) = check.source_address().and_then(|text| text.parse().ok()) else {
        return Said::OfAsker(Source::new(peer));
    };
    match forwarded::follow(envoys_peer, trusted, check.header_lines("x-forwarded-for")) {
        (source, true) => Said::OfClient(Source::new(source)),
        (source, false) => Said::OfAsker(Source::new(source)),
    }
}

fn deadline_of(headers: &HeaderMap) -> Result<Option<Duration>, GrpcError> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else {
        return Ok(None);
    };
    // Something must be left for the way back.
    Ok(Some(grpc::parse_timeout(value.as_bytes())? * 9 / 10))
}

fn response_of(verdict: &Verdict<'_>, credential: Option<&'static str>) -> CheckResponse {
    let text = |text: &str| text.to_owned();
    match verdict {
        Verdict::Allowed(admission) => {
            let removed: Vec<&'static str> = credential.into_iter().collect();
            CheckResponse::allowed(identity(admission).lines(), &removed)
        }
        Verdict::Refused => {
            let body = text("The credential is missing or not accepted.\n");
            CheckResponse::denied(Denial::Unauthenticated, 401, [CHALLENGE], body)
        }
        Verdict::Forbidden => {
            let body = text("The credential is not accepted here.\n");
            CheckResponse::denied(Denial::PermissionDenied, 403, [], body)
        }
        Verdict::CannotKnow => {
            let body = text("Whether the credential is good cannot be told now.\n");
            let later = ("retry-after", Cow::Borrowed("5"));
            CheckResponse::denied(Denial::Unavailable, 503, [later], body)
        }
    }
}

fn told(check: &CheckResponse) -> Response {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from(grpc::status::OK));
    let body = Full::new(check.render()).with_trailers(ready(Some(Ok::<_, Infallible>(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

/// The call itself failed: the status alone, in the head.
fn failed(error: GrpcError) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from(error.grpc_status()));
    response
}

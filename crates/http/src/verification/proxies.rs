//! Forward-auth over HTTP: what nginx, Traefik, Caddy, HAProxy and Envoy ask before they let a request
//! pass. Any method; the body is never looked at.
//!
//! Each proxy understands other statuses. 200 alone allows (Envoy takes another 2xx for a refusal);
//! nginx makes an error of everything but 200, 401 and 403, so it is told 403 where the others hear
//! 503. Every identity header is in every 200, empty where there is nothing to say: a proxy replaces
//! only what the answer names, and what it does not replace a client can forge.

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use symbolon_app::login::Head;
use symbolon_app::verify::Presenter;
use symbolon_wire::demands::{DemandError, Demands};
use symbolon_wire::identity_headers::{self, Identity, Values};

use crate::answer::RETRY_AFTER;
use crate::origin::Connection;
use crate::state::HttpState;
use crate::verification::NO_STORE;
use crate::verification::caller::{Found, Headers, presenter};
use crate::verification::demand::{Verdict, decide, decide_at_once, identity};

/// Contract §6; RFC 6750 §3.1.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Tells nginx's log, and whoever reads it, why.
const REASON: HeaderName = HeaderName::from_static("x-symbolon-reason");
/// Envoy takes these headers away before the request goes on.
const TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
/// How long Envoy waits for the answer, in milliseconds.
const ENVOY_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// [`identity_headers::NAMES`], ready to be inserted.
const IDENTITY: [HeaderName; identity_headers::NAMES.len()] = [
    HeaderName::from_static(identity_headers::NAMES[0]),
    HeaderName::from_static(identity_headers::NAMES[1]),
    HeaderName::from_static(identity_headers::NAMES[2]),
    HeaderName::from_static(identity_headers::NAMES[3]),
    HeaderName::from_static(identity_headers::NAMES[4]),
    HeaderName::from_static(identity_headers::NAMES[5]),
    HeaderName::from_static(identity_headers::NAMES[6]),
];

/// The headers of every answer that allows, the identity first, its values still empty. A copy costs a
/// fraction of inserting them one by one.
static ALLOWED: LazyLock<HeaderMap> = LazyLock::new(|| {
    let names = || IDENTITY.into_iter().chain([header::CACHE_CONTROL]);
    let mut headers: HeaderMap = names().map(|name| (name, HeaderValue::from_static(""))).collect();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    // Values are filled in by it; in another order one header would get the value of another.
    assert!(headers.keys().eq(&names().collect::<Vec<_>>()), "headers keep their order");
    headers
});

/// Which of them asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxy {
    /// Traefik, Caddy, HAProxy.
    ForwardAuth,
    /// nginx.
    AuthRequest,
    /// Envoy.
    ExtAuthz,
}

impl Proxy {
    fn head(self) -> Head {
        match self {
            Self::ForwardAuth => Head::ForwardAuth,
            Self::AuthRequest => Head::AuthRequest,
            Self::ExtAuthz => Head::ExtAuthz,
        }
    }
}

/// What a proxy asks.
struct Asked<'a> {
    found: Found<'a>,
    demands: Result<Demands<'a>, DemandError>,
    presenter: Presenter<'a>,
}

impl<'a> Asked<'a> {
    fn read(
        state: &HttpState,
        proxy: Proxy,
        connection: Connection,
        parts: &'a Parts,
        headers: &'a Headers<'a>,
    ) -> Self {
        Self {
            found: Found::among(headers),
            demands: demands_of(proxy, parts, headers),
            presenter: presenter(state, proxy.head(), connection, &parts.headers),
        }
    }
}

/// Answers a proxy from memory; `None` where [`answer`] would wait for something.
pub(super) fn answer_at_once(
    state: &HttpState,
    proxy: Proxy,
    connection: Connection,
    parts: &Parts,
) -> Option<Response> {
    let headers = Headers::of(&parts.headers);
    let asked = Asked::read(state, proxy, connection, parts, &headers);
    let (question, demands) = (asked.found.question(), asked.demands.as_ref());
    let verdict = decide_at_once(&state.ctx, &question, demands, asked.presenter)?;
    Some(told(state, proxy, &verdict, asked.found.header()))
}

/// Answers a proxy.
pub(super) async fn answer(
    state: &HttpState,
    proxy: Proxy,
    connection: Connection,
    parts: &Parts,
) -> Response {
    let headers = Headers::of(&parts.headers);
    let asked = Asked::read(state, proxy, connection, parts, &headers);
    let deadline = match proxy {
        Proxy::ExtAuthz => envoys_deadline(&parts.headers),
        Proxy::ForwardAuth | Proxy::AuthRequest => None,
    };
    let (question, demands) = (asked.found.question(), asked.demands.as_ref());
    let verdict = decide(&state.ctx, &question, demands, deadline, asked.presenter).await;
    told(state, proxy, &verdict, asked.found.header())
}

fn told(
    state: &HttpState,
    proxy: Proxy,
    verdict: &Verdict<'_>,
    credential: Option<&'static str>,
) -> Response {
    state.front.metrics.count_verification(proxy.head(), verdict.outcome());
    render(proxy, verdict, credential)
}

fn demands_of<'a>(
    proxy: Proxy,
    parts: &'a Parts,
    headers: &'a Headers<'a>,
) -> Result<Demands<'a>, DemandError> {
    let demands = if headers.any_of_ours() {
        Demands::default().and_headers(headers)?
    } else {
        Demands::default()
    };
    match (proxy, parts.uri.query()) {
        // Envoy hands on the client's own query: nobody's demands.
        (Proxy::ExtAuthz, _) | (_, None) => Ok(demands),
        (Proxy::ForwardAuth | Proxy::AuthRequest, Some(query)) => demands.and_query(query),
    }
}

fn envoys_deadline(headers: &HeaderMap) -> Option<Duration> {
    let ms = headers.get(ENVOY_TIMEOUT)?.to_str().ok()?.parse().ok()?;
    // Something must be left for the way back.
    Some(Duration::from_millis(ms) * 9 / 10)
}

fn render(proxy: Proxy, verdict: &Verdict<'_>, credential: Option<&'static str>) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    match verdict {
        Verdict::Allowed(admission) => {
            *headers = headers_of(&identity(admission));
            if let (Proxy::ExtAuthz, Some(credential)) = (proxy, credential) {
                headers.insert(TO_REMOVE, HeaderValue::from_static(credential));
            }
            response
        }
        Verdict::Refused => {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
            refuse(
                response,
                StatusCode::UNAUTHORIZED,
                "The credential is missing or not accepted.\n",
            )
        }
        Verdict::Forbidden => {
            refuse(response, StatusCode::FORBIDDEN, "The credential is not accepted here.\n")
        }
        Verdict::CannotKnow => {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            headers.insert(REASON, HeaderValue::from_static("unavailable"));
            let status = match proxy {
                Proxy::AuthRequest => StatusCode::FORBIDDEN,
                Proxy::ForwardAuth | Proxy::ExtAuthz => StatusCode::SERVICE_UNAVAILABLE,
            };
            refuse(response, status, "Whether the credential is good cannot be told now.\n")
        }
    }
}

fn refuse(mut response: Response, status: StatusCode, text: &'static str) -> Response {
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::CONTENT_TYPE, TEXT);
    *response.body_mut() = Body::from(text);
    response
}

/// The headers of the answer that allows, the identity's values in one piece of memory.
fn headers_of(identity: &Identity<'_>) -> HeaderMap {
    let Values { all, ends } = identity.values();
    let all = Bytes::from(all);
    let mut headers = ALLOWED.clone();
    let mut begin = 0;
    for (known, end) in headers.values_mut().zip(ends) {
        // `wire` has made it fit for a header; what should not fit all the same is not told.
        let value = HeaderValue::from_maybe_shared(all.slice(begin..end));
        *known = value.unwrap_or(HeaderValue::from_static(""));
        begin = end;
    }
    headers
}

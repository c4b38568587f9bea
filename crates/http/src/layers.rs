//! What surrounds every handler: the span and the counters, security headers, the time limit and the
//! net under panics.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts as _, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use symbolon_app::Ctx;
use symbolon_wire::leaks::MAX_BODY as MAX_REPORT;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::answer::{Kind, finish, refuse};
use crate::body::{self, BodyFault, Gathered};
use crate::large_bodies::LargeBodies;
use crate::leaks;
use crate::metrics::method_word;
use crate::origin::RequestOrigin;
use crate::state::{Front, HttpState};

/// Time that a whole request may take, its body included.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Time that a body may take, from when there is a place to read it.
const BODY_TIME_LIMIT: Duration = Duration::from_secs(10);

/// Middleware: opens a span for the request, counts it and says how it went.
///
/// The span knows the route's pattern, never the path or the query: single-use links stand in paths,
/// and jsforce puts session ids into queries.
pub(crate) async fn observe(
    State(front): State<Arc<Front>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let pattern = route.as_ref().map(MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        http.method = method_word(&method),
        http.route = pattern.unwrap_or("unmatched"),
        http.status = Empty,
        duration_ms = Empty,
    );
    let response = next.run(request).instrument(span.clone()).await;
    let duration = started.elapsed();
    let status = response.status();
    span.record("http.status", status.as_u16());
    span.record("duration_ms", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    span.in_scope(|| tracing::info!("answered {}", status.as_u16()));
    front.metrics.observe_request(pattern, &method, status, duration);
    response
}

/// Middleware: writes problem documents out, and sets the headers that every answer of a kind must have.
///
/// Pages bring their own; what is for machines is never kept and never taken for another type.
pub(crate) async fn harden(State(ctx): State<Ctx>, request: Request, next: Next) -> Response {
    let kind = Kind::of(request.uri().path());
    hardened(kind, finish(&ctx, next.run(request).await))
}

fn hardened(kind: Kind, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if kind.is_for_machines() {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Middleware: ends a request that takes too long, and answers where a handler panicked.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let kind = Kind::of(request.uri().path());
    match timeout(TIME_LIMIT, caught(next.run(request))).await {
        Ok(Ok(response)) => response,
        Ok(Err(payload)) => told_of_panic(kind, &*payload),
        Err(_) => refuse(kind, StatusCode::REQUEST_TIMEOUT, "The request took too long."),
    }
}

/// Bodies that are being read at a time, on all connections: 128 MiB. Further ones wait their time.
static BODIES: Semaphore = Semaphore::const_new(2048);

/// Reports of leaked tokens that are being read.
static LARGE_BODIES: LargeBodies = LargeBodies::new();

/// Middleware: reads the whole body before anything is looked up.
///
/// Who may ask, and what is there, is then judged as of the end of the request: a body that is held back
/// until its sender was logged out or frozen gains nothing, and a slow one costs nothing but its memory.
pub(crate) async fn gather(
    State(state): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    let kind = Kind::of(request.uri().path());
    let (mut parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, Body::empty())).await;
    }
    let gathered = match parts.uri.path() {
        leaks::REPORTS | leaks::GITHUB => {
            let from = match RequestOrigin::from_request_parts(&mut parts, &state).await {
                Ok(from) => from.origin.source,
                Err(refusal) => return refusal,
            };
            let place = match parts.uri.path() {
                leaks::GITHUB => LARGE_BODIES.next_place(from).await,
                _ => LARGE_BODIES.place(from).await,
            };
            let Ok(_place) = place else {
                return leaks::too_many_at_once(BODY_TIME_LIMIT);
            };
            read_in_time(kind, body, MAX_REPORT).await
        }
        _ => {
            let _place = BODIES.acquire().await;
            read_in_time(kind, body, body::MAX_BODY).await
        }
    };
    match gathered {
        Ok(gathered) => {
            let body = Body::from(gathered.into_bytes());
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => refusal,
    }
}

async fn read_in_time(kind: Kind, body: Body, limit: usize) -> Result<Gathered, Response> {
    match timeout(BODY_TIME_LIMIT, body::read(body, limit)).await {
        Ok(Ok(gathered)) => Ok(gathered),
        Ok(Err(fault)) => Err(fault.refuse(kind)),
        Err(_) => Err(BodyFault::TooSlow.refuse(kind)),
    }
}

/// Runs `work`; a panic in it becomes an error.
///
/// Whatever the panic left half done belonged to the request and is dropped with it: transactions roll
/// back, and what is shared between requests recovers from poisoned locks.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut work = pin!(work);
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}

/// The answer in place of the one that a panic broke off; hardened, since it may not come past [`harden`].
pub(crate) fn told_of_panic(kind: Kind, payload: &(dyn Any + Send)) -> Response {
    tracing::error!("a handler panicked: {}", words_of(payload));
    let text = "The server made a mistake.";
    hardened(kind, refuse(kind, StatusCode::INTERNAL_SERVER_ERROR, text))
}

/// The words of a panic. Ours are constant texts; `expect` adds an error's `Debug`, which holds no
/// secret (secrets have none).
fn words_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_words() {
        let outcome = caught(async { panic!("at {}", "work") }).await;

        let payload: Box<dyn Any + Send> = outcome.map(|(): ()| ()).unwrap_err();
        assert_eq!(words_of(&*payload), "at work");
        let told = told_of_panic(Kind::Plain, &*payload);
        assert_eq!(told.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(told.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(caught(async { 7 }).await.unwrap(), 7);
    }
}

//! The server that verification is compared with: hyper, set up as `symbolon serve` sets it up, and a
//! handler that does nothing.
//!
//! At other paths it answers as long as Symbolon does, reading what Symbolon reads, without deciding
//! anything: what no authority over HTTP can come below. Behind axum's router it is what most services are
//! written as.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

/// As in `crates/symbolon/src/serve/speak.rs`.
const HEAD: Duration = Duration::from_secs(10);
const MOST_HEAD: usize = 64 * 1024;

/// The path of an answer that is as long as forward-auth's.
pub(crate) const LIKE_FORWARD_AUTH: &str = "/like-forward-auth";
/// The path of an answer that is as long as introspection's; the body is read.
pub(crate) const LIKE_INTROSPECTION: &str = "/like-introspection";

const IDENTITY: [(&str, &str); 7] = [
    ("remote-user", "user12345@example.com"),
    ("remote-email", "user12345@mail.example"),
    ("remote-name", "user12345@example.com"),
    ("remote-groups", "Standard"),
    ("x-symbolon-device-type", "server"),
    ("x-symbolon-expires-at", "2026-11-23T09:00:00Z"),
    ("x-symbolon-revision", "12345"),
];
const TOLD: &str = r#"{"active":true,"sub":"1234567890123456789","username":"user12345@example.com","iat":1795417200,"exp":1795424400,"auth_time":1795417200,"iss":"http://127.0.0.1:18931","token_type":"Bearer","device_type":"server","profile":"Standard","revision":12345}"#;

/// How the handler stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// On hyper alone.
    Nothing,
    /// Behind axum's router.
    Router,
}

/// Serves for ever.
#[tokio::main]
pub(crate) async fn serve(port: u16, behind: Behind) {
    let router = Router::new().route("/", get(|| async {}));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
    loop {
        let (stream, _) = listener.accept().await.expect("connections can be accepted");
        let router = router.clone();
        tokio::spawn(async move {
            match behind {
                Behind::Nothing => welcome(stream, service_fn(answer)).await,
                Behind::Router => welcome(stream, TowerToHyperService::new(router)).await,
            }
        });
    }
}

async fn welcome<S>(stream: TcpStream, service: S)
where
    S: HttpService<Incoming, Error = Infallible>,
    S::ResBody: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    stream.set_nodelay(true).expect("a connection that was just accepted takes options");
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // Clients that go away are no fault here.
    drop(connection.await);
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    match request.uri().path() {
        LIKE_FORWARD_AUTH => {
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            for (name, value) in IDENTITY {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
        }
        LIKE_INTROSPECTION => {
            drop(request.into_body().collect().await);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            *response.body_mut() = Full::new(Bytes::from_static(TOLD.as_bytes()));
        }
        _ => {}
    }
    Ok(response)
}

//! What every request of the public listeners comes to first: verifications go straight to their answer,
//! everything else to the router.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::request::Parts;
use http::{Method, Request, Version, header};
use symbolon_wire::ext_authz::CHECK_PATH;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::answer::Kind;
use crate::answer_body::AnswerBody;
use crate::body::read_lean;
use crate::layers::told_of_panic;
use crate::origin::Connection;
use crate::state::HttpState;
use crate::verification::answering::Answering;
use crate::verification::proxies::Proxy;
use crate::verification::{
    AUTH_REQUEST, EXT_AUTHZ, FORWARD_AUTH, INTROSPECT, VERIFY, batch, ext_authz, proxies,
};

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Entrance {
    state: HttpState,
    router: Router,
}

/// How long the body of a proxy's question may come behind its answer. Meanwhile it counts among the streams of its
/// connection: long enough for what is on its way.
const BEHIND_ANSWER: Duration = Duration::from_secs(1);

/// What is answered without the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shortcut {
    Proxy(Proxy),
    Introspection,
    Batch,
    Check,
}

impl Entrance {
    /// The entrance of the public listeners.
    pub fn new(state: HttpState) -> Self {
        let router = crate::router(state.clone());
        Self { state, router }
    }

    /// Answers a request that came over `connection`.
    pub fn answer<B>(&self, connection: Connection, mut request: Request<B>) -> Answering<B>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let Some(shortcut) = shortcut_of(&request) else {
            request.extensions_mut().insert(connection);
            let answered = self.router.clone().oneshot(request.map(Body::new));
            return Answering::later(async {
                answered.await.unwrap_or_else(|never| match never {}).map(AnswerBody::from)
            });
        };
        match shortcut {
            Shortcut::Proxy(proxy) => {
                let (parts, body) = request.into_parts();
                if parts.version == Version::HTTP_2 && !body.is_end_stream() {
                    throw_away(body);
                }
                self.answer_proxy(proxy, connection, parts)
            }
            Shortcut::Introspection => {
                Answering::introspection(self.state.clone(), connection, request)
            }
            Shortcut::Batch => self.later(shortcut, async move |state| {
                batch::answer(&state, connection, request).await
            }),
            Shortcut::Check => self.later(shortcut, async move |state| {
                ext_authz::answer(&state, connection, request).await
            }),
        }
    }

    /// Nearly all that proxies ask is answered from memory: there is nothing to wait for, so nothing is
    /// set up that could wait.
    fn answer_proxy<B>(&self, proxy: Proxy, connection: Connection, parts: Parts) -> Answering<B> {
        let shortcut = Shortcut::Proxy(proxy);
        let at_once = || proxies::answer_at_once(&self.state, proxy, connection, &parts);
        match catch_unwind(AssertUnwindSafe(at_once)) {
            Ok(Some(response)) => Answering::known(response.map(AnswerBody::from)),
            Ok(None) => self.later(shortcut, async move |state| {
                proxies::answer(&state, proxy, connection, &parts).await
            }),
            Err(payload) => {
                let told = told_of_panic(shortcut.kind(), &*payload);
                Answering::known(told.map(AnswerBody::from))
            }
        }
    }

    fn later<B, F>(&self, shortcut: Shortcut, work: impl FnOnce(HttpState) -> F) -> Answering<B>
    where
        F: Future<Output = Response> + Send + 'static,
    {
        Answering::guarded(self.state.clone(), shortcut.kind(), work)
    }
}

/// Nobody waits for the body of a proxy's question. Over HTTP/2 it is read behind the answer all the same: dropped
/// unread it ends its stream with a reset, for which some clients forget the answer (RFC 9113 §8.1).
fn throw_away<B>(body: B)
where
    B: HttpBody<Data = Bytes> + Send + 'static,
{
    tokio::spawn(timeout(BEHIND_ANSWER, async { drop(read_lean(Bytes::new(), body, 0).await) }));
}

impl Shortcut {
    /// In which words its failures are told.
    fn kind(self) -> Kind {
        match self {
            Self::Introspection => Kind::OAuth,
            Self::Batch => Kind::Problem,
            Self::Proxy(_) | Self::Check => Kind::Plain,
        }
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entrance(..)")
    }
}

fn shortcut_of<B>(request: &Request<B>) -> Option<Shortcut> {
    let path = request.uri().path();
    if path.starts_with("/authz/") {
        return proxy_of(path).map(Shortcut::Proxy);
    }
    if request.method() != Method::POST {
        return None;
    }
    match path {
        INTROSPECT => Some(Shortcut::Introspection),
        VERIFY => Some(Shortcut::Batch),
        CHECK_PATH if is_grpc(request) => Some(Shortcut::Check),
        _ => None,
    }
}

fn proxy_of(path: &str) -> Option<Proxy> {
    match path {
        FORWARD_AUTH => Some(Proxy::ForwardAuth),
        AUTH_REQUEST => Some(Proxy::AuthRequest),
        _ => {
            let behind = path.strip_prefix(EXT_AUTHZ)?;
            (behind.is_empty() || behind.starts_with('/')).then_some(Proxy::ExtAuthz)
        }
    }
}

/// gRPC has no other way to travel than HTTP/2.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let media_type = request.headers().get(header::CONTENT_TYPE);
    request.version() == Version::HTTP_2
        && media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortcut(method: Method, path: &str) -> Option<Shortcut> {
        shortcut_of(&Request::builder().method(method).uri(path).body(()).unwrap())
    }

    #[test]
    fn verifications_take_the_shortcut_and_everything_else_the_router() {
        let ext_authz = Some(Shortcut::Proxy(Proxy::ExtAuthz));

        for (method, path, expected) in [
            (Method::GET, "/authz/auth-request", Some(Shortcut::Proxy(Proxy::AuthRequest))),
            (
                Method::DELETE,
                "/authz/forward-auth?profile=a",
                Some(Shortcut::Proxy(Proxy::ForwardAuth)),
            ),
            (Method::PUT, "/authz/ext-authz/a/b", ext_authz),
            (Method::PUT, "/authz/ext-authz", ext_authz),
            (Method::GET, "/authz/ext-authzed", None),
            (Method::GET, "/authz/other", None),
            (Method::POST, "/services/oauth2/introspect", Some(Shortcut::Introspection)),
            (Method::GET, "/services/oauth2/introspect", None),
            (Method::POST, "/services/oauth2/introspect/", None),
            (Method::POST, "/api/v1/verify", Some(Shortcut::Batch)),
            (Method::POST, "/envoy.service.auth.v3.Authorization/Check", None),
            (Method::POST, "/services/oauth2/token", None),
        ] {
            assert_eq!(shortcut(method, path), expected, "{path}");
        }
    }
}

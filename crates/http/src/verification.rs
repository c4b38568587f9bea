//! Verification: introspection, batches and the questions of proxies, answered from the live view.
//!
//! These are asked thousands of times a second, so the [`Entrance`] takes them past the router: no span,
//! no log line, no copy of the body and no timer that is not needed. The router knows the same paths
//! for spellings that are not the usual one; either way the same functions answer.

mod batch;
mod caller;
mod demand;
mod entrance;
mod ext_authz;
mod introspection;
mod proxies;
mod unproved;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, post};
use http::{HeaderValue, Method};

pub use entrance::{Answering, Entrance};

use crate::origin::Connection;
use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;
use proxies::Proxy;

/// What may not be kept by anybody in between: every answer here.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

const INTROSPECT: &str = "/services/oauth2/introspect";
const VERIFY: &str = "/api/v1/verify";
const FORWARD_AUTH: &str = "/authz/forward-auth";
const AUTH_REQUEST: &str = "/authz/auth-request";
const EXT_AUTHZ: &str = "/authz/ext-authz";

/// The routes of this head. Proxies ask with any method.
pub fn routes() -> Vec<Route> {
    let route =
        |method, path, admits, handler| Route { method, path, admits, proof: Proof::Any, handler };
    vec![
        route(Method::POST, INTROSPECT, Admits::ApiClient, post(introspect)),
        route(Method::POST, VERIFY, Admits::ApiClient, post(verify)),
        route(Method::GET, FORWARD_AUTH, Admits::ApiSession, any(forward_auth)),
        route(Method::GET, AUTH_REQUEST, Admits::ApiSession, any(auth_request)),
        route(Method::GET, EXT_AUTHZ, Admits::ApiSession, any(ext_authz)),
        route(Method::GET, "/authz/ext-authz/{*path}", Admits::ApiSession, any(ext_authz)),
    ]
}

async fn introspect(
    State(state): State<HttpState>,
    connection: Connection,
    request: Request,
) -> Response {
    introspection::answer(&state, connection, request).await
}

async fn verify(
    State(state): State<HttpState>,
    connection: Connection,
    request: Request,
) -> Response {
    batch::answer(&state, connection, request).await
}

async fn forward_auth(
    State(state): State<HttpState>,
    connection: Connection,
    request: Request,
) -> Response {
    proxies::answer(&state, Proxy::ForwardAuth, connection, &request.into_parts().0).await
}

async fn auth_request(
    State(state): State<HttpState>,
    connection: Connection,
    request: Request,
) -> Response {
    proxies::answer(&state, Proxy::AuthRequest, connection, &request.into_parts().0).await
}

async fn ext_authz(
    State(state): State<HttpState>,
    connection: Connection,
    request: Request,
) -> Response {
    proxies::answer(&state, Proxy::ExtAuthz, connection, &request.into_parts().0).await
}

//! Routers, pages and protocol heads: requests in, answers out. No SQL, no decision.
//!
//! [`router`] is made of the tables of [`routes::Route`]s alone; each says whom it admits, and a test
//! walks them all. Around every route lie, from the outside: path normalisation, the span and its
//! counters, security headers, time limit and panic net, the check of the host name.

mod answer;
mod answer_body;
mod api;
pub mod body;
pub mod control;
mod forwarded;
pub mod heads;
pub mod health;
pub mod host;
mod instant;
mod large_bodies;
mod layers;
mod leaks;
pub mod metrics;
pub mod normalise;
pub mod origin;
pub mod pages;
pub mod routes;
pub mod state;
pub mod verification;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use http::StatusCode;

use crate::answer::{Kind, refuse};
pub use crate::answer_body::AnswerBody;
pub use crate::health::ops_router;
use crate::host::HostRule;
pub use crate::metrics::Metrics;
pub use crate::origin::{Connection, RequestOrigin};
use crate::routes::Route;
pub use crate::state::{Front, HttpState};
pub use crate::verification::{Answering, Entrance};

/// Every route of the public listeners.
pub fn all_routes() -> Vec<Route> {
    let mut routes = heads::routes();
    routes.extend(verification::routes());
    routes.extend(leaks::routes());
    routes.extend(api::routes());
    routes.extend(health::routes());
    routes.extend(pages::routes());
    routes
}

/// The router of the public listeners.
///
/// Each request must carry a [`Connection`] in its extensions.
pub fn router(state: HttpState) -> Router {
    let host_rule = HostRule::of(&state);
    let front = Arc::clone(&state.front);
    let inner = routes::assemble(all_routes())
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(state.clone(), layers::gather))
        .layer(from_fn_with_state(host_rule, host::check))
        .layer(from_fn(layers::guard))
        .layer(from_fn_with_state(state.ctx.clone(), layers::harden))
        .layer(from_fn_with_state(front, layers::observe))
        .with_state(state);
    Router::new().fallback_service(normalise::normalise(inner))
}

async fn not_found(request: Request) -> Response {
    refuse(Kind::of(request.uri().path()), StatusCode::NOT_FOUND, "There is nothing here.")
}

async fn wrong_method(request: Request) -> Response {
    let kind = Kind::of(request.uri().path());
    refuse(kind, StatusCode::METHOD_NOT_ALLOWED, "The method of the request is not possible here.")
}

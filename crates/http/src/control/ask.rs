//! What a request to the control socket is taken apart by.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use symbolon_core::Id;
use symbolon_core::id::Kind;

use super::problem::Failed;
use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;

/// The mark that the control socket's listener puts into each request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct ControlSocket;

/// Proof that a request came over the control socket. Every handler here takes one.
pub(super) struct Operator;

impl FromRequestParts<HttpState> for Operator {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Failed> {
        match parts.extensions.get::<ControlSocket>() {
            Some(ControlSocket) => Ok(Self),
            None => Err(Failed::not_the_operator(&state.ctx)),
        }
    }
}

/// A JSON body, read strictly.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<HttpState> for Body<T> {
    type Rejection = Failed;

    async fn from_request(req: Request, state: &HttpState) -> Result<Self, Failed> {
        let bytes = Bytes::from_request(req, state).await;
        let bytes = bytes.map_err(|_| Failed::unreadable(&state.ctx, "the body was cut off"))?;
        // Only the place of the fault is told: serde would repeat the value, which may be a password.
        serde_json::from_slice(&bytes).map(Self).map_err(|fault| {
            let told = format!("bad JSON in column {} of the body", fault.column());
            Failed::unreadable(&state.ctx, &told)
        })
    }
}

/// The query's fields, read strictly.
pub(crate) struct Fields<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<HttpState> for Fields<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Failed> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(fields)) => Ok(Self(fields)),
            Err(_) => Err(Failed::unreadable(
                &state.ctx,
                "the query has a field that is not known or not readable",
            )),
        }
    }
}

/// The variable segment of the path; where there are several, a tuple of them.
pub(crate) struct Named<T = String>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<HttpState> for Named<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Failed> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(_) => Err(Failed::unreadable(&state.ctx, "the path is not UTF-8")),
        }
    }
}

/// Most rows of one answer; whoever wants more asks for the next page.
const MOST_ROWS: i64 = 1000;

/// How many rows, and after which.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageFields {
    limit: Option<i64>,
    pub(super) after: Option<String>,
    pub(super) user: Option<String>,
}

impl PageFields {
    pub(super) fn limit(&self) -> i64 {
        self.limit.unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS)
    }
}

/// Reads an identifier; one that is not well-formed names nothing.
pub(crate) fn id_of<K: Kind>(
    state: &HttpState,
    what: &'static str,
    text: &str,
) -> Result<Id<K>, Failed> {
    text.parse().map_err(|_| Failed::not_found(&state.ctx, what))
}

/// A route of the control socket.
pub(super) fn route<H, T>(method: MethodFilter, path: &'static str, handler: H) -> Route
where
    H: Handler<T, HttpState>,
    T: 'static,
{
    let named = match method {
        MethodFilter::POST => Method::POST,
        MethodFilter::PUT => Method::PUT,
        MethodFilter::PATCH => Method::PATCH,
        MethodFilter::DELETE => Method::DELETE,
        _ => Method::GET,
    };
    let (admits, proof) = (Admits::Operator, Proof::Any);
    Route { method: named, path, admits, proof, handler: on(method, handler) }
}

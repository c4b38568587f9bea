//! `/api/v1/openapi.json`: what the JSON API is, for programs. The page `/api/v1/docs` is made of the same
//! document, and tests hold it against the routes, the problem types and the answers themselves.

use std::sync::LazyLock;

use axum::response::Response;
use axum::routing::get;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::answer::{JSON, answer};
use crate::routes::{Admits, Proof, Route};

const PATH: &str = "/api/v1/openapi.json";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../assets/openapi.json");
    let mut document: Value =
        serde_json::from_str(text).expect("the asset is JSON: a test reads it");
    document["info"]["version"] = Value::from(env!("CARGO_PKG_VERSION"));
    document
});

/// The description, in the form of `OpenAPI` 3.1.
pub(crate) fn document() -> &'static Value {
    &DOCUMENT
}

/// The routes about the description.
pub(super) fn routes() -> Vec<Route> {
    let (admits, proof) = (Admits::Anyone, Proof::Any);
    vec![Route { method: Method::GET, path: PATH, admits, proof, handler: get(show) }]
}

async fn show() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
    answer(StatusCode::OK, JSON, TEXT.clone())
}

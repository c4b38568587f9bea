//! OAuth 2 as Salesforce's clients speak it: the token endpoint, revocation, user info, the identity
//! service and the metadata.

mod person;
mod revoke;
mod token;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::{Method, StatusCode};
use symbolon_app::AppError;
use symbolon_wire::oauth;

use crate::answer::{JSON, Kind, answer};
use crate::heads::failure::Failure;
use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;

/// Bytes of a form: user name, password and client credentials, all percent-encoded.
const FORM_LIMIT: usize = 10 * 1024;
/// The media type of every request body here.
const FORM_TYPES: [&str; 1] = ["application/x-www-form-urlencoded"];

/// The routes of this head.
pub(super) fn routes() -> Vec<Route> {
    let route =
        |method, path, admits, handler| Route { method, path, admits, proof: Proof::Any, handler };
    vec![
        route(Method::POST, "/services/oauth2/token", Admits::ApiClient, post(token::issue)),
        // Who holds a token may end it; there is nothing else to prove (RFC 7009 §2.1 asks public
        // clients for no more).
        route(Method::GET, "/services/oauth2/revoke", Admits::Anyone, get(revoke::by_query)),
        route(Method::POST, "/services/oauth2/revoke", Admits::Anyone, post(revoke::by_form)),
        route(Method::GET, "/services/oauth2/userinfo", Admits::ApiSession, get(person::user_info)),
        route(
            Method::POST,
            "/services/oauth2/userinfo",
            Admits::ApiSession,
            post(person::user_info),
        ),
        route(Method::GET, "/id/{org}/{user}", Admits::ApiSession, get(person::identity)),
        route(
            Method::GET,
            "/.well-known/oauth-authorization-server",
            Admits::Anyone,
            get(metadata),
        ),
    ]
}

async fn metadata(State(state): State<HttpState>) -> Response {
    let settings = &state.ctx.settings;
    let grant_types: &[&str] = if settings.password_grant.is_on() { &["password"] } else { &[] };
    answer(StatusCode::OK, JSON, oauth::metadata_json(&settings.public_url, grant_types))
}

/// The answer where a use case was not done.
fn failed(error: &AppError) -> Response {
    Failure::noted(error).refuse(Kind::OAuth)
}

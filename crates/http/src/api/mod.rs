//! The JSON API: what a user does to his own tokens, by a program; and its description. Administrators have the
//! command line.
//!
//! Who asks proves himself by an API session, which a password and a token have opened; what ends or makes
//! a token asks for the current password as well, as the pages do. No answer ever holds a token.

mod caller;
pub(crate) mod description;
mod paging;
pub(crate) mod shapes;
mod sharing;
mod tokens;

use axum::routing::MethodRouter;
use http::Method;

use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;

/// The routes of this room.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = tokens::routes();
    routes.extend(sharing::routes());
    routes.extend(description::routes());
    routes
}

/// A route for whoever holds an API session.
fn route(method: Method, path: &'static str, handler: MethodRouter<HttpState>) -> Route {
    Route { method, path, admits: Admits::ApiSession, proof: Proof::Any, handler }
}

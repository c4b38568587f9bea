//! Every route, whom it admits, and the router made of nothing else.

use axum::Router;
use axum::routing::MethodRouter;
use http::Method;

use crate::state::HttpState;

/// Whom a route admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Admits {
    /// Anyone: log-in pages, health, assets, the heads' own log-ins.
    Anyone,
    /// Who holds a web session.
    LoggedIn,
    /// Who holds a web session and is an administrator.
    Administrator,
    /// Who holds a single-use link.
    LinkBearer,
    /// Who holds an API session.
    ApiSession,
    /// A registered API client.
    ApiClient,
    /// Who may use the control socket.
    Operator,
}

/// Whether a route wants its user to have proved himself lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// It does not.
    Any,
    /// It does: what it changes matters.
    Recent,
}

/// One route. The router is made of these alone, so that the test over them covers it whole.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method it takes.
    pub method: Method,
    /// Its path, in axum's notation.
    pub path: &'static str,
    /// Whom it admits.
    pub admits: Admits,
    /// Whether it wants a recent proof.
    pub proof: Proof,
    /// What answers.
    pub handler: MethodRouter<HttpState>,
}

/// Makes the router of `routes`.
pub fn assemble(routes: Vec<Route>) -> Router<HttpState> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
}

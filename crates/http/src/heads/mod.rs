//! The protocol heads: what programs speak to the authority.
//!
//! A head reads bytes through `wire`, calls one use case and renders what came of it through `wire`
//! again. What it adds is which status code and which of its protocol's errors an outcome becomes.
//! No cookie is ever looked at here: a browser's session opens no API.

mod failure;
mod ids;
mod oauth;
mod rest;
pub(crate) mod session;
mod soap;

pub(crate) use failure::Failure;

use crate::routes::Route;

/// The routes of every head.
pub fn routes() -> Vec<Route> {
    let mut routes = soap::routes();
    routes.extend(oauth::routes());
    routes.extend(rest::routes());
    routes
}

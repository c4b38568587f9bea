//! The administrative JSON interface: what the command line says to a running server.
//!
//! It is served on the unix socket in the data dir alone. File permission guards it: whoever may
//! open the socket is the operator. Each handler demands the mark that only that listener puts on a
//! request ([`ControlSocket`]), so that a route which strays onto a network listener admits nobody.
//! Answers are plain JSON, refusals RFC 9457 problems whose `type` tells scripts what happened.

pub(crate) mod ask;
mod audit;
pub(crate) mod breakage;
mod bulk_resets;
mod clients;
mod device_types;
mod logins;
mod mail;
mod networks;
pub(crate) mod problem;
mod profiles;
mod rotations;
mod setup;
pub(crate) mod sharing;
pub mod spans;
mod tokens;
mod users;

use axum::Router;

pub use ask::ControlSocket;
pub use problem::kind;

use crate::routes::{Route, assemble};
use crate::state::HttpState;

/// Every route of the control socket.
pub fn routes() -> Vec<Route> {
    [
        users::routes(),
        tokens::routes(),
        rotations::routes(),
        bulk_resets::routes(),
        networks::routes(),
        clients::routes(),
        device_types::routes(),
        profiles::routes(),
        logins::routes(),
        mail::routes(),
        sharing::routes(),
        audit::routes(),
        setup::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The router of the control socket. Its listener marks each request with [`ControlSocket`].
pub fn router(state: HttpState) -> Router {
    assemble(routes()).fallback(problem::no_such_route).with_state(state)
}

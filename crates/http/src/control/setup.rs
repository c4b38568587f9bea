//! The setup link and the state of the server, over the control socket.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde::Serialize;
use symbolon_app::hashing::Priority;
use symbolon_app::links::LinkKind;
use symbolon_app::setup;

use super::ask::{Operator, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::POST, "/setup-link", issue_setup_link),
        route(MethodFilter::GET, "/status", status),
    ]
}

#[derive(Serialize)]
struct SetupLinkShape {
    url: String,
    expires_at: String,
}

async fn issue_setup_link(
    _: Operator,
    State(state): State<HttpState>,
) -> Result<Json<SetupLinkShape>, Failed> {
    let ctx = &state.ctx;
    let link = setup::issue_setup_link(ctx).await;
    let (secret, expires_at) = link.map_err(|error| Failed::app(ctx, &error))?;
    let url = format!("{}{}", ctx.settings.public_url, LinkKind::Setup.path(&secret));
    Ok(Json(SetupLinkShape { url, expires_at: expires_at.rfc3339() }))
}

#[derive(Serialize)]
struct StatusShape {
    version: &'static str,
    public_url: String,
    mail_configured: bool,
    has_administrator: bool,
    /// The priority of the threads that hash: `idle`, `normal` or `not-known-yet`.
    hashing: &'static str,
}

async fn status(_: Operator, State(state): State<HttpState>) -> Result<Json<StatusShape>, Failed> {
    let ctx = &state.ctx;
    let known = setup::has_administrator(ctx).await;
    Ok(Json(StatusShape {
        version: env!("CARGO_PKG_VERSION"),
        public_url: ctx.settings.public_url.clone(),
        mail_configured: ctx.settings.mail_configured.is_on(),
        has_administrator: known.map_err(|error| Failed::app(ctx, &error))?,
        hashing: match ctx.hasher.priority() {
            Priority::Idle => "idle",
            Priority::Normal => "normal",
            Priority::NotKnownYet => "not-known-yet",
        },
    }))
}

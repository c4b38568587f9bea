//! The login history, over the control socket.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde::Serialize;
use symbolon_app::history::{self, LoginEntry};

use super::ask::{Fields, Operator, PageFields, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![route(MethodFilter::GET, "/logins", list)]
}

/// The shape of contract §1.
#[derive(Serialize)]
struct LoginShape {
    time: String,
    user: String,
    head: String,
    client: String,
    source: String,
    outcome: String,
    reason: String,
    correlation_id: String,
}

impl From<LoginEntry> for LoginShape {
    fn from(entry: LoginEntry) -> Self {
        Self {
            time: entry.at.rfc3339(),
            user: entry.username,
            head: entry.head,
            client: entry.client,
            source: entry.source,
            outcome: entry.outcome,
            reason: entry.reason,
            correlation_id: entry.correlation_id,
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
    Fields(page): Fields<PageFields>,
) -> Result<Json<Vec<LoginShape>>, Failed> {
    let ctx = &state.ctx;
    let entries = match &page.user {
        Some(username) => history::list_of(ctx, username, page.limit()).await,
        None => history::list(ctx, None, page.limit(), None).await,
    };
    let entries = entries.map_err(|error| Failed::app(ctx, &error))?;
    Ok(Json(entries.into_iter().map(LoginShape::from).collect()))
}

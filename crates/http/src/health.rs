//! Whether the server is alive and whether it can answer truthfully, and the router of the operators'
//! listener.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::{Method, StatusCode};
use symbolon_app::{AppError, mail_status, sessions};
use tokio::time::timeout;

use crate::answer::{TEXT, answer};
use crate::metrics;
use crate::routes::{Admits, Proof, Route, assemble};
use crate::state::HttpState;

/// How long the database may take to answer a health check.
const PATIENCE: Duration = Duration::from_secs(2);

/// The routes of health checks, for every listener.
pub fn routes() -> Vec<Route> {
    vec![
        Route {
            method: Method::GET,
            path: "/livez",
            admits: Admits::Anyone,
            proof: Proof::Any,
            handler: get(alive),
        },
        Route {
            method: Method::GET,
            path: "/readyz",
            admits: Admits::Anyone,
            proof: Proof::Any,
            handler: get(ready),
        },
    ]
}

/// The router of the operators' listener: `/metrics`, `/livez`, `/readyz`.
///
/// Whoever reaches that listener may read all of it; it listens on loopback unless told otherwise.
pub fn ops_router(state: HttpState) -> Router {
    let metrics = Route {
        method: Method::GET,
        path: "/metrics",
        admits: Admits::Anyone,
        proof: Proof::Any,
        handler: get(render_metrics),
    };
    let mut routes = routes();
    routes.push(metrics);
    assemble(routes).with_state(state)
}

async fn alive() -> Response {
    answer(StatusCode::OK, TEXT, "ok\n".to_owned())
}

async fn ready(State(state): State<HttpState>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let verbose = query.split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    let checks = checks(&state).await;
    let is_ready = checks.iter().all(|check| check.fault.is_none());
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text = String::new();
    for check in checks.iter().filter(|check| verbose || check.fault.is_some()) {
        let line = match check.fault {
            None => writeln!(text, "[+] {}: ok", check.name),
            Some(fault) => writeln!(text, "[-] {}: {fault}", check.name),
        };
        line.expect("writing to a string cannot fail");
    }
    text.push_str(if is_ready { "ok\n" } else { "not ready\n" });
    answer(status, TEXT, text)
}

/// One thing that must hold for true answers.
struct Check {
    name: &'static str,
    fault: Option<&'static str>,
}

async fn checks(state: &HttpState) -> [Check; 3] {
    // The organization's row is written after the migrations, so that finding it proves them done.
    let found = timeout(PATIENCE, sessions::organization(&state.ctx)).await;
    let (database, migrations) = match found {
        Ok(Ok(_)) => (None, None),
        Ok(Err(AppError::Database(_) | AppError::Busy)) => {
            (Some("does not answer"), Some("not known"))
        }
        Ok(Err(_)) => (None, Some("not done")),
        Err(_) => (Some("does not answer within 2 seconds"), Some("not known")),
    };
    let live = &state.ctx.live;
    let view = match (live.gate.is_open(), live.view.is_filling()) {
        (true, _) => None,
        (false, true) => Some("is still being filled"),
        (false, false) => Some("is not known to be current"),
    };
    [
        Check { name: "database", fault: database },
        Check { name: "migrations", fault: migrations },
        Check { name: "live view", fault: view },
    ]
}

async fn render_metrics(State(state): State<HttpState>) -> Response {
    // A figure that cannot be had now keeps its last value; that the database is gone is what
    // `/readyz` tells.
    if let Ok(Ok(outbox)) = timeout(PATIENCE, mail_status::summary(&state.ctx)).await {
        state.front.metrics.note_outbox(outbox.waiting, outbox.refused);
    }
    state.front.metrics.note_hashing(&state.ctx.hasher);
    let (live, notebook) = (&state.ctx.live, &state.ctx.notebook);
    state.front.metrics.note_live_view(live.view.len(), live.view.applied(), live.gate.is_open());
    state.front.metrics.note_losses(notebook.dropped(), live.view.left_out());
    answer(StatusCode::OK, metrics::CONTENT_TYPE, state.front.metrics.render())
}

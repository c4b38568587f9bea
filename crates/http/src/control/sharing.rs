//! Tokens that look shared, over the control socket: what was seen, and that it was a false alarm.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::Actor;
use symbolon_app::sharing::{self, SignalView};

use super::ask::{Fields, Named, Operator, id_of, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/sharing-signals", list),
        route(MethodFilter::POST, "/sharing-signals/{signal}/false-alarm", false_alarm),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    user: Option<String>,
}

/// A signal, as programs read it.
#[derive(Serialize)]
pub(crate) struct SignalShape {
    pub(crate) id: String,
    user: String,
    token: String,
    rule: &'static str,
    about: String,
    evidence: String,
    first_at: String,
    last_at: String,
    false_alarm_at: Option<String>,
    false_alarm_by: Option<String>,
}

impl From<SignalView> for SignalShape {
    fn from(signal: SignalView) -> Self {
        let (at, by) = signal.false_alarm.unzip();
        Self {
            id: signal.id.to_string(),
            user: signal.username.to_string(),
            token: signal.token.to_string(),
            rule: signal.rule.word(),
            about: signal.subject.to_string(),
            evidence: signal.evidence,
            first_at: signal.first_at.rfc3339(),
            last_at: signal.last_at.rfc3339(),
            false_alarm_at: at.map(symbolon_core::Timestamp::rfc3339),
            false_alarm_by: by,
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
    Fields(of): Fields<Of>,
) -> Result<Json<Vec<SignalShape>>, Failed> {
    let signals = sharing::list_of(&state.ctx, of.user.as_deref()).await;
    let signals = signals.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(signals.into_iter().map(SignalShape::from).collect()))
}

async fn false_alarm(
    _: Operator,
    State(state): State<HttpState>,
    Named(signal): Named,
) -> Result<StatusCode, Failed> {
    let signal = id_of(&state, "sharing signal", &signal)?;
    let outcome = sharing::mark_false_alarm(&state.ctx, Actor::Operator, None, signal).await;
    outcome.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failed::app(&state.ctx, &error))
}

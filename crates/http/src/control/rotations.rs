//! Rotations, over the control socket: begun for a user, and cancelled. Never a token itself.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde::{Deserialize, Serialize};
use symbolon_app::rotation::{self, RotationFor};
use symbolon_app::{Actor, AppError};
use symbolon_core::names::DeviceType;

use super::ask::{Body, Named, Operator, route};
use super::problem::Failed;
use super::spans;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::POST, "/users/{username}/rotate", rotate),
        route(MethodFilter::POST, "/users/{username}/cancel-rotation", cancel),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    device_type: Option<String>,
    overlap: Option<String>,
    request_key: Option<String>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct RotationShape {
    token: String,
    revision: i64,
    /// Whether this request did it; not so where the same key came before.
    fresh: bool,
    outgoing: Option<String>,
    outgoing_until: Option<String>,
}

async fn rotate(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
    Body(asked): Body<Rotate>,
) -> Result<Json<RotationShape>, Failed> {
    let ctx = &state.ctx;
    let overlap = asked.overlap.as_deref().map(spans::parse).transpose();
    let overlap = overlap.map_err(|_| Failed::app(ctx, &AppError::Invalid(NO_SPAN)))?;
    let order = RotationFor {
        device_type: device_type_of(&state, asked.device_type.as_deref())?,
        overlap,
        request_key: asked.request_key.as_deref(),
        reason: asked.reason.as_deref(),
    };
    let receipt = rotation::rotate_for(ctx, Actor::Operator, &username, order).await;
    let receipt = receipt.map_err(|error| Failed::reset(ctx, &error))?;
    Ok(Json(RotationShape {
        token: receipt.token.to_string(),
        revision: receipt.revision,
        fresh: receipt.fresh,
        outgoing: receipt.outgoing.map(|(token, _)| token.to_string()),
        outgoing_until: receipt.outgoing.map(|(_, until)| until.rfc3339()),
    }))
}

const NO_SPAN: &str = "the overlap is a span such as 24h";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    device_type: Option<String>,
}

#[derive(Serialize)]
struct CancelledShape {
    retired: String,
    kept: String,
    revision: i64,
}

async fn cancel(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
    Body(asked): Body<Cancel>,
) -> Result<Json<CancelledShape>, Failed> {
    let ctx = &state.ctx;
    let device_type = device_type_of(&state, asked.device_type.as_deref())?;
    let done = rotation::cancel_for(ctx, Actor::Operator, &username, &device_type).await;
    let done = done.map_err(|error| Failed::reset(ctx, &error))?;
    let (retired, kept) = (done.retired.to_string(), done.kept.to_string());
    Ok(Json(CancelledShape { retired, kept, revision: done.revision }))
}

fn device_type_of(state: &HttpState, text: Option<&str>) -> Result<DeviceType, Failed> {
    let parsed = text.map(DeviceType::parse).transpose();
    let parsed = parsed.map_err(|fault| Failed::name(&state.ctx, "the device type", fault))?;
    Ok(parsed.unwrap_or_else(DeviceType::any))
}

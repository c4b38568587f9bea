//! Trusted networks, over the control socket.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::Actor;
use symbolon_app::networks::{self, NetworkView};
use symbolon_core::names::DisplayName;
use symbolon_core::network::Network;

use super::ask::{Body, Fields, Operator, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/networks", list),
        route(MethodFilter::POST, "/networks", add),
        route(MethodFilter::DELETE, "/networks", remove),
    ]
}

#[derive(Serialize)]
struct NetworkShape {
    id: String,
    range: String,
    label: String,
    created_at: String,
}

impl From<NetworkView> for NetworkShape {
    fn from(network: NetworkView) -> Self {
        Self {
            id: network.id.to_string(),
            range: network.range.to_string(),
            label: network.label,
            created_at: network.created_at.rfc3339(),
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
) -> Result<Json<Vec<NetworkShape>>, Failed> {
    let networks = networks::list(&state.ctx).await;
    let networks = networks.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(networks.into_iter().map(NetworkShape::from).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    range: String,
    label: Option<String>,
}

async fn add(
    _: Operator,
    State(state): State<HttpState>,
    Body(asked): Body<Add>,
) -> Result<(StatusCode, Json<NetworkShape>), Failed> {
    let ctx = &state.ctx;
    let range = range_of(&state, &asked.range)?;
    let label = asked.label.as_deref().map(DisplayName::parse).transpose();
    let label = label.map_err(|fault| Failed::name(ctx, "the label", fault))?;
    let network = networks::add(ctx, Actor::Operator, range, label).await;
    let network = network.map_err(|error| Failed::app(ctx, &error))?;
    Ok((StatusCode::CREATED, Json(network.into())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Remove {
    range: String,
}

async fn remove(
    _: Operator,
    State(state): State<HttpState>,
    Fields(asked): Fields<Remove>,
) -> Result<StatusCode, Failed> {
    let range = range_of(&state, &asked.range)?;
    let outcome = networks::remove(&state.ctx, Actor::Operator, range).await;
    outcome.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failed::app(&state.ctx, &error))
}

fn range_of(state: &HttpState, text: &str) -> Result<Network, Failed> {
    Network::parse(text)
        .map_err(|fault| Failed::unreadable(&state.ctx, &format!("the range {fault}")))
}

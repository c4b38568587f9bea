//! Device types, over the control socket.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::Actor;
use symbolon_app::device_types::{self, DeviceTypeView};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::names::DeviceType;
use symbolon_core::verification::BearerUse;

use super::ask::{Body, Named, Operator, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/device-types", list),
        route(MethodFilter::POST, "/device-types", add),
        route(MethodFilter::PATCH, "/device-types/{name}", set),
    ]
}

#[derive(Serialize)]
struct DeviceTypeShape {
    name: String,
    bearer: bool,
    created_at: String,
}

impl From<DeviceTypeView> for DeviceTypeShape {
    fn from(device_type: DeviceTypeView) -> Self {
        Self {
            name: device_type.name.to_string(),
            bearer: device_type.rules.bearer == BearerUse::Allowed,
            created_at: device_type.created_at.rfc3339(),
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
) -> Result<Json<Vec<DeviceTypeShape>>, Failed> {
    let device_types = device_types::list(&state.ctx).await;
    let device_types = device_types.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(device_types.into_iter().map(DeviceTypeShape::from).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    bearer: bool,
}

async fn add(
    _: Operator,
    State(state): State<HttpState>,
    Body(asked): Body<Add>,
) -> Result<(StatusCode, Json<DeviceTypeShape>), Failed> {
    let ctx = &state.ctx;
    let name = DeviceType::parse(&asked.name)
        .map_err(|fault| Failed::name(ctx, "the device type's name", fault))?;
    let rules = DeviceRules { bearer: bearer(asked.bearer), ..DeviceRules::default() };
    let added = device_types::add(ctx, Actor::Operator, name, rules).await;
    let added = added.map_err(|error| Failed::app(ctx, &error))?;
    Ok((StatusCode::CREATED, Json(added.into())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    bearer: bool,
}

async fn set(
    _: Operator,
    State(state): State<HttpState>,
    Named(name): Named,
    Body(asked): Body<Set>,
) -> Result<Json<DeviceTypeShape>, Failed> {
    let ctx = &state.ctx;
    // A name that cannot be one is that of no device type.
    let name = DeviceType::parse(&name).map_err(|_| Failed::not_found(ctx, "device type"))?;
    let set = device_types::set(ctx, Actor::Operator, &name, |rules| {
        rules.bearer = bearer(asked.bearer);
    })
    .await;
    set.map(|set| Json(set.into())).map_err(|error| Failed::app(ctx, &error))
}

const fn bearer(on: bool) -> BearerUse {
    if on { BearerUse::Allowed } else { BearerUse::OneHalf }
}

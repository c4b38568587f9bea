//! Resets of whole profiles, over the control socket: the command line drives them step by step.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodFilter;
use serde::{Deserialize, Serialize};
use symbolon_app::Actor;
use symbolon_app::bulk_reset::{self, Asked, BulkResetView};
use symbolon_core::Timestamp;
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;

use super::ask::{Body, Named, Operator, id_of, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/bulk-resets", list),
        route(MethodFilter::POST, "/bulk-resets", begin),
        route(MethodFilter::POST, "/bulk-resets/{bulk_reset}/step", step),
        route(MethodFilter::DELETE, "/bulk-resets/{bulk_reset}", cancel),
    ]
}

#[derive(Serialize)]
struct BulkResetShape {
    id: String,
    profile: String,
    device_type: String,
    scope: &'static str,
    reason: String,
    state: &'static str,
    users: i64,
    done: i64,
    passed_over: i64,
    created_at: String,
    ended_at: Option<String>,
}

impl From<BulkResetView> for BulkResetShape {
    fn from(BulkResetView(bulk): BulkResetView) -> Self {
        Self {
            id: bulk.id.to_string(),
            profile: bulk.profile_name,
            device_type: bulk.device_type.to_string(),
            scope: match bulk.scope {
                Scope::Account => "account",
                Scope::DeviceType => "device-type",
            },
            reason: bulk.reason,
            state: bulk.state.word(),
            users: bulk.total,
            done: bulk.done,
            passed_over: bulk.passed_over,
            created_at: bulk.created_at.rfc3339(),
            ended_at: bulk.ended_at.map(Timestamp::rfc3339),
        }
    }
}

#[derive(Serialize)]
struct ForecastShape {
    users: i64,
    passed_over: i64,
    tokens: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    profile: String,
    device_type: Option<String>,
    scope: ScopeShape,
    reason: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ScopeShape {
    Account,
    DeviceType,
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
) -> Result<Json<Vec<BulkResetShape>>, Failed> {
    let ctx = &state.ctx;
    let all = bulk_reset::list(ctx).await.map_err(|error| Failed::app(ctx, &error))?;
    Ok(Json(all.into_iter().map(BulkResetShape::from).collect()))
}

async fn begin(
    _: Operator,
    State(state): State<HttpState>,
    Body(begin): Body<Begin>,
) -> Result<Response, Failed> {
    let ctx = &state.ctx;
    let device_type = begin.device_type.as_deref().map(DeviceType::parse).transpose();
    let device_type = device_type
        .map_err(|fault| Failed::name(ctx, "the device type", fault))?
        .unwrap_or_else(DeviceType::any);
    let scope = match begin.scope {
        ScopeShape::Account => Scope::Account,
        ScopeShape::DeviceType => Scope::DeviceType,
    };
    let reason = begin.reason.as_deref();
    let asked = Asked { profile: &begin.profile, device_type, scope, reason };
    if begin.dry_run {
        let forecast = bulk_reset::forecast(ctx, &asked).await;
        let forecast = forecast.map_err(|error| Failed::app(ctx, &error))?;
        let (users, passed_over) = (forecast.users, forecast.passed_over);
        return Ok(
            Json(ForecastShape { users, passed_over, tokens: forecast.tokens }).into_response()
        );
    }
    let begun = bulk_reset::begin(ctx, Actor::Operator, &asked).await;
    let begun = begun.map_err(|error| Failed::app(ctx, &error))?;
    Ok(Json(BulkResetShape::from(begun)).into_response())
}

async fn step(
    _: Operator,
    State(state): State<HttpState>,
    Named(id): Named,
) -> Result<Json<BulkResetShape>, Failed> {
    let (ctx, id) = (&state.ctx, id_of(&state, "bulk reset", &id)?);
    let stands = bulk_reset::step(ctx, Actor::Operator, id).await;
    stands.map(|stands| Json(stands.into())).map_err(|error| Failed::app(ctx, &error))
}

async fn cancel(
    _: Operator,
    State(state): State<HttpState>,
    Named(id): Named,
) -> Result<Json<BulkResetShape>, Failed> {
    let (ctx, id) = (&state.ctx, id_of(&state, "bulk reset", &id)?);
    let stands = bulk_reset::cancel(ctx, Actor::Operator, id).await;
    stands.map(|stands| Json(stands.into())).map_err(|error| Failed::app(ctx, &error))
}

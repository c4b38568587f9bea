//! Tokens, over the control socket: their inventory, a reset, a revocation. Never a token itself.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::tokens::{self, TokenView};
use symbolon_app::{Actor, breakage, reset, whole_token};
use symbolon_core::Timestamp;
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;

use super::ask::{Body, Fields, Named, Operator, PageFields, id_of, route};
use super::breakage::BreakageShape;
use super::problem::Failed;
use crate::answer::tell_revision;
use crate::api::shapes::WholeShape;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/tokens", list),
        route(MethodFilter::GET, "/tokens/{token}", show),
        route(MethodFilter::DELETE, "/tokens/{token}", revoke),
        route(MethodFilter::POST, "/users/{username}/reset", reset_for),
        route(MethodFilter::GET, "/users/{username}/breakage", breakage_of),
    ]
}

/// The shape of contract §1.
#[derive(Serialize)]
pub(crate) struct TokenShape {
    id: String,
    user: String,
    device_type: String,
    state: &'static str,
    issued_at: String,
    expires_at: String,
    last_used_at: Option<String>,
}

impl From<TokenView> for TokenShape {
    fn from(token: TokenView) -> Self {
        Self {
            id: token.token.to_string(),
            user: token.username.to_string(),
            device_type: token.device_type.to_string(),
            state: token.state.word(),
            issued_at: token.issued_at.rfc3339(),
            expires_at: token.expires_at.rfc3339(),
            last_used_at: token.last_used_at.map(Timestamp::rfc3339),
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
    Fields(page): Fields<PageFields>,
) -> Result<Json<Vec<TokenShape>>, Failed> {
    let ctx = &state.ctx;
    let after = page.after.as_deref().map(|text| id_of(&state, "token", text)).transpose()?;
    let tokens = tokens::list(ctx, page.user.as_deref(), page.limit(), after).await;
    let tokens = tokens.map_err(|error| Failed::app(ctx, &error))?;
    Ok(Json(tokens.into_iter().map(TokenShape::from).collect()))
}

/// Everything that is known of one token, as its owner reads it from the JSON API.
async fn show(
    _: Operator,
    State(state): State<HttpState>,
    Named(token): Named,
) -> Result<Json<WholeShape>, Failed> {
    let token = id_of(&state, "token", &token)?;
    let token = whole_token::of_anybody(&state.ctx, token).await;
    token.map(|token| Json(token.into())).map_err(|error| Failed::app(&state.ctx, &error))
}

async fn revoke(
    _: Operator,
    State(state): State<HttpState>,
    Named(token): Named,
) -> Result<Response, Failed> {
    let token = id_of(&state, "token", &token)?;
    let outcome = tokens::revoke(&state.ctx, Actor::Operator, token).await;
    let revision = outcome.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(tell_revision(StatusCode::NO_CONTENT.into_response(), revision))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    device_type: Option<String>,
    scope: ScopeShape,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ScopeShape {
    Account,
    DeviceType,
}

#[derive(Serialize)]
struct ReceiptShape {
    token: String,
    revision: i64,
    retired: usize,
}

async fn reset_for(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
    Body(asked): Body<Reset>,
) -> Result<Json<ReceiptShape>, Failed> {
    let ctx = &state.ctx;
    let device_type = asked.device_type.as_deref().map(DeviceType::parse).transpose();
    let device_type = device_type
        .map_err(|fault| Failed::name(ctx, "the device type", fault))?
        .unwrap_or_else(DeviceType::any);
    let scope = match asked.scope {
        ScopeShape::Account => Scope::Account,
        ScopeShape::DeviceType => Scope::DeviceType,
    };
    let reason = asked.reason.as_deref();
    let receipt =
        reset::reset_for(ctx, Actor::Operator, &username, device_type, scope, reason).await;
    let receipt = receipt.map_err(|error| Failed::reset(ctx, &error))?;
    state.front.metrics.count_reset();
    Ok(Json(ReceiptShape {
        token: receipt.token.to_string(),
        revision: receipt.revision,
        retired: receipt.retired,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    device_type: Option<String>,
    scope: ScopeShape,
}

/// What a reset would break; it changes nothing.
async fn breakage_of(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
    Fields(planned): Fields<Planned>,
) -> Result<Json<BreakageShape>, Failed> {
    let ctx = &state.ctx;
    let device_type = planned.device_type.as_deref().map(DeviceType::parse).transpose();
    let device_type = device_type
        .map_err(|fault| Failed::name(ctx, "the device type", fault))?
        .unwrap_or_else(DeviceType::any);
    let scope = match planned.scope {
        ScopeShape::Account => Scope::Account,
        ScopeShape::DeviceType => Scope::DeviceType,
    };
    let breakage = breakage::of_user(ctx, &username, scope, &device_type).await;
    breakage.map(|breakage| Json(breakage.into())).map_err(|error| Failed::app(ctx, &error))
}

//! `/api/v1/tokens`: one's own tokens.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use symbolon_app::login::Head;
use symbolon_app::reset::{self, OwnReset};
use symbolon_app::rotation::{self, OwnRotation};
use symbolon_app::tokens;
use symbolon_app::{breakage, whole_token};
use symbolon_core::device_type::USUAL_OVERLAP;
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;
use symbolon_core::secret::Password;

use crate::answer::tell_revision;
use crate::api::caller::{Caller, Proved};
use crate::api::paging::PageFields;
use crate::api::route;
use crate::api::shapes::{TokenShape, WholeShape};
use crate::control::ask::{Body, Fields, Named, id_of};
use crate::control::breakage::BreakageShape;
use crate::control::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

const TOKENS: &str = "/api/v1/tokens";
const ONE: &str = "/api/v1/tokens/{token}";
const BREAKAGE: &str = "/api/v1/tokens/breakage";
const RESET: &str = "/api/v1/tokens/reset";
const ROTATE: &str = "/api/v1/tokens/rotate";
const REVOKE: &str = "/api/v1/tokens/{token}/revoke";
const CANCEL: &str = "/api/v1/tokens/{token}/cancel-rotation";

/// The routes about tokens.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route(Method::GET, TOKENS, get(list)),
        route(Method::GET, BREAKAGE, get(breakage_of)),
        route(Method::POST, RESET, post(reset_own)),
        route(Method::POST, ROTATE, post(rotate_own)),
        route(Method::GET, ONE, get(show)),
        route(Method::DELETE, ONE, delete(revoke)),
        route(Method::POST, REVOKE, post(revoke)),
        route(Method::POST, CANCEL, post(cancel)),
    ]
}

#[derive(Serialize)]
struct ListShape {
    tokens: Vec<TokenShape>,
}

async fn list(
    caller: Caller,
    State(state): State<HttpState>,
    Fields(page): Fields<PageFields>,
) -> Result<Response, Failed> {
    let ctx = &state.ctx;
    let after = page.after.as_deref().map(|text| id_of(&state, "token", text)).transpose()?;
    // One more than are shown: whether others follow.
    let found = tokens::page_of_user(ctx, caller.session.user, page.limit() + 1, after).await;
    let found = found.map_err(|error| Failed::app(ctx, &error))?;
    let more = found.len() > page.count();
    let tokens: Vec<TokenShape> =
        found.into_iter().take(page.count()).map(TokenShape::from).collect();
    let last = tokens.last().filter(|_| more).map(|last| last.id.clone());
    Ok(page.answer(ctx, TOKENS, ListShape { tokens }, last.as_deref()))
}

async fn show(
    caller: Caller,
    State(state): State<HttpState>,
    Named(token): Named,
) -> Result<Json<WholeShape>, Failed> {
    let ctx = &state.ctx;
    let token = id_of(&state, "token", &token)?;
    let token = whole_token::of_user(ctx, caller.session.user, token).await;
    token.map(|token| Json(token.into())).map_err(|error| Failed::app(ctx, &error))
}

async fn revoke(
    caller: Caller,
    State(state): State<HttpState>,
    Named(token): Named,
    Body(asked): Body<Proved>,
) -> Result<Response, Failed> {
    let ctx = &state.ctx;
    let token = id_of(&state, "token", &token)?;
    let (user, current) = (caller.session.user, Password::new(asked.current_password));
    let revoked = tokens::revoke_own(ctx, user, &current, token, &caller.origin).await;
    let revision = revoked.map_err(|error| Failed::reset(ctx, &error.into()))?;
    Ok(tell_revision(StatusCode::NO_CONTENT.into_response(), revision))
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "kebab-case")]
enum ScopeShape {
    #[default]
    Account,
    DeviceType,
}

impl From<ScopeShape> for Scope {
    fn from(scope: ScopeShape) -> Self {
        match scope {
            ScopeShape::Account => Self::Account,
            ScopeShape::DeviceType => Self::DeviceType,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    #[serde(default)]
    scope: ScopeShape,
    device_type: Option<String>,
}

/// What a reset would break; it changes nothing.
async fn breakage_of(
    caller: Caller,
    State(state): State<HttpState>,
    Fields(planned): Fields<Planned>,
) -> Result<Json<BreakageShape>, Failed> {
    let ctx = &state.ctx;
    let device_type = device_type_of(&state, planned.device_type.as_deref())?;
    let user = caller.session.user;
    let breakage = breakage::of_own(ctx, user, planned.scope.into(), &device_type).await;
    breakage.map(|breakage| Json(breakage.into())).map_err(|error| Failed::app(ctx, &error))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    current_password: String,
    #[serde(default)]
    scope: ScopeShape,
    device_type: Option<String>,
}

#[derive(Serialize)]
struct ReceiptShape {
    token: String,
    /// Where the same request came before, a later one.
    revision: i64,
    retired: usize,
    repeated: bool,
}

async fn reset_own(
    caller: Caller,
    State(state): State<HttpState>,
    Body(asked): Body<Reset>,
) -> Result<Json<ReceiptShape>, Failed> {
    let ctx = &state.ctx;
    let request = OwnReset {
        user: caller.session.user,
        current_password: Password::new(asked.current_password),
        scope: asked.scope.into(),
        device_type: device_type_of(&state, asked.device_type.as_deref())?,
        request_key: caller.request_key,
        head: Head::Rest,
        origin: caller.origin,
    };
    let receipt = reset::reset_own(ctx, request).await;
    let receipt = receipt.map_err(|error| Failed::reset(ctx, &error))?;
    if receipt.fresh {
        state.front.metrics.count_reset();
    }
    Ok(Json(ReceiptShape {
        token: receipt.token.to_string(),
        revision: receipt.revision,
        retired: receipt.retired,
        repeated: !receipt.fresh,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotate {
    current_password: String,
    device_type: Option<String>,
    /// How long the old token lives on at most; a day unless it is said.
    overlap_seconds: Option<u64>,
}

#[derive(Serialize)]
struct RotationShape {
    token: String,
    outgoing: Option<String>,
    outgoing_until: Option<String>,
    revision: i64,
    repeated: bool,
}

async fn rotate_own(
    caller: Caller,
    State(state): State<HttpState>,
    Body(asked): Body<Rotate>,
) -> Result<Json<RotationShape>, Failed> {
    let ctx = &state.ctx;
    let request = OwnRotation {
        user: caller.session.user,
        current_password: Password::new(asked.current_password),
        device_type: device_type_of(&state, asked.device_type.as_deref())?,
        overlap: asked.overlap_seconds.map_or(USUAL_OVERLAP, Duration::from_secs),
        request_key: caller.request_key,
        head: Head::Rest,
        origin: caller.origin,
    };
    let receipt = rotation::rotate_own(ctx, request).await;
    let receipt = receipt.map_err(|error| Failed::reset(ctx, &error))?;
    Ok(Json(RotationShape {
        token: receipt.token.to_string(),
        outgoing: receipt.outgoing.map(|(token, _)| token.to_string()),
        outgoing_until: receipt.outgoing.map(|(_, until)| until.rfc3339()),
        revision: receipt.revision,
        repeated: !receipt.fresh,
    }))
}

#[derive(Serialize)]
struct CancelledShape {
    retired: String,
    kept: String,
    revision: i64,
}

async fn cancel(
    caller: Caller,
    State(state): State<HttpState>,
    Named(token): Named,
    Body(asked): Body<Proved>,
) -> Result<Json<CancelledShape>, Failed> {
    let ctx = &state.ctx;
    let token = id_of(&state, "token", &token)?;
    let (user, current) = (caller.session.user, Password::new(asked.current_password));
    let done = rotation::cancel_own(ctx, user, &current, token, &caller.origin).await;
    let done = done.map_err(|error| Failed::reset(ctx, &error))?;
    Ok(Json(CancelledShape {
        retired: done.retired.to_string(),
        kept: done.kept.to_string(),
        revision: done.revision,
    }))
}

fn device_type_of(state: &HttpState, text: Option<&str>) -> Result<DeviceType, Failed> {
    let parsed = text.map(DeviceType::parse).transpose();
    let parsed = parsed.map_err(|fault| Failed::name(&state.ctx, "the device type", fault))?;
    Ok(parsed.unwrap_or_else(DeviceType::any))
}

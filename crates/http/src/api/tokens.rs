//! `/api/v1/tokens`: one's own tokens.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use symbolon_app::reset::{self, OwnReset};
use symbolon_app::rotation::{self, OwnRotation};
use symbolon_app::tokens::{self, Rotation, TokenView};
use symbolon_app::{Actor, breakage};
use symbolon_core::Timestamp;
use symbolon_core::device_type::USUAL_OVERLAP;
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;
use symbolon_core::secret::Password;

use crate::api::caller::Caller;
use crate::control::ask::{Body, Fields, Named, id_of};
use crate::control::breakage::BreakageShape;
use crate::control::problem::Failed;
use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;

const TOKENS: &str = "/api/v1/tokens";
const ONE: &str = "/api/v1/tokens/{token}";
const BREAKAGE: &str = "/api/v1/tokens/breakage";
const RESET: &str = "/api/v1/tokens/reset";
const ROTATE: &str = "/api/v1/tokens/rotate";
const CANCEL: &str = "/api/v1/tokens/{token}/cancel-rotation";

const MOST_ROWS: i64 = 200;

/// The routes of this room.
pub(crate) fn routes() -> Vec<Route> {
    let route = |method, path, handler| Route {
        method,
        path,
        admits: Admits::ApiSession,
        proof: Proof::Any,
        handler,
    };
    vec![
        route(Method::GET, TOKENS, get(list)),
        route(Method::GET, BREAKAGE, get(breakage_of)),
        route(Method::POST, RESET, post(reset_own)),
        route(Method::POST, ROTATE, post(rotate_own)),
        route(Method::GET, ONE, get(show)),
        route(Method::DELETE, ONE, delete(revoke)),
        route(Method::POST, CANCEL, post(cancel)),
    ]
}

#[derive(Serialize)]
struct TokenShape {
    id: String,
    device_type: String,
    state: &'static str,
    issued_at: String,
    expires_at: String,
    last_used_at: Option<String>,
    retired_at: Option<String>,
    retired_cause: Option<&'static str>,
    /// `outgoing` or `incoming`, while a rotation is under way.
    rotation: Option<&'static str>,
    uses: Vec<UseShape>,
}

#[derive(Serialize)]
struct UseShape {
    client: String,
    source: String,
    network: String,
    first_at: String,
    last_at: String,
    times: i64,
    /// Its kind, where that is plainly another than the token is for.
    another_kind: Option<&'static str>,
}

impl From<TokenView> for TokenShape {
    fn from(token: TokenView) -> Self {
        Self {
            id: token.token.to_string(),
            device_type: token.device_type.to_string(),
            state: token.state.word(),
            issued_at: token.issued_at.rfc3339(),
            expires_at: token.expires_at.rfc3339(),
            last_used_at: token.last_used_at.map(Timestamp::rfc3339),
            retired_at: token.retired.map(|(at, _)| at.rfc3339()),
            retired_cause: token.retired.map(|(_, cause)| cause.word()),
            rotation: token.rotation.map(|part| match part {
                Rotation::Outgoing(_) => "outgoing",
                Rotation::Incoming(_) => "incoming",
            }),
            uses: token
                .uses
                .into_iter()
                .map(|used| UseShape {
                    client: used.client,
                    source: used.source,
                    network: used.network,
                    first_at: used.first_at.rfc3339(),
                    last_at: used.last_at.rfc3339(),
                    times: used.times,
                    another_kind: used.another_kind.map(|kinds| kinds.client.word()),
                })
                .collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageFields {
    limit: Option<i64>,
    after: Option<String>,
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
    let limit = page.limit.unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS);
    let after = page.after.as_deref().map(|text| id_of(&state, "token", text)).transpose()?;
    let all = tokens::of_user(ctx, caller.session.user).await;
    let all = all.map_err(|error| Failed::app(ctx, &error))?;
    let start = match after {
        Some(after) => match all.iter().position(|token| token.token == after) {
            Some(at) => at + 1,
            None => return Err(Failed::not_found(ctx, "token")),
        },
        None => 0,
    };
    let count = usize::try_from(limit).unwrap_or(1);
    let more = all.len() > start + count;
    let tokens: Vec<TokenShape> =
        all.into_iter().skip(start).take(count).map(TokenShape::from).collect();
    let next = tokens.last().filter(|_| more).map(|last| {
        let url = &ctx.settings.public_url;
        format!("<{url}{TOKENS}?limit={limit}&after={}>; rel=\"next\"", last.id)
    });
    let mut response = Json(ListShape { tokens }).into_response();
    if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
        response.headers_mut().insert(header::LINK, next);
    }
    Ok(response)
}

async fn show(
    caller: Caller,
    State(state): State<HttpState>,
    Named(token): Named,
) -> Result<Json<TokenShape>, Failed> {
    own(&state, &caller, &token).await.map(|token| Json(token.into()))
}

async fn revoke(
    caller: Caller,
    State(state): State<HttpState>,
    Named(token): Named,
) -> Result<StatusCode, Failed> {
    let token = own(&state, &caller, &token).await?.token;
    let revoked = tokens::revoke(&state.ctx, Actor::User(caller.session.user), token).await;
    revoked.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failed::app(&state.ctx, &error))
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
    /// 0 where the same request came before.
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
) -> Result<Json<CancelledShape>, Failed> {
    let ctx = &state.ctx;
    let device_type = own(&state, &caller, &token).await?.device_type;
    let user = caller.session.user;
    let done = rotation::cancel(ctx, Actor::User(user), user, &device_type).await;
    let done = done.map_err(|error| Failed::reset(ctx, &error))?;
    Ok(Json(CancelledShape {
        retired: done.retired.to_string(),
        kept: done.kept.to_string(),
        revision: done.revision,
    }))
}

/// One of the caller's own tokens; somebody else's is not there.
async fn own(state: &HttpState, caller: &Caller, token: &str) -> Result<TokenView, Failed> {
    let ctx = &state.ctx;
    let token = id_of(state, "token", token)?;
    let all = tokens::of_user(ctx, caller.session.user).await;
    let all = all.map_err(|error| Failed::app(ctx, &error))?;
    let found = all.into_iter().find(|each| each.token == token);
    found.ok_or_else(|| Failed::not_found(ctx, "token"))
}

fn device_type_of(state: &HttpState, text: Option<&str>) -> Result<DeviceType, Failed> {
    let parsed = text.map(DeviceType::parse).transpose();
    let parsed = parsed.map_err(|fault| Failed::name(&state.ctx, "the device type", fault))?;
    Ok(parsed.unwrap_or_else(DeviceType::any))
}

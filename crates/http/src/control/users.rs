//! Users, over the control socket.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::delivery;
use symbolon_app::hashing::Asker;
use symbolon_app::openpgp::{self, FoundKey, LookupError};
use symbolon_app::own_sessions::{self, SessionView};
use symbolon_app::owner_freeze;
use symbolon_app::profiles;
use symbolon_app::second_factors::removal;
use symbolon_app::users::{self, NewUser, UserView};
use symbolon_app::{Actor, AppError};
use symbolon_core::Timestamp;
use symbolon_core::id::Session;
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::secret::Password;
use symbolon_core::session::SessionKind;

use super::ask::{Body, Fields, Named, Operator, PageFields, id_of, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/users", list),
        route(MethodFilter::POST, "/users", add),
        route(MethodFilter::GET, "/users/{username}", show),
        route(MethodFilter::DELETE, "/users/{username}", remove),
        route(MethodFilter::POST, "/users/{username}/freeze", freeze),
        route(MethodFilter::POST, "/users/{username}/unfreeze", unfreeze),
        route(MethodFilter::POST, "/users/{username}/unfreeze-tokens", unfreeze_tokens),
        route(MethodFilter::POST, "/users/{username}/unlock", unlock),
        route(MethodFilter::PUT, "/users/{username}/password", set_password),
        route(MethodFilter::PUT, "/users/{username}/profile", set_profile),
        route(MethodFilter::PUT, "/users/{username}/delivery", set_delivery),
        route(MethodFilter::PUT, "/users/{username}/openpgp-key", set_openpgp_key),
        route(MethodFilter::POST, "/users/{username}/openpgp-key/look-up", look_openpgp_key_up),
        route(MethodFilter::DELETE, "/users/{username}/second-factors", reset_second_factors),
        route(MethodFilter::GET, "/users/{username}/sessions", list_sessions),
        route(MethodFilter::DELETE, "/users/{username}/sessions", end_sessions),
        route(MethodFilter::DELETE, "/users/{username}/sessions/{session}", end_session),
    ]
}

#[derive(Serialize)]
struct UserShape {
    id: String,
    username: String,
    email: String,
    name: String,
    profile: String,
    administrator: bool,
    activated: bool,
    frozen_at: Option<String>,
    tokens_frozen_at: Option<String>,
    tokens_frozen_by: Option<&'static str>,
    locked_until: Option<String>,
    last_login_at: Option<String>,
    created_at: String,
}

/// One user, with where mail with a token goes and the fingerprint of the key that it is encrypted to.
#[derive(Serialize)]
struct WholeUserShape {
    #[serde(flatten)]
    user: UserShape,
    delivery: Option<String>,
    openpgp_key: Option<String>,
}

impl From<UserView> for UserShape {
    fn from(user: UserView) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username.to_string(),
            email: user.email.to_string(),
            name: user.name.to_string(),
            profile: user.profile,
            administrator: user.administrator,
            activated: user.activated,
            frozen_at: user.frozen_at.map(Timestamp::rfc3339),
            tokens_frozen_at: user.tokens_frozen.map(|freeze| freeze.at.rfc3339()),
            tokens_frozen_by: user.tokens_frozen.map(|freeze| freeze.by.word()),
            locked_until: user.locked_until.map(Timestamp::rfc3339),
            last_login_at: user.last_login_at.map(Timestamp::rfc3339),
            created_at: user.created_at.rfc3339(),
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
    Fields(page): Fields<PageFields>,
) -> Result<Json<Vec<UserShape>>, Failed> {
    let users = users::list(&state.ctx, page.limit(), page.after.as_deref()).await;
    let users = users.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(users.into_iter().map(UserShape::from).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    username: String,
    email: String,
    name: Option<String>,
    profile: Option<String>,
    #[serde(default)]
    administrator: bool,
    password: Option<String>,
}

async fn add(
    _: Operator,
    State(state): State<HttpState>,
    Body(asked): Body<Add>,
) -> Result<(StatusCode, Json<UserShape>), Failed> {
    let ctx = &state.ctx;
    let name = asked.name.as_deref().map(DisplayName::parse).transpose();
    let new = NewUser {
        username: Username::parse(&asked.username)
            .map_err(|fault| Failed::name(ctx, "the username", fault))?,
        email: EmailAddress::parse(&asked.email)
            .map_err(|fault| Failed::name(ctx, "the e-mail address", fault))?,
        name: name.map_err(|fault| Failed::name(ctx, "the name", fault))?,
        profile: asked.profile,
        administrator: asked.administrator,
        password: asked.password.map(Password::new),
    };
    let user = users::add(ctx, Actor::Operator, Asker::Operator, new).await;
    let user = user.map_err(|error| Failed::app(ctx, &error))?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

async fn show(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<Json<WholeUserShape>, Failed> {
    let user = async {
        let user = users::show(&state.ctx, &username).await?;
        let key = openpgp::of_user(&state.ctx, user.id).await?.key;
        Ok(WholeUserShape {
            delivery: user.delivery.as_ref().map(ToString::to_string),
            openpgp_key: key.map(|key| key.fingerprint),
            user: user.into(),
        })
    };
    user.await.map(Json).map_err(|error| Failed::app(&state.ctx, &error))
}

async fn remove(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<StatusCode, Failed> {
    done(&state, users::remove(&state.ctx, Actor::Operator, &username).await)
}

async fn freeze(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<StatusCode, Failed> {
    done(&state, users::freeze(&state.ctx, Actor::Operator, &username).await)
}

async fn unfreeze(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<StatusCode, Failed> {
    done(&state, users::unfreeze(&state.ctx, Actor::Operator, &username).await)
}

async fn unfreeze_tokens(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<StatusCode, Failed> {
    done(&state, owner_freeze::lift_for(&state.ctx, Actor::Operator, &username).await)
}

async fn unlock(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<StatusCode, Failed> {
    done(&state, users::unlock(&state.ctx, Actor::Operator, &username).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

async fn set_password(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
    Body(asked): Body<NewPassword>,
) -> Result<StatusCode, Failed> {
    let password = Password::new(asked.password);
    let (actor, asker) = (Actor::Operator, Asker::Operator);
    done(&state, users::set_password(&state.ctx, actor, asker, &username, password).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherProfile {
    profile: String,
}

async fn set_profile(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
    Body(asked): Body<OtherProfile>,
) -> Result<StatusCode, Failed> {
    let actor = Actor::Operator;
    done(&state, profiles::assign(&state.ctx, actor, &username, &asked.profile).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    email: Option<String>,
}

async fn set_delivery(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
    Body(asked): Body<Delivery>,
) -> Result<StatusCode, Failed> {
    let email = asked.email.as_deref().map(EmailAddress::parse).transpose();
    let email = email.map_err(|fault| Failed::name(&state.ctx, "the address", fault))?;
    done(&state, delivery::set_for(&state.ctx, Actor::Operator, &username, email).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenpgpKey {
    /// The certificate, armored or not, in base64.
    key: Option<String>,
}

async fn set_openpgp_key(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
    Body(asked): Body<OpenpgpKey>,
) -> Result<StatusCode, Failed> {
    let ctx = &state.ctx;
    let key = match asked.key.map(|key| STANDARD.decode(key)).transpose() {
        Ok(key) => key.map(|bytes| openpgp::read(ctx, &bytes)).transpose(),
        Err(_) => return Err(Failed::unreadable(ctx, "the key is not in base64")),
    };
    let key =
        key.map_err(|fault| Failed::unreadable(ctx, &format!("the key cannot be taken: {fault}")))?;
    done(&state, openpgp::set_for(ctx, Actor::Operator, &username, key).await)
}

#[derive(Serialize)]
struct FoundKeyShape {
    fingerprint: String,
    address: String,
}

async fn look_openpgp_key_up(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<Json<FoundKeyShape>, Failed> {
    let ctx = &state.ctx;
    match openpgp::look_up_for(ctx, Actor::Operator, &username).await {
        Ok(FoundKey { fingerprint, address }) => {
            Ok(Json(FoundKeyShape { fingerprint, address: address.to_string() }))
        }
        Err(LookupError::App(error)) => Err(Failed::app(ctx, &error)),
        Err(LookupError::Off) => Err(Failed::app(ctx, &AppError::Forbidden(openpgp::LOOKUP_OFF))),
        Err(
            fault @ (LookupError::Directory(_)
            | LookupError::Key(_)
            | LookupError::Foreign(_)
            | LookupError::Unproved(_)),
        ) => Err(Failed::unreadable(ctx, &fault.to_string())),
    }
}

async fn reset_second_factors(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<StatusCode, Failed> {
    done(&state, removal::remove_all_of(&state.ctx, Actor::Operator, &username).await)
}

#[derive(Serialize)]
struct SessionShape {
    id: String,
    kind: &'static str,
    head: String,
    client: String,
    source: String,
    device_type: Option<String>,
    proof: Option<String>,
    started_at: String,
    last_used_at: String,
}

impl From<SessionView> for SessionShape {
    fn from(session: SessionView) -> Self {
        Self {
            id: session.session.to_string(),
            kind: match session.kind {
                SessionKind::Web => "web",
                SessionKind::Api => "api",
            },
            head: session.head,
            client: session.client,
            source: session.source,
            device_type: session.device_type,
            proof: session.proof,
            started_at: session.started_at.rfc3339(),
            last_used_at: session.last_used_at.rfc3339(),
        }
    }
}

async fn list_sessions(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<Json<Vec<SessionShape>>, Failed> {
    let all = async {
        let user = users::show(&state.ctx, &username).await?.id;
        own_sessions::list(&state.ctx, user).await
    };
    let all = all.await.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(all.into_iter().map(SessionShape::from).collect()))
}

async fn end_sessions(
    _: Operator,
    State(state): State<HttpState>,
    Named(username): Named,
) -> Result<StatusCode, Failed> {
    let ended = own_sessions::end_all_for(&state.ctx, Actor::Operator, &username).await;
    done(&state, ended.map(drop))
}

async fn end_session(
    _: Operator,
    State(state): State<HttpState>,
    Named((username, session)): Named<(String, String)>,
) -> Result<StatusCode, Failed> {
    let session = id_of::<Session>(&state, "session", &session)?;
    done(&state, own_sessions::end_for(&state.ctx, Actor::Operator, &username, session).await)
}

fn done(state: &HttpState, outcome: Result<(), AppError>) -> Result<StatusCode, Failed> {
    outcome.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failed::app(&state.ctx, &error))
}

//! Registered API clients and their secrets, over the control socket.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::Actor;
use symbolon_app::clients::{self, ClientView, SecretView};
use symbolon_app::context::Switch;
use symbolon_core::names::DisplayName;

use super::ask::{Body, Named, Operator, id_of, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/clients", list),
        route(MethodFilter::POST, "/clients", add),
        route(MethodFilter::DELETE, "/clients/{client}", remove),
        route(MethodFilter::POST, "/clients/{client}/secrets", add_secret),
        route(MethodFilter::DELETE, "/clients/{client}/secrets/{secret}", remove_secret),
    ]
}

#[derive(Serialize)]
struct ClientShape {
    client_id: String,
    name: String,
    password_grant: bool,
    created_at: String,
    secrets: Vec<SecretShape>,
}

/// A secret's name: never the secret itself.
#[derive(Serialize)]
struct SecretShape {
    secret_id: String,
    created_at: String,
}

impl From<ClientView> for ClientShape {
    fn from(client: ClientView) -> Self {
        Self {
            client_id: client.id.to_string(),
            name: client.name,
            password_grant: client.password_grant.is_on(),
            created_at: client.created_at.rfc3339(),
            secrets: client.secrets.iter().map(SecretShape::from).collect(),
        }
    }
}

impl From<&SecretView> for SecretShape {
    fn from(secret: &SecretView) -> Self {
        Self { secret_id: secret.id.to_string(), created_at: secret.created_at.rfc3339() }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
) -> Result<Json<Vec<ClientShape>>, Failed> {
    let clients = clients::list(&state.ctx).await;
    let clients = clients.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(clients.into_iter().map(ClientShape::from).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    password_grant: bool,
}

/// The only answer that ever holds the first secret of a client.
#[derive(Serialize)]
struct NewClientShape {
    client_id: String,
    client_secret: String,
}

async fn add(
    _: Operator,
    State(state): State<HttpState>,
    Body(asked): Body<Add>,
) -> Result<(StatusCode, Json<NewClientShape>), Failed> {
    let ctx = &state.ctx;
    let name = DisplayName::parse(&asked.name)
        .map_err(|fault| Failed::name(ctx, "the client's name", fault))?;
    let password_grant = if asked.password_grant { Switch::On } else { Switch::Off };
    let client = clients::add(ctx, Actor::Operator, name, password_grant).await;
    let client = client.map_err(|error| Failed::app(ctx, &error))?;
    let shape = NewClientShape {
        client_id: client.id.to_string(),
        client_secret: client.secret.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(shape)))
}

async fn remove(
    _: Operator,
    State(state): State<HttpState>,
    Named(client): Named,
) -> Result<StatusCode, Failed> {
    let client = id_of(&state, "client", &client)?;
    let outcome = clients::remove(&state.ctx, Actor::Operator, client).await;
    outcome.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failed::app(&state.ctx, &error))
}

/// The only answer that ever holds this secret.
#[derive(Serialize)]
struct NewSecretShape {
    client_id: String,
    secret_id: String,
    client_secret: String,
}

async fn add_secret(
    _: Operator,
    State(state): State<HttpState>,
    Named(client): Named,
) -> Result<(StatusCode, Json<NewSecretShape>), Failed> {
    let client = id_of(&state, "client", &client)?;
    let new = clients::add_secret(&state.ctx, Actor::Operator, client).await;
    let new = new.map_err(|error| Failed::app(&state.ctx, &error))?;
    let shape = NewSecretShape {
        client_id: client.to_string(),
        secret_id: new.id.to_string(),
        client_secret: new.secret.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(shape)))
}

async fn remove_secret(
    _: Operator,
    State(state): State<HttpState>,
    Named((client, secret)): Named<(String, String)>,
) -> Result<StatusCode, Failed> {
    let client = id_of(&state, "client", &client)?;
    let secret = id_of(&state, "client secret", &secret)?;
    let outcome = clients::remove_secret(&state.ctx, Actor::Operator, client, secret).await;
    outcome.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failed::app(&state.ctx, &error))
}

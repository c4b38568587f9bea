//! Registered API clients: who may ask for OAuth grants.

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id};
use symbolon_core::keys::Purpose;
use symbolon_core::names::DisplayName;
use symbolon_core::secret::ClientSecret;
use symbolon_store::clients::{self, ClientRow};

use crate::actor::Actor;
use crate::context::{Ctx, Switch};
use crate::error::AppError;
use crate::trail;

/// A client that was just registered; its secret is shown this once.
#[derive(Debug)]
pub struct NewClient {
    /// Written out, the OAuth `client_id`.
    pub id: Id<Client>,
    /// The OAuth `client_secret`.
    pub secret: ClientSecret,
}

/// A client, as lists show it.
#[derive(Debug, Clone)]
pub struct ClientView {
    /// Written out, the OAuth `client_id`.
    pub id: Id<Client>,
    /// Name.
    pub name: String,
    /// Whether it may use the password grant.
    pub password_grant: Switch,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// Why a client is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientRefusal {
    /// There is no client with this id.
    UnknownClient,
    /// The secret is another.
    WrongSecret,
}

/// Registers a client.
///
/// # Errors
/// The database's.
pub async fn add(
    ctx: &Ctx,
    actor: Actor,
    name: DisplayName,
    password_grant: Switch,
) -> Result<NewClient, AppError> {
    let now = ctx.clock.now();
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    // `sbc`: recognised by scanners, and never taken for a token.
    let secret = ClientSecret::new(format!("sbc{}", ctx.chance.text(40)));
    let row = ClientRow {
        id,
        name: name.to_string(),
        secret_digest: ctx.keys.digest(Purpose::Client, secret.reveal().as_bytes()),
        password_grant_since: password_grant.is_on().then_some(now),
        created_at: now,
    };
    let mut tx = ctx.store.begin().await?;
    clients::insert(&mut tx, &row).await?;
    let (subject, details) = (format!("client:{id}"), format!("name={name}"));
    trail::append(&mut tx, actor, "client.added", subject, details, now).await?;
    tx.commit().await?;
    Ok(NewClient { id, secret })
}

/// All clients by name.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx) -> Result<Vec<ClientView>, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(clients::list(&mut reader).await?.into_iter().map(view).collect())
}

/// Removes a client.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn remove(ctx: &Ctx, actor: Actor, client: Id<Client>) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !clients::remove(&mut tx, client, now).await? {
        return Err(AppError::NotFound("client"));
    }
    let subject = format!("client:{client}");
    trail::append(&mut tx, actor, "client.removed", subject, String::new(), now).await?;
    Ok(tx.commit().await?)
}

/// Proves a client by its secret.
///
/// # Errors
/// The database's; the inner error is the verdict.
pub async fn authenticate(
    ctx: &Ctx,
    client_id: &str,
    secret: &ClientSecret,
) -> Result<Result<ClientView, ClientRefusal>, AppError> {
    let Ok(id) = client_id.parse() else {
        return Ok(Err(ClientRefusal::UnknownClient));
    };
    let mut reader = ctx.store.read().await?;
    let Some(row) = clients::find(&mut reader, id).await? else {
        return Ok(Err(ClientRefusal::UnknownClient));
    };
    let digests = ctx.keys.digests(Purpose::Client, secret.reveal().as_bytes());
    if digests.contains(&row.secret_digest) {
        Ok(Ok(view(row)))
    } else {
        Ok(Err(ClientRefusal::WrongSecret))
    }
}

fn view(row: ClientRow) -> ClientView {
    let granted = row.password_grant_since.is_some();
    ClientView {
        id: row.id,
        name: row.name,
        password_grant: if granted { Switch::On } else { Switch::Off },
        created_at: row.created_at,
    }
}

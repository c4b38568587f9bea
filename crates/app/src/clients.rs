//! Registered API clients: who may introspect and ask for OAuth grants.
//!
//! A client may have several secrets, each as good as the other, so that one is rolled over without a
//! gap: add a second, hand it to the client, remove the first.

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, ClientSecret as SecretKind, Id};
use symbolon_core::keys::Purpose;
use symbolon_core::names::DisplayName;
use symbolon_core::secret::ClientSecret;
use symbolon_store::Tx;
use symbolon_store::changes::{self, Change};
use symbolon_store::clients::{self, ClientRow, SecretRow};

use crate::actor::Actor;
use crate::context::{Ctx, Switch};
use crate::error::AppError;
use crate::live::commit;
use crate::trail;

/// Most secrets of one client: two are a rollover, more are left behind by rollovers that were not
/// brought to their end.
pub const MOST_SECRETS: usize = 5;

/// Why a client gets no further secret.
pub const TOO_MANY_SECRETS: &str =
    "a client has at most 5 secrets: remove one that is no longer used";
/// Why a client's only secret stays.
pub const LAST_SECRET: &str =
    "this is the only secret of the client: add another first, or remove the client";

/// A client that was just registered; its secret is shown this once.
#[derive(Debug)]
pub struct NewClient {
    /// Written out, the OAuth `client_id`.
    pub id: Id<Client>,
    /// The OAuth `client_secret`.
    pub secret: ClientSecret,
}

/// A secret that was just added; it is shown this once.
#[derive(Debug)]
pub struct NewSecret {
    /// What it is removed by.
    pub id: Id<SecretKind>,
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
    /// Its secrets, oldest first; there is at least one.
    pub secrets: Vec<SecretView>,
}

/// A client's secret, as lists show it: never the secret itself.
#[derive(Debug, Clone)]
pub struct SecretView {
    /// What it is removed by.
    pub id: Id<SecretKind>,
    /// When it was made.
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

/// Registers a client with its first secret.
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
    let row = ClientRow {
        id,
        name: name.to_string(),
        password_grant_since: password_grant.is_on().then_some(now),
        created_at: now,
    };
    let mut tx = ctx.store.begin().await?;
    clients::insert(&mut tx, &row).await?;
    let first = issue_secret(ctx, &mut tx, id, now).await?;
    let details = format!("name={name}\nsecret={}", first.id);
    record(&mut tx, actor, "client.added", id, details, now).await?;
    commit(ctx, tx).await?;
    Ok(NewClient { id, secret: first.secret })
}

/// All clients by name, with their secrets' identifiers.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx) -> Result<Vec<ClientView>, AppError> {
    let mut reader = ctx.store.read().await?;
    let rows = clients::list(&mut reader).await?;
    let secrets = clients::secrets(&mut reader).await?;
    let of = |client| secrets.iter().filter(move |secret| secret.client == client);
    Ok(rows.into_iter().map(|row| view(&row, of(row.id))).collect())
}

/// Adds a secret beside those that the client has; all of them are accepted.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Invalid`] where there are [`MOST_SECRETS`] already.
pub async fn add_secret(
    ctx: &Ctx,
    actor: Actor,
    client: Id<Client>,
) -> Result<NewSecret, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if take(&mut tx, client).await?.len() >= MOST_SECRETS {
        return Err(AppError::Invalid(TOO_MANY_SECRETS));
    }
    let new = issue_secret(ctx, &mut tx, client, now).await?;
    let details = format!("secret={}", new.id);
    record(&mut tx, actor, "client.secret-added", client, details, now).await?;
    commit(ctx, tx).await?;
    Ok(new)
}

/// Removes one of a client's secrets: it is accepted no longer.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Forbidden`] for the last one.
pub async fn remove_secret(
    ctx: &Ctx,
    actor: Actor,
    client: Id<Client>,
    secret: Id<SecretKind>,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let live = take(&mut tx, client).await?;
    if !live.iter().any(|row| row.id == secret) {
        return Err(AppError::NotFound("client secret"));
    }
    if live.len() == 1 {
        return Err(AppError::Forbidden(LAST_SECRET));
    }
    clients::remove_secret(&mut tx, client, secret, now).await?;
    let details = format!("secret={secret}");
    record(&mut tx, actor, "client.secret-removed", client, details, now).await?;
    commit(ctx, tx).await
}

/// Removes a client with all its secrets.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn remove(ctx: &Ctx, actor: Actor, client: Id<Client>) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !clients::remove(&mut tx, client, now).await? {
        return Err(AppError::NotFound("client"));
    }
    record(&mut tx, actor, "client.removed", client, String::new(), now).await?;
    commit(ctx, tx).await
}

/// Proves a client by any one of its secrets.
///
/// # Errors
/// The database's; the inner error is the verdict.
///
/// # Security
/// Every live secret is compared, each in constant time, whichever is right: how long it takes tells
/// how many there are and no more.
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
    let live = clients::secrets_of(&mut reader, id).await?;
    let digests = ctx.keys.digests(Purpose::Client, secret.reveal().as_bytes());
    let pairs = live.iter().flat_map(|row| digests.iter().map(|digest| *digest == row.digest));
    // Not `any`, which would stop at the first.
    if pairs.fold(false, |right, equal| right | equal) {
        Ok(Ok(view(&row, live.iter())))
    } else {
        Ok(Err(ClientRefusal::WrongSecret))
    }
}

/// Locks the client, so that its secrets are counted by one transaction at a time; yields the live ones.
async fn take(tx: &mut Tx, client: Id<Client>) -> Result<Vec<SecretRow>, AppError> {
    if !clients::take(tx, client).await? {
        return Err(AppError::NotFound("client"));
    }
    Ok(clients::secrets_of(tx, client).await?)
}

async fn issue_secret(
    ctx: &Ctx,
    tx: &mut Tx,
    client: Id<Client>,
    now: Timestamp,
) -> Result<NewSecret, AppError> {
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    // `sbc`: recognised by scanners, and never taken for a token.
    let secret = ClientSecret::new(format!("sbc{}", ctx.chance.text(40)));
    let digest = ctx.keys.digest(Purpose::Client, secret.reveal().as_bytes());
    clients::insert_secret(tx, &SecretRow { id, client, digest, created_at: now }).await?;
    Ok(NewSecret { id, secret })
}

/// Writes down what was done to a client: the last statements of the transaction.
async fn record(
    tx: &mut Tx,
    actor: Actor,
    action: &'static str,
    client: Id<Client>,
    details: String,
    now: Timestamp,
) -> Result<(), AppError> {
    trail::append(tx, actor, action, format!("client:{client}"), details, now).await?;
    changes::record(tx, Change::ClientChanged, None, Some(client.raw()), now).await?;
    Ok(())
}

fn view<'a>(row: &ClientRow, secrets: impl Iterator<Item = &'a SecretRow>) -> ClientView {
    let granted = row.password_grant_since.is_some();
    ClientView {
        id: row.id,
        name: row.name.clone(),
        password_grant: if granted { Switch::On } else { Switch::Off },
        created_at: row.created_at,
        secrets: secrets.map(|row| SecretView { id: row.id, created_at: row.created_at }).collect(),
    }
}

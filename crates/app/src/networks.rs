//! Trusted networks: from them an API login needs no token.

use symbolon_core::id::Id;
use symbolon_core::names::DisplayName;
use symbolon_core::network::Network;
use symbolon_store::networks;
pub use symbolon_store::networks::NetworkRow as NetworkView;

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::trail;

/// Trusts a network.
///
/// # Errors
/// [`AppError::Taken`] if it is trusted already.
pub async fn add(
    ctx: &Ctx,
    actor: Actor,
    range: Network,
    label: Option<DisplayName>,
) -> Result<NetworkView, AppError> {
    let now = ctx.clock.now();
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let label = label.map(|label| label.to_string()).unwrap_or_default();
    let network = NetworkView { id, range, label, created_at: now };
    let mut tx = ctx.store.begin().await?;
    if !networks::insert(&mut tx, &network).await? {
        return Err(AppError::Taken("network"));
    }
    let (subject, details) = (format!("network:{range}"), format!("label={}", network.label));
    trail::append(&mut tx, actor, "network.added", subject, details, now).await?;
    commit(ctx, tx).await?;
    Ok(network)
}

/// All trusted networks.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx) -> Result<Vec<NetworkView>, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(networks::list(&mut reader).await?)
}

/// Trusts a network no longer.
///
/// # Errors
/// [`AppError::NotFound`] if it is not trusted.
pub async fn remove(ctx: &Ctx, actor: Actor, range: Network) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !networks::remove(&mut tx, range).await? {
        return Err(AppError::NotFound("network"));
    }
    let subject = format!("network:{range}");
    trail::append(&mut tx, actor, "network.removed", subject, String::new(), now).await?;
    commit(ctx, tx).await
}

//! What rotation of the master keys does to the database: secrets that can be read are sealed anew under the
//! newest key. What is only recognised (digests, password hashes) cannot be made anew without its owner and
//! goes on needing the older keys: that is counted and told.

use symbolon_core::keys::KeyId;
use symbolon_store::{authenticators, letters, nodes, users};

use super::{open, seat_of};
use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::trail;

/// What a rotation has done, and what still hangs on older keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resealed {
    /// The newest key.
    pub key: KeyId,
    /// Secrets of authenticator apps that were sealed anew.
    pub authenticators: usize,
    /// Password hashes with the pepper of an older key: each is made anew at its owner's next login.
    pub passwords: i64,
    /// Letters in the outbox whose secret is derived from an older key: three days at most.
    pub letters: i64,
}

/// Whether a node holds a lease on this database: it would go on with the keys that it has read.
///
/// # Errors
/// The database's.
pub async fn other_nodes_answer(ctx: &Ctx) -> Result<bool, AppError> {
    let mut reader = ctx.store.read().await?;
    let now = reader.clock().await?;
    // No node has this number, so all of them are others.
    let nodes = nodes::others(&mut reader, -1).await?;
    Ok(nodes.iter().any(|node| node.leased_until > now))
}

/// Seals anew, in one transaction, whatever is sealed under an older key than the newest.
///
/// # Errors
/// [`AppError::KeyMissing`] where something is sealed under a key that the ring does not hold; nothing was
/// changed then.
pub async fn reseal_all(ctx: &Ctx, actor: Actor) -> Result<Resealed, AppError> {
    let now = ctx.clock.now();
    let key = ctx.keys.current();
    let mut tx = ctx.store.begin().await?;
    let old = authenticators::under_other_keys(&mut tx, key).await?;
    for record in &old {
        let secret = open(ctx, record)?;
        let seat = seat_of(record.user, record.id);
        let sealed = ctx.chance.with(|mut rng| ctx.keys.seal(secret.reveal(), &seat, &mut rng));
        if !authenticators::reseal(&mut tx, record.id, record.secret.key, &sealed).await? {
            return Err(AppError::Busy);
        }
    }
    let resealed = Resealed {
        key,
        authenticators: old.len(),
        passwords: users::count_peppered_by_others(&mut tx, key).await?,
        letters: letters::count_under_other_keys(&mut tx, key).await?,
    };
    let details = format!("key={}\nauthenticators={}", key.0, resealed.authenticators);
    trail::append(&mut tx, actor, "keys.rotated", format!("key:{}", key.0), details, now).await?;
    commit(ctx, tx).await?;
    Ok(resealed)
}

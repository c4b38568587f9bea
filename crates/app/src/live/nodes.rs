//! Several nodes on one database: the lease that a node answers from memory under, and the waiting for
//! nodes that have not applied a change.
//!
//! The order is everything. A node renews its lease in the database, *then* reads the log, and only then
//! opens its gate, until an instant that it counts from before it asked. A change is committed, *then* its
//! author looks for nodes under lease that are behind, and waits. So whoever may answer from memory either
//! has read the change or is waited for; and when the length of a lease has passed since the commit, every
//! lease that began before it has run out.

use std::time::Duration;

use symbolon_core::id::Id;
use symbolon_core::id::Organization;
use symbolon_store::error::StoreError;
use symbolon_store::nodes;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::context::Ctx;
use crate::live::gate::Lease;

/// How long a node may answer without hearing from the database. Shorter than the time in which a new
/// primary is elected anywhere (Patroni: 20 to 30 seconds), so that nobody answers from a state of before.
const LEASE: Duration = Duration::from_secs(5);
/// What a node takes off on its side, for clocks that run at different speeds.
const MARGIN: Duration = Duration::from_millis(500);
/// How often an author looks whether the others have come up.
const LOOK: Duration = Duration::from_millis(5);

/// Draws the number of this node.
pub(super) fn number(ctx: &Ctx) -> i64 {
    *ctx.live
        .node
        .get_or_init(|| ctx.chance.with(|mut rng| Id::<Organization>::mint(&mut rng)).raw())
}

/// Renews the lease; the log must be read after this, and before the gate is opened on it.
pub(super) async fn renew(ctx: &Ctx) -> Result<Lease, StoreError> {
    if !ctx.store.is_shared() {
        return Ok(Lease::Unlimited);
    }
    let asked = Instant::now();
    let mut tx = ctx.store.begin().await?;
    nodes::renew(&mut tx, number(ctx), ctx.live.view.applied(), LEASE).await?;
    tx.commit().await?;
    Ok(Lease::Until(asked + LEASE - MARGIN))
}

/// Tells the others how far this node has come, if there are others.
pub(super) async fn report(ctx: &Ctx) -> Result<(), StoreError> {
    let mut tx = ctx.store.begin().await?;
    nodes::report(&mut tx, number(ctx), ctx.live.view.applied()).await?;
    tx.commit().await
}

/// Whether other nodes answer from memory.
pub(super) async fn are_others(ctx: &Ctx) -> Result<bool, StoreError> {
    if !ctx.store.is_shared() {
        return Ok(false);
    }
    let mut reader = ctx.store.read().await?;
    Ok(nodes::others(&mut reader, number(ctx)).await? > 0)
}

/// Waits until no other node can answer from a state without `revision`, which is committed.
pub(super) async fn wait_for_others(ctx: &Ctx, revision: i64) {
    if !ctx.store.is_shared() {
        return;
    }
    let deadline = Instant::now() + LEASE;
    while Instant::now() < deadline {
        match behind(ctx, revision).await {
            Ok(0) => return,
            Ok(_) => sleep(LOOK).await,
            // Not known: then the leases have to run out.
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot see the other nodes");
                sleep(MARGIN).await;
            }
        }
    }
}

async fn behind(ctx: &Ctx, revision: i64) -> Result<i64, StoreError> {
    let mut reader = ctx.store.read().await?;
    nodes::behind(&mut reader, number(ctx), revision).await
}

/// Leaves: nobody has to wait for this node any more. Its gate is closed.
pub(super) async fn leave(ctx: &Ctx) -> Result<(), StoreError> {
    ctx.live.gate.close();
    if !ctx.store.is_shared() {
        return Ok(());
    }
    let mut tx = ctx.store.begin().await?;
    nodes::leave(&mut tx, number(ctx)).await?;
    tx.commit().await
}

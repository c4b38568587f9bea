//! Several nodes on one database: the lease that a node answers from memory under, and the waiting for
//! nodes that have not applied a change.
//!
//! The order is everything. A node renews its lease in the database, *then* reads the log, and only then
//! opens its gate, until an instant that it counts from before it asked. A change is committed, *then* its
//! author looks for nodes under lease that are behind, and waits. So whoever may answer from memory either
//! has read the change or is waited for; and when the length of a lease has passed since the commit, every
//! lease that began before it has run out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Organization};
use symbolon_store::error::StoreError;
use symbolon_store::nodes::{self, NodeRow};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::warn;

use crate::context::Ctx;
use crate::live::gate::Lease;

/// How long a node may answer without hearing from the database. Shorter than the time in which a new
/// primary is elected anywhere (Patroni: 20 to 30 seconds), so that nobody answers from a state of before.
pub(super) const LEASE: Duration = Duration::from_secs(5);
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

/// Whether other nodes may answer from memory.
pub(super) async fn are_others(ctx: &Ctx) -> Result<bool, StoreError> {
    if !ctx.store.is_shared() {
        return Ok(false);
    }
    Ok(!under_lease(ctx).await?.is_empty())
}

/// Waits until no other node can answer from a state without `revision`, which is committed.
pub(super) async fn wait_for_others(ctx: &Ctx, revision: i64) {
    if !ctx.store.is_shared() {
        return;
    }
    let deadline = Instant::now() + LEASE;
    // A look may take no longer either: the database may stand still.
    while let Ok(look) = timeout_at(deadline, under_lease(ctx)).await {
        let pause = match look {
            Ok(nodes) if nodes.iter().all(|node| node.applied >= revision) => return,
            Ok(_) => LOOK,
            // Not known: then the leases have to run out.
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot see the other nodes");
                MARGIN
            }
        };
        sleep_until(deadline.min(Instant::now() + pause)).await;
    }
}

/// The other nodes whose leases may not have run out.
async fn under_lease(ctx: &Ctx) -> Result<Vec<NodeRow>, StoreError> {
    let mut reader = ctx.store.read().await?;
    let others = nodes::others(&mut reader, number(ctx)).await?;
    drop(reader);
    Ok(ctx.live.neighbours.under_lease(others, Instant::now()))
}

/// The leases of the other nodes, and since when this node has seen each, by its own monotonic clock: the
/// clock of the database may step. What was seen a lease's length ago has run out, whenever it began.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Mutex<HashMap<i64, (Timestamp, Instant)>>);

impl Neighbours {
    fn under_lease(&self, mut nodes: Vec<NodeRow>, now: Instant) -> Vec<NodeRow> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|id, _| nodes.iter().any(|node| node.id == *id));
        nodes.retain(|node| {
            let (lease, since) = seen.entry(node.id).or_insert((node.leased_until, now));
            if *lease != node.leased_until {
                (*lease, *since) = (node.leased_until, now);
            }
            now.duration_since(*since) < LEASE
        });
        nodes
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

    fn node(id: i64, leased_until: Timestamp) -> NodeRow {
        NodeRow { id, applied: 0, leased_until }
    }

    fn under_lease(neighbours: &Neighbours, nodes: &[NodeRow], now: Instant) -> Vec<i64> {
        neighbours.under_lease(nodes.to_vec(), now).iter().map(|node| node.id).collect()
    }

    #[test]
    fn a_lease_is_over_when_it_was_seen_for_its_length_whatever_clock_it_names() {
        let (neighbours, began) = (Neighbours::default(), Instant::now());
        let nodes = [node(1, T0), node(2, Timestamp::from_unix_ms(0))];
        let ms = Duration::from_millis(1);

        assert_eq!(under_lease(&neighbours, &nodes, began), [1, 2]);
        assert_eq!(under_lease(&neighbours, &nodes, began + LEASE - ms), [1, 2]);
        assert!(under_lease(&neighbours, &nodes, began + LEASE).is_empty());
    }

    #[test]
    fn a_lease_that_is_renewed_is_another_also_where_it_ends_sooner() {
        let (neighbours, began) = (Neighbours::default(), Instant::now());
        under_lease(&neighbours, &[node(1, T0), node(2, T0)], began);

        let renewed = [node(1, T0 - LEASE), node(2, T0)];

        assert_eq!(under_lease(&neighbours, &renewed, began + LEASE), [1]);
        assert!(under_lease(&neighbours, &renewed, began + 2 * LEASE).is_empty());
    }

    #[test]
    fn a_node_that_left_and_came_again_is_under_a_new_lease() {
        let (neighbours, began) = (Neighbours::default(), Instant::now());
        under_lease(&neighbours, &[node(1, T0)], began);
        under_lease(&neighbours, &[], began);

        assert_eq!(under_lease(&neighbours, &[node(1, T0)], began + LEASE), [1]);
    }
}

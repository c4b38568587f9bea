//! Waiting: of a change for the view, and of a verification for a change.

use std::time::Duration;

use symbolon_core::names::Source;
use symbolon_store::changes;
use tokio::time::timeout;

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::gate::Passage;
use crate::live::{feed, nodes};
use crate::verify::{DEFAULT_DEADLINE, LONGEST_DEADLINE};

/// The view does not know yet whether it is as new as was asked: the answer is "unavailable".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// Waits until the change `revision`, which is committed, is what every verification sees, at any node.
///
/// It runs on when who asked goes away. If the view cannot be brought up to date its gate closes, and
/// with nobody answering from memory there is nothing left to wait for.
pub(crate) async fn settle(ctx: &Ctx, revision: i64) {
    let live = &ctx.live;
    let behind = live.gate.passage(revision) == Passage::Open && live.view.applied() < revision;
    if !behind && !ctx.store.is_shared() {
        return;
    }
    let own = ctx.clone();
    let applying = tokio::spawn(async move {
        let here = async {
            // A reading that hangs takes this node out, and the answer is not kept waiting for it.
            if behind && timeout(nodes::LEASE, feed::catch_up(&own, revision)).await.is_err() {
                own.live.gate.close();
            }
        };
        tokio::join!(here, nodes::wait_for_others(&own, revision));
    });
    if applying.await.is_err() {
        live.gate.close();
        tracing::error!("applying a change to the live view broke off: it is closed");
    }
}

/// Waits until everything that is committed by now is what every verification sees: for whoever finds that
/// what he is asked for was done already, perhaps only just, by somebody who is still waiting.
///
/// # Errors
/// The database's.
pub(crate) async fn settle_what_is_there(ctx: &Ctx) -> Result<(), AppError> {
    settled_revision(ctx).await.map(|_| ())
}

/// The same; tells the revision of all that: no older than that of anything that was found done.
///
/// # Errors
/// The database's.
pub(crate) async fn settled_revision(ctx: &Ctx) -> Result<i64, AppError> {
    let mut reader = ctx.store.read().await?;
    let revision = changes::current(&mut reader).await?;
    drop(reader);
    settle(ctx, revision).await;
    Ok(revision)
}

/// Who waits: for a revision, or for the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiter {
    /// An API client that has proved itself, from where it asks.
    Client(Source),
    /// Anybody: what proxies pass on, and from where they say that it comes.
    Stranger(Source),
}

/// Who waits, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Who.
    pub waiter: Waiter,
    /// The time that he has.
    pub deadline: Duration,
}

impl Waiting {
    /// Whoever says how much time he has, or has as much as is usual.
    pub fn of(waiter: Waiter, deadline: Option<Duration>) -> Self {
        let deadline = deadline.unwrap_or(DEFAULT_DEADLINE).min(LONGEST_DEADLINE);
        Self { waiter, deadline }
    }

    /// The same, where `spent` of the time has gone already.
    #[must_use]
    pub const fn after(self, spent: Duration) -> Self {
        Self { deadline: self.deadline.saturating_sub(spent), ..self }
    }
}

/// Waits until the view is at least as new as `revision`, no longer than `deadline`.
///
/// # Errors
/// [`Stale`] at the deadline, and at once if too many wait already, or too many from there.
pub async fn at_least(
    ctx: &Ctx,
    revision: i64,
    deadline: Duration,
    waiter: Waiter,
) -> Result<(), Stale> {
    let live = &ctx.live;
    if live.view.applied() >= revision {
        return Ok(());
    }
    let place = match waiter {
        Waiter::Client(source) => live.waiting_clients.enter(source),
        Waiter::Stranger(source) => live.waiting_strangers.enter(source),
    };
    let _place = place.ok_or(Stale)?;
    let mut progress = live.progress.subscribe();
    live.wanted.notify_one();
    // What was told last may be of a log that has been rewound since.
    let reached = progress.wait_for(|_| live.view.applied() >= revision);
    match timeout(deadline, reached).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Stale),
    }
}

//! Tidies up what time has ended.

use std::time::Duration;

use symbolon_core::letter;
use symbolon_core::policy::DAY;
use symbolon_store::error::StoreError;
use symbolon_store::{
    Tx, challenges, changes, history, letters, links, nodes, places, reset_requests, sessions,
    sharing_signals, source_failures, uses,
};
use tracing::error;

use crate::context::Ctx;
use crate::disuse;
use crate::error::AppError;
use crate::live::{self, commit};
use crate::places::KNOWN_FOR;
use crate::rotation;
use crate::tokens::LOOK_BACK;

const ROUND: Duration = Duration::from_mins(1);
/// How long what has ended is kept, so that an owner can still look it up.
const KEEP_ENDED: Duration = Duration::from_hours(30 * 24);
/// How long sessions are kept that have ended: what they were used for tells who uses the token that
/// opened them.
const KEEP_SESSIONS: Duration = LOOK_BACK.saturating_add(DAY);
/// How long the login history goes back.
const KEEP_HISTORY: Duration = Duration::from_hours(400 * 24);

/// One round: letters that nobody took become too old; rotations end at their deadline, unused tokens at theirs; what nobody needs any
/// more is forgotten.
///
/// Each table is tidied in a transaction of its own: locks on rows of several would be taken in another
/// order than by those who work on one user.
///
/// # Errors
/// The database's.
pub async fn tidy(ctx: &Ctx) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let ended = now - KEEP_ENDED;
    let failures = now - DAY.max(ctx.settings.source_policy.period);
    by_itself(ctx, async |tx| letters::give_up(tx, now - letter::MAX_AGE, now).await).await?;
    by_itself(ctx, async |tx| letters::forget(tx, ended).await).await?;
    by_itself(ctx, async |tx| source_failures::forget(tx, failures).await).await?;
    by_itself(ctx, async |tx| sessions::forget(tx, now - KEEP_SESSIONS).await).await?;
    by_itself(ctx, async |tx| challenges::forget(tx, now - DAY).await).await?;
    by_itself(ctx, async |tx| places::forget(tx, now - KNOWN_FOR).await).await?;
    by_itself(ctx, async |tx| links::forget(tx, ended).await).await?;
    by_itself(ctx, async |tx| reset_requests::forget(tx, ended).await).await?;
    by_itself(ctx, async |tx| changes::forget(tx, ended).await).await?;
    by_itself(ctx, async |tx| uses::forget(tx, now - KEEP_HISTORY).await).await?;
    rotation::end_overdue(ctx).await?;
    disuse::end_unused(ctx).await?;
    by_itself(ctx, async |tx| sharing_signals::forget(tx, now - KEEP_HISTORY).await).await?;
    live::sweep(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let silent = tx.clock().await? - DAY;
    nodes::forget(&mut tx, silent).await?;
    commit(ctx, tx).await?;
    by_itself(ctx, async |tx| history::forget(tx, now - KEEP_HISTORY).await).await
}

/// One piece of it, in a transaction of its own.
async fn by_itself<T>(
    ctx: &Ctx,
    work: impl AsyncFnOnce(&mut Tx) -> Result<T, StoreError>,
) -> Result<(), AppError> {
    let mut tx = ctx.store.begin().await?;
    work(&mut tx).await?;
    commit(ctx, tx).await
}

/// A round every minute, for ever.
pub async fn run(ctx: Ctx) {
    let mut rounds = tokio::time::interval(ROUND);
    loop {
        rounds.tick().await;
        if let Err(error) = tidy(&ctx).await {
            error!(error = &error as &dyn std::error::Error, "could not tidy up");
        }
    }
}

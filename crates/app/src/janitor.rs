//! Tidies up what time has ended.

use std::time::Duration;

use symbolon_core::letter;
use symbolon_core::policy::DAY;
use symbolon_store::{history, letters, links, sessions, source_failures, tokens};
use tracing::error;

use crate::context::Ctx;
use crate::error::AppError;

const ROUND: Duration = Duration::from_mins(1);
/// How long what has ended is kept, so that an owner can still look it up.
const KEEP_ENDED: Duration = Duration::from_hours(30 * 24);
/// How long the login history goes back.
const KEEP_HISTORY: Duration = Duration::from_hours(400 * 24);

/// One round: letters that nobody took become too old; what nobody needs any more is forgotten.
///
/// # Errors
/// The database's.
pub async fn tidy(ctx: &Ctx) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    letters::give_up(&mut tx, now - letter::MAX_AGE, now).await?;
    source_failures::forget(&mut tx, now - DAY).await?;
    sessions::forget(&mut tx, now - KEEP_ENDED).await?;
    links::forget(&mut tx, now - KEEP_ENDED).await?;
    tokens::forget_requests(&mut tx, now - KEEP_ENDED).await?;
    history::forget(&mut tx, now - KEEP_HISTORY).await?;
    Ok(tx.commit().await?)
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

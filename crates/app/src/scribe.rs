//! The scribe writes down what verifications left in the notebook: last uses, who uses what from where,
//! and refusals that an owner should read of. A batch every ten seconds, so that a crash loses no more, and at
//! once where a token was used that was not in use before.

mod refusals;
mod uses;

use std::collections::HashMap;
use std::time::Duration;

use symbolon_core::Timestamp;
use tokio::time::{interval, sleep};
use tracing::error;

use crate::context::Ctx;
use crate::error::AppError;

const ROUND: Duration = Duration::from_secs(10);
/// The pause before a round out of turn: whoever comes right behind is written down along with the first.
const GATHERING: Duration = Duration::from_millis(50);
/// A refusal of the same credential for the same reason from the same network is told again after this time.
const TELL_AGAIN: Duration = Duration::from_hours(1);
/// Refusals that are remembered for that; with more, some are told twice.
const MOST_TOLD: usize = 8192;

/// Writes notes down.
#[derive(Debug, Default)]
pub struct Scribe {
    told: Told,
}

/// Writes for ever; when `stop` resolves, what is noted is written down first.
pub async fn run(ctx: Ctx, stop: impl Future<Output = ()> + Send) {
    let mut scribe = Scribe::default();
    let mut rounds = interval(ROUND);
    tokio::pin!(stop);
    loop {
        let stopped = tokio::select! {
            biased;
            () = &mut stop => true,
            _ = rounds.tick() => false,
            () = first_use(&ctx) => false,
        };
        if let Err(failure) = scribe.write_down(&ctx).await {
            error!(error = &failure as &dyn std::error::Error, "could not write down uses");
        }
        if stopped {
            return;
        }
    }
}

/// Resolves soon after the use of a token that was not in use before: it may end another (rotation).
async fn first_use(ctx: &Ctx) {
    ctx.notebook.first_use().await;
    sleep(GATHERING).await;
}

/// Writes every use down that is noted, but no refusal.
///
/// # Errors
/// The database's.
pub(crate) async fn write_uses(ctx: &Ctx) -> Result<(), AppError> {
    uses::write(ctx).await
}

impl Scribe {
    /// Writes everything down that is noted.
    ///
    /// # Errors
    /// The database's. What was not written is noted again, as far as there is room.
    pub async fn write_down(&mut self, ctx: &Ctx) -> Result<(), AppError> {
        uses::write(ctx).await?;
        refusals::write(ctx, &mut self.told).await
    }
}

/// What owners have been told lately: of what, when.
#[derive(Debug, Default)]
struct Told(HashMap<News, Timestamp>);

/// Which credential was refused why, used from which network.
type News = (i64, &'static str, String);

impl Told {
    fn is_news(&self, news: &News, at: Timestamp) -> bool {
        self.0.get(news).is_none_or(|told_at| at.since(*told_at) >= TELL_AGAIN)
    }

    fn remember(&mut self, news: News, at: Timestamp) {
        if self.0.len() >= MOST_TOLD {
            self.0.retain(|_, told_at| at.since(*told_at) < TELL_AGAIN);
        }
        if self.0.len() >= MOST_TOLD {
            self.0.clear();
        }
        self.0.insert(news, at);
    }
}

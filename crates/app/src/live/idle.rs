//! Sessions and tokens that were not used at this node for too long: they may have been used at another, or
//! through the database while the gate was closed. The database is asked before they are given up.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session, Token};
use symbolon_core::policy::DAY;
use symbolon_store::{Conn, live as stored, tokens};
use tokio::sync::SemaphorePermit;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::{Waiting, fill};

/// How long what has ended by the clock is kept. Two things may show that it lives all the same, and what
/// is given up before is unknown here until everything is read anew: news of its use at another node, which takes a round of the scribe
/// there and some rounds that fail; and the clock, which may have been set forward and is set back again.
const KEPT: Duration = DAY;

/// How long whoever asks about many waits for others who do.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session as it was read, and how new the view was before the reading.
struct Reading {
    session: Option<stored::LiveSession>,
    read_at: i64,
}

/// Looks a session up that seems idle; tells whether there is anything new about it.
///
/// # Errors
/// The database's; [`AppError::Busy`] where it cannot be asked in time.
pub(crate) async fn look_again(
    ctx: &Ctx,
    session: Id<Session>,
    waiting: Waiting,
) -> Result<bool, AppError> {
    let (line, source) = ctx.live.look_ups_of(waiting.waiter);
    let reading = async {
        let mut reader = ctx.store.read().await?;
        let reading = read(ctx, &mut reader, session.raw()).await?;
        Ok(put(ctx, reading))
    };
    line.ask(&line.sessions, session, (source, waiting.deadline), reading).await
}

/// When a token was last used that seems dead of disuse, or when it was issued; `None` where it has ended.
///
/// # Errors
/// The database's; [`AppError::Busy`] where it cannot be asked in time.
pub(crate) async fn last_use(
    ctx: &Ctx,
    token: Id<Token>,
    waiting: Waiting,
) -> Result<Option<Timestamp>, AppError> {
    let (line, source) = ctx.live.look_ups_of(waiting.waiter);
    let reading = async {
        let mut reader = ctx.store.read().await?;
        Ok(tokens::last_use(&mut reader, token).await?)
    };
    line.ask(&line.tokens, token, (source, waiting.deadline), reading).await
}

/// The same of many tokens; those that have ended are left out. Whoever asks about many has proved himself, and
/// waits for a place.
///
/// # Errors
/// The database's; [`AppError::Busy`].
pub(crate) async fn last_uses_of_many(
    ctx: &Ctx,
    tokens: &[Id<Token>],
) -> Result<HashMap<Id<Token>, Timestamp>, AppError> {
    let _place = place_for_many(ctx).await?;
    let mut reader = ctx.store.read().await?;
    Ok(tokens::last_uses(&mut reader, tokens).await?.into_iter().collect())
}

/// Looks many sessions up that seem idle; tells whether there is anything new about any of them.
///
/// # Errors
/// The database's; [`AppError::Busy`].
pub(crate) async fn look_again_at_many(
    ctx: &Ctx,
    sessions: &[Id<Session>],
) -> Result<bool, AppError> {
    let _place = place_for_many(ctx).await?;
    let mut reader = ctx.store.read().await?;
    let read_at = ctx.live.view.applied();
    let found = stored::sessions_of(&mut reader, sessions).await?;
    drop(reader);
    let any = !found.is_empty();
    for session in found {
        put(ctx, Reading { session: Some(session), read_at });
    }
    Ok(any)
}

async fn place_for_many(ctx: &Ctx) -> Result<SemaphorePermit<'_>, AppError> {
    let place = timeout(PATIENCE, ctx.live.looking_again_at_many.acquire()).await;
    place.ok().and_then(Result::ok).ok_or(AppError::Busy)
}

/// Sweeps the view: what has been dead for a day goes, and sessions that have been idle here and in the database.
///
/// # Errors
/// The database's; the sweeping goes on next time.
pub async fn sweep(ctx: &Ctx) -> Result<(), AppError> {
    let ended = ctx.clock.now() - KEPT;
    let sweeping = Sweeping::begin(ctx, ended);
    let mut seem_idle = Vec::new();
    for swept in ctx.live.view.sweep(ended) {
        seem_idle.extend(swept.idle);
        // With millions of credentials a round takes a while, and verifications come in on this thread, too.
        yield_now().await;
    }
    for idle in seem_idle {
        let mut reader = ctx.store.read().await?;
        let reading = read(ctx, &mut reader, idle.session).await?;
        put(ctx, reading);
        ctx.live.view.forget_if_idle(&idle, ended);
    }
    drop(sweeping);
    Ok(())
}

/// A sweep that is under way, however it ends. If the clock is set back and the view is read anew meanwhile, what is
/// swept after that must be told of as well.
struct Sweeping<'a> {
    ctx: &'a Ctx,
    ended: Timestamp,
}

impl<'a> Sweeping<'a> {
    fn begin(ctx: &'a Ctx, ended: Timestamp) -> Self {
        let sweeping = Self { ctx, ended };
        sweeping.tell();
        sweeping
    }

    fn tell(&self) {
        self.ctx.live.swept_through.fetch_max(self.ended.unix_ms(), Ordering::Relaxed);
    }
}

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Whether the clock was set back so far that what was swept may be alive again.
pub(super) fn has_given_up_what_lives(ctx: &Ctx) -> bool {
    let (now, swept) = (ctx.clock.now().unix_ms(), &ctx.live.swept_through);
    let behind = now < swept.load(Ordering::Relaxed);
    if behind {
        swept.store(i64::MIN, Ordering::Relaxed);
    }
    behind
}

async fn read(ctx: &Ctx, conn: &mut Conn, session: i64) -> Result<Reading, AppError> {
    let read_at = ctx.live.view.applied();
    Ok(Reading { session: stored::session(conn, session).await?, read_at })
}

/// Puts a reading into the view, unless a change has come in between.
fn put(ctx: &Ctx, reading: Reading) -> bool {
    let Reading { session: Some(session), read_at } = reading else {
        return false;
    };
    ctx.live.view.refresh_session(&fill::of_session(session), read_at);
    true
}

//! Sessions and tokens that were not used at this node for too long: they may have been used at another, or
//! through the database while the gate was closed. The database is asked before they are given up.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session, Token};
use symbolon_store::{Conn, live as stored, tokens};

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::fill;

/// How long news of a use at another node may be on its way to the database: a round of its scribe's, and
/// some rounds that fail. A session that is given up sooner is unknown here for ever while it lives there.
const NEWS: Duration = Duration::from_mins(2);

/// A session as it was read, and how new the view was before the reading.
struct Reading {
    session: Option<stored::LiveSession>,
    read_at: i64,
}

/// Looks a session up that seems idle; tells whether there is anything new about it.
///
/// Who has a session that has died could make us do so without end; only a few are looked up at a time,
/// and of what comes on top of them this node cannot know now.
///
/// # Errors
/// The database's; [`AppError::Busy`].
pub(crate) async fn look_again(ctx: &Ctx, session: Id<Session>) -> Result<bool, AppError> {
    let Ok(_place) = ctx.live.looking_again.try_acquire() else {
        return Err(AppError::Busy);
    };
    let mut reader = ctx.store.read().await?;
    let reading = read(ctx, &mut reader, session.raw()).await?;
    Ok(put(ctx, reading))
}

/// When a token was last used that seems dead of disuse, or when it was issued; `None` where it has ended.
///
/// Only a few are looked up at a time, as sessions are.
///
/// # Errors
/// The database's; [`AppError::Busy`].
pub(crate) async fn last_use(ctx: &Ctx, token: Id<Token>) -> Result<Option<Timestamp>, AppError> {
    let Ok(_place) = ctx.live.looking_again.try_acquire() else {
        return Err(AppError::Busy);
    };
    let mut reader = ctx.store.read().await?;
    Ok(tokens::last_use(&mut reader, token).await?)
}

/// Sweeps the view: what is dead goes, and sessions that are idle here and in the database.
///
/// # Errors
/// The database's; the sweeping goes on next time.
pub async fn sweep(ctx: &Ctx) -> Result<(), AppError> {
    let now = ctx.clock.now();
    ctx.live.view.sweep(now);
    for idle in ctx.live.view.idle_sessions(now) {
        let mut reader = ctx.store.read().await?;
        let reading = read(ctx, &mut reader, idle.session).await?;
        put(ctx, reading);
        ctx.live.view.forget_if_idle(&idle, now - NEWS);
    }
    Ok(())
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

//! Sessions that were not used at this node for too long: they may have been used at another, or through
//! the database while the gate was closed. The database is asked before they are given up.

use symbolon_core::id::Session;
use symbolon_core::{Id, Timestamp};
use symbolon_live::IdleSession;
use symbolon_store::{Conn, live as stored};

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::fill;

/// Sessions that are looked after in one reading.
const MOST: usize = 1000;

/// A session as it was read, and how new the view was before the reading.
struct Reading {
    session: Option<stored::LiveSession>,
    read_at: i64,
}

/// Looks a session up that seems idle; tells whether there is anything new about it.
///
/// # Errors
/// The database's.
pub(crate) async fn look_again(ctx: &Ctx, session: Id<Session>) -> Result<bool, AppError> {
    let mut reader = ctx.store.read().await?;
    let reading = read(ctx, &mut reader, session.raw()).await?;
    Ok(put(ctx, reading))
}

/// Sweeps the view: what is dead goes, and sessions that are idle here and in the database.
///
/// # Errors
/// The database's; the sweeping goes on next time.
pub async fn sweep(ctx: &Ctx) -> Result<(), AppError> {
    let now = ctx.clock.now();
    ctx.live.view.sweep(now);
    loop {
        let idle = ctx.live.view.idle_sessions(now, MOST);
        if idle.is_empty() {
            return Ok(());
        }
        let mut reader = ctx.store.read().await?;
        for session in &idle {
            let reading = read(ctx, &mut reader, session.session).await?;
            put(ctx, reading);
        }
        drop(reader);
        give_up(ctx, &idle, now);
    }
}

/// Takes out those that are idle still.
fn give_up(ctx: &Ctx, looked_after: &[IdleSession], now: Timestamp) {
    let idle = ctx.live.view.idle_sessions(now, usize::MAX);
    let still: std::collections::HashSet<i64> = idle.iter().map(|idle| idle.session).collect();
    for session in looked_after.iter().filter(|session| still.contains(&session.session)) {
        ctx.live.view.forget_session(session);
    }
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

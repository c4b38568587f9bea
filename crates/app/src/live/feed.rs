//! Applies the change log to the view, in order.
//!
//! Revisions are dense and become visible in their order, so the changes that are read are all there are
//! up to the last of them. What they say is not what happened but whose state changed: that state is
//! read afterwards, and may be newer than the change; a later change then says the same again.

use std::time::Duration;

use symbolon_store::changes::Change;
use symbolon_store::error::StoreError;
use symbolon_store::live::{self as stored, LoggedChange, Stretch};
use symbolon_store::{Conn, Reader};
use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{error, info, warn};

use crate::context::Ctx;
use crate::live::{Live, fill, idle, log, nodes};

/// How often the log is looked at unasked. Who changes something in this process does not wait for it.
const ROUND: Duration = Duration::from_secs(1);
/// How often the log is looked at while somebody waits.
const FOLLOW: Duration = Duration::from_millis(20);
/// How long a reading may take. Shorter than a lease: a change is answered within one.
const PATIENCE: Duration = Duration::from_secs(4);
/// The pause after a failure, with the gate closed.
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// Why the view could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The database's.
    #[error("the database could not be read")]
    Database(#[from] StoreError),
    /// The database does not answer.
    #[error("the database did not answer in time")]
    Slow,
    /// This node was away for so long that what it needs has been forgotten.
    #[error("the change log goes on at revision {0} only: everything is read anew")]
    Gap(i64),
    /// The log is another: commits were lost in a failover, or a backup was put back.
    #[error("the change log has lost what was applied up to revision {0}: everything is read anew")]
    Rewound(i64),
}

/// Fills the view and keeps it current until `stop`; a view that cannot be kept current is closed.
pub async fn run(ctx: Ctx, stop: impl Future<Output = ()> + Send) {
    // However this ends: without it nobody may answer from memory.
    let _closing = CloseAtTheEnd(&ctx.live);
    tokio::pin!(stop);
    let mut told = false;
    loop {
        let outcome = tokio::select! {
            biased;
            () = &mut stop => break,
            outcome = beat(&ctx) => outcome,
        };
        match outcome {
            Ok(()) if told => {
                info!("the live view is current again");
                told = false;
            }
            Ok(()) => {}
            Err(failure) => {
                close(&ctx.live, &failure);
                if !told {
                    error!(error = &failure as &dyn std::error::Error, "the live view is closed");
                }
                told = true;
                sleep(AFTER_FAILURE).await;
            }
        }
    }
    // The connection goes back, or closing the database would wait for it.
    ctx.live.feed.lock().await.take();
    if let Err(error) = nodes::leave(&ctx).await {
        warn!(error = &error as &dyn std::error::Error, "could not take leave of the other nodes");
    }
}

/// Closes the gate when it is dropped.
struct CloseAtTheEnd<'a>(&'a Live);

impl Drop for CloseAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.gate.close();
    }
}

/// One round of a second: the lease is renewed, and then the log is followed: closely with other nodes
/// about, for they wait for this one; else when a verification waits for a revision.
async fn beat(ctx: &Ctx) -> Result<(), FeedError> {
    let next_round = Instant::now() + ROUND;
    bring_up_to_date(ctx).await?;
    let others = nodes::are_others(ctx).await?;
    let mut reported = None;
    while timeout_at(next_round, next_look(ctx, others)).await.is_ok() {
        let mut feed = ctx.live.feed.lock().await;
        read_on(ctx, &mut feed).await?;
        drop(feed);
        let applied = ctx.live.view.applied();
        if others && reported != Some(applied) {
            nodes::report(ctx).await?;
            reported = Some(applied);
        }
    }
    Ok(())
}

/// Resolves when the log is to be looked at; never more often than [`FOLLOW`], whoever asks.
async fn next_look(ctx: &Ctx, others: bool) {
    if !others {
        ctx.live.wanted.notified().await;
    }
    sleep(FOLLOW).await;
}

/// Fills the view if that is still to be done, applies every change, and opens the gate.
///
/// # Errors
/// [`FeedError`]; the gate is left as it is.
pub async fn bring_up_to_date(ctx: &Ctx) -> Result<(), FeedError> {
    if idle::has_given_up_what_lives(ctx) {
        warn!("the clock was set back behind what has been given up: everything is read anew");
        ctx.live.gate.close();
        begin_anew(&ctx.live);
    }
    if ctx.live.view.is_filling() {
        // Without a lease: a filling may take long, and nobody has to wait for a node that does not answer.
        fill(ctx).await?;
    }
    let lease = nodes::renew(ctx).await?;
    let mut feed = ctx.live.feed.lock().await;
    read_on(ctx, &mut feed).await?;
    ctx.live.gate.open(ctx.live.view.applied(), lease);
    Ok(())
}

/// Applies changes until `revision` is in. A failure closes the gate.
pub(super) async fn catch_up(ctx: &Ctx, revision: i64) {
    let live = &ctx.live;
    let mut feed = live.feed.lock().await;
    // Whoever held the feed before may have applied it along with its own.
    if live.view.applied() >= revision {
        return;
    }
    if let Err(failure) = read_on(ctx, &mut feed).await {
        close(live, &failure);
        error!(error = &failure as &dyn std::error::Error, "the live view is closed");
    }
}

/// Nobody is answered from memory any more; what cannot be followed up is to be read anew.
fn close(live: &Live, failure: &FeedError) {
    live.gate.close();
    match failure {
        FeedError::Gap(_) | FeedError::Rewound(_) => begin_anew(live),
        FeedError::Database(_) | FeedError::Slow => {}
    }
}

/// Forgets everything, to read it anew; the gate is closed.
fn begin_anew(live: &Live) {
    live.view.begin_anew();
    log::remember(live, None);
    live.gate.forget_floor();
}

/// Applies everything that the log has beyond what is applied, or says that it takes too long: authors and
/// verifications wait for it.
async fn read_on(ctx: &Ctx, feed: &mut MutexGuard<'_, Option<Reader>>) -> Result<(), FeedError> {
    timeout(PATIENCE, read_all(ctx, feed)).await.unwrap_or(Err(FeedError::Slow))
}

async fn read_all(ctx: &Ctx, feed: &mut MutexGuard<'_, Option<Reader>>) -> Result<(), FeedError> {
    // A connection that failed is not used again.
    let mut reader = match feed.take() {
        Some(reader) => reader,
        None => ctx.store.read().await?,
    };
    let live = &ctx.live;
    loop {
        let changes = log::next(live, &mut reader).await?;
        let Some(last) = changes.last().copied() else {
            break;
        };
        apply(live, &mut reader, &changes, last.revision).await?;
        log::remember(live, Some(last));
    }
    **feed = Some(reader);
    Ok(())
}

/// Applies a run of changes and says so.
async fn apply(
    live: &Live,
    conn: &mut Conn,
    changes: &[LoggedChange],
    through: i64,
) -> Result<(), StoreError> {
    let stretch = Stretch { after: live.view.applied(), through };
    let any = |kinds: &[Change]| changes.iter().any(|change| kinds.contains(&change.change));
    if any(&[Change::ProfileChanged, Change::DeviceTypeChanged, Change::ClientChanged]) {
        fill::read_rules(live, conn).await?;
    }
    if any(&[Change::SessionStarted]) {
        for session in stored::started_sessions(conn, stretch).await? {
            live.view.apply_session_started(&fill::of_session(session), through);
        }
    }
    if any(&[Change::SessionEnded]) {
        for (session, digest) in stored::ended_sessions(conn, stretch).await? {
            live.view.apply_session_ended(session, &digest, through);
        }
    }
    if any(&[Change::UserChanged, Change::TokenReset, Change::TokenRevoked]) {
        apply_users(live, conn, stretch).await?;
    }
    live.view.advance(through);
    live.progress.send_replace(through);
    Ok(())
}

async fn apply_users(live: &Live, conn: &mut Conn, stretch: Stretch) -> Result<(), StoreError> {
    let users = stored::changed_users(conn, stretch).await?;
    let tokens = stored::changed_tokens(conn, stretch).await?;
    let sessions = stored::changed_sessions(conn, stretch).await?;
    let mut credentials: Vec<_> = tokens.into_iter().map(fill::of_token).collect();
    credentials.extend(sessions.into_iter().map(fill::of_session));
    credentials.sort_unstable_by_key(|credential| credential.user);
    for user in users {
        let from = credentials.partition_point(|credential| credential.user < user.id);
        let to = credentials.partition_point(|credential| credential.user <= user.id);
        live.view.apply_user(&fill::of_user(user), &credentials[from..to], stretch.through);
    }
    Ok(())
}

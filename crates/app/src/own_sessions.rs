//! A user's sessions, as their owner and administrators see and end them.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Place, Session, User};
use symbolon_core::policy::DAY;
use symbolon_core::session::SessionKind;
use symbolon_store::changes::{self, Change};
use symbolon_store::sessions::OpenSession;
use symbolon_store::{places, sessions, uses};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::{trail, users};

/// Sessions that are shown; the last used come first.
const MOST_SESSIONS: i64 = 200;
/// Clients that are shown of each session.
const MOST_USES: i64 = 5;

/// What ends the sessions that an administrator ends.
const BY_ADMINISTRATOR: &str = "ended by an administrator";

/// A session, as its owner's list shows it.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Identifier.
    pub session: Id<Session>,
    /// Web or API.
    pub kind: SessionKind,
    /// The device type of the token that opened it; `None` for a password alone.
    pub device_type: Option<String>,
    /// How its user proved himself when it was opened.
    pub proof: Option<String>,
    /// The known place that it was opened from.
    pub place: Option<Id<Place>>,
    /// In which network that place was, last; `None` where it is known no more.
    pub network: Option<String>,
    /// The head that it was opened at.
    pub head: String,
    /// What the client said it is.
    pub client: String,
    /// From where.
    pub source: String,
    /// The login.
    pub started_at: Timestamp,
    /// The last use that was written down.
    pub last_used_at: Timestamp,
    /// Who else has used it: client and address.
    pub uses: Vec<(String, String)>,
}

/// The live sessions of a user, the last used first.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx, user: Id<User>) -> Result<Vec<SessionView>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let open = sessions::open_of_user(&mut reader, user, MOST_SESSIONS).await?;
    let known = places::of_user(&mut reader, user, now - 10 * 365 * DAY, MOST_SESSIONS).await?;
    let network_of = |place: Option<Id<Place>>| {
        let known = known.iter().find(|known| Some(known.id) == place);
        known.map(|known| known.network.clone())
    };
    let mut views = Vec::new();
    let live = |open: &OpenSession| open.times.live_at(now, open.idle, open.lifetime);
    for session in open.into_iter().filter(live) {
        let used = uses::of_credential(&mut reader, session.id.raw(), MOST_USES).await?;
        let others = used
            .into_iter()
            .filter(|used| used.client != session.client || used.source != session.source)
            .map(|used| (used.client, used.source))
            .collect();
        let network = network_of(session.place);
        views.push(view(session, network, others));
    }
    Ok(views)
}

/// How many open sessions of a user [`list`] leaves out, which were used longest ago; some may be idle for
/// too long.
///
/// # Errors
/// The database's.
pub async fn not_shown(ctx: &Ctx, user: Id<User>) -> Result<u64, AppError> {
    let mut reader = ctx.store.read().await?;
    let open = sessions::count_open_of_user(&mut reader, user).await?;
    Ok(u64::try_from(open - MOST_SESSIONS).unwrap_or(0))
}

/// Ends one of a user's own sessions.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's, or has ended.
pub async fn end(ctx: &Ctx, user: Id<User>, session: Id<Session>) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if sessions::end(&mut tx, session, "ended by its owner", now).await? != Some(user) {
        return Err(AppError::NotFound("session"));
    }
    changes::record(&mut tx, Change::SessionEnded, user, Some(session.raw()), now).await?;
    commit(ctx, tx).await
}

/// Ends one session of a user, for an administrator.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's, or has ended.
pub async fn end_for(
    ctx: &Ctx,
    actor: Actor,
    username: &str,
    session: Id<Session>,
) -> Result<(), AppError> {
    let user = users::show(ctx, username).await?.id;
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if sessions::end(&mut tx, session, BY_ADMINISTRATOR, now).await? != Some(user) {
        return Err(AppError::NotFound("session"));
    }
    let (subject, details) = (format!("user:{user}"), format!("session={session}"));
    trail::append(&mut tx, actor, "session.ended", subject, details, now).await?;
    changes::record(&mut tx, Change::SessionEnded, user, Some(session.raw()), now).await?;
    commit(ctx, tx).await
}

/// Ends every session of a user, for an administrator; tells how many. The user may log in again at once.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn end_all_for(ctx: &Ctx, actor: Actor, username: &str) -> Result<u64, AppError> {
    let user = users::show(ctx, username).await?.id;
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let ended = sessions::end_of_user(&mut tx, user, None, BY_ADMINISTRATOR, now).await?;
    let (subject, details) = (format!("user:{user}"), format!("ended={ended}"));
    trail::append(&mut tx, actor, "sessions.ended", subject, details, now).await?;
    changes::record(&mut tx, Change::UserChanged, user, None, now).await?;
    commit(ctx, tx).await?;
    Ok(ended)
}

/// Ends every session of a user but the one that asks; tells how many.
///
/// # Errors
/// The database's.
pub async fn end_others(ctx: &Ctx, user: Id<User>, keep: Id<Session>) -> Result<u64, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let cause = "ended by its owner";
    let ended = sessions::end_of_user(&mut tx, user, Some(keep), cause, now).await?;
    changes::record(&mut tx, Change::UserChanged, user, None, now).await?;
    commit(ctx, tx).await?;
    Ok(ended)
}

fn view(session: OpenSession, network: Option<String>, uses: Vec<(String, String)>) -> SessionView {
    SessionView {
        session: session.id,
        kind: session.kind,
        device_type: session.device_type,
        proof: session.proof,
        place: session.place,
        network,
        head: session.head,
        client: session.client,
        source: session.source,
        started_at: session.times.started_at,
        last_used_at: session.times.last_used_at,
        uses,
    }
}

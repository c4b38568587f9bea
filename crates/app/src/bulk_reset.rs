//! A reset of every user of a profile, some at a time.
//!
//! How far it has come stands in the database, and each step moves it in the transaction that resets its
//! users: whatever breaks off, nobody is reset twice and nobody is left out, and whoever comes later may go
//! on or cancel. A user whom a rule forbids it is passed over and counted, and so is one of whom a row cannot be
//! read, of whom the log tells: one row that is broken keeps nobody else from his reset.

use symbolon_core::Timestamp;
use symbolon_core::id::{BulkReset, Id, Profile, User};
use symbolon_core::issue::IssueCause;
use symbolon_core::judge::RetirementCause;
use symbolon_core::letter::Volume;
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;
use symbolon_store::bulk_resets::{self, BulkResetRow, BulkState, Extent, NewBulkReset};
use symbolon_store::error::StoreError;
use symbolon_store::{Conn, Tx, profiles, users};
use tracing::error;

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::{commit, settle_what_is_there};
use crate::reset::{Order, ResetError, write_reset};
use crate::{device_types, trail};

pub use symbolon_store::bulk_resets::BulkState as State;

/// Users in one transaction. More would save little, and keep everybody else from writing for longer.
const AT_ONCE: i64 = 50;
const MOST_LISTED: i64 = 100;
const NO_HOLDERS: &str = "Users of this profile may not hold a token of this device type. An administrator \
                          can allow it in the device type.";
const ENDED: &str = "This bulk reset has come to its end already.";

/// What is to be reset.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The name of the profile.
    pub profile: &'a str,
    /// What kind of thing is to hold the new tokens.
    pub device_type: DeviceType,
    /// Which earlier tokens end.
    pub scope: Scope,
    /// Why.
    pub reason: Option<&'a str>,
}

/// How much a bulk reset would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// Users of the profile.
    pub users: i64,
    /// Of these, those whom a rule forbids it now.
    pub passed_over: i64,
    /// Live tokens that would end, those of users who are passed over among them.
    pub tokens: i64,
}

/// A bulk reset, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkResetView(pub BulkResetRow);

/// Tells what a bulk reset would do, and does nothing.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such profile or device type; [`AppError::Forbidden`] where its
/// users may not hold such a token.
pub async fn forecast(ctx: &Ctx, asked: &Asked<'_>) -> Result<Forecast, AppError> {
    let mut reader = ctx.store.read().await?;
    let profile = demand(&mut reader, asked).await?;
    let extent = extent(&mut reader, profile, asked, ctx.clock.now()).await?;
    let tokens = match asked.scope {
        Scope::Account => extent.tokens,
        Scope::DeviceType => extent.tokens_of_type,
    };
    Ok(Forecast { users: extent.users, passed_over: extent.passed_over, tokens })
}

/// Begins a bulk reset; nobody is reset yet.
///
/// # Errors
/// As [`forecast`].
pub async fn begin(ctx: &Ctx, actor: Actor, asked: &Asked<'_>) -> Result<BulkResetView, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let profile = demand(&mut tx, asked).await?;
    let total = extent(&mut tx, profile, asked, now).await?.users;
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let reason = asked.reason.unwrap_or_default().replace(char::is_control, " ");
    let (device_type, scope) = (&asked.device_type, asked.scope);
    let actor_text = actor.to_string();
    let (reason, actor_text) = (reason.as_str(), actor_text.as_str());
    let new = NewBulkReset { id, profile, device_type, scope, reason, actor: actor_text, total };
    bulk_resets::insert(&mut tx, &new, now).await?;
    let details = format!(
        "bulk_reset={id}\ndevice_type={device_type}\nscope={}\nusers={total}\nreason={reason}",
        scope.word()
    );
    let subject = format!("profile:{profile}");
    trail::append(&mut tx, actor, "bulk-reset.begun", subject, details, now).await?;
    let begun = find(&mut tx, id).await?;
    tx.commit().await?;
    Ok(BulkResetView(begun))
}

/// Resets the next users; ends the bulk reset where there are none. Once begun a step comes to its end, and
/// its letters are sent, when who drives it goes away.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Forbidden`] where it was cancelled. The users of this step are then
/// as they were.
pub async fn step(ctx: &Ctx, actor: Actor, id: Id<BulkReset>) -> Result<BulkResetView, AppError> {
    let own = ctx.clone();
    let stepping = tokio::spawn(async move { reset_next(&own, actor, id).await });
    stepping.await.map_err(|_| AppError::Corrupt("bulk reset"))?
}

/// Why a step was not done.
enum Broken {
    /// A row of this user cannot be read. What was written of him is given up with the others.
    User(Id<User>, AppError),
    /// Whatever else.
    App(AppError),
}

impl<E: Into<AppError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::App(error.into())
    }
}

/// The step is done anew without each user whose rows cannot be read: half of what is his may be written.
async fn reset_next(ctx: &Ctx, actor: Actor, id: Id<BulkReset>) -> Result<BulkResetView, AppError> {
    let mut unreadable = Vec::new();
    loop {
        match reset_readable(ctx, actor, id, &unreadable).await {
            Ok(stands) => return Ok(stands),
            Err(Broken::App(error)) => return Err(error),
            Err(Broken::User(user, error)) => {
                let error = &error as &dyn std::error::Error;
                error!(user.id = %user, error, "passed over a user of whom a row cannot be read");
                unreadable.push(user);
            }
        }
    }
}

async fn reset_readable(
    ctx: &Ctx,
    actor: Actor,
    id: Id<BulkReset>,
    unreadable: &[Id<User>],
) -> Result<BulkResetView, Broken> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    // Two who drive the same one take turns here.
    if !bulk_resets::hold(&mut tx, id).await? {
        return Err(AppError::NotFound("bulk reset").into());
    }
    let bulk = find(&mut tx, id).await?;
    match bulk.state {
        BulkState::Running => {}
        BulkState::Done => {
            drop(tx);
            // The last step of somebody else may still be waiting for what it has committed.
            settle_what_is_there(ctx).await?;
            return Ok(BulkResetView(bulk));
        }
        BulkState::Cancelled => return Err(AppError::Forbidden(ENDED).into()),
    }
    // What all of them share is read first: were that broken, it would be no one user's row.
    profiles::in_force(&mut tx, bulk.profile).await?;
    device_types::demand(&mut tx, &bulk.device_type).await?;
    let next = bulk_resets::next_users(&mut tx, &bulk, AT_ONCE).await?;
    let Some(last) = next.last().copied() else {
        return Ok(end(ctx, tx, actor, &bulk, BulkState::Done).await?);
    };
    // All of them before the first change: whoever changes one of these users holds his row while he waits
    // for the revision, which the first reset takes.
    users::hold_all(&mut tx, &next).await?;
    let (mut done, mut passed_over) = (0, 0);
    let reason = format!("bulk reset {id}: {}", bulk.reason);
    for user in next {
        if unreadable.contains(&user) {
            passed_over += 1;
            continue;
        }
        let order = Order {
            actor,
            cause: RetirementCause::AdminReset,
            issue: IssueCause::BulkReset,
            scope: bulk.scope,
            device_type: bulk.device_type.clone(),
            source: None,
            reason: Some(&reason),
            volume: Volume::Bulk,
        };
        match reset_one(ctx, &mut tx, user, order, now).await {
            Ok(Outcome::Done) => done += 1,
            Ok(Outcome::PassedOver) => passed_over += 1,
            Err(error) if is_unreadable(&error) => return Err(Broken::User(user, error)),
            Err(error) => return Err(error.into()),
        }
    }
    bulk_resets::advance(&mut tx, id, last, done, passed_over).await?;
    let stands = find(&mut tx, id).await?;
    if done > 0 {
        commit(ctx, tx).await?;
        ctx.letters_waiting.notify_one();
    } else {
        tx.commit().await?;
    }
    Ok(BulkResetView(stands))
}

/// What became of one user.
enum Outcome {
    Done,
    PassedOver,
}

async fn reset_one(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    order: Order<'_>,
    now: Timestamp,
) -> Result<Outcome, AppError> {
    let Some(user) = users::find(tx, user).await? else {
        return Ok(Outcome::PassedOver);
    };
    users::take(tx, user.standing.user).await?;
    match write_reset(ctx, tx, &user, order, None, now).await {
        Ok(_) => Ok(Outcome::Done),
        Err(ResetError::Forbidden(_)) => Ok(Outcome::PassedOver),
        Err(ResetError::App(error)) => Err(error),
        Err(ResetError::WrongPassword(_)) => Err(AppError::Corrupt("bulk reset")),
    }
}

/// Whether a stored row is not what was written: trying again would meet it again.
fn is_unreadable(error: &AppError) -> bool {
    matches!(error, AppError::Corrupt(_) | AppError::Database(StoreError::Corrupt { .. }))
}

/// Ends a bulk reset where it stands; who was reset stays reset.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Forbidden`] where it has come to its end.
pub async fn cancel(ctx: &Ctx, actor: Actor, id: Id<BulkReset>) -> Result<BulkResetView, AppError> {
    let mut tx = ctx.store.begin().await?;
    if !bulk_resets::hold(&mut tx, id).await? {
        return Err(AppError::NotFound("bulk reset"));
    }
    let bulk = find(&mut tx, id).await?;
    if bulk.state != BulkState::Running {
        return Err(AppError::Forbidden(ENDED));
    }
    end(ctx, tx, actor, &bulk, BulkState::Cancelled).await
}

/// Bulk resets, the latest first.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx) -> Result<Vec<BulkResetView>, AppError> {
    let mut reader = ctx.store.read().await?;
    let rows = bulk_resets::list(&mut reader, MOST_LISTED).await?;
    Ok(rows.into_iter().map(BulkResetView).collect())
}

async fn end(
    ctx: &Ctx,
    mut tx: Tx,
    actor: Actor,
    bulk: &BulkResetRow,
    state: BulkState,
) -> Result<BulkResetView, AppError> {
    let now = ctx.clock.now();
    bulk_resets::end(&mut tx, bulk.id, state, now).await?;
    let action = match state {
        BulkState::Cancelled => "bulk-reset.cancelled",
        BulkState::Done | BulkState::Running => "bulk-reset.done",
    };
    let details =
        format!("bulk_reset={}\ndone={}\npassed_over={}", bulk.id, bulk.done, bulk.passed_over);
    trail::append(&mut tx, actor, action, format!("profile:{}", bulk.profile), details, now)
        .await?;
    let stands = find(&mut tx, bulk.id).await?;
    tx.commit().await?;
    // This transaction has ended no token, but a step before it has, and whoever drove that may have gone away
    // while it waited: what is told to be done is dead everywhere (I2).
    settle_what_is_there(ctx).await?;
    Ok(BulkResetView(stands))
}

/// The profile, where its users may hold such a token.
async fn demand(conn: &mut Conn, asked: &Asked<'_>) -> Result<Id<Profile>, AppError> {
    let found = profiles::find_by_name(conn, asked.profile).await?;
    let profile = found.ok_or(AppError::NotFound("profile"))?.id;
    let known = device_types::demand(conn, &asked.device_type).await?;
    if known.rules.holders.include(profile) {
        Ok(profile)
    } else {
        Err(AppError::Forbidden(NO_HOLDERS))
    }
}

async fn extent(
    conn: &mut Conn,
    profile: Id<Profile>,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Extent, AppError> {
    let encryption = profiles::in_force(conn, profile).await?.mail_encryption;
    let what = (&asked.device_type, asked.scope);
    Ok(bulk_resets::extent(conn, profile, what, encryption, now).await?)
}

async fn find(conn: &mut Conn, id: Id<BulkReset>) -> Result<BulkResetRow, AppError> {
    bulk_resets::find(conn, id).await?.ok_or(AppError::NotFound("bulk reset"))
}

//! How a rotation ends by itself: at the first use of the new token the old one retires in the same
//! transaction, and else at its deadline. From that instant its expiry ends it; the janitor, who comes within
//! a minute, retires it.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::letter::LetterKind;
use symbolon_store::changes::{self, Change};
use symbolon_store::tokens::TokenRow;
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, profiles, tokens, users};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::rotation::facts_of;
use crate::{outbox, retirement, trail};

/// Rotations that one round of the janitor looks at.
const PORTION: i64 = 1000;

/// A token that has ended in this transaction, of which the view is still to be told: by [`record`], as the
/// last statement.
#[derive(Debug)]
#[must_use = "without its change row the view would keep the token"]
pub(crate) struct Completed {
    user: Id<User>,
    retired: Id<Token>,
}

/// Completes the rotation that `used` came by, if one is under way: to be called where a use of a token is
/// noted. The user's row is held.
pub(crate) async fn complete(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    used: impl Into<Option<Id<Token>>>,
    now: Timestamp,
) -> Result<Option<Completed>, AppError> {
    let Some(used) = used.into() else {
        return Ok(None);
    };
    let Some(old) = tokens::outgoing_before(tx, used).await? else {
        return Ok(None);
    };
    end(ctx, tx, user, &old, End::FirstUse(used), now).await.map(Some)
}

/// Records that a rotation was completed.
pub(crate) async fn record(
    tx: &mut Tx,
    completed: Option<Completed>,
    now: Timestamp,
) -> Result<(), AppError> {
    if let Some(Completed { user, retired }) = completed {
        changes::record(tx, Change::TokenRevoked, user, Some(retired.raw()), now).await?;
    }
    Ok(())
}

/// Completes the rotations whose new tokens are among `used`, tokens of which uses were noted late.
///
/// # Errors
/// The database's; the janitor completes what is left.
pub(crate) async fn complete_used(ctx: &Ctx, used: &[Id<Token>]) -> Result<(), AppError> {
    if used.is_empty() {
        return Ok(());
    }
    let mut reader = ctx.store.read().await?;
    let successors = tokens::used_successors(&mut reader, used).await?;
    drop(reader);
    for (used, owner) in successors {
        let now = ctx.clock.now();
        let mut tx = ctx.store.begin().await?;
        let Some(user) = hold(&mut tx, owner).await? else {
            continue;
        };
        let completed = complete(ctx, &mut tx, &user, used, now).await?;
        record(&mut tx, completed, now).await?;
        commit(ctx, tx).await?;
        ctx.letters_waiting.notify_one();
    }
    Ok(())
}

/// Retires what lives on though its time is over: its deadline has passed, or the use of the token that came
/// in its place was noted and nothing more (a crash lay between).
///
/// # Errors
/// The database's.
pub async fn end_overdue(ctx: &Ctx) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let due = tokens::due_to_retire(&mut reader, now, PORTION).await?;
    drop(reader);
    for (token, owner) in due {
        let mut tx = ctx.store.begin().await?;
        let Some(user) = hold(&mut tx, owner).await? else {
            continue;
        };
        if end_one(ctx, &mut tx, &user, token, now).await? {
            let subject = Some(token.raw());
            changes::record(&mut tx, Change::TokenRevoked, owner, subject, now).await?;
            commit(ctx, tx).await?;
            ctx.letters_waiting.notify_one();
        }
    }
    Ok(())
}

/// Retires an outgoing token whose time is over, in a transaction that holds the user's row; `false` if it has
/// ended meanwhile, or lives on.
pub(crate) async fn end_one(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    outgoing: Id<Token>,
    now: Timestamp,
) -> Result<bool, AppError> {
    let row = tokens::find(tx, outgoing).await?.filter(|row| row.record.retired.is_none());
    let Some((row, successor)) = row.and_then(|row| row.succeeded_by.map(|next| (row, next)))
    else {
        return Ok(false);
    };
    let how = if row.record.expires_at <= now {
        End::Deadline(successor)
    } else {
        let next = tokens::find(tx, successor).await?;
        if next.is_none_or(|next| next.last_used_at.is_none()) {
            return Ok(false);
        }
        End::FirstUse(successor)
    };
    // Who calls this records the change, or has more to record.
    let Completed { .. } = end(ctx, tx, user, &row, how, now).await?;
    Ok(true)
}

/// What ends an outgoing token, and the token that comes in its place.
#[derive(Clone, Copy)]
enum End {
    FirstUse(Id<Token>),
    Deadline(Id<Token>),
}

async fn end(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    old: &TokenRow,
    how: End,
    now: Timestamp,
) -> Result<Completed, AppError> {
    let (id, retired) = (user.standing.user, old.record.token);
    let (token, word, actor) = match how {
        End::FirstUse(token) => (token, "first-use", Actor::Bearer(token)),
        End::Deadline(token) => (token, "deadline", Actor::Rule),
    };
    let cause = RetirementCause::Rotation;
    let policy = profiles::in_force(tx, user.profile).await?;
    retirement::retire(tx, &[retired], cause, actor, policy.on_reset, now).await?;
    let facts = facts_of(&old.device_type, cause, "rotation", now)
        .with("rotation", word)
        .with("retired", 1);
    outbox::write_notice(ctx, tx, user, LetterKind::TokenChanged, facts, now).await?;
    let device_type = &old.device_type;
    let details = format!("token={token}\ndevice_type={device_type}\nretired={retired}\nby={word}");
    let subject = format!("user:{id}");
    trail::append(tx, actor, "token.rotation-completed", subject, details, now).await?;
    Ok(Completed { user: id, retired })
}

async fn hold(tx: &mut Tx, user: Id<User>) -> Result<Option<UserRecord>, AppError> {
    if !users::hold(tx, user).await? {
        return Ok(None);
    }
    Ok(users::find(tx, user).await?)
}

//! Revocation: a live token ends without a successor. Its owner may, who proves himself; an administrator; and
//! whoever holds it, who needs no other right (RFC 7009).

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::keys::Purpose;
use symbolon_core::letter::LetterKind;
use symbolon_core::policy::SessionsOnReset;
use symbolon_core::secret::Password;
use symbolon_core::token::PresentedToken;
use symbolon_store::Tx;
use symbolon_store::changes::{self, Change};
use symbolon_store::tokens::{self, TokenRow};
use symbolon_store::users::{self, UserRecord};

use crate::account::{ChangeError, take_unchanged};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::{commit, settle_what_is_there, settled_revision};
use crate::login::Head;
use crate::passwords::{self, Proof};
use crate::{outbox, retirement, trail};

/// Ends the live token that somebody holds, if it is one; who holds it needs no other right (RFC 7009 §2.1).
/// Its owner is told.
///
/// # Errors
/// The database's.
pub async fn revoke_presented(ctx: &Ctx, token: &PresentedToken) -> Result<(), AppError> {
    let digests = ctx.keys.digests(Purpose::Token, token.reveal().as_bytes());
    let mut reader = ctx.store.read().await?;
    let found = tokens::find_by_digest(&mut reader, &digests).await?;
    drop(reader);
    let Some(record) = found.filter(|record| record.retired.is_none()) else {
        return settle_what_is_there(ctx).await;
    };
    match revoke(ctx, Actor::Bearer(record.token), record.token).await {
        // Somebody else was quicker, or the user is gone.
        Err(AppError::NotFound(_)) => settle_what_is_there(ctx).await,
        ended => ended.map(|_| ()),
    }
}

/// Ends a live token without a successor; tells the revision from which on it is dead.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such live token.
pub async fn revoke(ctx: &Ctx, actor: Actor, token: Id<Token>) -> Result<i64, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let found = tokens::find(&mut tx, token).await?;
    let row = found.ok_or(AppError::NotFound("token"))?;
    let id = row.record.user;
    if !users::take(&mut tx, id).await? {
        return Err(AppError::NotFound("token"));
    }
    let user = users::find(&mut tx, id).await?.ok_or(AppError::NotFound("token"))?;
    let revision = write_revocation(ctx, &mut tx, &user, actor, &row, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(revision)
}

/// Ends a live token of an owner who proves the current password anew, as a program must that has nothing else
/// to show but a session; tells the revision from which on it is dead. One that was revoked before is as good as
/// revoked by this: whoever lost the answer asks again and gets it.
///
/// # Errors
/// [`ChangeError`]; nothing was changed then.
pub async fn revoke_own(
    ctx: &Ctx,
    user: Id<User>,
    current: &Password,
    token: Id<Token>,
    origin: &Origin,
) -> Result<i64, ChangeError> {
    let proved = match passwords::prove_at(ctx, Head::Rest, user, current, origin).await? {
        Proof::Given(user) => user,
        Proof::Refused(refused) => return Err(ChangeError::WrongPassword(refused)),
    };
    let mut tx = ctx.store.begin().await?;
    let user = take_unchanged(&mut tx, &proved).await?;
    let id = user.standing.user;
    let row = tokens::find(&mut tx, token).await?.filter(|row| row.record.user == id);
    let row = row.ok_or(AppError::NotFound("token"))?;
    match row.record.retired {
        Some((_, RetirementCause::Revoked)) => {
            drop(tx);
            // The request that came first may still be waiting for what it has committed.
            return Ok(settled_revision(ctx).await?);
        }
        Some(_) => {
            drop(tx);
            settle_what_is_there(ctx).await?;
            return Err(AppError::NotFound("live token").into());
        }
        None => {}
    }
    let now = ctx.clock.now();
    let revision = write_revocation(ctx, &mut tx, &user, Actor::User(id), &row, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(revision)
}

/// Writes a revocation into a transaction that has taken the user's row; the change row, whose revision is told,
/// comes last.
async fn write_revocation(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    actor: Actor,
    row: &TokenRow,
    now: Timestamp,
) -> Result<i64, AppError> {
    let (id, token) = (user.standing.user, row.record.token);
    let live = tokens::live_of_user(tx, id).await?;
    if !live.iter().any(|live| live.token == token) {
        return Err(AppError::NotFound("live token"));
    }
    let cause = RetirementCause::Revoked;
    retirement::retire(tx, &[token], cause, actor, SessionsOnReset::End, now).await?;
    let facts = Facts::default()
        .with("device_type", &row.device_type)
        .with("cause", cause.word())
        .with("by", by(actor, id))
        .at("asked_at", now)
        .with("retired", 1)
        .with("scope", "device-type");
    outbox::write_notice(ctx, tx, user, LetterKind::TokenChanged, facts, now).await?;
    let details = format!("token={token}");
    trail::append(tx, actor, "token.revoked", format!("user:{id}"), details, now).await?;
    Ok(changes::record(tx, Change::TokenRevoked, id, Some(token.raw()), now).await?)
}

/// Who ended a token of `owner`, as its mail says.
fn by(actor: Actor, owner: Id<User>) -> &'static str {
    match actor {
        Actor::User(user) if user == owner => "owner",
        Actor::Bearer(_) => "bearer",
        Actor::User(_) | Actor::Operator | Actor::LinkOf(_) | Actor::Rule => "administrator",
    }
}

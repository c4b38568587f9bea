//! Passwords: proved again before a sensitive change; judged, compared with earlier ones and hashed when
//! new; expired when old.
//!
//! A comparison with an earlier password costs a hash like any other. They are made in one turn of the
//! bounded pool, and no transaction is open meanwhile.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Profile, User};
use symbolon_core::judge::{Door, PasswordVerdict, Rule, judge};
use symbolon_core::password::{PasswordFault, judge_new_password};
use symbolon_core::policy::{DAY, PasswordPolicy};
use symbolon_core::secret::Password;
use symbolon_store::changes::{self, Change};
use symbolon_store::users::{self, PasswordRecord, UserRecord};
use symbolon_store::{Tx, password_history, profiles};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::hashing::{self, Asker};
use crate::login::{Head, Refused, evidence, record};
use crate::{places, trail};

/// Why somebody may do nothing but change his password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// An administrator has given him a temporary one.
    Temporary,
    /// It is older than his profile allows.
    TooOld,
}

/// The rules that are asked again with the password.
const ASKED_AGAIN: [Rule; 4] = [Rule::User, Rule::Active, Rule::Lockout, Rule::Password];

/// Whether the current password was proved.
pub(crate) enum Proof {
    /// It was; the user as he was at that moment.
    Given(Box<UserRecord>),
    /// It was not, or the user may not: counted and written into the history.
    Refused(Refused),
}

/// Asks for the current password again. Counts like a login: this is not a way around the lockout.
pub(crate) async fn prove(
    ctx: &Ctx,
    user: Id<User>,
    password: &Password,
    origin: &Origin,
) -> Result<Proof, AppError> {
    prove_at(ctx, Head::Web, user, password, origin).await
}

/// [`prove`] at another head than the pages, which the history names.
pub(crate) async fn prove_at(
    ctx: &Ctx,
    head: Head,
    user: Id<User>,
    password: &Password,
    origin: &Origin,
) -> Result<Proof, AppError> {
    // In a task of its own: who hangs up while his guess is being hashed has guessed all the same.
    let (ctx, origin) = (ctx.clone(), origin.clone());
    let password = Password::new(password.reveal().to_owned());
    let proof = tokio::spawn(async move { decide(&ctx, head, user, &password, &origin).await });
    proof.await.map_err(|_| AppError::Corrupt("a proof"))?
}

async fn decide(
    ctx: &Ctx,
    head: Head,
    user: Id<User>,
    password: &Password,
    origin: &Origin,
) -> Result<Proof, AppError> {
    let place = ctx.hasher.line_up(Asker::from(origin))?;
    let username = find(ctx, user).await?.username;
    let _gate = ctx.turnstile.pass(&username.key()).await;
    let turn = place.turn().await?;
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let mut evidence = evidence::of_name(&mut reader, username.as_str()).await?;
    // Whoever has a session at a known place is no stranger: neither those nor a neighbour can lock him out of
    // what he does there.
    let known = match head {
        Head::Web => places::of_session(&mut reader, user, origin, now).await?,
        Head::SoapPartner
        | Head::SoapEnterprise
        | Head::OAuthPassword
        | Head::Rest
        | Head::Introspection
        | Head::Verify
        | Head::ForwardAuth
        | Head::AuthRequest
        | Head::ExtAuthz
        | Head::ExtAuthzGrpc => places::find_api(&mut reader, Some(user), origin, now).await?,
    };
    evidence.stand_at(known);
    drop(reader);
    let verification = hashing::verify(ctx, &turn, password, evidence.password()).await?;
    let decision = judge(&evidence.login(ctx, Door::Web, verification.verdict, origin.source, now));
    match (decision.refusal_by(&ASKED_AGAIN), evidence.user.as_ref()) {
        (None, Some(user)) => Ok(Proof::Given(Box::new(user.clone()))),
        (None, None) => Err(AppError::NotFound("user")),
        (Some(refusal), _) => {
            let refused = (refusal, &decision.steps[..]);
            let refused =
                record::record_refusal(ctx, head, &evidence, refused, origin, now).await?;
            Ok(Proof::Refused(refused))
        }
    }
}

/// Judges a new password of `user`, compares it with those he had, and hashes it.
///
/// # Errors
/// [`AppError::Password`]; [`AppError::TooMany`] if too many wait already.
pub(crate) async fn hash_new(
    ctx: &Ctx,
    asker: Asker,
    user: &UserRecord,
    password: &Password,
) -> Result<PasswordRecord, AppError> {
    let mut reader = ctx.store.read().await?;
    let policy = profiles::in_force(&mut reader, user.profile).await?.password;
    let mut earlier = Vec::new();
    if let Some(replaced) = policy.history.checked_sub(1) {
        earlier.extend(user.password.clone());
        let id = user.standing.user;
        earlier.extend(password_history::latest(&mut reader, id, replaced).await?);
    }
    drop(reader);
    let words = [user.username.as_str(), user.email.as_str(), user.name.as_str()];
    judge_new(ctx, policy, password, words)?;
    let turn = ctx.hasher.line_up(asker)?.turn().await?;
    // Where the pepper is gone nobody could log in with it, and nothing can be compared.
    for earlier in earlier.iter().filter(|earlier| ctx.keys.pepper(earlier.pepper).is_some()) {
        let verification = hashing::verify(ctx, &turn, password, Some(earlier)).await?;
        if verification.verdict == PasswordVerdict::Right {
            return Err(AppError::Password(PasswordFault::UsedBefore));
        }
    }
    hashing::hash_in_turn(ctx, &turn, password).await
}

/// Judges and hashes the first password of somebody who is going to be under `profile`. The words are his:
/// username, address, name.
///
/// # Errors
/// [`AppError::Password`]; [`AppError::TooMany`] if too many wait already.
pub(crate) async fn hash_first(
    ctx: &Ctx,
    asker: Asker,
    profile: Id<Profile>,
    words: [&str; 3],
    password: &Password,
) -> Result<PasswordRecord, AppError> {
    let mut reader = ctx.store.read().await?;
    let policy = profiles::in_force(&mut reader, profile).await?.password;
    drop(reader);
    judge_new(ctx, policy, password, words)?;
    hashing::hash(ctx, asker, password).await
}

fn judge_new(
    ctx: &Ctx,
    policy: PasswordPolicy,
    password: &Password,
    [username, email, name]: [&str; 3],
) -> Result<(), AppError> {
    let words = [username, email, name, ctx.settings.organization.as_str()];
    judge_new_password(password, policy, &words).map_err(AppError::Password)
}

/// Replaces the password of a user whose row is taken, and remembers the one before.
pub(crate) async fn replace(
    tx: &mut Tx,
    user: &UserRecord,
    new: &PasswordRecord,
    expired_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), AppError> {
    let id = user.standing.user;
    if let Some(replaced) = &user.password {
        let policy = profiles::in_force(tx, user.profile).await?.password;
        // The new one counts as one of so many.
        let keep = policy.history.saturating_sub(1);
        password_history::remember(tx, id, replaced, keep, now).await?;
    }
    Ok(users::set_password(tx, id, new, expired_at, now).await?)
}

/// At a login: where the password is older than the user's profile allows, nothing but a change of it is
/// allowed from now on. Tells whether that is so, for whatever reason.
pub(crate) async fn expire_if_old(
    tx: &mut Tx,
    user: &UserRecord,
    now: Timestamp,
) -> Result<bool, AppError> {
    if user.password_expired_at.is_some() {
        return Ok(true);
    }
    let Some(changed_at) = user.password_changed_at else {
        return Ok(false);
    };
    let policy = profiles::in_force(tx, user.profile).await?.password;
    if policy.max_age.is_none_or(|max_age| now.since(changed_at) < max_age) {
        return Ok(false);
    }
    let id = user.standing.user;
    if users::expire_password(tx, id, now).await? {
        let (subject, details) = (format!("user:{id}"), format!("changed_at={changed_at}"));
        trail::append(tx, Actor::Rule, "password.expired", subject, details, now).await?;
        changes::record(tx, Change::UserChanged, id, None, now).await?;
    }
    Ok(true)
}

/// Why a user may do nothing but change his password, if that is so.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn expiry(ctx: &Ctx, user: Id<User>) -> Result<Option<Expiry>, AppError> {
    let user = find(ctx, user).await?;
    // No profile lets a password grow old in less than a day, and a temporary one has expired at once.
    let old = |expired_at: Timestamp| {
        user.password_changed_at.is_some_and(|changed_at| expired_at.since(changed_at) >= DAY)
    };
    Ok(user.password_expired_at.map(|at| if old(at) { Expiry::TooOld } else { Expiry::Temporary }))
}

/// The user, unless removed.
pub(crate) async fn find(ctx: &Ctx, user: Id<User>) -> Result<UserRecord, AppError> {
    let mut reader = ctx.store.read().await?;
    users::find(&mut reader, user).await?.ok_or(AppError::NotFound("user"))
}

/// What is asked of a new password of this user.
///
/// # Errors
/// The database's; [`AppError::NotFound`] if removed.
pub async fn rules(ctx: &Ctx, user: Id<User>) -> Result<PasswordPolicy, AppError> {
    let user = find(ctx, user).await?;
    let mut reader = ctx.store.read().await?;
    Ok(profiles::in_force(&mut reader, user.profile).await?.password)
}

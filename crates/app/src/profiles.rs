//! Profiles and their policies.

use symbolon_core::Timestamp;
use symbolon_core::id::Id;
use symbolon_core::names::DisplayName;
use symbolon_core::policy::Policy;
use symbolon_store::changes::{self, Change};
pub use symbolon_store::profiles::ProfileRecord as ProfileView;
use symbolon_store::{Tx, profiles};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::trail;

/// All profiles by name.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx) -> Result<Vec<ProfileView>, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(profiles::list(&mut reader).await?)
}

/// Adds a profile.
///
/// # Errors
/// [`AppError::Taken`] where the name is; [`AppError::Invalid`] for a policy out of bounds.
pub async fn add(
    ctx: &Ctx,
    actor: Actor,
    name: DisplayName,
    policy: Policy,
) -> Result<ProfileView, AppError> {
    check(&policy)?;
    let now = ctx.clock.now();
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let profile = ProfileView { id, name: name.to_string(), policy };
    let mut tx = ctx.store.begin().await?;
    if !profiles::insert(&mut tx, &profile, now).await? {
        return Err(AppError::Taken("profile"));
    }
    record(&mut tx, actor, "profile.added", &profile, now).await?;
    commit(ctx, tx).await?;
    Ok(profile)
}

/// Replaces the policy of a profile.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Invalid`] for a policy out of bounds.
pub async fn set(
    ctx: &Ctx,
    actor: Actor,
    name: &str,
    policy: Policy,
) -> Result<ProfileView, AppError> {
    check(&policy)?;
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !profiles::update(&mut tx, name, &policy).await? {
        return Err(AppError::NotFound("profile"));
    }
    let profile = profiles::find_by_name(&mut tx, name).await?;
    let profile = profile.ok_or(AppError::NotFound("profile"))?;
    record(&mut tx, actor, "profile.changed", &profile, now).await?;
    commit(ctx, tx).await?;
    Ok(profile)
}

fn check(policy: &Policy) -> Result<(), AppError> {
    policy.check().map_err(AppError::Invalid)
}

/// Writes down what was done to a profile: the last statements of the transaction.
async fn record(
    tx: &mut Tx,
    actor: Actor,
    action: &'static str,
    profile: &ProfileView,
    now: Timestamp,
) -> Result<(), AppError> {
    let subject = format!("profile:{}", profile.id);
    trail::append(tx, actor, action, subject, describe(profile), now).await?;
    changes::record(tx, Change::ProfileChanged, None, Some(profile.id.raw()), now).await?;
    Ok(())
}

fn describe(profile: &ProfileView) -> String {
    let policy = &profile.policy;
    format!(
        "name={}\ntoken_max_age_s={}\nlockout_failures={}\nlockout_period_s={}\nsession_idle_s={}\n\
         on_reset={:?}\non_password_change={:?}",
        profile.name,
        policy.token_max_age.as_secs(),
        policy.lockout_failures,
        policy.lockout_period.as_secs(),
        policy.session_idle.as_secs(),
        policy.on_reset,
        policy.on_password_change,
    )
}

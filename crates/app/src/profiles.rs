//! Profiles and their policies.

use symbolon_core::Timestamp;
use symbolon_core::id::Id;
use symbolon_core::names::DisplayName;
use symbolon_core::policy::{Duty, Policy};
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
    let policy = dutiful(policy, None, now);
    let profile = ProfileView { id, name: name.to_string(), policy, everybody_since: None };
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
    let before = profiles::find_by_name(&mut tx, name).await?;
    let before = before.ok_or(AppError::NotFound("profile"))?;
    let policy = dutiful(policy, Some(&before.policy), now);
    if !profiles::update(&mut tx, name, &policy).await? {
        return Err(AppError::NotFound("profile"));
    }
    let profile = ProfileView { policy, ..before };
    record(&mut tx, actor, "profile.changed", &profile, now).await?;
    commit(ctx, tx).await?;
    Ok(profile)
}

/// The policy with the beginning of its duty: it began with the first policy that demanded as much.
fn dutiful(policy: Policy, before: Option<&Policy>, now: Timestamp) -> Policy {
    let began = before.filter(|before| before.duty >= policy.duty);
    let since = began.and_then(|before| before.duty_since).unwrap_or(now);
    Policy { duty_since: (policy.duty != Duty::None).then_some(since), ..policy }
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
    let texts = |texts: Vec<String>| texts.join("; ");
    let password = &policy.password;
    format!(
        "name={}\ntoken_max_age_s={}\nlockout_failures={}\nlockout_period_s={}\nsession_idle_s={}\n\
         on_reset={:?}\non_password_change={:?}\nweb_lifetime_s={}\naccess={:?}\nduty={:?}\n\
         enrol_grace_s={}\nlogin_hours={}\nlogin_ranges={}\npassword_length={}\n\
         password_kinds={}\npassword_history={}\npassword_max_age_s={}",
        profile.name,
        policy.token_max_age.as_secs(),
        policy.lockout_failures,
        policy.lockout_period.as_secs(),
        policy.session_idle.as_secs(),
        policy.on_reset,
        policy.on_password_change,
        policy.web_lifetime.as_secs(),
        policy.access,
        policy.duty,
        policy.enrol_grace.as_secs(),
        texts(policy.login_hours.iter().map(|h| format!("{h} {}", h.zone_name())).collect()),
        texts(policy.login_ranges.iter().map(ToString::to_string).collect()),
        password.min_length,
        password.kinds,
        password.history,
        password.max_age.map_or_else(|| "none".to_owned(), |age| age.as_secs().to_string()),
    )
}

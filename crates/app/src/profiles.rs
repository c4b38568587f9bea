//! Profiles and their policies.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::names::DisplayName;
use symbolon_core::policy::{Barrier, Duty, Policy};
use symbolon_store::changes::{self, Change};
pub use symbolon_store::profiles::ProfileRecord as ProfileView;
use symbolon_store::{Conn, Tx, profiles, users};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::{commit, settle_what_is_there};
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

/// Why the page of an administrator did not change what holds for users.
#[derive(Debug)]
pub enum SetError {
    /// It would keep that administrator himself off the pages, from where he is now.
    LocksOut(Barrier),
    /// The policy is another one by now than the one that he has seen.
    ChangedMeanwhile,
    /// Something else.
    App(AppError),
}

impl<E> From<E> for SetError
where
    AppError: From<E>,
{
    fn from(error: E) -> Self {
        Self::App(error.into())
    }
}

/// Changes the policy of a profile.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Invalid`] for a policy out of bounds.
pub async fn set(
    ctx: &Ctx,
    actor: Actor,
    name: &str,
    change: impl FnOnce(&mut Policy),
) -> Result<ProfileView, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let known = hold(&mut tx, name).await?;
    let mut policy = known.policy.clone();
    change(&mut policy);
    if policy == known.policy {
        drop(tx);
        settle_what_is_there(ctx).await?;
        return Ok(known);
    }
    let profile = write(&mut tx, actor, known, policy, now).await?;
    commit(ctx, tx).await?;
    Ok(profile)
}

/// Replaces the policy of a profile for an administrator who sits at a page, where it is still the one that he
/// has seen there: somebody else's change would else be undone. He must not lock himself out by it.
///
/// # Errors
/// [`SetError`]; nothing was changed then.
pub async fn set_by(
    ctx: &Ctx,
    administrator: Id<User>,
    origin: &Origin,
    name: &str,
    (seen, policy): (&Policy, Policy),
) -> Result<ProfileView, SetError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let known = hold(&mut tx, name).await?;
    if known.policy != *seen {
        return Err(SetError::ChangedMeanwhile);
    }
    let profile = write(&mut tx, Actor::User(administrator), known, policy, now).await?;
    let user = users::find(&mut tx, administrator).await?.ok_or(AppError::NotFound("user"))?;
    if user.profile == profile.id || profile.everybody_since.is_some() {
        see_not_locked_out(&mut tx, administrator, origin, now).await?;
    }
    commit(ctx, tx).await?;
    Ok(profile)
}

/// The profile with this name, its row held: on PostgreSQL two changes would else read the same policy, and the
/// second undo the first.
async fn hold(tx: &mut Tx, name: &str) -> Result<ProfileView, AppError> {
    const UNKNOWN: AppError = AppError::NotFound("profile");
    if !profiles::hold(tx, name).await? {
        return Err(UNKNOWN);
    }
    profiles::find_by_name(tx, name).await?.ok_or(UNKNOWN)
}

async fn write(
    tx: &mut Tx,
    actor: Actor,
    before: ProfileView,
    policy: Policy,
    now: Timestamp,
) -> Result<ProfileView, AppError> {
    check(&policy)?;
    let policy = dutiful(policy, Some(&before.policy), now);
    if !profiles::update(tx, &before.name, &policy).await? {
        return Err(AppError::NotFound("profile"));
    }
    let profile = ProfileView { policy, ..before };
    record(tx, actor, "profile.changed", &profile, now).await?;
    Ok(profile)
}

/// Whether an administrator could still come to the pages from where he is, were this committed.
async fn see_not_locked_out(
    tx: &mut Tx,
    administrator: Id<User>,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), SetError> {
    let user = users::find(tx, administrator).await?.ok_or(AppError::NotFound("user"))?;
    let policy = profiles::in_force(tx, user.profile).await?;
    policy
        .barrier_to_the_web(origin.source, now)
        .map_or(Ok(()), |rule| Err(SetError::LocksOut(rule)))
}

/// The profile with this name, for somebody to be under.
pub(crate) async fn to_be_under(conn: &mut Conn, name: &str) -> Result<ProfileView, AppError> {
    let profile = profiles::find_by_name(conn, name).await?;
    let profile = profile.ok_or(AppError::NotFound("profile"))?;
    if profile.everybody_since.is_some() {
        return Err(AppError::Invalid("this profile holds for everybody and can be nobody's own"));
    }
    Ok(profile)
}

/// Puts a user under another profile.
///
/// # Errors
/// [`AppError::NotFound`] for the user or the profile; [`AppError::Invalid`] for the one of everybody.
pub async fn assign(
    ctx: &Ctx,
    actor: Actor,
    username: &str,
    profile: &str,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    write_assignment(&mut tx, actor, username, profile, now).await?;
    commit(ctx, tx).await
}

/// Puts a user under another profile for an administrator who sits at a page; if it is himself, he must not
/// lock himself out by it.
///
/// # Errors
/// [`SetError`]; nothing was changed then.
pub async fn assign_by(
    ctx: &Ctx,
    administrator: Id<User>,
    origin: &Origin,
    username: &str,
    profile: &str,
) -> Result<(), SetError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let actor = Actor::User(administrator);
    let user = write_assignment(&mut tx, actor, username, profile, now).await?;
    if user == administrator {
        see_not_locked_out(&mut tx, administrator, origin, now).await?;
    }
    commit(ctx, tx).await?;
    Ok(())
}

async fn write_assignment(
    tx: &mut Tx,
    actor: Actor,
    username: &str,
    profile: &str,
    now: Timestamp,
) -> Result<Id<User>, AppError> {
    let user = crate::users::take_by_name(tx, username).await?;
    let (id, before) = (user.standing.user, profiles::find(tx, user.profile).await?);
    let after = to_be_under(tx, profile).await?;
    if before.id == after.id {
        return Ok(id);
    }
    users::set_profile(tx, id, after.id, now).await?;
    let details = format!("from={}\nto={}", before.name, after.name);
    let subject = format!("user:{id}");
    trail::append(tx, actor, "user.profile-changed", subject, details, now).await?;
    changes::record(tx, Change::UserChanged, id, None, now).await?;
    Ok(id)
}

/// The policy with the beginning of its duty: it began with the first policy that demanded as much.
fn dutiful(policy: Policy, before: Option<&Policy>, now: Timestamp) -> Policy {
    let began = |at: Duty| {
        let before = before.filter(|before| before.duty >= at);
        let since = before.and_then(|before| match at {
            Duty::None | Duty::Web => before.duty_since,
            Duty::WebAndApi => before.api_duty_since.or(before.duty_since),
        });
        (policy.duty >= at).then_some(since.unwrap_or(now))
    };
    let (duty_since, api_duty_since) = (began(Duty::Web), began(Duty::WebAndApi));
    Policy { duty_since, api_duty_since, ..policy }
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
         password_kinds={}\npassword_history={}\npassword_max_age_s={}\nmail_encryption={:?}",
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
        policy.mail_encryption,
    )
}

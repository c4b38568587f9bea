//! Users, as administrators see and change them.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::judge::{RetirementCause, TokenFreeze};
use symbolon_core::letter::LetterKind;
use symbolon_core::lockout::Failures;
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::secret::Password;
use symbolon_store::changes::{self, Change};
use symbolon_store::profiles::ProfileRecord;
use symbolon_store::users::{NewUserRecord, PasswordRecord, UserRecord};
use symbolon_store::{
    Conn, Tx, letters, links as stored_links, openpgp_keys, organization, password_history, places,
    profiles, sessions, users,
};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::hashing::Asker;
use crate::links::{self, INVITATION_VALID, LinkKind};
use crate::live::commit;
use crate::outbox::{self, Carried, Text};
use crate::setup::STANDARD_PROFILE;
use crate::{browsers, hashing, passwords, retirement, second_factors, trail};

/// What somebody is told who decided on something that is so no more.
pub(crate) const CHANGED_MEANWHILE: &str = "The account was changed meanwhile. Log in anew.";

const LAST_ADMINISTRATOR: &str = "this is the last administrator: make another one first";

/// A user to be added.
#[derive(Debug)]
pub struct NewUser {
    /// Login name.
    pub username: Username,
    /// Where mail goes.
    pub email: EmailAddress,
    /// As shown; the username where none is given.
    pub name: Option<DisplayName>,
    /// The profile's name; *Standard* where none is given.
    pub profile: Option<String>,
    /// Whether an administrator.
    pub administrator: bool,
    /// The first password; without one an invitation is mailed.
    pub password: Option<Password>,
}

/// A user, as lists show him.
#[derive(Debug, Clone)]
pub struct UserView {
    /// Identifier.
    pub id: Id<User>,
    /// Login name.
    pub username: Username,
    /// Where mail goes.
    pub email: EmailAddress,
    /// Where mail with a token goes instead.
    pub delivery: Option<EmailAddress>,
    /// As shown.
    pub name: DisplayName,
    /// The profile's name.
    pub profile: String,
    /// Whether an administrator.
    pub administrator: bool,
    /// Whether the invitation was accepted.
    pub activated: bool,
    /// Since when frozen by an administrator.
    pub frozen_at: Option<Timestamp>,
    /// Since when the tokens are frozen, and by whom.
    pub tokens_frozen: Option<TokenFreeze>,
    /// Until when locked out.
    pub locked_until: Option<Timestamp>,
    /// Until when no code of his is taken.
    pub codes_locked_until: Option<Timestamp>,
    /// Last login that was let in.
    pub last_login_at: Option<Timestamp>,
    /// When added.
    pub created_at: Timestamp,
}

/// Adds a user.
///
/// # Errors
/// [`AppError::Taken`] where the username is; [`AppError::NotFound`] for the profile;
/// [`AppError::Password`].
pub async fn add(
    ctx: &Ctx,
    actor: Actor,
    asker: Asker,
    new: NewUser,
) -> Result<UserView, AppError> {
    let name = match new.name {
        Some(name) => name,
        None => DisplayName::parse(new.username.as_str())
            .map_err(|fault| AppError::Name { field: "name", fault })?,
    };
    let profile_name = new.profile.as_deref().unwrap_or(STANDARD_PROFILE);
    let mut reader = ctx.store.read().await?;
    let profile = crate::profiles::to_be_under(&mut reader, profile_name).await?;
    drop(reader);
    let password = match &new.password {
        Some(password) => {
            let words = [new.username.as_str(), new.email.as_str(), name.as_str()];
            Some(passwords::hash_first(ctx, asker, profile.id, words, password).await?)
        }
        None => None,
    };
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let row = NewUserRecord {
        id,
        username: &new.username,
        email: &new.email,
        name: &name,
        profile: profile.id,
        admin_since: new.administrator.then_some(now),
        password: password.as_ref(),
    };
    if !users::insert(&mut tx, &row, now).await? {
        return Err(AppError::Taken("username"));
    }
    let user = users::find(&mut tx, id).await?.ok_or(AppError::NotFound("user"))?;
    if new.administrator && password.is_some() {
        // The first start's link has served its purpose, and it stands in somebody's terminal.
        stored_links::end_of_kind(&mut tx, LinkKind::Setup.word(), now).await?;
    }
    if password.is_none() {
        invite(ctx, &mut tx, &user, actor, now).await?;
    }
    let administrator = if new.administrator { "yes" } else { "no" };
    let details = format!("profile={profile_name}\nadministrator={administrator}");
    trail::append(&mut tx, actor, "user.added", format!("user:{id}"), details, now).await?;
    changes::record(&mut tx, Change::UserChanged, id, None, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(view(user, profile.name, now))
}

async fn invite(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    actor: Actor,
    now: Timestamp,
) -> Result<(), AppError> {
    let inviter = match actor {
        Actor::User(id) => users::find(tx, id).await?.map(|inviter| inviter.name),
        Actor::Operator | Actor::LinkOf(_) | Actor::Bearer(_) | Actor::Rule => None,
    };
    let facts = Facts::default().with_some("invited_by", inviter);
    let kind = LinkKind::Invitation;
    let link = Carried { kind, valid_for: INVITATION_VALID, subject: None };
    let letter = LetterKind::Invitation;
    outbox::write_with_link(ctx, tx, user, &user.email, Text::single(letter, facts), link, now)
        .await
}

/// Users in the order of their names; `after` is the last username of the page before.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx, limit: i64, after: Option<&str>) -> Result<Vec<UserView>, AppError> {
    let now = ctx.clock.now();
    let after = after.unwrap_or_default().to_ascii_lowercase();
    let mut reader = ctx.store.read().await?;
    let known = profiles::list(&mut reader).await?;
    let found = users::list(&mut reader, &after, limit).await?;
    let name_of = |user: &UserRecord| {
        let profile = known.iter().find(|profile| profile.id == user.profile);
        profile.map(|profile| profile.name.clone()).unwrap_or_default()
    };
    Ok(found.into_iter().map(|user| (name_of(&user), user)).map(|(p, u)| view(u, p, now)).collect())
}

/// One user by name.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn show(ctx: &Ctx, username: &str) -> Result<UserView, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let user = named(&mut reader, username).await?;
    let profile = profiles::find(&mut reader, user.profile).await?;
    Ok(view(user, profile.name, now))
}

/// One user by identifier.
///
/// # Errors
/// [`AppError::NotFound`], also if removed.
pub async fn by_id(ctx: &Ctx, user: Id<User>) -> Result<UserView, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let user = users::find(&mut reader, user).await?.ok_or(AppError::NotFound("user"))?;
    let ProfileRecord { name, .. } = profiles::find(&mut reader, user.profile).await?;
    Ok(view(user, name, now))
}

/// Freezes a user: sessions end at once, log-ins are refused until unfrozen; tokens stay as they are.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Forbidden`] for the last administrator.
pub async fn freeze(ctx: &Ctx, actor: Actor, username: &str) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let user = take_by_name(&mut tx, username).await?;
    let id = user.standing.user;
    if user.standing.frozen_at.is_none() {
        spare_last_administrator(&mut tx, &user).await?;
        users::set_frozen(&mut tx, id, Some(now)).await?;
        sessions::end_of_user(&mut tx, id, None, "user frozen", now).await?;
        if user.standing.activated {
            links::end_ways_in(&mut tx, id, now).await?;
        }
    }
    finish(ctx, tx, actor, "user.frozen", id, now).await
}

/// Unfreezes a user.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn unfreeze(ctx: &Ctx, actor: Actor, username: &str) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let id = take_by_name(&mut tx, username).await?.standing.user;
    users::set_frozen(&mut tx, id, None).await?;
    finish(ctx, tx, actor, "user.unfrozen", id, now).await
}

/// Why a user can be neither frozen nor removed: he is the last administrator who can log in.
///
/// # Errors
/// The database's.
pub async fn why_spared(ctx: &Ctx, user: &UserView) -> Result<Option<&'static str>, AppError> {
    if !user.administrator || !user.activated || user.frozen_at.is_some() {
        return Ok(None);
    }
    let mut reader = ctx.store.read().await?;
    let last = users::count_administrators(&mut reader).await? <= 1;
    Ok(last.then_some(LAST_ADMINISTRATOR))
}

/// Ends a lockout.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn unlock(ctx: &Ctx, actor: Actor, username: &str) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let id = take_by_name(&mut tx, username).await?.standing.user;
    users::set_failures(&mut tx, id, Failures::default()).await?;
    users::set_code_failures(&mut tx, id, Failures::default()).await?;
    places::clear_failures(&mut tx, id).await?;
    finish(ctx, tx, actor, "user.unlocked", id, now).await
}

/// Removes a user with tokens, sessions, links and waiting letters. The username becomes free; the row
/// stays, without what belongs to the person, for the trail and the history.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Forbidden`] for the last administrator.
pub async fn remove(ctx: &Ctx, actor: Actor, username: &str) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let user = take_by_name(&mut tx, username).await?;
    let id = user.standing.user;
    spare_last_administrator(&mut tx, &user).await?;
    retirement::retire_all(&mut tx, id, RetirementCause::UserRemoved, actor, now).await?;
    letters::supersede_all_of_user(&mut tx, id, now).await?;
    stored_links::end_all_of_user(&mut tx, id, now).await?;
    second_factors::removal::erase(&mut tx, id, now).await?;
    password_history::forget(&mut tx, id).await?;
    openpgp_keys::delete(&mut tx, id).await?;
    users::remove(&mut tx, id, now).await?;
    finish(ctx, tx, actor, "user.removed", id, now).await
}

/// Sets a user's password for him; his sessions end, his tokens stay.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Password`].
pub async fn set_password(
    ctx: &Ctx,
    actor: Actor,
    asker: Asker,
    username: &str,
    password: Password,
) -> Result<(), AppError> {
    let mut reader = ctx.store.read().await?;
    let user = named(&mut reader, username).await?;
    drop(reader);
    let hashed = passwords::hash_new(ctx, asker, &user, &password).await?;
    replace_password(ctx, actor, username, &hashed, None).await
}

/// Gives a user a random temporary password that must be changed at once, and tells it: what
/// Salesforce's `resetPassword` does.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn reset_password(
    ctx: &Ctx,
    actor: Actor,
    asker: Asker,
    user: Id<User>,
) -> Result<Password, AppError> {
    let username = by_id(ctx, user).await?.username;
    let temporary = Password::new(ctx.chance.text(16));
    let expired_at = Some(ctx.clock.now());
    let hashed = hashing::hash(ctx, asker, &temporary).await?;
    replace_password(ctx, actor, username.as_str(), &hashed, expired_at).await?;
    Ok(temporary)
}

/// Whether a user must change his password before anything else.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn password_expired(ctx: &Ctx, user: Id<User>) -> Result<bool, AppError> {
    Ok(passwords::find(ctx, user).await?.password_expired_at.is_some())
}

async fn replace_password(
    ctx: &Ctx,
    actor: Actor,
    username: &str,
    hashed: &PasswordRecord,
    expired_at: Option<Timestamp>,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let user = take_by_name(&mut tx, username).await?;
    let id = user.standing.user;
    passwords::replace(&mut tx, &user, hashed, expired_at, now).await?;
    let cause = "password set";
    sessions::end_of_user(&mut tx, id, None, cause, now).await?;
    browsers::end_others(&mut tx, actor, id, None, cause, now).await?;
    links::end_ways_in(&mut tx, id, now).await?;
    let by = if actor == Actor::User(id) { "owner" } else { "administrator" };
    let facts = Facts::default().with("by", by).at("at", now);
    outbox::write_notice(ctx, &mut tx, &user, LetterKind::PasswordChanged, facts, now).await?;
    finish(ctx, tx, actor, "password.set", id, now).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

async fn named(conn: &mut Conn, username: &str) -> Result<UserRecord, AppError> {
    let username = Username::parse(username).map_err(|_| AppError::NotFound("user"))?;
    users::find_by_name(conn, &username).await?.ok_or(AppError::NotFound("user"))
}

/// The user of this name, as he is once his row is taken.
pub(crate) async fn take_by_name(tx: &mut Tx, username: &str) -> Result<UserRecord, AppError> {
    let id = named(tx, username).await?.standing.user;
    take(tx, id).await
}

/// The user as he is once his row is taken: changes queue here, and log-ins that were judged before begin anew.
pub(crate) async fn take(tx: &mut Tx, id: Id<User>) -> Result<UserRecord, AppError> {
    if !users::take(tx, id).await? {
        return Err(AppError::NotFound("user"));
    }
    users::find(tx, id).await?.ok_or(AppError::NotFound("user"))
}

/// The same of a user who changes his own: not where he was frozen since his request began (I6).
pub(crate) async fn take_unfrozen(tx: &mut Tx, id: Id<User>) -> Result<UserRecord, AppError> {
    let user = take(tx, id).await?;
    if user.standing.frozen_at.is_some() {
        return Err(AppError::Forbidden(CHANGED_MEANWHILE));
    }
    Ok(user)
}

async fn spare_last_administrator(tx: &mut Tx, user: &UserRecord) -> Result<(), AppError> {
    let standing = &user.standing;
    let counts = user.admin_since.is_some() && standing.activated && standing.frozen_at.is_none();
    if !counts {
        return Ok(());
    }
    organization::hold(tx).await?;
    if users::count_administrators(tx).await? <= 1 {
        return Err(AppError::Forbidden(LAST_ADMINISTRATOR));
    }
    Ok(())
}

async fn finish(
    ctx: &Ctx,
    mut tx: Tx,
    actor: Actor,
    action: &'static str,
    user: Id<User>,
    now: Timestamp,
) -> Result<(), AppError> {
    trail::append(&mut tx, actor, action, format!("user:{user}"), String::new(), now).await?;
    changes::record(&mut tx, Change::UserChanged, user, None, now).await?;
    commit(ctx, tx).await
}

fn view(user: UserRecord, profile: String, now: Timestamp) -> UserView {
    UserView {
        id: user.standing.user,
        username: user.username,
        email: user.email,
        delivery: user.delivery,
        name: user.name,
        profile,
        administrator: user.admin_since.is_some(),
        activated: user.standing.activated,
        frozen_at: user.standing.frozen_at,
        tokens_frozen: user.standing.tokens_frozen,
        locked_until: user.standing.failures.locked_at(now),
        codes_locked_until: user.code_failures.locked_at(now),
        last_login_at: user.last_login_at,
        created_at: user.created_at,
    }
}

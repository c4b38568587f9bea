//! My Personal Information: a user changes password, name and e-mail address.

use std::borrow::Cow;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session, User};
use symbolon_core::issue::IssueCause;
use symbolon_core::judge::{RetirementCause, TokenFreeze};
use symbolon_core::letter::{LetterKind, Volume};
use symbolon_core::names::{DeviceType, DisplayName, EmailAddress, Username};
use symbolon_core::policy::TokensOnPasswordChange;
use symbolon_core::reset::Scope;
use symbolon_core::secret::{LinkSecret, Password};
use symbolon_store::address_changes::{self, Side};
use symbolon_store::changes::{self, Change};
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, links as stored_links, openpgp_keys, profiles, sessions, tokens, users};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::links::{self, ADDRESS_CHANGE_VALID, LinkKind};
use crate::live::commit;
use crate::login::Refused;
use crate::outbox::{self, Carried, Text};
use crate::passwords::{self, Proof};
use crate::reset::{self, Order, ResetError};
use crate::users::{CHANGED_MEANWHILE, take_unfrozen};
use crate::{browsers, openpgp, trail};

/// What a user sees of himself.
#[derive(Debug, Clone)]
pub struct PersonalInformation {
    /// Login name.
    pub username: Username,
    /// As shown.
    pub name: DisplayName,
    /// Where mail goes.
    pub email: EmailAddress,
    /// Where mail with a token goes instead.
    pub delivery: Option<EmailAddress>,
    /// The fingerprint of the OpenPGP key that mail with a token is encrypted to.
    pub openpgp_key: Option<String>,
    /// The profile's name.
    pub profile: String,
    /// Whether an administrator.
    pub administrator: bool,
    /// When the password was chosen.
    pub password_changed_at: Option<Timestamp>,
    /// Last login that was let in.
    pub last_login_at: Option<Timestamp>,
    /// A change of the address that is under way.
    pub address_change: Option<AddressChange>,
    /// Since when the tokens are frozen, and by whom.
    pub tokens_frozen: Option<TokenFreeze>,
}

/// A change of the address that is under way.
#[derive(Debug, Clone)]
pub struct AddressChange {
    /// The address to be.
    pub new_email: EmailAddress,
    /// Whether the present address has agreed.
    pub old_confirmed: bool,
    /// Whether the new address has proved itself.
    pub new_confirmed: bool,
}

/// Why a change was not made.
#[derive(Debug)]
pub enum ChangeError {
    /// The current password was wrong, or the user is locked out: counted.
    WrongPassword(Refused),
    /// Something else.
    App(AppError),
}

impl<E> From<E> for ChangeError
where
    AppError: From<E>,
{
    fn from(error: E) -> Self {
        Self::App(error.into())
    }
}

/// What has become of an address change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressConfirmation {
    /// The other address has not agreed yet.
    OtherSideMissing,
    /// Both have: it is changed.
    Changed,
}

/// What a user sees of himself.
///
/// # Errors
/// [`AppError::NotFound`] if removed.
pub async fn personal_information(
    ctx: &Ctx,
    user: Id<User>,
) -> Result<PersonalInformation, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let found = users::find(&mut reader, user).await?.ok_or(AppError::NotFound("user"))?;
    let profile = profiles::find(&mut reader, found.profile).await?;
    let change = address_changes::of_user(&mut reader, user, now - ADDRESS_CHANGE_VALID).await?;
    let openpgp_key = openpgp_keys::find(&mut reader, user).await?;
    Ok(PersonalInformation {
        username: found.username,
        name: found.name,
        email: found.email,
        delivery: found.delivery,
        openpgp_key: openpgp_key.map(|key| key.fingerprint),
        profile: profile.name,
        administrator: found.admin_since.is_some(),
        password_changed_at: found.password_changed_at,
        last_login_at: found.last_login_at,
        address_change: change.map(|change| AddressChange {
            new_email: change.new_email,
            old_confirmed: change.old_confirmed_at.is_some(),
            new_confirmed: change.new_confirmed_at.is_some(),
        }),
        tokens_frozen: found.standing.tokens_frozen,
    })
}

/// Changes the password; every other session of the user ends, and every other place is known no more.
/// Tokens live on, unless the policy ties them to the password: then they are reset.
///
/// # Errors
/// [`ChangeError`]; nothing was changed then.
pub async fn change_password(
    ctx: &Ctx,
    user: Id<User>,
    keep: Option<Id<Session>>,
    current: Password,
    new: Password,
    origin: &Origin,
) -> Result<(), ChangeError> {
    let proved = match passwords::prove(ctx, user, &current, origin).await? {
        Proof::Given(user) => user,
        Proof::Refused(refused) => return Err(ChangeError::WrongPassword(refused)),
    };
    if current.reveal() == new.reveal() {
        return Err(AppError::Forbidden("Choose a password other than the current one.").into());
    }
    let hashed = passwords::hash_new(ctx, origin.into(), &proved, &new).await?;

    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let fresh = take_unchanged(&mut tx, &proved).await?;
    passwords::replace(&mut tx, &fresh, &hashed, None, now).await?;
    let (actor, subject) = (Actor::User(user), format!("user:{user}"));
    let cause = "password change";
    sessions::end_of_user(&mut tx, user, keep, cause, now).await?;
    browsers::end_others(&mut tx, actor, user, keep, cause, now).await?;
    links::end_ways_in(&mut tx, user, now).await?;
    trail::append(&mut tx, actor, "password.changed", subject, String::new(), now).await?;
    reset_if_tied(ctx, &mut tx, &fresh, actor, origin, now).await?;
    // After the reset, which ends the links of earlier mails: the one in this mail must work.
    let facts = Facts::default().with("by", "owner").with("source", origin.source).at("at", now);
    outbox::write_notice(ctx, &mut tx, &fresh, LetterKind::PasswordChanged, facts, now).await?;
    changes::record(&mut tx, Change::UserChanged, user, None, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Resets the tokens along with the password where the policy says so and there is one to reset.
async fn reset_if_tied(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    actor: Actor,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let policy = profiles::in_force(tx, user.profile).await?;
    let tied = policy.on_password_change == TokensOnPasswordChange::Reset;
    if !tied || tokens::live_of_user(tx, user.standing.user).await?.is_empty() {
        return Ok(());
    }
    let order = Order {
        actor,
        cause: RetirementCause::PasswordChange,
        issue: IssueCause::PasswordChange,
        scope: Scope::Account,
        device_type: DeviceType::any(),
        source: Some(origin.source),
        reason: None,
        volume: Volume::Single,
    };
    match reset::write_reset(ctx, tx, user, order, None, now).await {
        Ok(_) => Ok(()),
        Err(ResetError::App(error)) => Err(error),
        Err(ResetError::Forbidden(Cow::Borrowed(rule))) => Err(AppError::Forbidden(rule)),
        // A key's own fault is no obstacle here, and what else forbids a reset is said in fixed words.
        Err(ResetError::Forbidden(Cow::Owned(_)) | ResetError::WrongPassword(_)) => {
            Err(AppError::Corrupt("a reset that comes with a password"))
        }
    }
}

/// Changes the name shown.
///
/// # Errors
/// [`AppError::NotFound`] if removed.
pub async fn change_name(ctx: &Ctx, user: Id<User>, name: DisplayName) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !users::set_name(&mut tx, user, &name).await? {
        return Err(AppError::NotFound("user"));
    }
    let subject = format!("user:{user}");
    trail::append(&mut tx, Actor::User(user), "name.changed", subject, String::new(), now).await?;
    changes::record(&mut tx, Change::UserChanged, user, None, now).await?;
    commit(ctx, tx).await
}

/// Asks both addresses to agree to a new one.
///
/// # Errors
/// [`ChangeError`]; nothing was mailed then.
pub async fn ask_address_change(
    ctx: &Ctx,
    user: Id<User>,
    current: Password,
    new: EmailAddress,
    origin: &Origin,
) -> Result<(), ChangeError> {
    let proved = match passwords::prove(ctx, user, &current, origin).await? {
        Proof::Given(user) => user,
        Proof::Refused(refused) => return Err(ChangeError::WrongPassword(refused)),
    };
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let fresh = take_unchanged(&mut tx, &proved).await?;
    if fresh.email == new {
        return Err(AppError::Forbidden("This is the present address already.").into());
    }
    address_changes::end_of_user(&mut tx, user, now).await?;
    for kind in [LinkKind::AddressChangeOld, LinkKind::AddressChangeNew] {
        stored_links::end_of_user(&mut tx, user, kind.word(), now).await?;
    }
    let id: Id<symbolon_core::id::Link> = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    address_changes::insert(&mut tx, id.raw(), user, &new, now).await?;
    let sides = [
        (LinkKind::AddressChangeOld, LetterKind::AddressChangeOld, &fresh.email),
        (LinkKind::AddressChangeNew, LetterKind::AddressChangeNew, &new),
    ];
    for (link, letter, to) in sides {
        let facts = Facts::default()
            .with("new_address", &new)
            .with("source", origin.source)
            .at("asked_at", now);
        let carried =
            Carried { kind: link, valid_for: ADDRESS_CHANGE_VALID, subject: Some(id.raw()) };
        outbox::write_with_link(
            ctx,
            &mut tx,
            &fresh,
            to,
            Text::single(letter, facts),
            carried,
            now,
        )
        .await?;
    }
    let (actor, subject) = (Actor::User(user), format!("user:{user}"));
    trail::append(&mut tx, actor, "address.change-asked", subject, String::new(), now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Agrees to a change of address for the side that the link was mailed to.
///
/// # Errors
/// [`AppError::NotFound`] where the link is unknown, used or expired.
pub async fn confirm_address(
    ctx: &Ctx,
    link: &LinkSecret,
) -> Result<AddressConfirmation, AppError> {
    let old = links::bearer_of(ctx, LinkKind::AddressChangeOld, link).await;
    let (side, kind, user) = match old {
        Ok(user) => (Side::Old, LinkKind::AddressChangeOld, user),
        Err(AppError::NotFound(_)) => {
            let kind = LinkKind::AddressChangeNew;
            (Side::New, kind, links::bearer_of(ctx, kind, link).await?)
        }
        Err(error) => return Err(error),
    };
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !users::take(&mut tx, user).await? {
        return Err(AppError::NotFound("link"));
    }
    let found = users::find(&mut tx, user).await?.ok_or(AppError::NotFound("link"))?;
    if found.standing.frozen_at.is_some() {
        return Err(AppError::NotFound("link"));
    }
    let used = links::use_up(ctx, &mut tx, kind, link, now).await?;
    let change = used.subject.ok_or(AppError::Corrupt("link.subject"))?;
    let change = address_changes::confirm(&mut tx, change, side, now).await?;
    let change = change.ok_or(AppError::NotFound("link"))?;
    let both = change.old_confirmed_at.is_some() && change.new_confirmed_at.is_some();
    if both {
        apply_address(ctx, &mut tx, user, &change.new_email, now).await?;
    }
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(if both { AddressConfirmation::Changed } else { AddressConfirmation::OtherSideMissing })
}

/// Changes the address and tells both: the old one hears of it too.
async fn apply_address(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    new: &EmailAddress,
    now: Timestamp,
) -> Result<(), AppError> {
    let before = users::find(tx, user).await?.ok_or(AppError::NotFound("link"))?;
    users::set_email(tx, user, new).await?;
    // What was mailed to the old address must not work on from there.
    links::end_ways_in(tx, user, now).await?;
    // Only where mail with a token goes to this address.
    let key = match before.delivery {
        Some(_) => None,
        None => openpgp::fingerprint_of(tx, user).await?,
    };
    for to in [&before.email, new] {
        let facts = Facts::default()
            .with("new_address", new)
            .with_some("key", key.as_ref())
            .with("by", "owner")
            .at("at", now);
        let kind = LetterKind::AddressChanged;
        outbox::write_notice_to(ctx, tx, &before, to, kind, facts, now).await?;
    }
    let (actor, subject) = (Actor::LinkOf(user), format!("user:{user}"));
    trail::append(tx, actor, "address.changed", subject, String::new(), now).await?;
    changes::record(tx, Change::UserChanged, user, None, now).await?;
    Ok(())
}

/// Proves the user's password, and takes his row in a transaction of its own.
pub(crate) async fn begin_proved(
    ctx: &Ctx,
    user: Id<User>,
    current: &Password,
    origin: &Origin,
) -> Result<(Tx, UserRecord), ChangeError> {
    let proved = match passwords::prove(ctx, user, current, origin).await? {
        Proof::Given(user) => user,
        Proof::Refused(refused) => return Err(ChangeError::WrongPassword(refused)),
    };
    let mut tx = ctx.store.begin().await?;
    let user = take_unchanged(&mut tx, &proved).await?;
    Ok((tx, user))
}

/// Takes the user's row and makes sure that the password is still the one that was proved (I6).
pub(crate) async fn take_unchanged(
    tx: &mut Tx,
    proved: &UserRecord,
) -> Result<UserRecord, AppError> {
    let fresh = take_unfrozen(tx, proved.standing.user).await?;
    if fresh.password != proved.password {
        return Err(AppError::Forbidden(CHANGED_MEANWHILE));
    }
    Ok(fresh)
}

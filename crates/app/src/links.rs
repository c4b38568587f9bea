//! Single-use links: what they are for, and whose a live one is.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::keys::Purpose;
use symbolon_core::names::Username;
use symbolon_core::policy::PasswordPolicy;
use symbolon_core::secret::LinkSecret;
use symbolon_store::links::{self, LinkRow};
use symbolon_store::{Tx, address_changes, profiles, users};

use crate::context::Ctx;
use crate::error::AppError;
use crate::setup;

/// How long a setup link is valid.
pub const SETUP_VALID: Duration = Duration::from_mins(30);
/// How long an invitation is valid.
pub const INVITATION_VALID: Duration = Duration::from_hours(7 * 24);
/// How long the link for a forgotten password is valid.
pub const RECOVERY_VALID: Duration = Duration::from_mins(15);
/// How long both addresses have to agree to a change.
pub const ADDRESS_CHANGE_VALID: Duration = Duration::from_hours(24);
/// How long the link in a token's mail can freeze the account's tokens.
pub const FREEZE_VALID: Duration = Duration::from_hours(30 * 24);

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// Makes the first administrator, or another one after `recover-admin`.
    Setup,
    /// Lets an invited user choose a password.
    Invitation,
    /// Lets a user who forgot the password choose another.
    PasswordRecovery,
    /// Lets the present address agree to another.
    AddressChangeOld,
    /// Lets the new address prove itself.
    AddressChangeNew,
    /// Freezes the account's tokens: "it wasn't me".
    FreezeTokens,
}

impl LinkKind {
    /// The path of a link of this kind, beneath the public URL.
    pub fn path(self, secret: &LinkSecret) -> String {
        format!("/activate/{}/{}", self.word(), secret.reveal())
    }

    /// The word for it, in paths and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Invitation => "invitation",
            Self::PasswordRecovery => "recovery",
            Self::AddressChangeOld => "address-old",
            Self::AddressChangeNew => "address-new",
            Self::FreezeTokens => "freeze",
        }
    }
}

/// A live link, for the page that it leads to.
#[derive(Debug, Clone)]
pub struct LinkView {
    /// Whose it is; a setup link is nobody's yet.
    pub username: Option<Username>,
    /// What is asked of a password that is chosen by it.
    pub password: PasswordPolicy,
}

/// Whose link it is, if it is live. Changes nothing, for mail scanners fetch what they find.
///
/// # Errors
/// The database's.
pub async fn look(
    ctx: &Ctx,
    kind: LinkKind,
    secret: &LinkSecret,
) -> Result<Option<LinkView>, AppError> {
    let now = ctx.clock.now();
    let digests = ctx.keys.digests(Purpose::Link, secret.reveal().as_bytes());
    let mut reader = ctx.store.read().await?;
    let Some(link) = links::find(&mut reader, kind.word(), &digests, now).await? else {
        return Ok(None);
    };
    let user = match link.user {
        Some(user) => match users::find(&mut reader, user).await? {
            Some(user) => Some(user),
            None => return Ok(None),
        },
        None => None,
    };
    let profile = match &user {
        Some(user) => user.profile,
        None => setup::profile_of_the_first(&mut reader).await?,
    };
    let password = profiles::in_force(&mut reader, profile).await?.password;
    Ok(Some(LinkView { username: user.map(|user| user.username), password }))
}

/// Whose live link this is, without using it up: a password that is refused must not cost the link.
///
/// # Errors
/// [`AppError::NotFound`] where it is unknown, used or expired.
pub(crate) async fn bearer_of(
    ctx: &Ctx,
    kind: LinkKind,
    link: &LinkSecret,
) -> Result<Id<User>, AppError> {
    let digests = ctx.keys.digests(Purpose::Link, link.reveal().as_bytes());
    let mut reader = ctx.store.read().await?;
    let found = links::find(&mut reader, kind.word(), &digests, ctx.clock.now()).await?;
    found.and_then(|link| link.user).ok_or(AppError::NotFound("link"))
}

/// Ends the links by which somebody could get at an account whose password has just been replaced, and
/// a change of address that is under way: whoever asked for them may be the reason for the new password.
pub(crate) async fn end_ways_in(
    tx: &mut Tx,
    user: Id<User>,
    now: Timestamp,
) -> Result<(), AppError> {
    let ways_in = [
        LinkKind::Invitation,
        LinkKind::PasswordRecovery,
        LinkKind::AddressChangeOld,
        LinkKind::AddressChangeNew,
    ];
    for kind in ways_in {
        links::end_of_user(tx, user, kind.word(), now).await?;
    }
    address_changes::end_of_user(tx, user, now).await?;
    Ok(())
}

/// Uses a link up within a transaction that has taken its user's row: rows are locked in one order
/// everywhere, the user's first.
///
/// # Errors
/// [`AppError::NotFound`] where it is unknown, used or expired.
pub(crate) async fn use_up(
    ctx: &Ctx,
    tx: &mut Tx,
    kind: LinkKind,
    secret: &LinkSecret,
    now: Timestamp,
) -> Result<LinkRow, AppError> {
    let digests = ctx.keys.digests(Purpose::Link, secret.reveal().as_bytes());
    let link = links::use_up(tx, kind.word(), &digests, now).await?;
    link.ok_or(AppError::NotFound("link"))
}

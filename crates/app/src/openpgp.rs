//! OpenPGP: the key that a user's mail with a token is encrypted to.
//!
//! A user with a key gets no token in clear: where the key cannot be used when the mail is due, the mail is not
//! sent, and its last reply says why. Other mail is not encrypted, for it holds no token.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::secret::Password;
use symbolon_mail::{Certificate, KeyFault};
use symbolon_store::Tx;
use symbolon_store::changes::{self, Change};
use symbolon_store::letters::LeasedLetter;
use symbolon_store::openpgp_keys::{self, OpenpgpKeyRow};

use crate::account::{self, ChangeError};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::passwords::{self, Proof};
use crate::trail;
use crate::users::take_by_name;

/// A key that was looked at and found fit.
#[derive(Debug)]
pub struct GivenKey {
    fingerprint: String,
    certificate: Vec<u8>,
    expires_at: Option<Timestamp>,
}

/// A key as its owner and administrators see it.
#[derive(Debug, Clone)]
pub struct ShownKey {
    /// In upper-case hexadecimal digits.
    pub fingerprint: String,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Why mail cannot be encrypted to it now: mail with a token is not sent then.
    pub fault: Option<KeyFault>,
}

/// Reads a key that somebody gives, and sees that mail can be encrypted to it.
///
/// # Errors
/// [`KeyFault`]: what is wrong with it, in words.
pub fn read(ctx: &Ctx, bytes: &[u8]) -> Result<GivenKey, KeyFault> {
    let certificate = Certificate::parse(bytes)?;
    let usable = certificate.usable_at(ctx.clock.now())?;
    Ok(GivenKey {
        fingerprint: usable.fingerprint(),
        expires_at: usable.expires_at(),
        certificate: certificate.to_bytes()?,
    })
}

/// Sets the asking user's own key, or removes it with `None`.
///
/// # Errors
/// [`ChangeError`]; nothing was changed then.
pub async fn set_own(
    ctx: &Ctx,
    user: Id<User>,
    current: Password,
    key: Option<GivenKey>,
    origin: &Origin,
) -> Result<(), ChangeError> {
    let proved = match passwords::prove(ctx, user, &current, origin).await? {
        Proof::Given(user) => user,
        Proof::Refused(refused) => return Err(ChangeError::WrongPassword(refused)),
    };
    let mut tx = ctx.store.begin().await?;
    let user = account::take_unchanged(&mut tx, &proved).await?;
    let id = user.standing.user;
    write(ctx, &mut tx, id, key, Actor::User(id)).await?;
    commit(ctx, tx).await?;
    Ok(())
}

/// Sets a user's key for an administrator, or removes it with `None`.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such user.
pub async fn set_for(
    ctx: &Ctx,
    actor: Actor,
    username: &str,
    key: Option<GivenKey>,
) -> Result<(), AppError> {
    let mut tx = ctx.store.begin().await?;
    let user = take_by_name(&mut tx, username).await?;
    write(ctx, &mut tx, user.standing.user, key, actor).await?;
    commit(ctx, tx).await
}

/// The key of a user.
///
/// # Errors
/// The database's.
pub async fn of_user(ctx: &Ctx, user: Id<User>) -> Result<Option<ShownKey>, AppError> {
    let mut reader = ctx.store.read().await?;
    let row = openpgp_keys::find(&mut reader, user).await?;
    Ok(row.map(|row| ShownKey {
        fault: fault_of(&row.certificate, ctx.clock.now()),
        fingerprint: row.fingerprint,
        expires_at: row.expires_at,
    }))
}

/// The key that `letter` is to be encrypted to; `None` where it goes in clear.
pub(crate) async fn key_for(
    ctx: &Ctx,
    letter: &LeasedLetter,
) -> Result<Option<OpenpgpKeyRow>, AppError> {
    if letter.kind != LetterKind::NewToken {
        return Ok(None);
    }
    let mut reader = ctx.store.read().await?;
    Ok(openpgp_keys::find(&mut reader, letter.user).await?)
}

fn fault_of(certificate: &[u8], now: Timestamp) -> Option<KeyFault> {
    match Certificate::parse(certificate) {
        Ok(certificate) => certificate.usable_at(now).err(),
        Err(fault) => Some(fault),
    }
}

async fn write(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    key: Option<GivenKey>,
    actor: Actor,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut details = "fingerprint=".to_owned();
    match key {
        Some(GivenKey { fingerprint, certificate, expires_at }) => {
            details.push_str(&fingerprint);
            let origin = if actor == Actor::User(user) { "owner" } else { "administrator" };
            let origin = origin.to_owned();
            let row =
                OpenpgpKeyRow { fingerprint, certificate, expires_at, origin, created_at: now };
            openpgp_keys::put(tx, user, &row).await?;
        }
        None => {
            if !openpgp_keys::delete(tx, user).await? {
                return Err(AppError::Forbidden("There is no OpenPGP key to remove."));
            }
        }
    }
    trail::append(tx, actor, "openpgp-key.changed", format!("user:{user}"), details, now).await?;
    changes::record(tx, Change::UserChanged, user, None, now).await?;
    Ok(())
}

//! OpenPGP: the key that a user's mail with a token is encrypted to.
//!
//! A user with a key gets no token in clear: where the key cannot be used when the mail is due, the mail is not
//! sent, and its last reply says why. Other mail is not encrypted, for it holds no token.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::Source;
use symbolon_core::secret::Password;
use symbolon_mail::{Certificate, KeyFault};
use symbolon_store::changes::{self, Change};
use symbolon_store::letters::LeasedLetter;
use symbolon_store::openpgp_keys::{self, OpenpgpKeyRow};
use symbolon_store::users::UserRecord;
use symbolon_store::{Conn, Tx};

use crate::account::{self, ChangeError};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::commit;
use crate::users::take_by_name;
use crate::{outbox, trail};

const EXPIRED: &str = "The account's OpenPGP key has expired: the token could not be sent. The owner or an administrator can give another key, or remove this one.";
const REVOKED: &str = "The account's OpenPGP key is revoked: the token could not be sent. The owner or an administrator can give another key, or remove this one.";
const UNUSABLE: &str = "Mail cannot be encrypted to the account's OpenPGP key: the token could not be sent. The owner or an administrator can give another key, or remove this one.";

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

impl ShownKey {
    /// The rule that forbids a reset for the time being, and who can lift it.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        self.fault.map(rule_of)
    }
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
    let (mut tx, user) = account::begin_proved(ctx, user, &current, origin).await?;
    let actor = Actor::User(user.standing.user);
    write(ctx, &mut tx, &user, key, actor, Some(origin.source)).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
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
    write(ctx, &mut tx, &user, key, actor, None).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
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

/// What keeps mail with a token from being encrypted to the user's key right now, and who can lift it; `None`
/// where there is no key, too.
pub(crate) async fn obstacle(
    conn: &mut Conn,
    user: Id<User>,
    now: Timestamp,
) -> Result<Option<&'static str>, AppError> {
    let row = openpgp_keys::find(conn, user).await?;
    Ok(row.and_then(|row| fault_of(&row.certificate, now)).map(rule_of))
}

const fn rule_of(fault: KeyFault) -> &'static str {
    match fault {
        KeyFault::Expired { .. } => EXPIRED,
        KeyFault::Revoked => REVOKED,
        KeyFault::TooLarge
        | KeyFault::SecretKey
        | KeyFault::NotAKey
        | KeyFault::Weak
        | KeyFault::Unsigned
        | KeyFault::NoEncryption => UNUSABLE,
    }
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

/// Writes it down, and tells the owner and whoever gets the mail with a token.
async fn write(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    key: Option<GivenKey>,
    actor: Actor,
    source: Option<Source>,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let id = user.standing.user;
    let by = if actor == Actor::User(id) { "owner" } else { "administrator" };
    let before = openpgp_keys::find(tx, id).await?.map(|row| row.fingerprint);
    let fingerprint = key.as_ref().map(|key| key.fingerprint.clone());
    match key {
        Some(GivenKey { fingerprint, certificate, expires_at }) => {
            let origin = by.to_owned();
            let row =
                OpenpgpKeyRow { fingerprint, certificate, expires_at, origin, created_at: now };
            openpgp_keys::put(tx, id, &row).await?;
        }
        None => {
            if !openpgp_keys::delete(tx, id).await? {
                return Err(AppError::Forbidden("There is no OpenPGP key to remove."));
            }
        }
    }
    for to in [Some(&user.email), user.delivery.as_ref()].into_iter().flatten() {
        let facts = Facts::default()
            .with_some("fingerprint", fingerprint.as_ref())
            .with_some("before", before.as_ref())
            .with("by", by)
            .with_some("source", source)
            .at("at", now);
        outbox::write_notice_to(ctx, tx, user, to, LetterKind::OpenpgpKeyChanged, facts, now)
            .await?;
    }
    let details = format!("fingerprint={}", fingerprint.unwrap_or_default());
    trail::append(tx, actor, "openpgp-key.changed", format!("user:{id}"), details, now).await?;
    changes::record(tx, Change::UserChanged, id, None, now).await?;
    Ok(())
}

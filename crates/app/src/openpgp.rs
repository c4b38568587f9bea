//! OpenPGP: the key that a user's mail with a token is encrypted to.
//!
//! A user with a key gets no token in clear, nor does anybody whose profile demands that it is encrypted: where
//! it cannot be when the mail is due, the mail is not sent, and its last reply says why. Other mail is not
//! encrypted, for it holds no token.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::Source;
use symbolon_core::policy::{MailEncryption, Policy};
use symbolon_core::secret::Password;
use symbolon_mail::{Certificate, KeyFault};
use symbolon_store::changes::{self, Change};
use symbolon_store::letters::LeasedLetter;
use symbolon_store::openpgp_keys::{self, OpenpgpKeyRow};
use symbolon_store::users::UserRecord;
use symbolon_store::{Conn, Tx, profiles, users};

use crate::account::{self, ChangeError};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::{AppError, Rule};
use crate::facts::Facts;
use crate::live::commit;
use crate::users::take_by_name;
use crate::{outbox, trail};

const NO_KEY: &str = "The profile demands that mail with a token is encrypted, and the account has no OpenPGP key. \
                      The owner can give one under My Personal Information, and so can an administrator, who can \
                      also lift the demand in the profile.";

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

/// What a user's mail with a token is encrypted to.
#[derive(Debug, Clone)]
pub struct KeyView {
    /// The key, if there is one.
    pub key: Option<ShownKey>,
    /// Whether the profile demands one.
    pub encryption: MailEncryption,
}

/// How a letter may go out.
#[derive(Debug)]
pub(crate) enum Cover {
    /// As it is.
    Clear,
    /// Encrypted to this key, or not at all.
    EncryptedTo(OpenpgpKeyRow),
    /// Not at all: it has to be encrypted, and there is no key.
    Missing,
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

/// The key of a user, and whether one is demanded.
///
/// # Errors
/// The database's; [`AppError::NotFound`].
pub async fn of_user(ctx: &Ctx, user: Id<User>) -> Result<KeyView, AppError> {
    let mut reader = ctx.store.read().await?;
    let row = openpgp_keys::find(&mut reader, user).await?;
    let key = row.map(|row| ShownKey {
        fault: fault_of(&row.certificate, ctx.clock.now()),
        fingerprint: row.fingerprint,
        expires_at: row.expires_at,
    });
    Ok(KeyView { key, encryption: demanded(&mut reader, user).await? })
}

/// What keeps mail with a token from being sent to a user right now, and who can lift it.
pub(crate) async fn obstacle(
    conn: &mut Conn,
    user: Id<User>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<Rule>, AppError> {
    let row = openpgp_keys::find(conn, user).await?;
    Ok(match (row, policy.mail_encryption) {
        (Some(row), encryption) => {
            fault_of(&row.certificate, now).map(|fault| rule_of(fault, encryption))
        }
        (None, MailEncryption::Required) => Some(NO_KEY.into()),
        (None, MailEncryption::Optional) => None,
    })
}

fn rule_of(fault: KeyFault, encryption: MailEncryption) -> Rule {
    let otherwise = match encryption {
        MailEncryption::Optional => "give another key, or remove this one",
        MailEncryption::Required => "give another key",
    };
    let rule = format!(
        "The account's OpenPGP key cannot be used: {fault}. The token could not be sent. The owner or an \
         administrator can {otherwise}."
    );
    rule.into()
}

/// How `letter` may go out.
pub(crate) async fn cover_of(ctx: &Ctx, letter: &LeasedLetter) -> Result<Cover, AppError> {
    if letter.kind != LetterKind::NewToken {
        return Ok(Cover::Clear);
    }
    let mut reader = ctx.store.read().await?;
    if let Some(key) = openpgp_keys::find(&mut reader, letter.user).await? {
        return Ok(Cover::EncryptedTo(key));
    }
    Ok(match demanded(&mut reader, letter.user).await? {
        MailEncryption::Optional => Cover::Clear,
        MailEncryption::Required => Cover::Missing,
    })
}

async fn demanded(conn: &mut Conn, user: Id<User>) -> Result<MailEncryption, AppError> {
    let user = users::find(conn, user).await?.ok_or(AppError::NotFound("user"))?;
    Ok(profiles::in_force(conn, user.profile).await?.mail_encryption)
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

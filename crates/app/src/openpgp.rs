//! OpenPGP: the key that a user's mail with a token is encrypted to.
//!
//! A user with a key gets no token in clear, nor does anybody whose profile demands that it is encrypted: where
//! it cannot be when the mail is due, the mail is not sent, and its last reply says why. Other mail is not
//! encrypted, for it holds no token.
//!
//! A key may be looked up in the Web Key Directory of the address that the mail goes to, where the server is set up
//! for it: when somebody asks, and never when a mail is due. What is found is judged as a key that is given.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::{EmailAddress, Source, Username};
use symbolon_core::policy::{MailEncryption, Policy};
use symbolon_core::secret::Password;
use symbolon_mail::{Certificate, KeyFault, LookupFault};
use symbolon_store::changes::{self, Change};
use symbolon_store::letters::LeasedLetter;
use symbolon_store::openpgp_keys::{self, OpenpgpKeyRow};
use symbolon_store::users::UserRecord;
use symbolon_store::{Conn, Tx, profiles, users};
use thiserror::Error;

use crate::account::{self, ChangeError};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::{AppError, Rule};
use crate::facts::Facts;
use crate::live::commit;
use crate::login::Refused;
use crate::passwords::{self, Proof};
use crate::users::take_by_name;
use crate::{outbox, trail};

/// The rule that keeps keys from being looked up, and who can lift it.
pub const LOOKUP_OFF: &str = "Keys are not looked up here. Whoever runs the server can switch it on: openpgp_lookup in the \
                          configuration.";
const ADDRESS_CHANGED: &str =
    "The address that gets the mail was changed meanwhile. Look the key up again.";
const NO_KEY: &str = "The profile demands that mail with a token is encrypted, and the account has no OpenPGP key. \
                      The owner can give one under My Personal Information, and so can an administrator, who can \
                      also lift the demand in the profile.";

/// A key that was looked at and found fit.
#[derive(Debug)]
pub struct GivenKey {
    fingerprint: String,
    certificate: Vec<u8>,
    expires_at: Option<Timestamp>,
    /// The address in whose directory it was found.
    found_for: Option<EmailAddress>,
}

/// A key that was found and set.
#[derive(Debug, Clone)]
pub struct FoundKey {
    /// In upper-case hexadecimal digits.
    pub fingerprint: String,
    /// The address in whose directory it was.
    pub address: EmailAddress,
}

/// Why there is no key to be found.
#[derive(Debug, Error)]
pub enum LookupError {
    /// Keys are not looked up here.
    #[error("{LOOKUP_OFF}")]
    Off,
    /// The directory has yielded none.
    #[error("No key was found: {0}.")]
    Directory(LookupFault),
    /// What it has yielded serves nobody.
    #[error("The key that was found cannot be taken: {0}.")]
    Key(KeyFault),
    /// What it has yielded is somebody else's.
    #[error("The key that was found is not that of {0}: none of its user ids is that address.")]
    Foreign(EmailAddress),
    /// Its owner has not proved himself, so nothing was asked.
    #[error("The current password was not proved.")]
    Unproved(Refused),
    /// Something else.
    #[error(transparent)]
    App(#[from] AppError),
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
        found_for: None,
    })
}

/// The rule that keeps keys from being looked up, and who can lift it; `None` where they may be.
pub fn lookup_obstacle(ctx: &Ctx) -> Option<&'static str> {
    ctx.key_directory.is_none().then_some(LOOKUP_OFF)
}

/// Looks the asking user's key up, once he has proved himself: a session alone is not to send us to hosts.
///
/// # Errors
/// [`LookupError`].
pub async fn look_up_own(
    ctx: &Ctx,
    user: Id<User>,
    current: &Password,
    origin: &Origin,
) -> Result<(GivenKey, FoundKey), LookupError> {
    if ctx.key_directory.is_none() {
        return Err(LookupError::Off);
    }
    match passwords::prove(ctx, user, current, origin).await? {
        Proof::Given(user) => look_up(ctx, &user).await,
        Proof::Refused(refused) => Err(LookupError::Unproved(refused)),
    }
}

/// Looks a user's key up for an administrator, and sets it.
///
/// # Errors
/// [`LookupError`]; nothing was changed then.
pub async fn look_up_for(ctx: &Ctx, actor: Actor, username: &str) -> Result<FoundKey, LookupError> {
    let name = Username::parse(username).map_err(|_| AppError::NotFound("user"))?;
    let mut reader = ctx.store.read().await.map_err(AppError::from)?;
    let user = users::find_by_name(&mut reader, &name).await.map_err(AppError::from)?;
    drop(reader);
    let (key, found) = look_up(ctx, &user.ok_or(AppError::NotFound("user"))?).await?;
    set_for(ctx, actor, username, Some(key)).await?;
    Ok(found)
}

/// The key of whoever gets the user's mail with a token.
///
/// # Security
/// The directory speaks for the domain of the address, which gets that mail as it is: so its word is enough. But
/// only for that very address: the key must name it.
async fn look_up(ctx: &Ctx, user: &UserRecord) -> Result<(GivenKey, FoundKey), LookupError> {
    let directory = ctx.key_directory.as_ref().ok_or(LookupError::Off)?;
    let address = reader_of(user);
    let bytes = directory.fetch(address).await.map_err(LookupError::Directory)?;
    let key = read(ctx, &bytes).map_err(LookupError::Key)?;
    let certificate = Certificate::parse(&bytes).map_err(LookupError::Key)?;
    if !certificate.belongs_to(address) {
        return Err(LookupError::Foreign(address.clone()));
    }
    let found = FoundKey { fingerprint: key.fingerprint.clone(), address: address.clone() };
    Ok((GivenKey { found_for: Some(address.clone()), ..key }, found))
}

/// Whoever gets the user's mail with a token.
fn reader_of(user: &UserRecord) -> &EmailAddress {
    user.delivery.as_ref().unwrap_or(&user.email)
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

/// The key of a user, by its fingerprint.
pub(crate) async fn fingerprint_of(
    conn: &mut Conn,
    user: Id<User>,
) -> Result<Option<String>, AppError> {
    Ok(openpgp_keys::find(conn, user).await?.map(|row| row.fingerprint))
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
    let found_for = key.as_ref().and_then(|key| key.found_for.clone());
    if found_for.as_ref().is_some_and(|address| address != reader_of(user)) {
        return Err(AppError::Forbidden(ADDRESS_CHANGED));
    }
    let origin = if found_for.is_some() { "wkd" } else { by };
    match key {
        Some(GivenKey { fingerprint, certificate, expires_at, .. }) => {
            let origin = origin.to_owned();
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
    let mut details = format!("fingerprint={}", fingerprint.unwrap_or_default());
    if let Some(address) = found_for {
        details.extend(["\nfound_for=", address.as_str()]);
    }
    trail::append(tx, actor, "openpgp-key.changed", format!("user:{id}"), details, now).await?;
    changes::record(tx, Change::UserChanged, id, None, now).await?;
    Ok(())
}

//! Second Factors: what a user has beside the password, and codes as they are taken at a login.
//!
//! [`enrolment`] adds authenticator apps, [`recovery`] makes recovery codes, [`removal`] ends either; passkeys
//! have a module of their own and use what is shared from here. Recovery codes come with the first factor and
//! go with the last: by themselves they are none.

pub mod enrolment;
mod notices;
pub mod recovery;
pub mod removal;
pub mod resealing;

use symbolon_core::Timestamp;
use symbolon_core::factor::{Factor, FactorKinds};
use symbolon_core::id::{Authenticator, Id, User};
use symbolon_core::keys::Purpose;
use symbolon_core::letter::LetterKind;
use symbolon_core::names::DisplayName;
use symbolon_core::policy::Duty;
use symbolon_core::recovery_code::RecoveryCode;
use symbolon_core::sealed::{Sealed, SealedFor, Seat};
use symbolon_core::secret::TypedCode;
use symbolon_core::totp::{TotpCode, TotpSecret};
use symbolon_store::authenticators::AuthenticatorRecord;
use symbolon_store::recovery_codes::Standing;
use symbolon_store::users::UserRecord;
use symbolon_store::{Conn, Tx, authenticators, passkeys, profiles, recovery_codes, users};
use tracing::error;

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::commit;
use crate::login::evidence::member_since;
use crate::{outbox, trail};

pub use notices::Gains;
pub(crate) use notices::{Added, note_added, note_removed, note_renamed};

/// Authenticator apps that a user may have: a phone, its successor and a few in reserve.
pub const MOST_AUTHENTICATORS: i64 = 5;

/// What an authenticator app and this authority share (RFC 4226 §4, R6).
const SECRET_BYTES: usize = 20;
/// The same once it is sealed: with a nonce of 24 bytes and a tag of 16.
const SEALED_SECRET_BYTES: usize = 24 + SECRET_BYTES + 16;

/// What a user has enrolled.
#[derive(Debug, Clone)]
pub struct SecondFactors {
    /// Authenticator apps, the oldest first.
    pub authenticators: Vec<AuthenticatorView>,
    /// Recovery codes.
    pub recovery_codes: Standing,
    /// Which kinds there are.
    pub kinds: FactorKinds,
    /// What the user's profile demands.
    pub duty: Duty,
}

/// An authenticator app, as its owner's list shows it.
#[derive(Debug, Clone)]
pub struct AuthenticatorView {
    /// Identifier.
    pub id: Id<Authenticator>,
    /// What its owner calls it.
    pub name: DisplayName,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When a code of it was taken last.
    pub last_used_at: Option<Timestamp>,
}

/// What a user has enrolled.
///
/// # Errors
/// [`AppError::NotFound`] if removed.
pub async fn list(ctx: &Ctx, user: Id<User>) -> Result<SecondFactors, AppError> {
    let mut reader = ctx.store.read().await?;
    let record = users::find(&mut reader, user).await?.ok_or(AppError::NotFound("user"))?;
    let enrolled = authenticators::of_user(&mut reader, user).await?;
    Ok(SecondFactors {
        authenticators: enrolled.into_iter().map(view).collect(),
        recovery_codes: recovery_codes::standing(&mut reader, user).await?,
        kinds: kinds_of(&mut reader, user).await?,
        duty: duty_of(&mut reader, &record).await?,
    })
}

/// What a user owes under the duty of his profile: by when, and `None` where he owes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// A second factor of any kind, on the web.
    pub on_the_web: Option<Timestamp>,
    /// An authenticator app, at APIs.
    pub at_apis: Option<Timestamp>,
}

/// Which second factor a user owes and has not enrolled.
///
/// # Errors
/// [`AppError::NotFound`] if removed.
pub async fn owed(ctx: &Ctx, user: Id<User>) -> Result<Owed, AppError> {
    let mut reader = ctx.store.read().await?;
    let record = users::find(&mut reader, user).await?.ok_or(AppError::NotFound("user"))?;
    let policy = profiles::in_force(&mut reader, record.profile).await?;
    if policy.duty == Duty::None {
        return Ok(Owed { on_the_web: None, at_apis: None });
    }
    let (since, kinds) = (member_since(&record), kinds_of(&mut reader, user).await?);
    Ok(Owed {
        on_the_web: policy.owed_on_the_web_by(since, kinds),
        at_apis: policy.owed_at_apis_by(since, kinds),
    })
}

/// One authenticator app of a user.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's or gone.
pub async fn authenticator(
    ctx: &Ctx,
    user: Id<User>,
    id: Id<Authenticator>,
) -> Result<AuthenticatorView, AppError> {
    let mut reader = ctx.store.read().await?;
    let found = authenticators::find(&mut reader, user, id).await?;
    found.map(view).ok_or(AppError::NotFound("authenticator"))
}

/// Gives an authenticator app another name.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's or gone.
pub async fn rename(
    ctx: &Ctx,
    user: Id<User>,
    id: Id<Authenticator>,
    name: DisplayName,
) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !authenticators::rename(&mut tx, user, id, &name).await? {
        return Err(AppError::NotFound("authenticator"));
    }
    note_renamed(&mut tx, user, (Factor::Authenticator, id), &name, now).await?;
    commit(ctx, tx).await
}

/// Which kinds of second factors a user has.
pub async fn kinds_of(conn: &mut Conn, user: Id<User>) -> Result<FactorKinds, AppError> {
    Ok(FactorKinds {
        authenticator: authenticators::count(conn, user).await? > 0,
        passkey: passkeys::count(conn, user).await? > 0,
        recovery_code: recovery_codes::standing(conn, user).await?.left > 0,
    })
}

/// Where the user's profile demands a second factor.
pub async fn duty_of(conn: &mut Conn, user: &UserRecord) -> Result<Duty, AppError> {
    Ok(profiles::in_force(conn, user.profile).await?.duty)
}

/// Takes a code: six digits of an authenticator app, else a recovery code. Tells which it was, or `None` if
/// it is not right or was taken before.
///
/// Consumed by the caller's transaction: rolled back with it, and by no two at once. The caller counts the
/// try *before* he asks, in a transaction that is committed whatever comes of it.
///
/// # Errors
/// The database's; [`AppError::KeyMissing`] where a secret cannot be opened.
pub async fn take_code(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    typed: &TypedCode,
    origin: &Origin,
    now: Timestamp,
) -> Result<Option<Factor>, AppError> {
    if let Some(code) = TotpCode::parse(typed) {
        let taken = take_totp(ctx, tx, user, &code, now).await?;
        return Ok(taken.then_some(Factor::Authenticator));
    }
    let Some(code) = RecoveryCode::parse(typed) else {
        return Ok(None);
    };
    let digests = ctx.keys.digests(Purpose::RecoveryCode, &code.to_digest(user));
    if !recovery_codes::use_up(tx, user, &digests, now).await? {
        return Ok(None);
    }
    let record = users::find(tx, user).await?.ok_or(AppError::NotFound("user"))?;
    let left = recovery_codes::standing(tx, user).await?.left;
    let facts = Facts::default().with("left", left).with("source", origin.source).at("at", now);
    outbox::write_notice(ctx, tx, &record, LetterKind::RecoveryCodeUsed, facts, now).await?;
    let (actor, subject) = (Actor::User(user), format!("user:{user}"));
    let details = format!("left={left}\nsource={}", origin.source);
    trail::append(tx, actor, "recovery-code.used", subject, details, now).await?;
    Ok(Some(Factor::RecoveryCode))
}

async fn take_totp(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    code: &TotpCode,
    now: Timestamp,
) -> Result<bool, AppError> {
    for (record, secret) in opened_of(ctx, tx, user).await? {
        let Some(step) = secret.step_of(code, now, record.last_step) else { continue };
        // Who lost a race finds the step taken: the row's own value decides.
        if authenticators::take_step(tx, user, record.id, step, now).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The authenticator apps of a user with their secrets. One that cannot be opened says nothing about the others.
///
/// # Errors
/// The database's; [`AppError::KeyMissing`] where there are some and none can be opened: no code can be told right
/// from wrong then.
async fn opened_of(
    ctx: &Ctx,
    conn: &mut Conn,
    user: Id<User>,
) -> Result<Vec<(AuthenticatorRecord, TotpSecret)>, AppError> {
    let (mut opened, mut shut) = (Vec::new(), None);
    for record in authenticators::of_user(conn, user).await? {
        match open(ctx, &record) {
            Ok(secret) => opened.push((record, secret)),
            Err(error) => {
                let (id, error_text) = (record.id, error.to_string());
                error!(authenticator.id = %id, error = error_text, "cannot open what an authenticator app shares");
                shut = Some(error);
            }
        }
    }
    match shut.filter(|_| opened.is_empty()) {
        Some(error) => Err(error),
        None => Ok(opened),
    }
}

/// Of which authenticator app and step a code is, if none as late was taken. Nothing is taken: an API login
/// takes it with its session, by [`take_step`]. Of a user who has no app, or is none, as much work is done.
///
/// # Errors
/// As [`take_code`].
pub(crate) async fn find_step(
    ctx: &Ctx,
    conn: &mut Conn,
    user: Id<User>,
    typed: &TypedCode,
    now: Timestamp,
) -> Result<Option<(Id<Authenticator>, i64)>, AppError> {
    let Some(code) = TotpCode::parse(typed) else { return Ok(None) };
    let apps = opened_of(ctx, conn, user).await?;
    if apps.is_empty() {
        work_in_vain(ctx, &code, now);
    }
    let mut found = None;
    for (record, secret) in &apps {
        let step = secret.step_of(&code, now, record.last_step);
        found = found.or(step.map(|step| (record.id, step)));
    }
    Ok(found)
}

/// Opens nothing and compares the code with those of a secret that nobody has: the work of one app.
fn work_in_vain(ctx: &Ctx, code: &TotpCode, now: Timestamp) {
    let nothing = Sealed { key: ctx.keys.current(), bytes: vec![0; SEALED_SECRET_BYTES] };
    let opened = ctx.keys.open(&nothing, &seat_of(Id::from_raw(0), Id::from_raw(0)));
    let secret = TotpSecret::from_bytes(&[0; SECRET_BYTES]);
    let step = secret.and_then(|secret| secret.step_of(code, now, 0));
    std::hint::black_box((opened.is_some(), step));
}

/// Takes a step that [`find_step`] found; `false` if somebody else was faster.
pub(crate) async fn take_step(
    tx: &mut Tx,
    user: Id<User>,
    (authenticator, step): (Id<Authenticator>, i64),
    now: Timestamp,
) -> Result<bool, AppError> {
    Ok(authenticators::take_step(tx, user, authenticator, step, now).await?)
}

/// The secret of an enrolled authenticator app.
fn open(ctx: &Ctx, record: &AuthenticatorRecord) -> Result<TotpSecret, AppError> {
    let opened = ctx.keys.open(&record.secret, &seat_of(record.user, record.id));
    let opened = opened.ok_or(AppError::KeyMissing)?;
    TotpSecret::from_bytes(&opened).ok_or(AppError::Corrupt("authenticator.secret"))
}

/// Where the secret of an enrolled authenticator app belongs.
const fn seat_of(user: Id<User>, id: Id<Authenticator>) -> Seat {
    Seat { use_for: SealedFor::Authenticator, user, row: id.raw() }
}

fn view(record: AuthenticatorRecord) -> AuthenticatorView {
    AuthenticatorView {
        id: record.id,
        name: record.name,
        created_at: record.created_at,
        last_used_at: record.last_used_at,
    }
}

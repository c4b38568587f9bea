//! Enrolling an authenticator app: a secret is drawn and shown, and counts once a code of it has come back.
//!
//! Until then the secret lies sealed in a challenge that is bound to user and session and lives for a quarter
//! of an hour; a new one ends the one before. The step of the code that proves it is taken by that, so the
//! same code does not log in.

use std::fmt;
use std::time::Duration;

use symbolon_core::factor::Factor;
use symbolon_core::id::{Challenge, Id, Session, User};
use symbolon_core::keys::Purpose;
use symbolon_core::names::{DisplayName, Username};
use symbolon_core::sealed::{Sealed, SealedFor, Seat};
use symbolon_core::secret::TypedCode;
use symbolon_core::totp::{TotpCode, TotpSecret};
use symbolon_store::authenticators::{self, NewAuthenticator};
use symbolon_store::challenges::{self, ChallengePurpose, ChallengeRow, NewChallenge};
use symbolon_store::{Conn, users};
use zeroize::Zeroizing;

use super::{Added, Gains, MOST_AUTHENTICATORS, kinds_of, note_added, seat_of};
use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::sessions::LiveSession;
use crate::users::take_unfrozen;

/// How long there is to scan the code and type what the app shows.
pub const VALID: Duration = Duration::from_mins(15);

const ENOUGH: &str = "You have five authenticator apps, and there is no room for more: remove one that you no \
                      longer use.";

/// Whose enrolment, and in which session: another one does not find it.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// Who.
    pub user: Id<User>,
    /// The session that it was begun in.
    pub session: Id<Session>,
}

impl Owner {
    /// The holder of this session, in it.
    pub const fn of(session: &LiveSession) -> Self {
        Self { user: session.user, session: session.session }
    }
}

/// A secret that waits for its first code.
pub struct Pending {
    secret: TotpSecret,
    username: Username,
    issuer: DisplayName,
}

impl Pending {
    /// The secret in groups of four, for typing.
    pub fn reveal_groups(&self) -> Zeroizing<String> {
        let text = self.secret.reveal_text();
        let mut groups = Zeroizing::new(String::with_capacity(text.len() * 5 / 4));
        for (at, c) in text.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                groups.push(' ');
            }
            groups.push(c);
        }
        groups
    }

    /// What the QR code says.
    pub fn reveal_uri(&self) -> Zeroizing<String> {
        self.secret.reveal_uri(self.issuer.as_str(), self.username.as_str())
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending(..)")
    }
}

/// What has become of an enrolment.
#[derive(Debug)]
pub enum Enrolled {
    /// The app is enrolled.
    Done(Gains),
    /// The code is not one of this secret, just now.
    WrongCode,
}

/// What keeps a user who has `count` authenticator apps from enrolling one more.
pub fn obstacle(count: usize) -> Option<&'static str> {
    let full = i64::try_from(count).is_ok_and(|count| count >= MOST_AUTHENTICATORS);
    full.then_some(ENOUGH)
}

/// Begins an enrolment and tells its name, by which [`pending`] and [`confirm`] find it.
///
/// The name opens nothing outside of the session that it was given to.
///
/// # Errors
/// [`AppError::Forbidden`] where there is no room for one more.
pub async fn begin(ctx: &Ctx, owner: Owner) -> Result<String, AppError> {
    let now = ctx.clock.now();
    let name = ctx.chance.text(22);
    let (id, secret): (Id<Challenge>, TotpSecret) =
        ctx.chance.with(|mut rng| (Id::mint(&mut rng), TotpSecret::draw(&mut rng)));
    let seat = pending_seat(owner.user, id);
    let sealed = ctx.chance.with(|mut rng| ctx.keys.seal(secret.reveal(), &seat, &mut rng));

    let mut tx = ctx.store.begin().await?;
    if !users::hold(&mut tx, owner.user).await? {
        return Err(AppError::NotFound("user"));
    }
    demand_room(&mut tx, owner.user).await?;
    let purpose = ChallengePurpose::Authenticator;
    challenges::end_of_user(&mut tx, owner.user, purpose, now).await?;
    let challenge = NewChallenge {
        id,
        purpose,
        digest: &ctx.keys.digest(Purpose::Challenge, name.as_bytes()),
        user: Some(owner.user),
        session: Some(owner.session),
        epoch: None,
        state: Some(&sealed.to_bytes()),
        expires_at: now + VALID,
    };
    challenges::insert(&mut tx, &challenge, now).await?;
    commit(ctx, tx).await?;
    Ok(name)
}

/// The secret that waits, for the page that shows it.
///
/// # Errors
/// [`AppError::NotFound`] where there is none of this name in this session, or its time is up.
pub async fn pending(ctx: &Ctx, owner: Owner, name: &str) -> Result<Pending, AppError> {
    let mut reader = ctx.store.read().await?;
    let challenge = find(ctx, &mut reader, owner, name).await?;
    let user = users::find(&mut reader, owner.user).await?.ok_or(AppError::NotFound("user"))?;
    Ok(Pending {
        secret: open_pending(ctx, owner.user, &challenge)?,
        username: user.username,
        issuer: ctx.settings.organization.clone(),
    })
}

/// Enrols the app if `typed` is a code of its secret.
///
/// # Errors
/// As [`pending`]; [`AppError::Forbidden`] where there is no room for one more.
pub async fn confirm(
    ctx: &Ctx,
    owner: Owner,
    name: &str,
    label: DisplayName,
    typed: &TypedCode,
    origin: &Origin,
) -> Result<Enrolled, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let record = take_unfrozen(&mut tx, owner.user).await?;
    let challenge = find(ctx, &mut tx, owner, name).await?;
    let secret = open_pending(ctx, owner.user, &challenge)?;
    // Nothing of this secret was taken before: any step is later than the beginning of time.
    let step = TotpCode::parse(typed).and_then(|code| secret.step_of(&code, now, i64::MIN));
    let Some(step) = step else { return Ok(Enrolled::WrongCode) };
    if !challenges::end(&mut tx, challenge.id, now).await? {
        return Err(AppError::NotFound("enrolment"));
    }
    demand_room(&mut tx, owner.user).await?;
    let before = kinds_of(&mut tx, owner.user).await?;
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let seat = seat_of(owner.user, id);
    let sealed = ctx.chance.with(|mut rng| ctx.keys.seal(secret.reveal(), &seat, &mut rng));
    let (user, secret) = (owner.user, &sealed);
    let new = NewAuthenticator { id, user, name: &label, secret, last_step: step };
    authenticators::insert(&mut tx, &new, now).await?;
    let factor = Factor::Authenticator;
    let added = Added { factor, name: &label, before, session: owner.session };
    let gains = note_added(ctx, &mut tx, &record, added, origin, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(Enrolled::Done(gains))
}

async fn demand_room(conn: &mut Conn, user: Id<User>) -> Result<(), AppError> {
    if authenticators::count(conn, user).await? >= MOST_AUTHENTICATORS {
        return Err(AppError::Forbidden(ENOUGH));
    }
    Ok(())
}

async fn find(
    ctx: &Ctx,
    conn: &mut Conn,
    owner: Owner,
    name: &str,
) -> Result<ChallengeRow, AppError> {
    let digests = ctx.keys.digests(Purpose::Challenge, name.as_bytes());
    let now = ctx.clock.now();
    let found = challenges::find(conn, ChallengePurpose::Authenticator, &digests, now).await?;
    let own =
        |row: &ChallengeRow| row.user == Some(owner.user) && row.session == Some(owner.session);
    found.filter(own).ok_or(AppError::NotFound("enrolment"))
}

fn open_pending(ctx: &Ctx, user: Id<User>, row: &ChallengeRow) -> Result<TotpSecret, AppError> {
    let corrupt = AppError::Corrupt("challenge.state");
    let sealed = row.state.as_deref().and_then(Sealed::from_bytes);
    let Some(sealed) = sealed else { return Err(corrupt) };
    let opened = ctx.keys.open(&sealed, &pending_seat(user, row.id)).ok_or(AppError::KeyMissing)?;
    TotpSecret::from_bytes(&opened).ok_or(corrupt)
}

const fn pending_seat(user: Id<User>, challenge: Id<Challenge>) -> Seat {
    Seat { use_for: SealedFor::Enrolment, user, row: challenge.raw() }
}

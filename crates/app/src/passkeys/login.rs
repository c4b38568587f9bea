//! A login by passkey alone: nobody is named, the device says whose passkey it has.
//!
//! The device has verified its user, so password and second factor are proved in one. What else the log-in
//! demands (the user not frozen, the profile's hours and ranges) is decided where every log-in is decided; who
//! was locked out by other people's guesses gets in here.

use symbolon_core::Timestamp;
use symbolon_core::factor::Factor;
use symbolon_core::id::{Id, User};
use symbolon_core::judge::{Door, Next, PasswordVerdict, judge};
use symbolon_core::names::Username;
use symbolon_core::secret::{Password, PlaceSecret};
use symbolon_core::session::SessionKind;
use symbolon_core::token::TokenPart;
use symbolon_store::passkeys::{self, PasskeyRecord};
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, users};
use webauthn_rp::bin::{Decode as _, Encode as _};
use webauthn_rp::{
    DiscoverableAuthentication, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions,
};

use super::ceremony::{HANDLE, MOST_BYTES, Party, json_of, verify_stored};
use super::{PasskeyFault, Question, open_question};
use crate::actor::Origin;
use crate::challenges::forget_wrong_codes;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::attempt::Attempt;
use crate::login::evidence;
use crate::login::open::{Opening, restriction_of, write_session};
use crate::login::record::{RefusedCredential, record_refusal, record_refused_credential};
use crate::login::{Head, NewSession, Refused};
use crate::places;

/// What comes of an answer.
#[derive(Debug)]
pub enum Entrance {
    /// There is a session.
    Opened(NewSession),
    /// The answer is not taken.
    NotTaken(PasskeyFault),
    /// The passkey is right, and its owner may not log in.
    Refused(Refused),
}

/// Who has proved himself by a passkey. That he may log in is another question.
#[derive(Debug, Clone)]
struct Proved {
    user: Id<User>,
    username: Username,
    /// The user's epoch when he proved himself: with it the session is opened, or not at all.
    epoch: i64,
}

/// Asks for any passkey of this site. `browser` is what this browser holds: the answer must come from it.
/// Nothing is written down: the browser keeps the question.
///
/// # Errors
/// [`AppError::Forbidden`] where passkeys cannot be used here.
pub fn begin_login(ctx: &Ctx, browser: &str) -> Result<Question, AppError> {
    let party = Party::of(ctx)?;
    let asked = DiscoverableCredentialRequestOptions::passkey(&party.id);
    let (kept, sent) =
        asked.start_ceremony().map_err(|_| AppError::Corrupt("options of a passkey"))?;
    let state = kept.encode().map_err(|_| AppError::Corrupt("challenge.state"))?;
    let name = open_question::seal(ctx, browser, &state, ctx.clock.now());
    Ok(Question { name, options: json_of(&sent)? })
}

/// Logs in whoever a browser's answer proves, if he may; `places` is what the browser holds of known places.
///
/// In a task of its own: what was begun is written down, also where the browser hangs up.
///
/// # Errors
/// The database's.
pub async fn log_in(
    ctx: &Ctx,
    browser: &str,
    name: &str,
    answer: &str,
    places: Vec<PlaceSecret>,
    origin: &Origin,
) -> Result<Entrance, AppError> {
    let (ctx, origin) = (ctx.clone(), origin.clone());
    let [browser, name, answer] = [browser, name, answer].map(str::to_owned);
    let entrance = tokio::spawn(async move {
        match prove(&ctx, &browser, &name, &answer, &origin).await? {
            Ok(proved) => enter(&ctx, &proved, places, &origin).await,
            Err(fault) => Ok(Entrance::NotTaken(fault)),
        }
    });
    entrance.await.map_err(|_| AppError::Corrupt("a log-in by passkey"))?
}

/// Decides about the log-in of somebody who has proved himself, and opens his session.
async fn enter(
    ctx: &Ctx,
    proved: &Proved,
    places: Vec<PlaceSecret>,
    origin: &Origin,
) -> Result<Entrance, AppError> {
    let attempt = Attempt {
        head: Head::Web,
        kind: SessionKind::Web,
        username: proved.username.to_string(),
        password: Password::new(String::new()),
        token: TokenPart::Absent,
        client: None,
        places,
        origin: origin.clone(),
    };
    let now = ctx.clock.now();
    let evidence = evidence::gather(ctx, &attempt, now).await?;
    let (door, wrong) = (Door::WebByPasskey, PasswordVerdict::Wrong);
    let mut login = evidence.login(ctx, door, wrong, origin.source, now);
    login.proof = Some(Factor::Passkey);
    let decision = judge(&login);
    let admission = match decision.outcome {
        Ok(admission) => admission,
        Err(refusal) => {
            let refused = (refusal, &decision.steps[..]);
            let refused = record_refusal(ctx, Head::Web, &evidence, refused, origin, now);
            return refused.await.map(Entrance::Refused);
        }
    };
    if let Next::Prove(_) = admission.next {
        // A passkey is two factors in one: the chain demands nothing beside it.
        return Err(AppError::Corrupt("a log-in by passkey"));
    }
    let unchanged =
        |user: &&UserRecord| user.standing.user == proved.user && user.epoch == proved.epoch;
    let Some(user) = evidence.user.as_ref().filter(unchanged) else {
        return overtaken(ctx, proved, origin, now).await;
    };
    let mut tx = ctx.store.begin().await?;
    if !users::hold_at_epoch(&mut tx, proved.user, proved.epoch).await? {
        drop(tx);
        return overtaken(ctx, proved, origin, now).await;
    }
    let current = users::find(&mut tx, proved.user).await?.ok_or(AppError::NotFound("user"))?;
    let known = evidence.place.as_ref().map(|place| place.id);
    let known = places::find(&mut tx, proved.user, known).await?;
    forget_wrong_codes(&mut tx, &current, known.as_ref()).await?;
    let (place, secret) =
        places::known_or_new(ctx, &mut tx, proved.user, known.as_ref(), origin, now).await?;
    let opening = Opening {
        head: Head::Web,
        kind: SessionKind::Web,
        user,
        token: None,
        shown: None,
        client: None,
        origin,
        proof: Factor::Passkey.word(),
        proved_at: Some(now),
        place: Some(place),
        restriction: restriction_of(admission.next),
    };
    let session = write_session(ctx, &mut tx, &opening, now).await?;
    commit(ctx, tx).await?;
    Ok(Entrance::Opened(NewSession { place: secret, ..session }))
}

/// The user has changed since he proved himself: the passkey may be gone, so its proof counts no more.
async fn overtaken(
    ctx: &Ctx,
    proved: &Proved,
    origin: &Origin,
    now: Timestamp,
) -> Result<Entrance, AppError> {
    let fault = PasskeyFault::Overtaken;
    let mut tx = ctx.store.begin().await?;
    write_refusal(ctx, &mut tx, proved.user, fault, origin, now).await?;
    commit(ctx, tx).await?;
    Ok(Entrance::NotTaken(fault))
}

/// Verifies a browser's answer and tells who has proved himself by it.
///
/// What is refused stands in the history of the passkey's owner, if it is anybody's.
///
/// # Security
/// A wrong *yes* opens the account.
async fn prove(
    ctx: &Ctx,
    browser: &str,
    name: &str,
    answer: &str,
    origin: &Origin,
) -> Result<Result<Proved, PasskeyFault>, AppError> {
    let party = Party::of(ctx)?;
    let now = ctx.clock.now();
    let Some(question) = open_question::open(ctx, browser, name, now) else {
        return Ok(Err(PasskeyFault::NotAsked));
    };
    let mut tx = ctx.store.begin().await?;
    // What names no passkey of ours is not written down: anybody could send it.
    let (record, verified) = match verify(&party, &mut tx, &question.state, answer).await? {
        Ok(known) => known,
        Err(fault) => return Ok(Err(fault)),
    };
    if !open_question::end(ctx, &mut tx, &question, now).await? {
        return Ok(Err(PasskeyFault::NotAsked));
    }
    let outcome = match verified {
        Ok(next) => note(&mut tx, &record, &next, now).await?,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = outcome {
        write_refusal(ctx, &mut tx, record.user, fault, origin, now).await?;
    }
    commit(ctx, tx).await?;
    Ok(outcome)
}

/// The passkey that an answer names with what verifying it yields, or why it names none.
type Verified = Result<(PasskeyRecord, Result<Vec<u8>, PasskeyFault>), PasskeyFault>;

async fn verify(
    party: &Party,
    tx: &mut Tx,
    state: &[u8],
    answer: &str,
) -> Result<Verified, AppError> {
    if answer.len() > MOST_BYTES {
        return Ok(Err(PasskeyFault::Unreadable));
    }
    let Ok(asked) = DiscoverableAuthenticationServerState::decode(state) else {
        return Ok(Err(PasskeyFault::NotAsked));
    };
    let Ok(answer) = DiscoverableAuthentication::<HANDLE>::from_json_relaxed(answer.as_bytes())
    else {
        return Ok(Err(PasskeyFault::Unreadable));
    };
    let credential = answer.raw_id();
    let Some(record) = passkeys::find_by_credential(tx, credential.as_ref()).await? else {
        return Ok(Err(PasskeyFault::Unknown));
    };
    let verified = verify_stored(&record, |stored| {
        asked.verify(&party.id, &answer, stored, &party.of_proof())
    })?;
    Ok(Ok((record, verified)))
}

async fn note(
    tx: &mut Tx,
    record: &PasskeyRecord,
    next: &[u8],
    now: Timestamp,
) -> Result<Result<Proved, PasskeyFault>, AppError> {
    if !passkeys::note_use(tx, record.id, &record.state, next, now).await? {
        return Ok(Err(PasskeyFault::Counter));
    }
    let Some(user) = users::find(tx, record.user).await? else {
        return Ok(Err(PasskeyFault::Unknown));
    };
    Ok(Ok(Proved { user: record.user, username: user.username, epoch: user.epoch }))
}

async fn write_refusal(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    fault: PasskeyFault,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let Some(user) = users::find(tx, user).await? else {
        return Ok(());
    };
    let reason = fault.as_reason();
    let (head, reason) = (Head::Web, reason.as_str());
    let refused = RefusedCredential { head, token: None, reason, ended: None, origin };
    record_refused_credential(ctx, tx, &user, refused, now).await
}

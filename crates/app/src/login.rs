//! Logins: by password on the web, by password and token at an API.
//!
//! Whatever decides, the same is done: facts are gathered with the same look-ups, one password is
//! hashed, one transaction is written. A stranger learns a correlation id; the owner's history says why.

pub(crate) mod attempt;
pub mod challenge;
pub(crate) mod code;
pub(crate) mod evidence;
pub(crate) mod open;
pub(crate) mod record;

use symbolon_core::Timestamp;
use symbolon_core::judge::{Admission, Door, Next, PasswordVerdict, Refusal, Step, judge};
use symbolon_core::session::SessionKind;
use symbolon_core::token::{TokenPart, split_credential};
use symbolon_store::users::PasswordRecord;

pub use attempt::{
    ApiLogin, CorrelationId, Entrance, Head, LoginError, NewSession, Refused, WebLogin,
};

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::hashing::{self, Asker, Verification};
use attempt::Attempt;
use code::Code;
use evidence::Evidence;

/// A decision may be overtaken by a change of the user this often before the login is given up.
const TRIES: usize = 3;

/// Logs a user in on the web.
///
/// # Errors
/// [`LoginError`].
pub async fn log_in_to_web(ctx: &Ctx, login: WebLogin) -> Result<Entrance, LoginError> {
    let WebLogin { username, password, places, origin } = login;
    let (head, kind, token, client) = (Head::Web, SessionKind::Web, TokenPart::Absent, None);
    log_in(ctx, Attempt { head, kind, username, password, token, client, places, origin }).await
}

/// Logs a user in at an API.
///
/// # Errors
/// [`LoginError`].
pub async fn log_in_to_api(ctx: &Ctx, login: ApiLogin) -> Result<NewSession, LoginError> {
    let (password, token) = split_credential(&login.credential);
    let ApiLogin { head, username, client, origin, .. } = login;
    let (kind, places) = (SessionKind::Api, Vec::new());
    let attempt = Attempt { head, kind, username, password, token, client, places, origin };
    match log_in(ctx, attempt).await? {
        Entrance::Opened(session) => Ok(session),
        // The chain demands no proof of an API login: it refuses.
        Entrance::Challenged(_) => Err(LoginError::App(AppError::Corrupt("an API login"))),
    }
}

/// Records a login that could not be read or is switched off, and yields what the client is told.
///
/// # Errors
/// The database's.
pub async fn refuse_unread(
    ctx: &Ctx,
    head: Head,
    username: Option<&str>,
    refusal: Refusal,
    origin: &Origin,
) -> Result<Refused, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let evidence = evidence::of_name(&mut reader, username.unwrap_or_default()).await?;
    drop(reader);
    record::record_refusal(ctx, head, &evidence, (refusal, &[]), origin, now).await
}

/// Decides in a task of its own: who hangs up while his guess is being hashed has guessed all the same,
/// and it is counted.
async fn log_in(ctx: &Ctx, attempt: Attempt) -> Result<Entrance, LoginError> {
    let ctx = ctx.clone();
    let decision = tokio::spawn(async move { decide(&ctx, attempt).await });
    decision.await.map_err(|_| AppError::Corrupt("a log-in"))?
}

async fn decide(ctx: &Ctx, attempt: Attempt) -> Result<Entrance, LoginError> {
    let place = ctx.hasher.line_up(Asker::from(&attempt.origin))?;
    let _gate = ctx.turnstile.pass(&attempt.username.to_ascii_lowercase()).await;
    let mut hashed: Option<(Evidence, bool, Verification)> = None;
    // The turn is waited for before anything is looked up, and held until the outcome is written down:
    // of any number of guesses at once no more are evaluated than the limits allow (I14).
    let turn = place.turn().await?;
    for _ in 0..TRIES {
        let now = ctx.clock.now();
        let mut evidence = evidence::gather(ctx, &attempt, now).await?;
        let known_browser = attempt.kind == SessionKind::Web && evidence.place.is_some();
        if !known_browser && evidence.source_failures.locked(&ctx.settings.source_policy) {
            // Before the password is hashed: the other rules have nothing to say yet.
            let (source, wrong) = (attempt.origin.source, PasswordVerdict::Wrong);
            let step =
                evidence.login(ctx, door_of(attempt.kind), wrong, source, now).judge_source();
            let refused = (Refusal::SourceLockedOut, &[step][..]);
            return refuse(ctx, &attempt, &evidence, refused, now).await;
        }
        let halves = code::split(&attempt, &evidence);
        let splits = halves.is_some();
        let (password, typed) = match &halves {
            Some((password, typed)) => (password, Some(typed)),
            None => (&attempt.password, None),
        };
        evidence.code = code::look(ctx, &attempt, &evidence, typed, now).await?;
        // A password that has not been changed since needs no second hash.
        let verification = match hashed.take() {
            Some((before, split, verification))
                if before.password() == evidence.password() && split == splits =>
            {
                verification
            }
            Some(_) | None => hashing::verify(ctx, &turn, password, evidence.password()).await?,
        };
        let (door, source) = (door_of(attempt.kind), attempt.origin.source);
        let decision = judge(&evidence.login(ctx, door, verification.verdict, source, now));
        match decision.outcome {
            // All else is right, and the code cannot be told right from wrong: nobody's failure but ours.
            Err(Refusal::CodeMissing) if evidence.code == Code::Unreadable => {
                return Err(LoginError::App(AppError::KeyMissing));
            }
            Err(refusal) => {
                let refused = (refusal, &decision.steps[..]);
                return refuse(ctx, &attempt, &evidence, refused, now).await;
            }
            Ok(admission) => {
                let rehash = if verification.stale {
                    Some(hashing::hash_in_turn(ctx, &turn, password).await?)
                } else {
                    None
                };
                if let Some(entrance) =
                    enter(ctx, &attempt, &evidence, admission, rehash, now).await?
                {
                    return Ok(entrance);
                }
            }
        }
        hashed = Some((evidence, splits, verification));
    }
    Err(LoginError::App(AppError::Busy))
}

const fn door_of(kind: SessionKind) -> Door {
    match kind {
        SessionKind::Web => Door::Web,
        SessionKind::Api => Door::Api,
    }
}

/// Opens the session, or begins the challenge that comes before it; `None` if what was decided on has
/// changed.
async fn enter(
    ctx: &Ctx,
    attempt: &Attempt,
    evidence: &Evidence,
    admission: Admission,
    rehash: Option<PasswordRecord>,
    now: Timestamp,
) -> Result<Option<Entrance>, AppError> {
    match admission.next {
        Next::Prove(demand) => {
            let begun = challenge::begin(ctx, attempt, evidence, demand, rehash, now).await?;
            Ok(begun.map(Entrance::Challenged))
        }
        Next::Enter | Next::EnterToEnrol => {
            let opened = open::open(ctx, attempt, evidence, admission, rehash, now).await?;
            Ok(opened.map(Entrance::Opened))
        }
    }
}

async fn refuse(
    ctx: &Ctx,
    attempt: &Attempt,
    evidence: &Evidence,
    refused: (Refusal, &[Step]),
    now: Timestamp,
) -> Result<Entrance, LoginError> {
    let refused =
        record::record_refusal(ctx, attempt.head, evidence, refused, &attempt.origin, now).await?;
    Err(LoginError::Refused(refused))
}

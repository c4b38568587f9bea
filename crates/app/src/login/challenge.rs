//! The second half of a web log-in from a browser that is not known, or under a duty: after the password,
//! before there is a session.
//!
//! What is known of the log-in is a row in the database, found by a secret that the browser holds and bound
//! to the user's epoch: whoever changes his password, freezes him or resets his token meanwhile ends it.
//! The whole chain is judged again with the proof that was given.

use symbolon_core::Timestamp;
use symbolon_core::factor::Factor;
use symbolon_core::id::{Challenge, Id};
use symbolon_core::judge::{
    Admission, Decision, Demand, Door, Next, PasswordVerdict, Refusal, Step, judge,
};
use symbolon_core::letter::LetterState;
use symbolon_core::lockout::Failures;
use symbolon_core::names::Username;
use symbolon_core::secret::{ChallengeSecret, Password};
use symbolon_core::session::SessionKind;
use symbolon_core::token::TokenPart;
use symbolon_mail::CodeFor;
use symbolon_store::challenges::{self, ChallengePurpose, ChallengeRow};
use symbolon_store::users::{PasswordRecord, UserRecord};
use symbolon_store::{Tx, users};

use crate::actor::Origin;
use crate::challenges::{
    Asked, Entered, MOST_TRIES, Met, Ways, evaluate, forget_wrong_codes, held, mail_code,
};
use crate::context::Ctx;
use crate::error::AppError;
use crate::explain;
use crate::live::commit;
use crate::login::attempt::{Attempt, Head, NewSession, Refused};
use crate::login::evidence::{self, Evidence};
use crate::login::open::{Opening, hold, restriction_of, write_session};
use crate::login::record;
use crate::places::{self, PlaceRow};
use crate::rotation::completion;

const PURPOSE: ChallengePurpose = ChallengePurpose::Login;

/// An open challenge, as its page shows it.
#[derive(Debug)]
pub struct ChallengeView {
    /// Which.
    pub id: Id<Challenge>,
    /// Who is logging in.
    pub username: Username,
    /// How he may prove himself.
    pub ways: Ways,
    /// The masked address that a code was mailed to, and where the letter stands; `None` also where one could
    /// have been mailed, but too many were.
    pub mailed: Option<(String, LetterState)>,
    /// How many more codes can be mailed.
    pub letters_left: u32,
    /// How many more tries there are.
    pub tries_left: u32,
}

/// What an answer to a challenge comes to.
#[derive(Debug)]
pub enum Outcome {
    /// There is a session.
    Opened(NewSession),
    /// What was entered is not right; so many tries are left.
    Wrong {
        /// What the browser may be told.
        refused: Refused,
        /// More tries.
        left: u32,
    },
    /// There is no such challenge any more: the log-in begins anew.
    Over,
}

/// Begins a challenge for a log-in whose password was right; `None` if the user has changed since the
/// decision, which must then be taken anew.
pub(crate) async fn begin(
    ctx: &Ctx,
    attempt: &Attempt,
    evidence: &Evidence,
    demand: Demand,
    rehash: Option<PasswordRecord>,
    now: Timestamp,
) -> Result<Option<ChallengeSecret>, AppError> {
    let Some(user) = &evidence.user else {
        return Ok(None);
    };
    let id = user.standing.user;
    let mut tx = ctx.store.begin().await?;
    if hold(&mut tx, user, evidence, now).await?.is_none() {
        return Ok(None);
    }
    if let (Some(old), Some(new)) = (&user.password, &rehash) {
        users::rehash(&mut tx, id, old, new).await?;
    }
    let (made, secret) = held::begin(ctx, &mut tx, PURPOSE, user, None, now).await?;
    if let Some(place) = &evidence.place {
        challenges::set_place(&mut tx, made.id, place.id).await?;
    }
    let ways = Ways::for_login(demand, evidence.factors, ctx.settings.mail_configured);
    if ways.mail {
        mail_code(ctx, &mut tx, &made, user, CodeFor::Login, &attempt.origin, now).await?;
    }
    let reason = match demand {
        Demand::SecondFactor => "password; asked for a second factor",
        Demand::Place => "password; browser not known, asked to verify",
    };
    let entry = ("challenged", reason, "");
    record::write_asked(ctx, &mut tx, user, entry, &attempt.origin, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(Some(secret))
}

/// The open challenge that the browser holds; `None` if there is none.
///
/// # Errors
/// The database's.
pub async fn look(
    ctx: &Ctx,
    secret: &ChallengeSecret,
    origin: &Origin,
) -> Result<Option<ChallengeView>, AppError> {
    let now = ctx.clock.now();
    let Some(open) = find(ctx, secret, origin, now).await? else {
        return Ok(None);
    };
    let user = open.evidence.user.as_ref().ok_or(AppError::Corrupt("challenge"))?;
    let mut reader = ctx.store.read().await?;
    let mailed = if open.ways.mail { held::mailed(&mut reader, &open.row).await? } else { None };
    Ok(Some(ChallengeView {
        id: open.row.id,
        username: user.username.clone(),
        ways: open.ways,
        mailed,
        letters_left: held::letters_left(Some(&open.row)),
        tries_left: MOST_TRIES.saturating_sub(open.row.tries),
    }))
}

/// Mails another code for the open challenge; `false` if there is none or no more are mailed.
///
/// # Errors
/// The database's.
pub async fn send_again(
    ctx: &Ctx,
    secret: &ChallengeSecret,
    origin: &Origin,
) -> Result<bool, AppError> {
    let now = ctx.clock.now();
    let Some(open) = find(ctx, secret, origin, now).await?.filter(|open| open.ways.mail) else {
        return Ok(false);
    };
    let Some(user) = &open.evidence.user else {
        return Ok(false);
    };
    let mut tx = ctx.store.begin().await?;
    if !users::hold_at_epoch(&mut tx, user.standing.user, user.epoch).await? {
        return Ok(false);
    }
    let mailed = mail_code(ctx, &mut tx, &open.row, user, CodeFor::Login, origin, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(mailed)
}

/// Answers the open challenge. In a task of its own: who hangs up has guessed all the same.
///
/// # Errors
/// The database's.
pub async fn answer(
    ctx: &Ctx,
    secret: &ChallengeSecret,
    entered: Entered,
    origin: &Origin,
) -> Result<Outcome, AppError> {
    let (ctx, origin) = (ctx.clone(), origin.clone());
    let secret = ChallengeSecret::new(secret.reveal().to_owned());
    let outcome = tokio::spawn(async move {
        let now = ctx.clock.now();
        let Some(open) = find(&ctx, &secret, &origin, now).await? else {
            return Ok(Outcome::Over);
        };
        let mut tx = ctx.store.begin().await?;
        let Some(Try { user, place, tries }) = begin_try(&mut tx, &open, now).await? else {
            commit(&ctx, tx).await?;
            return Ok(Outcome::Over);
        };
        let (place, challenge) = (place.as_ref(), Some(&open.row));
        let asked = Asked { user: &user, place, challenge, ways: open.ways };
        let judged = evaluate(&ctx, &mut tx, asked, &entered, &origin, now).await;
        if let Err(AppError::KeyMissing) = judged {
            // The try counts all the same.
            commit(&ctx, tx).await?;
            return Err(AppError::KeyMissing);
        }
        let outcome = match judged? {
            Ok(met) => {
                let completed = completion::complete(&ctx, &mut tx, &user, met.token, now).await?;
                let done = finish(&ctx, &mut tx, &open, (&user, place), met, &origin, now).await?;
                completion::record(&mut tx, completed, now).await?;
                done
            }
            Err(refusal) => {
                let steps = open.judge(&ctx, None, &origin, now);
                let steps = steps.steps_after_refused_answer(&refusal.to_string(), refusal);
                let refused = (refusal, &steps[..], tries);
                refuse(&ctx, &mut tx, &open, &user, refused, &origin, now).await?
            }
        };
        commit(&ctx, tx).await?;
        ctx.letters_waiting.notify_one();
        Ok(outcome)
    });
    outcome.await.map_err(|_| AppError::Corrupt("a challenge"))?
}

/// Opens the session of an open challenge that a passkey of its user has met, whose assertion the caller has
/// verified in this transaction.
pub(crate) async fn meet_by_passkey(
    ctx: &Ctx,
    tx: &mut Tx,
    open: &OpenChallenge,
    origin: &Origin,
    now: Timestamp,
) -> Result<Outcome, AppError> {
    let Some(Try { user, place, .. }) = begin_try(tx, open, now).await? else {
        return Ok(Outcome::Over);
    };
    forget_wrong_codes(tx, &user, place.as_ref()).await?;
    let met = Met { factor: Factor::Passkey, token: None };
    finish(ctx, tx, open, (&user, place.as_ref()), met, origin, now).await
}

/// A challenge that can still be met, with what is known of its log-in now.
pub(crate) struct OpenChallenge {
    pub(crate) row: ChallengeRow,
    pub(crate) evidence: Evidence,
    pub(crate) ways: Ways,
}

impl OpenChallenge {
    /// How the login is decided with this proof of it, or without one.
    pub(crate) fn judge(
        &self,
        ctx: &Ctx,
        proof: Option<Factor>,
        origin: &Origin,
        now: Timestamp,
    ) -> Decision {
        let (door, right) = (Door::Web, PasswordVerdict::Right);
        let mut login = self.evidence.login(ctx, door, right, origin.source, now);
        login.proof = proof;
        judge(&login)
    }
}

/// Finds the open challenge that the browser holds, unless its user has changed since, or would by now be
/// refused whatever he proved.
pub(crate) async fn find(
    ctx: &Ctx,
    secret: &ChallengeSecret,
    origin: &Origin,
    now: Timestamp,
) -> Result<Option<OpenChallenge>, AppError> {
    let mut reader = ctx.store.read().await?;
    let Some(row) = held::find(ctx, &mut reader, PURPOSE, secret, now).await? else {
        return Ok(None);
    };
    let user = match row.user {
        Some(user) => users::find(&mut reader, user).await?,
        None => None,
    };
    drop(reader);
    let Some(user) = user.filter(|user| Some(user.epoch) == row.epoch) else {
        return Ok(None);
    };
    let attempt = Attempt {
        head: Head::Web,
        kind: SessionKind::Web,
        username: user.username.to_string(),
        password: Password::new(String::new()),
        token: TokenPart::Absent,
        client: None,
        places: Vec::new(),
        origin: origin.clone(),
    };
    let mut evidence = evidence::gather(ctx, &attempt, now).await?;
    let mut reader = ctx.store.read().await?;
    evidence.place = places::find(&mut reader, user.standing.user, row.place).await?;
    drop(reader);
    // The place of the password step: what strangers do locks strangers out and not this browser.
    if let (Some(user), Some(place)) = (&mut evidence.user, &evidence.place) {
        user.standing.failures = place.failures;
    }
    let ways = Ways::for_login(Demand::Place, evidence.factors, ctx.settings.mail_configured);
    let mut open = OpenChallenge { row, evidence, ways };
    match open.judge(ctx, None, origin, now).outcome {
        Ok(Admission { next: Next::Prove(demand), .. }) => {
            let (kinds, mail) = (open.evidence.factors, ctx.settings.mail_configured);
            open.ways = Ways::for_login(demand, kinds, mail);
            Ok(Some(open))
        }
        // Nothing more is demanded, for a rule was lifted meanwhile: what was asked for still is.
        Ok(Admission { next: Next::Enter | Next::EnterToEnrol, .. }) => Ok(Some(open)),
        Err(_) => Ok(None),
    }
}

/// A try that is counted, with the rows as they are in its transaction.
struct Try {
    user: UserRecord,
    /// The known place that the password came from, unless it was ended since.
    place: Option<PlaceRow>,
    /// How many there have been with this one.
    tries: u32,
}

/// Holds the user's row and counts a try; `None` if he has changed, or if there were enough.
async fn begin_try(
    tx: &mut Tx,
    open: &OpenChallenge,
    now: Timestamp,
) -> Result<Option<Try>, AppError> {
    let (Some(user), Some(epoch)) = (open.row.user, open.row.epoch) else {
        return Ok(None);
    };
    if !users::hold_at_epoch(tx, user, epoch).await? {
        return Ok(None);
    }
    let Some(tries) = challenges::count_try(tx, open.row.id, MOST_TRIES, now).await? else {
        return Ok(None);
    };
    let place = places::find(tx, user, open.row.place).await?;
    Ok(users::find(tx, user).await?.map(|user| Try { user, place, tries }))
}

/// The proof was given: the chain is judged with it, the browser becomes known, a session is opened.
async fn finish(
    ctx: &Ctx,
    tx: &mut Tx,
    open: &OpenChallenge,
    (user, place): (&UserRecord, Option<&PlaceRow>),
    met: Met,
    origin: &Origin,
    now: Timestamp,
) -> Result<Outcome, AppError> {
    let id = user.standing.user;
    let decision = open.judge(ctx, Some(met.factor), origin, now);
    let admission = match decision.outcome {
        Ok(admission) => admission,
        Err(refusal) => {
            let refused = (refusal, &decision.steps[..], MOST_TRIES);
            return refuse(ctx, tx, open, user, refused, origin, now).await;
        }
    };
    if let Next::Prove(_) = admission.next {
        // What was given is not what is demanded; `Ways` offers no such thing.
        let wrong = Refusal::CodeWrong;
        let steps = decision.steps_after_refused_answer(met.factor.word(), wrong);
        return refuse(ctx, tx, open, user, (wrong, &steps, MOST_TRIES), origin, now).await;
    }
    if !held::end(tx, &open.row, now).await? {
        return Ok(Outcome::Over);
    }
    let (place, secret) = places::known_or_new(ctx, tx, id, place, origin, now).await?;
    if secret.is_some() {
        // Somebody who is in does not guess: strangers begin to count anew.
        users::set_failures(tx, id, Failures::default()).await?;
    }
    let proof = format!("password and {}", met.factor.word());
    let opening = Opening {
        head: Head::Web,
        kind: SessionKind::Web,
        user,
        token: None,
        shown: met.token,
        client: None,
        origin,
        proof: &proof,
        proved_at: Some(now),
        place: Some(place),
        restriction: restriction_of(admission.next),
    };
    let session = write_session(ctx, tx, &opening, now).await?;
    Ok(Outcome::Opened(NewSession { place: secret, ..session }))
}

/// Writes a wrong answer down, with its steps; after the last try the challenge ends.
async fn refuse(
    ctx: &Ctx,
    tx: &mut Tx,
    open: &OpenChallenge,
    user: &UserRecord,
    (refusal, steps, tries): (Refusal, &[Step], u32),
    origin: &Origin,
    now: Timestamp,
) -> Result<Outcome, AppError> {
    let left = MOST_TRIES.saturating_sub(tries);
    if left == 0 {
        challenges::end(tx, open.row.id, now).await?;
    }
    record::note_at_source(tx, refusal, &user.username.key(), origin, now).await?;
    let (reason, chain) = (refusal.to_string(), explain::chain_of(steps));
    let refused = (refusal, &reason[..], &chain[..]);
    let refused = record::refuse_answer(ctx, tx, user, refused, origin, now).await?;
    Ok(Outcome::Wrong { refused, left })
}

//! Writes down what became of a login: history, failures, lockout, and who still uses a token that has ended.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::{Ended, Refusal, Step, TokenEvidence};
use symbolon_core::letter::LetterKind;
use symbolon_core::lockout::Failures;
use symbolon_store::history::{self, LoginRow};
use symbolon_store::places::PlaceRow;
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, places, retired_uses, source_failures, users};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::commit;
use crate::login::attempt::{CorrelationId, Head, Refused};
use crate::login::evidence::Evidence;
use crate::{explain, outbox, trail};

const FLOOD_WINDOW: Duration = Duration::from_mins(1);
/// Entries of one address, or one network of IPv6, within the window, after which cheap refusals are no longer written down.
const MOST_IN_WINDOW: i64 = 30;
/// The owner is warned of a token in use that has ended once in this time for each source.
const WARNING_INTERVAL: Duration = Duration::from_hours(24);
/// Warnings to one owner within that time, whatever the sources.
const MOST_WARNINGS: i64 = 5;

/// Writes down a refusal with everything that follows from it, and the steps that led to it if the chain was
/// asked.
pub(crate) async fn record_refusal(
    ctx: &Ctx,
    head: Head,
    evidence: &Evidence,
    (refusal, steps): (Refusal, &[Step]),
    origin: &Origin,
    now: Timestamp,
) -> Result<Refused, AppError> {
    let correlation_id = CorrelationId::draw(ctx);
    let mut tx = ctx.store.begin().await?;
    if let Some(user) = &evidence.user {
        note_failure(ctx, &mut tx, user, evidence, refusal, origin, now).await?;
        // Whichever rule refused: who still holds a token that has ended is its owner's business.
        if let Some((token, ended)) = ended_token_of(evidence, user, now) {
            note_ended_use(ctx, &mut tx, user, token, ended, origin, now).await?;
        }
    }
    note_at_source(&mut tx, refusal, &evidence.name_key(), origin, now).await?;
    let cheap =
        matches!(refusal, Refusal::SourceLockedOut | Refusal::Malformed | Refusal::SwitchedOff);
    if !cheap || !flooding(&mut tx, origin, now).await? {
        let user = evidence.user.as_ref().map(|user| user.standing.user);
        let username = &evidence.username;
        let entry = Entry { head, user, username, origin, correlation_id: &correlation_id, now };
        let row = row_of(ctx, &entry, "refused", &refusal.to_string());
        let (token, chain) = (token_of(evidence), explain::chain_of(steps));
        history::insert_with_chain(&mut tx, &row, token, &chain).await?;
    }
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(Refused { correlation_id, refusal })
}

/// Counts a refusal on the address that it came from, if it is of those that count there.
pub(crate) async fn note_at_source(
    tx: &mut Tx,
    refusal: Refusal,
    name_key: &str,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    if refusal.counts_against_source() {
        source_failures::note(tx, &origin.source.counted_as(), name_key, now).await?;
    }
    Ok(())
}

/// Writes down that what somebody answered in his browser, who was asked to prove himself, was refused, with
/// the steps that led to it; yields what the browser may be told. Counts nothing: a passkey cannot be guessed.
pub(crate) async fn refuse_answer(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    (refusal, reason, chain): (Refusal, &str, &str),
    origin: &Origin,
    now: Timestamp,
) -> Result<Refused, AppError> {
    let entry = ("refused", reason, chain);
    let correlation_id = write_asked(ctx, tx, user, entry, origin, now).await?;
    Ok(Refused { correlation_id, refusal })
}

/// Writes down that somebody was asked to prove himself in his browser, or what came of it.
pub(crate) async fn write_asked(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    (outcome, reason, chain): (&'static str, &str, &str),
    origin: &Origin,
    now: Timestamp,
) -> Result<CorrelationId, AppError> {
    let correlation_id = CorrelationId::draw(ctx);
    let (head, username) = (Head::Web, user.username.as_str());
    let user = Some(user.standing.user);
    let entry = Entry { head, user, username, origin, correlation_id: &correlation_id, now };
    let row = row_of(ctx, &entry, outcome, reason);
    history::insert_with_chain(tx, &row, None, chain).await?;
    Ok(correlation_id)
}

/// Writes down that a credential of `user` was presented by itself and refused, for its owner to read.
pub(crate) async fn record_refused_credential(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    refused: RefusedCredential<'_>,
    now: Timestamp,
) -> Result<(), AppError> {
    let RefusedCredential { head, token, reason, ended, origin } = refused;
    if let (Some(token), Some(ended)) = (token, ended) {
        note_ended_use(ctx, tx, user, token, ended, origin, now).await?;
    }
    let row = LoginRow {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        at: now,
        user: Some(user.standing.user),
        username: user.username.to_string(),
        head: head.word().to_owned(),
        client: origin.client.as_str().to_owned(),
        source: origin.source.to_string(),
        outcome: "refused".to_owned(),
        reason: reason.to_owned(),
        correlation_id: CorrelationId::draw(ctx).to_string(),
    };
    Ok(history::insert(tx, &row, token).await?)
}

/// See [`record_refused_credential`].
pub(crate) struct RefusedCredential<'a> {
    pub(crate) head: Head,
    /// The token, if it was one.
    pub(crate) token: Option<Id<Token>>,
    /// In the history's words.
    pub(crate) reason: &'a str,
    /// How it has ended.
    pub(crate) ended: Option<Ended>,
    pub(crate) origin: &'a Origin,
}

/// Whether an address fills the history: who is refused before a password is hashed can ask thousands of
/// times a second, and a line every two seconds says as much.
async fn flooding(tx: &mut Tx, origin: &Origin, now: Timestamp) -> Result<bool, AppError> {
    let lately = history::count_of_network(tx, origin.source, now - FLOOD_WINDOW).await?;
    Ok(lately >= MOST_IN_WINDOW)
}

/// An entry of the history, but for its outcome.
pub(crate) struct Entry<'a> {
    pub(crate) head: Head,
    pub(crate) user: Option<Id<User>>,
    pub(crate) username: &'a str,
    pub(crate) origin: &'a Origin,
    pub(crate) correlation_id: &'a CorrelationId,
    pub(crate) now: Timestamp,
}

/// Writes an entry of the history within the transaction of what it tells of.
pub(crate) async fn write_history(
    ctx: &Ctx,
    tx: &mut Tx,
    entry: Entry<'_>,
    outcome: &'static str,
    reason: &str,
    token: Option<Id<Token>>,
) -> Result<(), AppError> {
    Ok(history::insert(tx, &row_of(ctx, &entry, outcome, reason), token).await?)
}

fn row_of(ctx: &Ctx, entry: &Entry<'_>, outcome: &'static str, reason: &str) -> LoginRow {
    LoginRow {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        at: entry.now,
        user: entry.user,
        username: entry.username.to_owned(),
        head: entry.head.word().to_owned(),
        client: entry.origin.client.as_str().to_owned(),
        source: entry.origin.source.to_string(),
        outcome: outcome.to_owned(),
        reason: reason.to_owned(),
        correlation_id: entry.correlation_id.to_string(),
    }
}

/// The token that was presented, if it is one of this very user's.
fn token_of(evidence: &Evidence) -> Option<Id<Token>> {
    let user = evidence.user.as_ref()?.standing.user;
    match evidence.token {
        TokenEvidence::Known(record) if record.user == user => Some(record.token),
        TokenEvidence::Known(_)
        | TokenEvidence::Absent
        | TokenEvidence::Mistyped
        | TokenEvidence::Unknown => None,
    }
}

/// The token of this very user that was presented and has ended, and how.
fn ended_token_of(
    evidence: &Evidence,
    user: &UserRecord,
    now: Timestamp,
) -> Option<(Id<Token>, Ended)> {
    match evidence.token {
        TokenEvidence::Known(record) if record.user == user.standing.user => {
            record.ended_at(now).map(|ended| (record.token, ended))
        }
        TokenEvidence::Known(_)
        | TokenEvidence::Absent
        | TokenEvidence::Mistyped
        | TokenEvidence::Unknown => None,
    }
}

/// Counts a failure on what the row says *now*: other nodes may have counted since it was read.
async fn note_failure(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    evidence: &Evidence,
    refusal: Refusal,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let id = user.standing.user;
    if !users::hold(tx, id).await? || !refusal.counts() {
        return Ok(());
    }
    let Some(current) = users::find(tx, id).await? else {
        return Ok(());
    };
    // A known place locks itself alone, strangers lock out strangers alone.
    let place = match &evidence.place {
        Some(place) => places::find(tx, place.id).await?,
        None => None,
    };
    let before = place.as_ref().map_or(current.standing.failures, |place| place.failures);
    let after = before.after_failure(now, &evidence.policy);
    match &place {
        Some(place) => places::set_failures(tx, place.id, after).await?,
        None => users::set_failures(tx, id, after).await?,
    }
    let newly_locked = before.locked_at(now).is_none().then(|| after.locked_at(now)).flatten();
    if let Some(until) = newly_locked {
        let facts = Facts::default().at("until", until).with("source", origin.source);
        outbox::write_notice(ctx, tx, &current, LetterKind::LockedOut, facts, now).await?;
        let subject = format!("user:{id}");
        let details = format!("until={until}\nsource={}", origin.source);
        trail::append(tx, Actor::Rule, "user.locked-out", subject, details, now).await?;
    }
    match &place {
        _ if refusal != Refusal::CodeWrong => Ok(()),
        Some(place) => note_wrong_code_at(ctx, tx, &current, place, origin, now).await,
        None => note_wrong_code(ctx, tx, &current, origin, now).await,
    }
}

/// Counts a stranger's wrong code on a user whose row is held, and locks the entry of codes for strangers
/// after too many in a row.
pub(crate) async fn note_wrong_code(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let after = user.code_failures.after_wrong_code(now);
    users::set_code_failures(tx, user.standing.user, after).await?;
    tell_of_code_lock(ctx, tx, user, (user.code_failures, after), origin, now).await
}

/// Counts a wrong code from a known place of a user whose row is held, and locks the entry of codes there
/// after too many in a row.
pub(crate) async fn note_wrong_code_at(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    place: &PlaceRow,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let after = place.code_failures.after_wrong_code(now);
    places::set_code_failures(tx, place.id, after).await?;
    tell_of_code_lock(ctx, tx, user, (place.code_failures, after), origin, now).await
}

async fn tell_of_code_lock(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    (before, after): (Failures, Failures),
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let newly_locked = before.locked_at(now).is_none().then(|| after.locked_at(now)).flatten();
    if let Some(until) = newly_locked {
        let facts = Facts::default().at("until", until).with("source", origin.source);
        outbox::write_notice(ctx, tx, user, LetterKind::CodesLocked, facts, now).await?;
        let details = format!("until={until}\nsource={}", origin.source);
        let subject = format!("user:{}", user.standing.user);
        trail::append(tx, Actor::Rule, "user.codes-locked", subject, details, now).await?;
    }
    Ok(())
}

/// Remembers who used a token that has ended, and warns its owner once a day for each source.
pub(crate) async fn note_ended_use(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    token: Id<Token>,
    ended: Ended,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let (source, client) = (origin.source.to_string(), origin.client.as_str());
    retired_uses::note(tx, token, &source, client, now).await?;
    let warned_at = retired_uses::last_warning(tx, token, &source).await?;
    if warned_at.is_some_and(|at| now.since(at) < WARNING_INTERVAL) {
        return Ok(());
    }
    // A token that was published is tried from everywhere: the first few warnings say all there is to say.
    let lately = now - WARNING_INTERVAL;
    if retired_uses::warnings_since(tx, user.standing.user, lately).await? >= MOST_WARNINGS {
        return Ok(());
    }
    retired_uses::note_warning(tx, token, &source, client, now).await?;
    let facts = match ended {
        Ended::Retired(at, cause) => {
            Facts::default().at("retired_at", at).with("cause", cause.word())
        }
        Ended::Expired(at) => Facts::default().at("expired_at", at),
    };
    let facts = facts.with("client", client).with("source", &source).at("seen_at", now);
    outbox::write_notice(ctx, tx, user, LetterKind::RetiredTokenUsed, facts, now).await
}

//! Leaks: somebody has found tokens where others can read them, and says so.
//!
//! A token that lives is ended at once, with the sessions that it opened, and its owner is told where it was
//! seen. Whoever holds a token may end it (RFC 7009 §2.1), so a report needs no other right than that; what
//! is reported of a retired token is noted for its owner and no more. What a stranger learns is nothing: his
//! report is looked up in one question whether anything in it is known or not, and what follows from that
//! is written in a task of its own, for which the head need not wait.

mod limit;

use std::collections::{HashMap, HashSet};

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::{RetirementCause, TokenRecord};
use symbolon_core::keys::Purpose;
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::letter::LetterKind;
use symbolon_core::policy::SessionsOnReset;
use symbolon_core::secret::Digest;
use symbolon_core::token::PresentedToken;
use symbolon_store::changes::{self, Change};
use symbolon_store::leaks::{self, LeakRow};
use symbolon_store::{Tx, tokens, users};
use tokio::sync::oneshot;
use tracing::error;

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::{commit_one_of_several, settle_what_is_there};
use crate::{outbox, retirement, trail};

pub use limit::{REPORT_QUOTA, ReportLimit, ReportPlace};

/// Sightings that a page shows of one user, the latest.
const MOST_OF_USER: i64 = 200;
/// Places of one token that are taken from one report: as many as are kept of it at all.
const MOST_PLACES: usize = 50;
/// Sightings of tokens that have ended which are noted in one transaction.
const NOTED_AT_ONCE: usize = 100;

/// A token that somebody has seen.
#[derive(Debug)]
pub struct SeenToken {
    /// The token.
    pub token: PresentedToken,
    /// Where.
    pub seen: Sighting,
}

/// Whether a token was ever one of ours. For finders who have proved who they are; nobody else is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issued {
    /// It was.
    Ever,
    /// It was not.
    Never,
}

/// A sighting, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakView {
    /// Of which token.
    pub token: Id<Token>,
    /// Where it was seen, as its finder says.
    pub seen: Sighting,
    /// Who reported it.
    pub reporter: Reporter,
    /// When.
    pub at: Timestamp,
}

/// A report that was taken in, of which something may still have to be written.
#[derive(Debug)]
pub struct Received {
    /// Of each token, in the order of the report, whether it was ever issued.
    pub issued: Vec<Issued>,
    ended: oneshot::Receiver<Result<(), AppError>>,
}

impl Received {
    /// Waits until everything that was live is dead and every sighting is noted. It comes to that also if
    /// nobody waits.
    ///
    /// # Errors
    /// The database's. What was ended until then stays ended; the same report may come again.
    pub async fn ended(self) -> Result<(), AppError> {
        self.ended.await.unwrap_or(Err(AppError::Corrupt("report of leaked tokens")))
    }
}

/// Takes a report in: looks up what is known of it, in one question for all of it, and then ends what is
/// live and notes what was seen, in a task that holds `place` and runs on when whoever reports goes away:
/// half a report taken in would leave live what was found.
///
/// A token costs one transaction, however often it is named; one that has ended costs none unless somebody
/// has seen it at a place that is news.
///
/// # Errors
/// The database's; nothing was ended then.
pub async fn report(
    ctx: &Ctx,
    reported: Vec<SeenToken>,
    reporter: Reporter,
    origin: &Origin,
    place: ReportPlace,
) -> Result<Received, AppError> {
    let (issued, found) = look_up(ctx, reported).await?;
    let (tell, ended) = oneshot::channel();
    let (ctx, origin) = (ctx.clone(), origin.clone());
    tokio::spawn(async move {
        let outcome = write_down(&ctx, &found, reporter, &origin).await;
        // Who no longer waits was answered already, so this is the last place to say it.
        if let Err(Err(failure)) = tell.send(outcome) {
            let failure = &failure as &dyn std::error::Error;
            error!(error = failure, "leaked tokens that were reported could not all be ended");
        }
        drop(place);
    });
    Ok(Received { issued, ended })
}

/// A token of ours that was reported, and the places where it was seen, each once.
struct Found {
    record: TokenRecord,
    seen: Vec<Sighting>,
}

async fn look_up(
    ctx: &Ctx,
    reported: Vec<SeenToken>,
) -> Result<(Vec<Issued>, Vec<Found>), AppError> {
    let digests_of =
        |seen: &SeenToken| ctx.keys.digests(Purpose::Token, seen.token.reveal().as_bytes());
    let digests: Vec<Vec<Digest>> = reported.iter().map(digests_of).collect();
    let mut asked_already = HashSet::new();
    let is_new = |digest: &&Digest| asked_already.insert(*digest.as_bytes());
    let asked: Vec<Digest> = digests.iter().flatten().filter(is_new).copied().collect();
    let mut reader = ctx.store.read().await?;
    let known = tokens::find_all(&mut reader, &asked).await?;
    drop(reader);
    let known: HashMap<[u8; 32], TokenRecord> =
        known.into_iter().map(|(digest, record)| (*digest.as_bytes(), record)).collect();

    let mut issued = Vec::with_capacity(reported.len());
    let mut found: Vec<Found> = Vec::new();
    let mut position_of: HashMap<Id<Token>, usize> = HashMap::new();
    for (SeenToken { seen, .. }, digests) in reported.into_iter().zip(&digests) {
        let Some(record) = digests.iter().find_map(|digest| known.get(digest.as_bytes())) else {
            issued.push(Issued::Never);
            continue;
        };
        issued.push(Issued::Ever);
        let position = *position_of.entry(record.token).or_insert(found.len());
        if position == found.len() {
            found.push(Found { record: *record, seen: Vec::new() });
        }
        let places = &mut found[position].seen;
        if places.len() < MOST_PLACES && !places.contains(&seen) {
            places.push(seen);
        }
    }
    Ok((issued, found))
}

async fn write_down(
    ctx: &Ctx,
    found: &[Found],
    reporter: Reporter,
    origin: &Origin,
) -> Result<(), AppError> {
    if found.is_empty() {
        return Ok(());
    }
    let now = ctx.clock.now();
    let (retired, live): (Vec<&Found>, Vec<&Found>) =
        found.iter().partition(|found| found.record.retired.is_some());
    let mut ended = Ok(());
    for found in live {
        match end(ctx, found, reporter, origin, now).await {
            Ok(()) => ctx.letters_waiting.notify_one(),
            // One that cannot be ended keeps none of the others alive. Whoever reported hears of the first.
            Err(failure) => {
                let (token, error) = (found.record.token, &failure as &dyn std::error::Error);
                error!(token.id = %token, error, "token {token} was reported and could not be ended");
                ended = ended.and(Err(failure));
            }
        }
    }
    let noted = note_of_retired(ctx, &retired, reporter, origin, now).await;
    // All of them together. What was retired already may have been so only just, by somebody who is still
    // waiting.
    let settled = settle_what_is_there(ctx).await;
    ended.and(noted).and(settled)
}

/// Notes where a token was seen, and ends it if it lives; that no verification accepts it any more is for the
/// caller to wait for, once for all.
async fn end(
    ctx: &Ctx,
    Found { record, seen }: &Found,
    reporter: Reporter,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let (token, owner) = (record.token, record.user);
    let mut tx = ctx.store.begin().await?;
    // The row of the owner comes first, as in every change of his tokens.
    let is_there = users::take(&mut tx, owner).await?;
    let row = tokens::find(&mut tx, token).await?.ok_or(AppError::NotFound("token"))?;
    for seen in seen {
        note(ctx, &mut tx, (token, seen), reporter, origin, now).await?;
    }
    let user = if is_there { users::find(&mut tx, owner).await? } else { None };
    let (Some(user), None) = (user, row.record.retired) else {
        return Ok(tx.commit().await?);
    };
    let (cause, actor) = (RetirementCause::Leaked, Actor::Bearer(token));
    retirement::retire(&mut tx, &[token], cause, actor, SessionsOnReset::End, now).await?;
    // One place is told; all of them stand on the page of his tokens.
    let told = seen.iter().find(|seen| !seen.as_str().is_empty());
    let told = told.map_or("", Sighting::as_str);
    let facts = Facts::default()
        .with("device_type", &row.device_type)
        .with("seen", told)
        .with("reporter", reporter.word())
        .with("source", origin.source)
        .at("at", now);
    outbox::write_notice(ctx, &mut tx, &user, LetterKind::TokenLeaked, facts, now).await?;
    let details = format!(
        "token={token}\nreporter={}\nsource={}\nseen={told}",
        reporter.word(),
        origin.source,
    );
    trail::append(&mut tx, actor, "token.leaked", format!("user:{owner}"), details, now).await?;
    changes::record(&mut tx, Change::TokenRevoked, owner, Some(token.raw()), now).await?;
    commit_one_of_several(ctx, tx).await
}

/// Notes the sightings of tokens that have ended, as far as they are news. Their owners' rows are left
/// alone: nothing of theirs changes, and whoever logs in meanwhile need not begin anew.
async fn note_of_retired(
    ctx: &Ctx,
    retired: &[&Found],
    reporter: Reporter,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let of_token = |found: &&Found| {
        let token = found.record.token;
        found.seen.iter().map(move |seen| (token, seen.clone())).collect::<Vec<_>>()
    };
    let sightings: Vec<(Id<Token>, Sighting)> = retired.iter().flat_map(of_token).collect();
    for some in sightings.chunks(NOTED_AT_ONCE) {
        let some: Vec<(Id<Token>, &Sighting)> =
            some.iter().map(|(token, seen)| (*token, seen)).collect();
        let mut reader = ctx.store.read().await?;
        let news = leaks::news(&mut reader, &some, reporter).await?;
        drop(reader);
        if news.is_empty() {
            continue;
        }
        let mut tx = ctx.store.begin().await?;
        for position in news {
            note(ctx, &mut tx, some[position], reporter, origin, now).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Writes a sighting down, unless it is known, or so many are that one more says nothing.
async fn note(
    ctx: &Ctx,
    tx: &mut Tx,
    (token, seen): (Id<Token>, &Sighting),
    reporter: Reporter,
    origin: &Origin,
    at: Timestamp,
) -> Result<(), AppError> {
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let row = LeakRow { token, seen: seen.clone(), reporter, at };
    leaks::insert_news(tx, id, &row, origin.source).await?;
    Ok(())
}

/// The latest sightings of a user's tokens, the first of them first.
///
/// # Errors
/// The database's.
pub async fn of_user(ctx: &Ctx, user: Id<User>) -> Result<Vec<LeakView>, AppError> {
    let mut reader = ctx.store.read().await?;
    let rows = leaks::of_user(&mut reader, user, MOST_OF_USER).await?;
    let view = |LeakRow { token, seen, reporter, at }| LeakView { token, seen, reporter, at };
    Ok(rows.into_iter().map(view).collect())
}

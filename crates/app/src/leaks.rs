//! Leaks: somebody has found tokens where others can read them, and says so.
//!
//! A token that lives is ended at once, with the sessions that it opened, and its owner is told where it was
//! seen. Whoever holds a token may end it (RFC 7009 §2.1), so a report needs no other right than that; what
//! is reported of a retired token is noted for its owner and no more. What a stranger learns is nothing: his
//! report is looked up in one question whether anything in it is known or not, and the head answers alike.

mod limit;

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
use symbolon_store::leaks::{self, LeakRow, MOST_OF_TOKEN};
use symbolon_store::{Tx, tokens, users};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::{commit, settle_what_is_there};
use crate::{outbox, retirement, trail};

pub use limit::ReportLimit;

/// Sightings that a page shows of one user.
const MOST_OF_USER: i64 = 200;

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

/// Takes a report in: ends what is live, and notes what was seen. Tells of each token, in the order of the
/// report, whether it was ever issued.
///
/// It runs on when whoever reports goes away: half a report taken in would leave live what was found.
///
/// # Errors
/// The database's. What was ended until then stays ended; the same report may come again.
pub async fn report(
    ctx: &Ctx,
    reported: Vec<SeenToken>,
    reporter: Reporter,
    origin: &Origin,
) -> Result<Vec<Issued>, AppError> {
    let (own, origin) = (ctx.clone(), origin.clone());
    let work = tokio::spawn(async move { take_in(&own, &reported, reporter, &origin).await });
    work.await.map_err(|_| AppError::Corrupt("report of leaked tokens"))?
}

async fn take_in(
    ctx: &Ctx,
    reported: &[SeenToken],
    reporter: Reporter,
    origin: &Origin,
) -> Result<Vec<Issued>, AppError> {
    let now = ctx.clock.now();
    let digests_of =
        |seen: &SeenToken| ctx.keys.digests(Purpose::Token, seen.token.reveal().as_bytes());
    let digests: Vec<Vec<Digest>> = reported.iter().map(digests_of).collect();
    let asked: Vec<Digest> = digests.iter().flatten().copied().collect();
    let mut reader = ctx.store.read().await?;
    let known = tokens::find_all(&mut reader, &asked).await?;
    drop(reader);
    let record_of = |digests: &[Digest]| {
        let is_its = |(digest, _): &&(Digest, TokenRecord)| {
            digests.iter().any(|own| own.as_bytes() == digest.as_bytes())
        };
        known.iter().find(is_its).map(|(_, record)| *record)
    };
    let mut issued = Vec::with_capacity(reported.len());
    let mut ended = false;
    for (seen, digests) in reported.iter().zip(&digests) {
        let record = record_of(digests);
        issued.push(if record.is_some() { Issued::Ever } else { Issued::Never });
        if let Some(record) = record {
            let row = LeakRow { token: record.token, seen: seen.seen.clone(), reporter, at: now };
            ended |= end(ctx, record.user, &row, origin).await?;
        }
    }
    if ended {
        ctx.letters_waiting.notify_one();
    }
    // What was retired already may have been so only just, by somebody who is still waiting.
    settle_what_is_there(ctx).await?;
    Ok(issued)
}

/// Notes a sighting, and ends the token if it lives; tells whether it did.
async fn end(
    ctx: &Ctx,
    owner: Id<User>,
    leak: &LeakRow,
    origin: &Origin,
) -> Result<bool, AppError> {
    let mut tx = ctx.store.begin().await?;
    // The row of the owner comes first, as in every change of his tokens.
    let is_there = users::take(&mut tx, owner).await?;
    let row = tokens::find(&mut tx, leak.token).await?.ok_or(AppError::NotFound("token"))?;
    note(ctx, &mut tx, leak, origin).await?;
    let user = if is_there { users::find(&mut tx, owner).await? } else { None };
    let (Some(user), None) = (user, row.record.retired) else {
        tx.commit().await?;
        return Ok(false);
    };
    let now = leak.at;
    let (token, cause) = (leak.token, RetirementCause::Leaked);
    let actor = Actor::Bearer(token);
    retirement::retire(&mut tx, &[token], cause, actor, SessionsOnReset::End, now).await?;
    let facts = Facts::default()
        .with("device_type", &row.device_type)
        .with("seen", &leak.seen)
        .with("reporter", leak.reporter.word())
        .with("source", origin.source)
        .at("at", now);
    outbox::write_notice(ctx, &mut tx, &user, LetterKind::TokenLeaked, facts, now).await?;
    let details = format!(
        "token={token}\nreporter={}\nsource={}\nseen={}",
        leak.reporter.word(),
        origin.source,
        leak.seen
    );
    trail::append(&mut tx, actor, "token.leaked", format!("user:{owner}"), details, now).await?;
    changes::record(&mut tx, Change::TokenRevoked, owner, Some(token.raw()), now).await?;
    commit(ctx, tx).await?;
    Ok(true)
}

/// Writes a sighting down, unless it is known, or so many are that one more says nothing.
async fn note(ctx: &Ctx, tx: &mut Tx, leak: &LeakRow, origin: &Origin) -> Result<(), AppError> {
    let known = leaks::of_token(tx, leak.token).await?;
    let is_full = known.len() >= usize::try_from(MOST_OF_TOKEN).unwrap_or(usize::MAX);
    if is_full || known.iter().any(|one| one.seen == leak.seen) {
        return Ok(());
    }
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    Ok(leaks::insert(tx, id, leak, origin.source).await?)
}

/// The sightings of a user's tokens, the first ones first.
///
/// # Errors
/// The database's.
pub async fn of_user(ctx: &Ctx, user: Id<User>) -> Result<Vec<LeakView>, AppError> {
    let mut reader = ctx.store.read().await?;
    let rows = leaks::of_user(&mut reader, user, MOST_OF_USER).await?;
    let view = |LeakRow { token, seen, reporter, at }| LeakView { token, seen, reporter, at };
    Ok(rows.into_iter().map(view).collect())
}

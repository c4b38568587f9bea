//! Refusals that an owner should read of: a token that is only one half, one that is expired or retired, a
//! credential under another name. Made-up tokens look like retired ones until they are looked up; that is
//! done here, many at a time, and they leave nothing.

use std::collections::HashMap;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::{Ended, Refusal, TokenRecord};
use symbolon_core::names::Source;
use symbolon_core::secret::Digest;
use symbolon_core::verification::CredentialRefusal;
use symbolon_live::{Sort, Subject};
use symbolon_store::{retired_uses, tokens, users};

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::record::{RefusedCredential, record_refused_credential};
use crate::notebook::{Offence, Place, Seen};
use crate::scribe::Told;

/// Refusals that are written into histories in one round; what is beyond them is counted.
const MOST_WRITTEN: usize = 500;

/// Pairs of client and address that are remembered of the uses of a token that has ended between two entries of its
/// history.
const MOST_PAIRS: i64 = 100;
/// The word for the use of a retired token.
const RETIRED: &str = "retired";

type Noted = ((Offence, Place), Seen);

/// Writes down every refusal that is noted and somebody's.
///
/// # Errors
/// The database's; what was not written is noted again.
pub(super) async fn write(ctx: &Ctx, told: &mut Told) -> Result<(), AppError> {
    let mut noted: Vec<Noted> = ctx.notebook.take_refusals();
    let outcome = write_noted(ctx, told, &mut noted).await;
    if outcome.is_err() {
        ctx.notebook.put_back_refusals(noted);
    }
    outcome
}

/// Takes out of `noted` what is done with.
async fn write_noted(ctx: &Ctx, told: &mut Told, noted: &mut Vec<Noted>) -> Result<(), AppError> {
    let known = look_up(ctx, noted).await?;
    let mut written = 0;
    while let Some(((offence, place), seen)) = noted.last() {
        if let Some(mut case) = case_of(offence, &known, seen.last_at) {
            case.look_how_it_ended(ctx, seen.last_at).await?;
            let news = (case.credential, case.kind, Source::new(place.source).counted_as());
            let is_news = told.is_news(&news, seen.last_at);
            if is_news || case.ended.is_some() {
                if written == MOST_WRITTEN {
                    ctx.notebook.count_dropped(noted.len() as u64);
                    noted.clear();
                    return Ok(());
                }
                written += 1;
            }
            if is_news {
                write_one(ctx, &case, place, *seen).await?;
                told.remember(news, seen.last_at);
            } else {
                note_once_more(ctx, &case, place, *seen).await?;
            }
        }
        noted.pop();
    }
    Ok(())
}

/// The tokens among those that were not live.
async fn look_up(ctx: &Ctx, noted: &[Noted]) -> Result<HashMap<[u8; 32], TokenRecord>, AppError> {
    let digests: Vec<Digest> = noted
        .iter()
        .filter_map(|((offence, _), _)| match offence {
            Offence::NotLive(digest) => Some(Digest::from_bytes(*digest)),
            Offence::Known(..) => None,
        })
        .collect();
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let mut reader = ctx.store.read().await?;
    let found = tokens::find_all(&mut reader, &digests).await?;
    Ok(found.into_iter().map(|(digest, record)| (*digest.as_bytes(), record)).collect())
}

/// A refusal that is somebody's.
struct Case {
    owner: Id<User>,
    credential: i64,
    token: Option<Id<Token>>,
    /// The word for the reason, whatever instants it names.
    kind: &'static str,
    reason: String,
    ended: Option<Ended>,
}

impl Case {
    /// Of a token that the view knew still, and knew as too old: nothing but the refusal has come from there.
    async fn look_how_it_ended(&mut self, ctx: &Ctx, at: Timestamp) -> Result<(), AppError> {
        if let Some(token) = self.token.filter(|_| self.kind == CredentialRefusal::Expired.word())
            && self.ended.is_none()
        {
            let mut reader = ctx.store.read().await?;
            let row = tokens::find(&mut reader, token).await?;
            self.ended = row.and_then(|row| row.record.ended_at(at));
        }
        Ok(())
    }
}

fn case_of(
    offence: &Offence,
    known: &HashMap<[u8; 32], TokenRecord>,
    at: Timestamp,
) -> Option<Case> {
    match offence {
        Offence::Known(subject, refusal) => Some(case_of_known(*subject, *refusal)),
        Offence::NotLive(digest) => case_of_token(known.get(digest)?, at),
    }
}

fn case_of_known(subject: Subject, refusal: CredentialRefusal) -> Case {
    Case {
        owner: subject.user,
        credential: subject.credential,
        token: (subject.sort == Sort::Token).then(|| Id::from_raw(subject.credential)),
        kind: refusal.word(),
        reason: refusal.to_string(),
        ended: None,
    }
}

fn case_of_token(record: &TokenRecord, at: Timestamp) -> Option<Case> {
    // Without an end it has been issued since.
    let ended = record.ended_at(at)?;
    let (kind, reason) = match ended {
        Ended::Retired(at, cause) => (RETIRED, Refusal::TokenRetired(at, cause)),
        Ended::Expired(at) => (CredentialRefusal::Expired.word(), Refusal::TokenExpired(at)),
    };
    Some(Case {
        owner: record.user,
        credential: record.token.raw(),
        token: Some(record.token),
        kind,
        reason: reason.to_string(),
        ended: Some(ended),
    })
}

async fn write_one(ctx: &Ctx, case: &Case, place: &Place, seen: Seen) -> Result<(), AppError> {
    let mut reader = ctx.store.read().await?;
    let Some(user) = users::find(&mut reader, case.owner).await? else {
        return Ok(());
    };
    drop(reader);
    let (source, client) = (Source::new(place.source), place.client.clone());
    let origin = Origin { source, client, place: None };
    let refused = RefusedCredential {
        head: place.head,
        token: case.token,
        reason: &case.reason,
        ended: case.ended,
        origin: &origin,
    };
    let mut tx = ctx.store.begin().await?;
    record_refused_credential(ctx, &mut tx, &user, refused, seen.last_at).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// Remembers one more use of a token that has ended, of which its history tells already; its owner is not warned
/// again.
async fn note_once_more(ctx: &Ctx, case: &Case, place: &Place, seen: Seen) -> Result<(), AppError> {
    let (Some(token), Some(_)) = (case.token, case.ended) else {
        return Ok(());
    };
    let source = Source::new(place.source).to_string();
    let pair = (source.as_str(), place.client.as_str());
    let mut tx = ctx.store.begin().await?;
    retired_uses::note_among(&mut tx, token, pair, MOST_PAIRS, seen.last_at).await?;
    commit(ctx, tx).await
}
